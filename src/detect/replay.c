/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/replay.h"

#include <math.h>
#include <string.h>

#include "detect/continuity.h"

void replay_init(struct replay *r, struct confirm_spec confirm, int64_t interval_ms,
                 int64_t window_ms)
{
    memset(r, 0, sizeof *r);
    line_init(&r->line, confirm, interval_ms);
    r->interval_ms = interval_ms;
    r->window_ms = window_ms;
}

void replay_done(struct replay *r)
{
    line_done(&r->line);
}

void replay_hold(struct replay *r, bool held)
{
    line_hold(&r->line, held);
}

void replay_push(struct replay *r, int64_t ts_ms, const float *frame, struct replay_step *ret)
{
    const int64_t span_ms = ts_ms - r->last_ms;

    ret->hole = r->frames > 0 && continuity_is_hole(span_ms, r->interval_ms, r->window_ms);
    r->holes += ret->hole;
    line_push(&r->line, ts_ms, frame, &ret->line);
    const bool scored = !isnan(ret->line.verdict.score);
    const bool held = r->line.watch.held;
    ret->watched_ms = !scored || held ? 0 : ret->hole || r->frames == 0 ? r->interval_ms : span_ms;
    r->last_ms = ts_ms;
    r->frames++;
    r->unscored += !scored;
    r->held += held;
    r->anomalous += ret->line.verdict.anomalous;
    r->watched_ms += ret->watched_ms;
}
