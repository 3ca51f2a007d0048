/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "feature/scaler.h"

/* yardstick - the units in which departures are measured: one a feature for its level, one for its
 * change (model/departure.h)
 *
 * A unit is the standard deviation in training, of what is left when the season is taken off, and
 * never under
 *   - YARDSTICK_RANGE of the feature's training range: what moves by less is rounding or jitter;
 *   - YARDSTICK_SPAN of the span between its 5 % and 95 % quantiles in training, season and all (of
 *     a group, of all its machines together): however well a day repeats, an eighth of its whole
 *     swing, or a step by as much, is about three deviations. Bursts in training, which make a
 *     range wide, leave it as it is;
 *   - a third of its resolution: so that one resolution is as much as three deviations.
 * The standard deviation, and not a robust spread: the tails of training tell which metrics are
 * spiky by nature (docs/detection.md has the measurement). A feature that was constant has a third
 * of its resolution for both, or a tenth of what counts as moved (feature/scaler.h): what never
 * moved in all of training says much by moving. Thread: pure. */
#define YARDSTICK_RANGE 0.01
#define YARDSTICK_SPAN 0.04

struct yardstick_rows {
    size_t rows;
    int64_t interval_ms;  /* between two, as a rule; 0 when not known */
    const int64_t *ts_ms; /* [rows], ascending but at gaps */
    const float *X;       /* [rows][n] natural units */
    const float *Y;       /* [rows][n] the same less the season; may be X */
    const uint8_t *skip;  /* [rows] 1 for rows that are not to count, or NULL */
};

/* level[n] and change[n], all over 0 and finite. There is no change over a gap (departure_is_gap),
 * as in scoring. E_NOMEM. */
MUST_CHECK enum rc yardstick_fit(const struct yardstick_rows *rows, const struct schema *schema,
                                 const struct scaler *scaler, float *level, float *change,
                                 struct err *err);
