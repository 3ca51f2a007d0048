/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "data/settings.h"

/* scaler - natural units to the model's [0,1] and back, fitted on training rows alone
 *
 * z = (x - low) / span. low and span come from the least and largest training value, or from its
 * 1 % and 99 % quantiles (where these are the same and no resolution is known, the whole range
 * after all); span is never under the feature's resolution (schema), so that a change too small to
 * notice stays small. A feature that never moved in training is *constant*: low is such that its
 * value is SCALER_CENTRE, and it carries no weight while it stays there. How far counts as moved is
 * written in scaler.c with its reason. A feature that never came in training is *unseen*: nothing
 * was learned of it, so it carries no weight whatever comes; its value is near SCALER_CENTRE always
 * (that it came now is for those to say who watch presence). A feature that the schema calls
 * *weightless* carries none either, whatever it did in training: a total since boot, which every
 * hour is where it never was before. NaN in x stays NaN in z; z is limited to +-SCALER_Z_MAX, so
 * that sums of squares stay finite.
 * Thread: immutable once fitted, so any thread may read it. */

enum { SCALER_MOVES = 0, SCALER_CONSTANT = 1, SCALER_UNSEEN = 2, SCALER_WEIGHTLESS = 3 };

#define SCALER_CENTRE 0.5f    /* z of a constant feature's training value */
#define SCALER_NOTICED 0.999f /* least |z - SCALER_CENTRE| that counts as moved: one span */
#define SCALER_Z_MAX 1e6f

struct scaler {
    size_t n;
    float *low, *span; /* [n]; span > 0 and finite */
    float *median;     /* [n] natural units, so a constant's own value; 0 for an unseen feature */
    uint8_t *constant; /* [n] SCALER_MOVES, SCALER_CONSTANT, SCALER_UNSEEN, SCALER_WEIGHTLESS */
    /* What detect/presence needs; kept in the model file too: */
    uint64_t rows;           /* training rows, */
    uint64_t *seen;          /* [n] of them with a finite value, */
    uint64_t *longest_still; /* [n] and the longest stretch of steps without change among those;
                              * a row without the feature neither counts nor ends a stretch */
};

/* Fit on X[rows][schema->n]. E_NOMEM; E_STATE for no rows. */
MUST_CHECK enum rc scaler_fit(const float *X, size_t rows, const struct schema *schema,
                              enum scaling scaling, struct scaler *ret, struct err *err);
/* Take longest_still from X[rows][n]: where s was fitted on rows less their season, in which
 * nothing stands still. */
void scaler_note_stillness(struct scaler *s, const float *X, size_t rows);
MUST_CHECK enum rc scaler_alloc(size_t n, struct scaler *ret, struct err *err); /* zeroed arrays */
void scaler_done(struct scaler *s);

void scaler_apply(const struct scaler *s, const float *x, float *z); /* z may be x */
static inline float scaler_invert(const struct scaler *s, size_t i, float z)
{
    return s->low[i] + z * s->span[i];
}

/* A feature that was constant in training has left its value by at least one span: from now on,
 * and only then, it carries weight, and the expected value is median[i]. */
static inline bool scaler_constant_moved(const struct scaler *s, size_t i, float z)
{
    return s->constant[i] == SCALER_CONSTANT && fabsf(z - SCALER_CENTRE) >= SCALER_NOTICED;
}

/* Feature i, with scaled value z, counts in a score. False for NaN of a constant feature. */
static inline bool scaler_carries_weight(const struct scaler *s, size_t i, float z)
{
    return s->constant[i] == SCALER_MOVES || scaler_constant_moved(s, i, z);
}
