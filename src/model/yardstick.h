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
 *   - a third of its resolution: so that one resolution is as much as three deviations.
 * The standard deviation, and not a robust spread: the tails of training tell which metrics are
 * spiky by nature (docs/detection.md has the measurement). A feature that was constant has a third
 * of its resolution for both, or a tenth of what counts as moved (feature/scaler.h): what never
 * moved in all of training says much by moving. Thread: pure. */
#define YARDSTICK_RANGE 0.01

/* From X[rows][n], natural units, and Y[rows][n], the same less the season (may be X): level[n] and
 * change[n], all over 0 and finite. skip[rows], or NULL: 1 for rows that are not to count. E_NOMEM.
 */
MUST_CHECK enum rc yardstick_fit(const float *X, const float *Y, size_t rows, const uint8_t *skip,
                                 const struct schema *schema, const struct scaler *scaler,
                                 float *level, float *change, struct err *err);
