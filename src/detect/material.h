/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* material - which moments of an entity's past may be learned from
 *
 *   barred:   maintenance, and what an operator marked as a true anomaly: never;
 *   allowed:  what an operator marked as normal: whatever the bell said;
 *   incident: not from `before` its start to `after` its end. Before, because what came to be an
 *             incident may have begun unheard: a frame is learned from once as much time has passed
 *             after it without an incident (quarantine). After, because rolling windows still hold
 *             some of it.
 * Not all incidents are believed: only the loudest, as many as are credible (detect/credible.h). A
 * model that learned too little of a machine rings for the rest of it again and again, and would
 * never learn what it rings for. Those that an operator confirmed are always believed, and not
 * counted.
 * Times are Unix ms and inclusive. Pure. Thread: its holder's. */
struct material;

struct material_margins {
    int64_t before_ms, after_ms;
    int64_t all_ms; /* before all believed incidents together, and after them, at most: a young
                     * history would be nothing but margins; 0: no such bound */
};

/* What an operator confirmed is as loud as can be. */
#define MATERIAL_CONFIRMED ((double)INFINITY)

enum { MATERIAL_SPANS_MAX = 1 << 16 }; /* of each kind; 1 MB */

MUST_CHECK enum rc material_new(struct material_margins margins, struct material **ret,
                                struct err *err);
void material_free(struct material *m); /* NULL is fine */
static inline void material_freep(struct material **m)
{
    material_free(*m);
}

/* In any order; a span may overlap others. E_NOMEM; E_LIMIT past MATERIAL_SPANS_MAX. */
MUST_CHECK enum rc material_bar(struct material *m, int64_t from_ms, int64_t to_ms,
                                struct err *err);
MUST_CHECK enum rc material_allow(struct material *m, int64_t from_ms, int64_t to_ms,
                                  struct err *err);
/* loudness: its peak over its threshold; not a number counts as MATERIAL_CONFIRMED. */
MUST_CHECK enum rc material_incident(struct material *m, int64_t from_ms, int64_t to_ms,
                                     double loudness, struct err *err);
/* Once all are in, and before the questions below: at most so many incidents are believed, and
 * those that are as loud as the last of them. */
void material_settle(struct material *m, size_t most);

bool material_takes(const struct material *m, int64_t ts_ms);
bool material_believes(const struct material *m, double loudness); /* an incident as loud as this */
size_t material_disbelieved(const struct material *m);             /* how many were too many */

/* The quarantine in force: what is asked for, or a quarter of the history where that is less, so
 * that a young history leaves something to learn from. */
enum { MATERIAL_SHORT = 4 };
int64_t material_quarantine_ms(int64_t first_ms, int64_t now_ms, int64_t quarantine_ms);
