/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "feature/expr_by.h"
#include "feature/profile.h"

/* profile_by - a profile's base features as queries to a Prometheus server, each for all entities
 * at once (expr_by.h). Thread: any. */

/* An entity is gone when its newest sample is older than the window of rates, and than this: one
 * and a half of Prometheus's default scrape interval, where the source's own is shorter. */
enum { PROFILE_AGE_LEAST_MS = 90000 };

struct profile_queries {
    size_t n;            /* profile_base_count */
    char **names;        /* [n] of the features */
    char **promql;       /* [n] */
    char *anchor;        /* a selector that every entity has series of: who is there? */
    char *age;           /* seconds since the newest sample of the anchor, of each entity */
    int64_t age_most_ms; /* past it the entity is gone */
};

/* by is checked here. E_CONFIG names the feature that cannot be asked. The caller owns *ret
 * (profile_queries_done). */
MUST_CHECK enum rc profile_queries(const struct profile *p, const struct expr_by *by,
                                   struct profile_queries *ret, struct err *err);
void profile_queries_done(struct profile_queries *q); /* a zeroed one is fine */
