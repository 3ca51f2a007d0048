/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/window.h"

#include <math.h>

#include "base/stats.h"

enum {
    ROWS_MAX = 20000,
    LAG_MIN = 3, /* closer ones are alike in any smooth series */
    LAG_MAX = 400,
    PERIOD_MIN = 6,
    PERIOD_MAX = 303,
    NO_PERIOD = 125,
};

static double product_at(const double *x, size_t n, double mean, size_t lag)
{
    double sum = 0;
    size_t pairs = 0;

    for (size_t i = lag; i < n; i++)
        if (!isnan(x[i]) && !isnan(x[i - lag])) {
            sum += (x[i] - mean) * (x[i - lag] - mean);
            pairs++;
        }
    return pairs ? sum * ((double)(n - lag) / (double)pairs) : 0; /* as if none were missing */
}

size_t window_of(const double *x, size_t n)
{
    double r[LAG_MAX + 1], highest = -HUGE_VAL;
    struct stats_moments m;
    size_t best = 0;

    n = n < ROWS_MAX ? n : ROWS_MAX;
    stats_init(&m);
    for (size_t i = 0; i < n; i++)
        stats_add(&m, x[i]);
    if (n < 2 * LAG_MIN || !(m.max > m.min))
        return NO_PERIOD;
    const size_t lags = n - 1 < LAG_MAX ? n - 1 : LAG_MAX;
    for (size_t lag = LAG_MIN; lag <= lags; lag++)
        r[lag] = product_at(x, n, m.mean, lag);
    for (size_t lag = LAG_MIN + 1; lag < lags; lag++)
        if (r[lag] > r[lag - 1] && r[lag] > r[lag + 1] && r[lag] > highest) {
            highest = r[lag];
            best = lag;
        }
    return best < PERIOD_MIN || best > PERIOD_MAX ? NO_PERIOD : best;
}
