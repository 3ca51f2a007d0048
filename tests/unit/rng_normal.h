/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>

#include "base/rng.h"

/* rng_normal - noise for tests; not in base/rng.h, for log and cos differ between C libraries */

/* Mean 0, deviation 1 (Box-Muller, one of the pair). */
static inline double rng_normal(struct rng *r)
{
    const double u = ((double)(rng_u64(r) >> 11) + 1) * 0x1p-53; /* (0, 1]: log is finite */
    const double v = (double)(rng_u64(r) >> 11) * 0x1p-53;

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}
