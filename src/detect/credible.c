/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/credible.h"

#include <math.h>

#include "base/poisson.h"

size_t credible_incidents(int64_t history_ms, double per_week)
{
    const double days = history_ms > 0 ? (double)history_ms / 86400e3 : 0;
    const double expected = per_week * days / 7;
    /* of so many that the law is nearly normal, three standard deviations */
    const double chance =
        expected < 500 ? poisson_most(expected, 0.99) : expected + 3 * sqrt(expected);
    const double n = chance + fmax(CREDIBLE_LEAST, floor(CREDIBLE_A_DAY * days));

    return (size_t)fmin(n, CREDIBLE_MOST);
}
