/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* material - which moments of an entity's past may be learned from
 *
 * - Barred: maintenance, and what an operator marked as a true anomaly. Never.
 * - Allowed: what an operator marked as normal. Whatever the bell said.
 * - Confirmed: incidents that an operator spoke of, those of maintenance, and those that are open.
 *   Not from `before` their start to `after` their end. Before, because what came to be an incident
 *   may have begun unheard: a frame is learned from once as much time has passed after it without
 *   one (quarantine). After, because rolling windows still hold some of it.
 * - Other incidents: the same, where they are believed. On a day with more of them than are
 *   credible (detect/credible.h) only the loudest are, so many: a model that learned too little of
 *   a machine rings for the rest of it again and again, and would never learn what it rings for.
 *
 * Times are Unix ms and inclusive; a day is one of UTC, by the incident's start. Pure. Thread: its
 * holder's. */
struct material;

struct material_margins {
    int64_t before_ms, after_ms;
    /* Before all other incidents that are believed, together at most: a young history would be
     * nothing but margins. 0: no such bound. */
    int64_t before_all_ms;
};

MUST_CHECK enum rc material_new(struct material_margins margins, struct material **ret,
                                struct err *err);
void material_free(struct material *m); /* NULL is fine */
static inline void material_freep(struct material **m)
{
    material_free(*m);
}

enum { MATERIAL_SPANS_MAX = 1 << 16 }; /* barred, allowed, or refused; 3 MB at most */

/* In any order; a span may overlap others. E_NOMEM; E_LIMIT past MATERIAL_SPANS_MAX. */
MUST_CHECK enum rc material_bar(struct material *m, int64_t from_ms, int64_t to_ms,
                                struct err *err);
MUST_CHECK enum rc material_allow(struct material *m, int64_t from_ms, int64_t to_ms,
                                  struct err *err);
MUST_CHECK enum rc material_confirm(struct material *m, int64_t from_ms, int64_t to_ms,
                                    struct err *err);
/* How loud an incident was: its peak in thresholds; 0 where the threshold was 0, for everything
 * rang then. */
static inline float material_loudness(float peak_score, float threshold)
{
    return threshold > 0 ? peak_score / threshold : 0;
}

/* loudness: as above; NaN is 0. */
MUST_CHECK enum rc material_incident(struct material *m, int64_t from_ms, int64_t to_ms,
                                     float loudness, struct err *err);
/* Once all are in, and before the questions below. a_day: so many incidents are credible. E_NOMEM,
 * E_LIMIT. */
MUST_CHECK enum rc material_settle(struct material *m, size_t a_day, struct err *err);

bool material_takes(const struct material *m, int64_t ts_ms);
/* An incident of a day with more than are credible: most of them are false, and nobody knows which.
 */
bool material_doubts(const struct material *m, int64_t start_ms);
size_t material_disbelieved(const struct material *m); /* incidents that are learned from */

/* The quarantine in force: what is asked for, or a quarter of the history where that is less, so
 * that a young history leaves something to learn from. */
enum { MATERIAL_SHORT = 4 };
int64_t material_quarantine_ms(int64_t first_ms, int64_t now_ms, int64_t quarantine_ms);
