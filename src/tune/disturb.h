/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"

/* disturb - known disturbances in a copy of ordinary rows, so that detection can be measured
 * without labels
 *
 * Each disturbance is a stretch of rows and some features in it, at a seeded place:
 *   shift   the values stand higher or lower by the size
 *   spike   the same for 1 to 3 rows
 *   drift   a straight line from the true value to one off by the size
 *   swap    the feature's stretch from another time: each value is usual, together they are not
 *   burst   noise of that deviation on top
 *   stuck   the value of the stretch's first row all along
 *   joint   all features stand off by what they differ in between two other times, so scaled that
 *           the root mean square over the features that differ is the size: a change of the usual
 *           kind from an unusual place, as when a fault moves the whole machine
 * They are the point, context and collective anomalies and the sensor faults that surveys name
 * (Chandola, Banerjee & Kumar, ACM Computing Surveys 41, 2009; Sharma, Golubchik & Govindan, ACM
 * Transactions on Sensor Networks 6, 2010). A size is in units of the feature's own spread: no
 * feature's unit matters, and one that never moved is never disturbed. swap and stuck have none.
 * A missing value stays missing. Thread: pure. */

enum disturb_kind {
    DISTURB_SHIFT,
    DISTURB_SPIKE,
    DISTURB_DRIFT,
    DISTURB_SWAP,
    DISTURB_BURST,
    DISTURB_STUCK,
    DISTURB_APART, /* how many of the above there are: those of single features */
    DISTURB_JOINT = DISTURB_APART,
    DISTURB_KINDS,
};

enum { DISTURB_ROWS_MIN = 100 }; /* fewer cannot hold disturbances and enough quiet between them */

/* What a row of the copy is: undisturbed, DISTURB_LABEL + kind, or DISTURB_AFTER: it follows a
 * disturbance by less than that was long, and counts for nothing, since a detector that looks back
 * may still, or no longer, ring. */
enum { DISTURB_NONE, DISTURB_AFTER, DISTURB_LABEL };

/* Each feature's spread in natural units: the deviation of a normal distribution with the same 10 %
 * and 90 % quantiles, which single outliers do not move; the standard deviation where these
 * quantiles are the same; 0 for one that stands still. E_NOMEM. */
MUST_CHECK enum rc disturb_spreads(const struct dataset *d, float *ret_spread, struct err *err);

/* X[d->rows][d->n] becomes a disturbed copy of d's rows, label[d->rows] says where; joint: by joint
 * disturbances, else by all other kinds in turn. Same seed, same copy. E_STATE for fewer than
 * DISTURB_ROWS_MIN rows, or when no feature has a spread. */
MUST_CHECK enum rc disturb_apply(const struct dataset *d, const float *spread, float size,
                                 bool joint, uint64_t seed, float *X, uint8_t *label,
                                 struct err *err);
