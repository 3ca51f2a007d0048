/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/* marks - what operators said (`tocsin mark`), as the watching and a replay follow it: stretches of
 * maintenance, slow changes that are accepted, and what was a true anomaly or none
 *
 * A value, read from the store as a whole: the storekeeper reads it anew when somebody else wrote
 * to the database, and hands it to the shard. What is to be learned from is another question
 * (daemon/retrain.h). Thread: its holder's. */
struct marks;

enum {
    MARKS_MAX = 4096,                 /* an operator's; more are a fault */
    MARKS_LATE_MS = 24 * 3600 * 1000, /* frames may come late by so much: pushed, or caught up */
};

/* Those whose time reaches from_ms. E_LIMIT past MARKS_MAX; E_IO, E_STATE, E_NOMEM. */
MUST_CHECK enum rc marks_read(const char *database, int64_t from_ms, struct marks **ret,
                              struct err *err);
void marks_free(struct marks *m); /* NULL is fine */
static inline void marks_freep(struct marks **m)
{
    marks_free(*m);
}

/* NULL is fine: nothing was said. */
/* Some of the time from..to of this instance is marked so (inclusive; of an incident, its time when
 * it was marked). */
bool marks_say(const struct marks *m, enum store_mark_kind kind, const char *instance,
               int64_t from_ms, int64_t to_ms);
bool marks_hold(const struct marks *m, const char *instance, int64_t ts_ms); /* maintenance */
/* The slow change of this instance that began then. */
bool marks_accept(const struct marks *m, const char *instance, int64_t start_ms);
