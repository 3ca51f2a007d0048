/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"
#include "model/model.h"

/* promotion - may a candidate take the live model's place? Both hear the same past, side by side
 *
 * A rehearsal runs two bells (scorer and watch) over frames of stored incidents and of quiet
 * stretches, and counts. promotion_judge decides by the counts alone:
 *   incidents: of those that the live model rings for, the candidate rings for all that an operator
 *     confirmed, and for all but one in PROMOTION_MISSED of the others: these may be false alarms,
 *     and a model that has learned more of what is normal should be allowed to know it.
 *   quiet: it opens at most PROMOTION_OPENED for each entity more than the live model, and rings
 *     for at most PROMOTION_RINGING of the frames more. Not for none more: what the live model rang
 *     for itself is no quiet material, so that its own false alarms are not counted. The second
 *     bound is there because one incident may never end.
 *
 * Pure: frames in, counts out. Thread: its holder's. */

enum { PROMOTION_MISSED = 10, PROMOTION_OPENED = 1, PROMOTION_REASON_MAX = 320 };
#define PROMOTION_RINGING 0.005

struct promotion_figures {
    uint32_t entities;                    /* whose pasts these are the counts of; 0: one */
    uint32_t confirmed, confirmed_missed; /* incidents that the live model rings for; of them, that
                                           * the candidate does not */
    uint32_t unmarked, unmarked_missed;
    uint32_t unheard;        /* incidents that the live model does not ring for, */
    uint32_t unheard_gained; /* and the candidate does */
    uint64_t quiet_frames;
    uint32_t live_opened, candidate_opened; /* in them */
    uint64_t live_ringing, candidate_ringing;
};

struct rehearsal;

/* Takes references. E_NOMEM. */
MUST_CHECK enum rc rehearsal_new(struct model *live, struct model *candidate,
                                 struct confirm_spec confirm, struct rehearsal **ret,
                                 struct err *err);
void rehearsal_free(struct rehearsal *r); /* NULL is fine */
static inline void rehearsal_freep(struct rehearsal **r)
{
    rehearsal_free(*r);
}

/* What is pushed from here on is quiet. Also after a gap: the windows are forgotten. */
void rehearsal_quiet(struct rehearsal *r);
/* What is pushed from here on is an incident's: some frames before it, for the windows, then those
 * from start_ms on. Without one of the latter it does not count. */
void rehearsal_incident(struct rehearsal *r, int64_t start_ms, bool confirmed);
void rehearsal_push(struct rehearsal *r, int64_t ts_ms, const float *frame);
/* Ends what is open. */
void rehearsal_figures(struct rehearsal *r, struct promotion_figures *ret);

/* True: may go live. A sentence either way. */
bool promotion_judge(const struct promotion_figures *f, char ret_reason[PROMOTION_REASON_MAX]);
