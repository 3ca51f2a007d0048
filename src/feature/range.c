/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/range.h"

#include <math.h>

#include "data/series.h"

struct extent {
    uint64_t n;
    int64_t first_ms, last_ms;
    double first, last;
    double resets; /* what the counter had reached at each of its resets, added up */
};

static struct extent measure(const struct range_window *w)
{
    struct extent x = {0};

    for (uint64_t t = w->first; t < w->end; t++) {
        const double v = w->v[t & w->v_mask];
        if (series_is_stale(v))
            continue;
        if (x.n++ == 0) {
            x.first_ms = w->ts[t & w->ts_mask];
            x.first = v;
        } else if (v < x.last) {
            x.resets += x.last;
        }
        x.last = v;
        x.last_ms = w->ts[t & w->ts_mask];
    }
    return x;
}

/* The increase between the first and the last sample, stretched to the window's ends where samples
 * come near them (within 110 % of their mean distance), else by half that distance. A counter
 * is not extrapolated to below zero. */
static bool extrapolated(const struct range_window *w, bool is_counter, bool is_rate, double *ret)
{
    const struct extent x = measure(w);

    if (x.n < 2)
        return false;
    double result = x.last - x.first;
    if (is_counter)
        result += x.resets;

    double to_start = (double)(x.first_ms - w->start_ms) / 1000;
    const double to_end = (double)(w->end_ms - x.last_ms) / 1000;
    const double sampled = (double)(x.last_ms - x.first_ms) / 1000;
    const double mean_distance = sampled / (double)(x.n - 1);

    if (is_counter && result > 0 && x.first >= 0) {
        const double to_zero = sampled * (x.first / result);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    const double near = mean_distance * 1.1;
    double extended = sampled;
    extended += to_start < near ? to_start : mean_distance / 2;
    extended += to_end < near ? to_end : mean_distance / 2;
    double factor = extended / sampled;
    if (is_rate)
        factor /= (double)(w->end_ms - w->start_ms) / 1000;
    *ret = result * factor;
    return true;
}

/* The change between the last two samples. */
static bool instant(const struct range_window *w, bool is_rate, double *ret)
{
    double v[2] = {0};
    int64_t ms[2] = {0};
    int n = 0;

    for (uint64_t t = w->end; t-- > w->first && n < 2;) {
        const double value = w->v[t & w->v_mask];
        if (series_is_stale(value))
            continue;
        v[n] = value;
        ms[n++] = w->ts[t & w->ts_mask];
    }
    if (n < 2)
        return false;
    /* after a reset the counter started from zero */
    *ret = is_rate && v[0] < v[1] ? v[0] : v[0] - v[1];
    if (is_rate)
        *ret /= (double)(ms[0] - ms[1]) / 1000;
    return true;
}

static bool over_time(enum range_fn fn, const struct range_window *w, double *ret)
{
    double sum = 0, min = (double)NAN, max = (double)NAN, last = (double)NAN;
    uint64_t n = 0;

    for (uint64_t t = w->first; t < w->end; t++) {
        const double v = w->v[t & w->v_mask];
        if (series_is_stale(v))
            continue;
        n++;
        sum += v;
        if (v < min || isnan(min))
            min = v;
        if (v > max || isnan(max))
            max = v;
        last = v;
    }
    *ret = fn == RANGE_AVG     ? sum / (double)n
           : fn == RANGE_MIN   ? min
           : fn == RANGE_MAX   ? max
           : fn == RANGE_SUM   ? sum
           : fn == RANGE_COUNT ? (double)n
                               : last;
    return n > 0;
}

bool range_apply(enum range_fn fn, const struct range_window *w, double *ret)
{
    switch (fn) {
    case RANGE_RATE:
        return extrapolated(w, true, true, ret);
    case RANGE_INCREASE:
        return extrapolated(w, true, false, ret);
    case RANGE_DELTA:
        return extrapolated(w, false, false, ret);
    case RANGE_IRATE:
        return instant(w, true, ret);
    case RANGE_IDELTA:
        return instant(w, false, ret);
    case RANGE_AVG:
    case RANGE_MIN:
    case RANGE_MAX:
    case RANGE_SUM:
    case RANGE_COUNT:
    case RANGE_LAST:
        break;
    }
    return over_time(fn, w, ret);
}
