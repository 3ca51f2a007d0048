/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "data/settings.h"
#include "data/verdict.h"

/* watch - one entity's verdicts to incidents: k of the last n open one, hysteresis closes it
 *
 * Opens when k of the last `of` verdicts are anomalous; it starts at the first of them. Closes
 * when `of` scored verdicts in a row lie under INCIDENT_CLOSE_SHARE of their threshold; it ends at
 * the last verdict that did not, and never before its start or peak (the clock may be set back). A
 * NaN score neither opens nor closes: an entity that falls silent in the middle of an incident has
 * not recovered.
 *
 * Its causes are the features with the largest weights, each where its own was largest, while
 * the verdicts were anomalous (of those that opened it the newest, WATCH_KEPT over either tier):
 * what moved first is still named when what followed it is worse.
 *
 * Two tiers: with `observe`, a share of the threshold, an incident also opens where k of the last
 * `of` are over that share of it, as one that is observed; it closes under the same share of the
 * closing level, and is raised to one that pages when it comes to what would have opened it
 * without. So those that page are the same as without a softer tier, but for their beginning.
 *
 * Held (maintenance), it opens and closes as ever, but what opens is marked so; where it is still
 * open afterwards and confirmed anew, it is raised: maintenance left something behind.
 *
 * Pure: time comes with the verdict. Thread: its holder's. */

enum {
    WATCH_OF_MAX = CONFIRM_OF_MAX, /* the recent verdicts are bits of one word */
    WATCH_KEPT = 8, /* of those over a threshold the newest, with their causes: each is 192 bytes,
                       and a watch is kept for each entity of a fleet */
};

enum watch_event {
    WATCH_QUIET,   /* no incident, or an open one that this verdict adds nothing to */
    WATCH_OPENED,  /* *ret is the new incident */
    WATCH_UPDATED, /* a new peak */
    WATCH_RAISED,  /* an open one that nobody was paged for became one to page for */
    WATCH_CLOSED,  /* *ret has its end */
};

struct watch {
    struct confirm_spec confirm;
    float observe;   /* share of the threshold; 0: one tier */
    uint64_t low;    /* as `recent`, over that share */
    uint64_t recent; /* bit 0: the newest verdict was anomalous */
    struct watch_past {
        int64_t ts_ms;
        float score, threshold;
    } past[WATCH_OF_MAX];            /* the last verdicts, newest at `head` */
    struct verdict kept[WATCH_KEPT]; /* those with a bit in recent or low, newest at `kept_head` */
    uint32_t head, kept_head;
    uint32_t calm; /* verdicts in a row under the closing level */
    bool open;
    bool held;                /* in maintenance */
    struct incident incident; /* valid while open */
    float rest; /* the largest weight that features not named by a verdict had together */
    int64_t last_high_ms;
};

/* k and of are within 1 <= k <= of <= WATCH_OF_MAX. */
void watch_init(struct watch *w, struct confirm_spec confirm);

/* New numbers for confirmation; an open incident stays open. */
void watch_confirm(struct watch *w, struct confirm_spec confirm);

enum watch_event watch_push(struct watch *w, const struct verdict *v, struct incident *ret);

/* The softer tier's threshold as a share of the other, 0 to 1; 0: none. */
void watch_observe(struct watch *w, float share);

/* What comes is of maintenance, or no longer: nothing is confirmed across either end of it. */
void watch_hold(struct watch *w, bool held);

/* This incident is one that somebody is paged for, */
static inline bool incident_pages(const struct incident *in)
{
    return !in->maintenance && in->tier == INCIDENT_PAGE;
}
/* and became so with this event. */
static inline bool watch_pages(enum watch_event event, const struct incident *in)
{
    return event == WATCH_RAISED || (event == WATCH_OPENED && incident_pages(in));
}

/* After a gap, what was seen before it confirms nothing; an open incident stays open. */
void watch_gap(struct watch *w);

/* The watching ends (the daemon stops): an open incident is closed at its last high verdict. */
enum watch_event watch_end(struct watch *w, struct incident *ret);
