/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/credible.h"

#include <math.h>

#include "base/poisson.h"

size_t credible_a_day(double per_week)
{
    const double expected = per_week / 7;
    /* of so many that the law is nearly normal, three standard deviations */
    const double chance =
        expected < 500 ? poisson_most(expected, 0.99) : expected + 3 * sqrt(expected);

    return (size_t)chance + CREDIBLE_TRUE;
}

size_t credible_to_learn(double per_week)
{
    return CREDIBLE_LEARN * credible_a_day(per_week);
}
