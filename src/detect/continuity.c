/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/continuity.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

/* A tick that comes this many intervals after the last one left a hole that matters: rates over
 * the usual window of a few intervals would rest on a sample or two. */
#define CONTINUITY_LATE 3

/* Less than this between the clocks is slewing (NTP, adjtime(3): 0.5 ms a second) and scheduling.
 */
enum { CLOCK_SLACK_MS = 500 };

void continuity_init(struct continuity *c, int64_t interval_ms)
{
    *c = (struct continuity){.interval_ms = interval_ms};
}

enum continuity_kind continuity_push(struct continuity *c, const struct continuity_clocks *now,
                                     int64_t *ret_ms)
{
    const struct continuity_clocks last = c->last;
    const int seen = c->seen;

    c->last = *now;
    c->seen = 1;
    *ret_ms = 0;
    if (!seen)
        return CONTINUITY_OK;

    const int64_t wall = now->wall_ms - last.wall_ms;
    const int64_t mono = now->mono_ms - last.mono_ms;
    const int64_t boot = now->boot_ms - last.boot_ms;
    if (boot - mono > CLOCK_SLACK_MS) {
        *ret_ms = boot - mono;
        return CONTINUITY_SUSPENDED;
    }
    if (wall == 0 && boot > 0) {
        *ret_ms = boot;
        return CONTINUITY_CLOCK_STOPPED;
    }
    if (llabs(wall - boot) > CLOCK_SLACK_MS) {
        *ret_ms = wall - boot;
        return CONTINUITY_CLOCK_JUMP;
    }
    if (mono >= CONTINUITY_LATE * c->interval_ms) {
        *ret_ms = mono;
        return CONTINUITY_GAP;
    }
    return CONTINUITY_OK;
}

bool continuity_is_hole(int64_t span_ms, int64_t interval_ms, int64_t window_ms)
{
    return span_ms <= 0 || (span_ms >= CONTINUITY_LATE * interval_ms && span_ms > window_ms);
}

void continuity_describe(enum continuity_kind kind, int64_t ms, char out[CONTINUITY_TEXT_MAX])
{
    char span[STR_DURATION_MAX];

    str_from_duration_ms(llabs(ms), span);
    switch (kind) {
    case CONTINUITY_OK:
        out[0] = '\0';
        break;
    case CONTINUITY_GAP:
        snprintf(out, CONTINUITY_TEXT_MAX, "no samples for %s", span);
        break;
    case CONTINUITY_SUSPENDED:
        snprintf(out, CONTINUITY_TEXT_MAX, "the machine slept for %s", span);
        break;
    case CONTINUITY_CLOCK_JUMP:
        snprintf(out, CONTINUITY_TEXT_MAX, "the clock jumped %s by %s", ms < 0 ? "back" : "forward",
                 span);
        break;
    case CONTINUITY_REBOOTED:
        snprintf(out, CONTINUITY_TEXT_MAX, "the machine was rebooted: its counters began anew");
        break;
    case CONTINUITY_CLOCK_STOPPED:
        snprintf(out, CONTINUITY_TEXT_MAX, "the clock stood still for %s", span);
        break;
    }
}
