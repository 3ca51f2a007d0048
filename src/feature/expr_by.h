/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "feature/plan.h"

/* expr_by - an expression asked of a Prometheus server for all entities in one query
 *
 * `sum(rate(x[1m])) / count(y)` becomes
 * `(sum by (instance) (rate(x[1m])) / count by (instance) (y))`: for each value of the label the
 * answer has what the expression would give on that entity's series alone, taken without the label.
 * So aggregations and on (...) keep the label, without (...) and ignoring (...) do not drop it.
 * What has no series of its own (vector(), a scalar as the whole) is given to each entity that has
 * an element of the expression's selectors or of the anchor; where neither has one there is no
 * value. scalar() is refused: a server gives one for all. More than one element an entity is for
 * the reader of the answer to drop, as evaluator.h does. Thread: any. */

enum { EXPR_BY_MAX = 1 << 18 }; /* bytes of a text: Prometheus has no limit, HTTP servers 1 MiB+ */

struct expr_by {
    const char *label; /* "instance" */
    const char *match; /* put into every selector: job="node", or NULL */
};

/* Whether label is a label's name and match are matchers and nothing else. E_CONFIG. */
MUST_CHECK enum rc expr_by_check(const struct expr_by *by, struct err *err);

/* The node that selects series and comes first below root; false where there is none. */
bool expr_by_leaf(const struct plan *plan, uint32_t root, uint32_t *ret);

/* Adds the text of root to out (of a limit of EXPR_BY_MAX or less). by: checked. anchor: a leaf, or
 * UINT32_MAX. E_CONFIG says what cannot be asked; E_LIMIT. */
MUST_CHECK enum rc expr_by_print(const struct plan *plan, uint32_t root, uint32_t anchor,
                                 const struct expr_by *by, struct buf *out, struct err *err);
/* The selector of a leaf alone, without a range: name{...}. */
void expr_by_print_selector(const struct plan *plan, uint32_t leaf, const struct expr_by *by,
                            struct buf *out);

/* The same from the expression's text; E_PARSE as expr_compile. */
MUST_CHECK enum rc expr_print_by(struct str text, int64_t rate_interval_ms,
                                 const struct expr_by *by, struct buf *out, struct err *err);

/* match and label="value", as a match again. */
void expr_by_narrow(const char *match, const char *label, const char *value, struct buf *out);
