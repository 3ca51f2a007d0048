/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

/* daylight - does the day come an hour sooner or later than it was learned?
 *
 * Twice a year people set their clocks, and what they ask of a machine comes an hour sooner or
 * later by its own, which goes on (UTC). A season (feature/season.h) that is off by an hour is off
 * all day, until enough days were learned anew; so it is looked up an hour on or back where the
 * last 24 hours say so. Of feature i in hour h, with S the season's mean over the frames that were
 * looked at in it:
 *   r_ih = (mean of x_i - S_ih) / unit_level_i   what the season does not explain, less its median
 *   d_ih = (S_i,h+1 - S_ih) / unit_level_i       what it would be more an hour sooner (h-1: later),
 *                                                less what of it is constant or of S_i's own shape
 * The least-squares slope b of r on d, over all features and hours, is 1 where the day comes an
 * hour sooner and 0 where it comes as learned, stands at another level, or is higher, lower or not
 * there at all (a holiday), since d has nothing of that. Another hour is taken where b is over 1/2
 * by DAYLIGHT_SURE standard errors for DAYLIGHT_HOURS_SURE hours on end, and given up where it is
 * under 1/2 by as much. The error is that of hours as clusters (Liang & Zeger, Biometrika 73,
 * 1986), since what features do in an hour they do together. Lest one feature speak for the machine
 * (a tall job of the night, a wild value), its r and d are divided by the root mean square of
 * either, where one is over 1. A feature speaks that was there in 20 of the 24 hours.
 *
 * So a day and some hours after clocks were set scores are what they were before; until then they
 * are as without this. What is kept, the means of 24 hours, is of no model: a new one is asked as
 * the hour ends. A frame a minute is looked at; frames over an hour apart say nothing. The first
 * hour, and one after an hour without a frame, do not count. Thread: its holder's. */

/* docs/detection.md has how near chance comes to it. */
#define DAYLIGHT_SURE 4.0

enum { DAYLIGHT_HOURS = 24, DAYLIGHT_HOURS_SURE = 6, DAYLIGHT_STEP_MS = 60 * 1000 };

struct daylight;

/* Of n features. */
MUST_CHECK enum rc daylight_new(size_t n, struct daylight **ret, struct err *err);
void daylight_free(struct daylight *d); /* NULL is fine */

/* The next frame[n] of m, natural units, NaN = missing; m may be another one than before. With the
 * first of an hour the hours before are judged. A time of the hour before is passed over; an
 * earlier one begins anew, and keeps what was chosen. */
void daylight_push(struct daylight *d, const struct model *m, int64_t ts_ms, const float *frame);

/* How much sooner the day comes than it was learned: 0, or an hour more or less. */
int64_t daylight_ms(const struct daylight *d);
