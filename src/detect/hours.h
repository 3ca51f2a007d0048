/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* hours - samples of any interval to one robust level an hour, for tests that look at days
 *
 * An hour (of Unix time) has twelve slots of five minutes. A slot's value is the mean of the
 * finite samples in it; the hour's level is the median of its slots, so that a burst of under half
 * an hour does not move it, and a sample each second or each five minutes give the same kind of
 * number. An hour with fewer than HOURS_SLOTS_MIN filled slots has no level (NaN): four, so that
 * samples 15 minutes apart still fill one.
 * Bounded memory (60 bytes a value), causal: an hour's levels are there once a sample of a later
 * hour has come. Pure. Thread: its holder's. */

enum { HOURS_SLOTS = 12, HOURS_SLOTS_MIN = 4, HOURS_MS = 3600 * 1000 };

struct hours;

MUST_CHECK enum rc hours_new(size_t n, struct hours **ret, struct err *err);
void hours_free(struct hours *h); /* NULL is fine */
static inline void hours_freep(struct hours **h)
{
    hours_free(*h);
}
size_t hours_bytes(size_t n);

/* The hour that ts_ms lies in, counted from the epoch; also of times before it. */
int64_t hours_of(int64_t ts_ms);

/* x[n], NaN = missing. True when this sample is of another hour than the last one: then
 * *ret_hour is the hour that ended and hours_levels its levels, until the next call. A clock set
 * back ends an hour too; *ret_hour then may come again. */
bool hours_push(struct hours *h, int64_t ts_ms, const float *x, int64_t *ret_hour);
const float *hours_levels(const struct hours *h); /* [n] */

/* The median of v's n finite values (n <= 24 in use here), NaN for none; reorders v. */
float hours_median(float *v, size_t n);
