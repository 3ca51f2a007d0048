/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "feature/plan.h"

/* range - functions over the samples of one series in a window of time
 *
 * The window is closed at both ends, [start_ms, end_ms], and extrapolation is that of Prometheus
 * 2.x, whose answers the integration test compares with ours. Prometheus 3 leaves the sample at
 * start_ms out; results differ only when a sample lies exactly there.
 * Samples live in rings: tick t is at ts[t & ts_mask] and v[t & v_mask]. Stale ones are skipped.
 * Source: prometheus/prometheus v2.42, promql/functions.go: extrapolatedRate, instantValue and
 *         the _over_time family.
 * Pure; any thread. */
struct range_window {
    const int64_t *ts;
    const double *v;
    uint64_t ts_mask, v_mask;
    uint64_t first, end; /* ticks [first, end) lie in [start_ms, end_ms] */
    int64_t start_ms, end_ms;
};

/* False when the window holds too few samples for a value: the element is absent. */
bool range_apply(enum range_fn fn, const struct range_window *w, double *ret);
