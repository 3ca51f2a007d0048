/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/scaler.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/stats.h"

/* When is a feature constant? When its training values differ by no more than the rounding of
 * float32. A range under the resolution is no reason: such a feature did move, so it keeps its
 * weight, and span = resolution keeps it quiet.
 *
 * When has a constant feature moved? When it left its value by one span, and one span is
 *   - the resolution, where the schema has one: that is "the least change worth noticing";
 *   - else a tenth of the value, or 0.1 where the value is under 1. Unit and habit are unknown
 *     then; a tenth is far from rounding and jitter, and near enough that a flag that goes from 0
 *     to 1 stands ten spans away.
 * Until then its weight is 0: a network cannot learn anything from a value that never changes, and
 * in the mean over features it would only dilute the others. Afterwards its error (model/model.h)
 * starts at 1, as much as a feature that left its whole training range by once that range, and
 * grows with the change: so a swap that was always 0 rings once it is really used, which is a
 * little over one span where the threshold is at its least (model/model_private.h), and more on a
 * restless machine. */
static const double UNKNOWN_RESOLUTION = 0.1;

/* Neighbouring floats near v are up to |v| * FLT_EPSILON apart. */
static const double ROUNDING_ULPS = 4;
static const double CONSTANT_SPAN_ULPS = 32; /* so that a few roundings do not count as moved */

static const double LARGEST = (double)FLT_MAX;
static const double QUANTILE_LOW = 0.01, QUANTILE_HIGH = 0.99;

enum rc scaler_alloc(size_t n, struct scaler *ret, struct err *err)
{
    enum { FEATURE_BYTES = 2 * sizeof(uint64_t) + 3 * sizeof(float) + 1 };
    uint64_t *block = n <= SCHEMA_FEATURES_MAX ? mem_alloc(n * FEATURE_BYTES) : NULL;

    if (!block)
        return err_set(err, E_NOMEM, "no memory for a scaler of %zu features", n);
    float *low = (float *)(block + 2 * n);
    *ret = (struct scaler){.n = n,
                           .seen = block, /* owns them all */
                           .longest_still = block + n,
                           .low = low,
                           .span = low + n,
                           .median = low + 2 * n,
                           .constant = (uint8_t *)(low + 3 * n)};
    return OK;
}

void scaler_done(struct scaler *s)
{
    mem_free(s->seen);
    *s = (struct scaler){0};
}

static bool is_rounding(double low, double high)
{
    return high - low <= ROUNDING_ULPS * (double)FLT_EPSILON * fmax(fabs(low), fabs(high));
}

static void fit_without_weight(struct scaler *s, size_t i, uint8_t kind)
{
    s->constant[i] = kind;
    s->span[i] = FLT_MAX; /* z = x / FLT_MAX + centre: near the centre whatever comes */
    s->low[i] = -SCALER_CENTRE * FLT_MAX;
}

static void fit_constant(struct scaler *s, size_t i, double value, double resolution)
{
    const double magnitude = fabs(value);
    const double least = CONSTANT_SPAN_ULPS * (double)FLT_EPSILON * magnitude;
    const double wanted = resolution > 0 ? resolution : UNKNOWN_RESOLUTION * fmax(magnitude, 1);
    const double span = fmin(fmax(wanted, least), LARGEST / 2);

    s->constant[i] = SCALER_CONSTANT;
    s->span[i] = (float)span;
    s->low[i] = (float)fmax(value - (double)SCALER_CENTRE * span, -LARGEST);
}

static void fit_moving(struct scaler *s, size_t i, double low, double high, double resolution)
{
    double span = high - low;

    if (span < resolution) { /* in the middle of [0,1], like a constant that it nearly is */
        low = low + span / 2 - resolution / 2;
        span = resolution;
    }
    s->constant[i] = SCALER_MOVES;
    s->span[i] = (float)fmin(span, LARGEST);
    s->low[i] = (float)fmax(low, -LARGEST);
}

/* v[n] are the finite training values of feature i; it is reordered. */
static void fit_feature(struct scaler *s, size_t i, float *v, size_t n, const struct feature *f,
                        enum scaling scaling)
{
    const double resolution = (double)f->resolution;

    s->seen[i] = n;
    if (n == 0) { /* median[i] is 0 from scaler_alloc */
        fit_without_weight(s, i, f->weightless ? SCALER_WEIGHTLESS : SCALER_UNSEEN);
        return;
    }
    float low = v[0], high = v[0];
    for (size_t r = 1; r < n; r++) {
        low = fminf(low, v[r]);
        high = fmaxf(high, v[r]);
    }
    s->median[i] = stats_quantile(v, n, 0.5);
    if (f->weightless) {
        fit_without_weight(s, i, SCALER_WEIGHTLESS);
        return;
    }
    if (is_rounding((double)low, (double)high)) {
        fit_constant(s, i, (double)s->median[i], resolution);
        return;
    }
    if (scaling == SCALING_NONE) {
        s->span[i] = 1; /* low is 0 and constant is SCALER_MOVES from scaler_alloc */
        return;
    }
    if (scaling == SCALING_QUANTILE) {
        const float q_low = stats_quantile(v, n, QUANTILE_LOW);
        const float q_high = stats_quantile(v, n, QUANTILE_HIGH);
        /* What stands still but for rare events has no range between its quantiles: the resolution
         * is its span then; without one, the whole range is all there is to go by. */
        if (resolution > 0 || !is_rounding((double)q_low, (double)q_high)) {
            low = q_low;
            high = q_high;
        }
    }
    fit_moving(s, i, (double)low, (double)high, resolution);
}

void scaler_note_stillness(struct scaler *s, const float *X, size_t rows)
{
    for (size_t i = 0; i < s->n; i++) {
        uint64_t still = 0, longest = 0;
        float last = NAN;

        for (size_t r = 0; r < rows; r++) {
            const float x = X[r * s->n + i];
            if (!isfinite(x))
                continue;
            still = x == last ? still + 1 : 0;
            longest = still > longest ? still : longest;
            last = x;
        }
        s->longest_still[i] = longest;
    }
}

enum rc scaler_fit(const float *X, size_t rows, const struct schema *schema, enum scaling scaling,
                   struct scaler *ret, struct err *err)
{
    const size_t n = schema->n;

    if (rows == 0)
        return err_set(err, E_STATE, "scaling needs at least one row of training data, found none");

    CLEANUP(mem_freep) float *v = mem_array(rows, sizeof *v);
    if (!v)
        return err_set(err, E_NOMEM, "no memory for a column of %zu training values", rows);
    struct scaler s;
    const enum rc rc = scaler_alloc(n, &s, err);
    if (rc != OK)
        return rc;

    s.rows = rows;
    for (size_t i = 0; i < n; i++) {
        size_t finite = 0;
        for (size_t r = 0; r < rows; r++) {
            v[finite] = X[r * n + i];
            finite += isfinite(v[finite]) ? 1 : 0;
        }
        fit_feature(&s, i, v, finite, &schema->f[i], scaling);
    }
    scaler_note_stillness(&s, X, rows);
    *ret = s;
    return OK;
}

void scaler_apply(const struct scaler *s, const float *x, float *z)
{
    for (size_t i = 0; i < s->n; i++) {
        /* in double: the difference of two finite floats cannot overflow */
        const float v = (float)(((double)x[i] - (double)s->low[i]) / (double)s->span[i]);
        z[i] = v > SCALER_Z_MAX ? SCALER_Z_MAX : v < -SCALER_Z_MAX ? -SCALER_Z_MAX : v;
    }
}
