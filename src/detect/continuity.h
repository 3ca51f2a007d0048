/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* continuity - is this tick the one after the last, or did the clock or the machine skip?
 *
 * A clock that jumps, a machine that slept, a collector that came late: each makes rates and
 * windows wrong for a while and is no anomaly of the metrics. Told apart by three clocks:
 * wall time, CLOCK_MONOTONIC (stands still while suspended) and CLOCK_BOOTTIME (goes on).
 * Pure. Thread: its holder's. Source: clock_gettime(2). */

enum continuity_kind {
    CONTINUITY_OK,
    CONTINUITY_GAP,           /* more than CONTINUITY_LATE intervals since the last tick */
    CONTINUITY_SUSPENDED,     /* the machine slept */
    CONTINUITY_CLOCK_JUMP,    /* wall time was set, forward or back */
    CONTINUITY_CLOCK_STOPPED, /* wall time stands still while the machine runs */
    CONTINUITY_REBOOTED,      /* its counters began anew (feature/evaluator.h); no clock tells */
};

struct continuity_clocks {
    int64_t wall_ms, mono_ms, boot_ms;
};

struct continuity {
    struct continuity_clocks last;
    int64_t interval_ms;
    int seen;
};

void continuity_init(struct continuity *c, int64_t interval_ms);

/* *ret_ms: how long it slept or was late, or by how much the clock jumped (negative: back). */
enum continuity_kind continuity_push(struct continuity *c, const struct continuity_clocks *now,
                                     int64_t *ret_ms);

/* The same from the times of kept frames alone, span_ms from one to the next: did windows start
 * afresh between the two? After a jump or a restart no frame is kept until the longest window has
 * filled again (window_ms; 0 when there is none, as in a file), so a lesser hole is a late tick or
 * a lost row. */
bool continuity_is_hole(int64_t span_ms, int64_t interval_ms, int64_t window_ms);

enum { CONTINUITY_TEXT_MAX = 96 };
/* "the clock jumped back by 1h", "the machine slept for 3m". */
void continuity_describe(enum continuity_kind kind, int64_t ms, char out[CONTINUITY_TEXT_MAX]);
