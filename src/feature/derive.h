/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "feature/profile.h"

/* derive - derived features: change(x), per_second(x), mean(x, n), std(x, n), abs(x), arithmetic
 * (+ - * / % ^) and comparisons (1 or 0) over features and numbers, hour(), weekday()
 *
 * change is the difference to the frame before, per_second the same divided by the seconds
 * between the two; mean and std (population) cover the last n frames, present values only; x / y
 * is NaN where y is 0; hour() is 0..23 and weekday() is 0..6 from Monday (as Python and pandas
 * count), local time unless the profile says `timezone: UTC`. A missing operand gives a missing
 * result. A name that is no plain word is written in quotes: 'disk-read' / 2.
 * All is computed in double, from base features in double: a counter of terabytes gives exact
 * speeds although a frame holds float32. The columns of a CSV file are float32 to begin with, so
 * a file should have rates, not counters past 1e9.
 * Thread: its holder's. */
struct deriver;

MUST_CHECK enum rc deriver_new(const struct profile *p, struct deriver **ret, struct err *err);
void deriver_free(struct deriver *d); /* NULL is fine */
static inline void deriver_freep(struct deriver **d)
{
    deriver_free(*d);
}

/* frame[schema->n]: base[profile_base_count] as float32, the derived features behind them; what
 * is not finite there is NaN. */
void deriver_apply(struct deriver *d, int64_t ts_ms, const double *base, float *frame);
void deriver_clear(struct deriver *d);
