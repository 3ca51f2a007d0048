/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/series.h"
#include "source/exposition.h"
#include "source/exposition_lex.h"
#include "source/exposition_lines.h" /* EXPO_UNWANTED */

/* exposition_series - from a key in a body to the number of its series
 *
 * Private to exposition*.c. Escapes are turned back, the target's labels are put in as Prometheus
 * does (scrape.go, mutateSampleLabels), and the rules say whether it is wanted. */

struct expo_scratch { /* room for texts that no body has; zeroed at first */
    char *p;
    size_t n, capacity;
};

void expo_scratch_done(struct expo_scratch *s);

/* The number of the key's series in set, or EXPO_UNWANTED, or EXPO_OVER: it has more labels or
 * bytes than SERIES_LABELS_MAX, SERIES_TEXT_MAX. E_PARSE when a label comes twice (without a place:
 * the caller knows it); E_LIMIT when the set is full; E_NOMEM. */
MUST_CHECK enum rc expo_series(const struct expo_key *key, const struct exposition_rules *rules,
                               enum metric_type type, struct series_set *set,
                               struct expo_scratch *scratch, uint32_t *ret_id, struct err *err);
