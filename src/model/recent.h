/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/filler.h"

/* recent - each feature's last three values that came, and their median
 *
 * The median of three, not the mean: one wild value is then a change when it comes and none when
 * it goes. What is missing leaves the three as they are, for at most FILL_TICKS frames on end;
 * then they are forgotten, as the filler's last value is: so no more than RECENT_FRAMES frames are
 * looked back on, whatever was missing. Thread: its holder's. */
struct recent {
    size_t n;
    float *newest, *middle, *oldest; /* [n] each, one block */
    uint8_t *held;                   /* [n] how many of them are values, 0 to 3 */
    uint8_t *missed;                 /* [n] frames on end without the feature, up to now */
};

enum { RECENT_VALUES = 3, RECENT_FRAMES = RECENT_VALUES * (FILL_TICKS + 1) };

MUST_CHECK enum rc recent_init(struct recent *r, size_t n, struct err *err);
void recent_done(struct recent *r);
void recent_clear(struct recent *r);
/* Take in x[i] where present[i]. */
void recent_push(struct recent *r, const float *x, const uint8_t *present);

static inline float recent_median(const struct recent *r, size_t i)
{
    const float a = r->newest[i], b = r->middle[i], c = r->oldest[i];
    const float low = a < b ? a : b, high = a < b ? b : a;
    const float capped = high < c ? high : c;
    return low > capped ? low : capped;
}

/* x[i] less the median; 0 until three values came. */
static inline float recent_change(const struct recent *r, size_t i, float x)
{
    return r->held[i] == RECENT_VALUES ? x - recent_median(r, i) : 0;
}
