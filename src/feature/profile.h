/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/schema.h"
#include "data/series.h"

/* profile - a named feature set: base features are expressions over series (a subset of PromQL,
 * feature/expr.h), derived features are expressions over features (feature/derive.h)
 *
 *   name: node
 *   timezone: local                # of hour() and weekday(); or UTC
 *   features: [{name: forks, expr: 'rate(node_forks_total[$__rate_interval])', unit: ops/s,
 *               group: processes, resolution: 50, help: processes and threads made}]
 *   derive:   [{name: forks_change, expr: change(forks), resolution: 50}]
 *
 * `[$__rate_interval]` in an expression stands for the window that fits the source's interval,
 * as in Grafana: four intervals, no less than 5 s. Built-in profiles are compiled
 * into the binary: node, classic.
 * Thread: immutable once loaded, so any thread may read it; evaluators hold state, not it. */

enum { PROFILE_BYTES_MAX = 1 << 18 };

struct profile;

/* interval_ms: how far samples lie apart; a profile whose ranges could not be kept then is refused.
 * name: a built-in ("node", "classic") or the path of a YAML file (has a '/' or ends in .yml or
 * .yaml). E_IO, E_CONFIG with FILE:LINE:COLUMN, E_LIMIT, E_NOMEM. The caller owns *ret. */
MUST_CHECK enum rc profile_load(const char *name, int64_t interval_ms, struct profile **ret,
                                struct err *err);
MUST_CHECK enum rc profile_parse(struct str text, const char *file, int64_t interval_ms,
                                 struct profile **ret, struct err *err);
void profile_free(struct profile *p); /* NULL is fine */
static inline void profile_freep(struct profile **p)
{
    profile_free(*p);
}

const char *profile_name(const struct profile *p);
/* Base features first, in the profile's order, then the derived ones. */
const struct schema *profile_schema(const struct profile *p);
size_t profile_base_count(const struct profile *p);
/* The expression of base feature i with $__rate_interval filled in: a Prometheus server takes it
 * as it stands. */
const char *profile_promql(const struct profile *p, size_t i);
/* Whether some expression selects this series. Its labels may be in any order. */
bool profile_wants(const struct profile *p, const struct series *s);
int64_t profile_interval_ms(const struct profile *p); /* that it was loaded for */
int64_t profile_window_ms(const struct profile *p);   /* the longest range: warm-up after a gap */
