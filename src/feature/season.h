/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"

/* season - what the time of day alone tells about each feature: its usual distance from its mean
 *
 * A day (UTC) has at most SEASON_SLOTS slots. A feature's mean in a slot, less what that day as a
 * whole is over others (by least squares: a day may lack hours), is averaged over the days,
 * smoothed over the neighbouring slots, and shrunk towards nothing by how much of it is chance:
 * with B the variance of the slots' averages and V that of one day's slot about its average, D
 * days, the share kept is 1 - (V / D) / B, 0 at least (the positive-part estimator of James &
 * Stein, Proc. 4th Berkeley Symposium, 1961, in the form of Efron & Morris, JASA 70, 1975). So a
 * feature without a daily rhythm has no season, and a short history a small one; under two days
 * there is none. A slot's value stands at the mean place of rows in a slot, which is its middle
 * where there are many and its beginning for what comes on the hour; between two it is linear.
 *
 * Units are the feature's own. NaN in the rows is skipped. Thread: immutable once fitted. */

enum {
    SEASON_SLOTS = 96,     /* quarters of an hour: what people and cron jobs keep to */
    SEASON_DAYS_MAX = 400, /* the newest days that have rows; older ones are of another machine */
};

struct season {
    size_t slots, n; /* slots is 0 when there is no season: then offset is NULL */
    float place;     /* where in a slot its value stands, 0..1 */
    float *offset;   /* [slots][n] */
};

/* From X[rows][n] with ts_ms[rows] (Unix ms) in the order of days, interval_ms apart as a rule.
 * Features that are weightless in the schema have no season. E_NOMEM. */
MUST_CHECK enum rc season_fit(const int64_t *ts_ms, const float *X, size_t rows,
                              const struct schema *schema, int64_t interval_ms, struct season *ret,
                              struct err *err);
void season_done(struct season *s);

/* A time whose season is that of ts_ms where the day comes so much sooner than it was learned. */
int64_t season_time(int64_t ts_ms, int64_t sooner_ms);
/* ret[n] = x[n] less the season at ts_ms; ret may be x. NaN stays NaN. */
void season_subtract(const struct season *s, int64_t ts_ms, const float *x, float *ret);
/* The season of feature i at ts_ms: what season_subtract took. */
float season_at(const struct season *s, int64_t ts_ms, size_t i);
