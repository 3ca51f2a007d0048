/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"

/* scaler - natural units to the model's [0,1] and back, fitted on training rows alone
 *
 * z = (x - low) / span. low and span come from the least and largest training value, or from its
 * 1 % and 99 % quantiles; span is never under the feature's resolution (schema), so that a change
 * too small to notice stays small. A feature that never moved in training is *constant*: low is
 * its value in the middle of the span, and it carries no weight while it stays there. How far
 * counts as moved is written in scaler.c with its reason.
 * NaN in x stays NaN in z. Thread: immutable once fitted, so any thread may read it. */

struct scaler {
    size_t n;
    float *low, *span;   /* [n]; span > 0 and finite */
    float *median;       /* [n] natural units; 0 where no training value was finite */
    uint8_t *constant;   /* [n] 1: did not move in training */
    uint64_t rows;           /* training rows, */
    uint64_t *seen;          /* [n] of them with a finite value, */
    uint64_t *longest_still; /* [n] and the longest stretch of steps without change among them:
                              * what detect/presence needs. All are kept in the model file */
};

/* Fit on rows [0, rows) of d. E_NOMEM; E_STATE for no rows. */
MUST_CHECK enum rc scaler_fit(const struct dataset *d, size_t rows, const struct schema *schema,
                              enum scaling scaling, struct scaler *ret, struct err *err);
MUST_CHECK enum rc scaler_alloc(size_t n, struct scaler *ret, struct err *err); /* zeroed arrays */
void scaler_done(struct scaler *s);

void scaler_apply(const struct scaler *s, const float *x, float *z); /* z may be x */
static inline float scaler_invert(const struct scaler *s, size_t i, float z)
{
    return s->low[i] + z * s->span[i];
}
