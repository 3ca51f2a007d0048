/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "detect/line.h"

/* replay - kept frames through a line as if they came live
 *
 * A frame of the store says nothing of clocks: that the clock jumped or the machine slept is told
 * from the times alone, after which the line forgets as it does live (departure_is_gap). Watched is
 * what a rate is a rate of: the time between frames that were scored, without holes
 * (continuity_is_hole) and without what is held (maintenance). Pure. Thread: its holder's. */

struct replay {
    struct line line;
    int64_t interval_ms, window_ms; /* of continuity_is_hole */
    int64_t last_ms;                /* of the last frame, when frames > 0 */
    uint64_t frames, unscored, anomalous, holes, held;
    int64_t watched_ms;
};

struct replay_step {
    struct line_step line;
    bool hole;          /* before this frame */
    int64_t watched_ms; /* that this frame added */
};

void replay_init(struct replay *r, struct confirm_spec confirm, int64_t interval_ms,
                 int64_t window_ms);
void replay_done(struct replay *r);

/* The next frames are of a maintenance, or no longer. */
void replay_hold(struct replay *r, bool held);
/* The next frame; r->line has a model. Times rise (one that does not counts as a hole). */
void replay_push(struct replay *r, int64_t ts_ms, const float *frame, struct replay_step *ret);
