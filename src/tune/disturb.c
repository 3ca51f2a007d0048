/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/disturb.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/stats.h"

/* Rows of one disturbance: short ones are as likely as long ones (each doubling is), since nobody
 * knows how long the next fault lasts. The longest is an eighth of the rows of few. */
enum { LONGEST = 64, SPIKE_LONGEST = 3, LONGEST_SHARE = 8 };

/* Quiet rows after a disturbance: QUIET_LEAST to QUIET_MOST times its length, so that about a
 * seventh of the rows is disturbed whatever their lengths: rare enough to need precision. */
enum { QUIET_LEAST = 4, QUIET_MOST = 8 };

enum { PAIR_TRIES = 100 }; /* for two rows that differ: one feature seldom moves in all rows */

static const double NORMAL_Q90 = 1.2815515655446004; /* of the standard normal distribution */

struct event {
    enum disturb_kind kind;
    size_t first, rows;
    size_t from; /* DISTURB_SWAP: the other stretch */
};

static float deviation(const float *column, size_t rows)
{
    struct stats_moments m;

    stats_init(&m);
    for (size_t r = 0; r < rows; r++)
        stats_add(&m, (double)column[r]);
    const double std = m.n > 0 && m.min < m.max ? stats_std(&m) : 0;
    return isfinite(std) ? (float)std : 0;
}

enum rc disturb_spreads(const struct dataset *d, float *ret_spread, struct err *err)
{
    CLEANUP(mem_freep) float *column = mem_array(d->rows, sizeof *column);

    if (!column)
        return err_set(err, E_NOMEM, "no memory for the spreads of %zu features", d->n);
    for (size_t i = 0; i < d->n; i++) {
        for (size_t r = 0; r < d->rows; r++)
            column[r] = d->X[r * d->n + i];
        const double low = (double)stats_quantile(column, d->rows, 0.1);
        const double high = (double)stats_quantile(column, d->rows, 0.9);
        const float spread = (float)((high - low) / (2 * NORMAL_Q90));
        /* not for NaN: never present */
        ret_spread[i] = spread > 0 && isfinite(spread) ? spread : deviation(column, d->rows);
    }
    return OK;
}

/* 1 to `longest`, each doubling as likely as the others. */
static size_t draw_length(struct rng *rng, size_t longest)
{
    uint32_t doublings = 1;

    while ((size_t)1 << doublings <= longest)
        doublings++;
    const size_t least = (size_t)1 << rng_below(rng, doublings);
    const size_t length = least + rng_below(rng, (uint32_t)least);
    return length < longest ? length : longest;
}

/* Features of one disturbance: one; a few; up to a quarter of them: each a third of the time. */
static size_t draw_breadth(struct rng *rng, size_t moving)
{
    const uint32_t few = 3, quarter = (uint32_t)(moving / 4);
    size_t breadth = 1;

    switch (rng_below(rng, 3)) {
    case 1:
        breadth = 2 + rng_below(rng, few - 1);
        break;
    case 2:
        breadth = quarter > few ? few + rng_below(rng, quarter - few + 1) : few;
        break;
    default:
        break;
    }
    return breadth < moving ? breadth : moving;
}

static void disturb_feature(struct rng *rng, const struct event *e, const struct dataset *d,
                            size_t i, float off, float *X)
{
    const size_t n = d->n;
    const float sign = rng_below(rng, 2) ? 1.0f : -1.0f; /* also where none is asked for */

    for (size_t k = 0; k < e->rows; k++) {
        float *const x = &X[(e->first + k) * n + i];
        const float old = *x;

        switch (e->kind) {
        case DISTURB_SHIFT:
        case DISTURB_SPIKE:
            *x += sign * off;
            break;
        case DISTURB_DRIFT:
            *x += sign * off * (float)(k + 1) / (float)e->rows;
            break;
        case DISTURB_SWAP:
            *x = d->X[(e->from + k) * n + i];
            break;
        case DISTURB_BURST: /* uniform noise of deviation 1 */
            *x += off * (2 * rng_float(rng) - 1) * sqrtf(3.0f);
            break;
        case DISTURB_STUCK:
            *x = d->X[e->first * n + i];
            break;
        case DISTURB_JOINT:
            *x += off;
            break;
        case DISTURB_KINDS:
            break;
        }
        if (isnan(old) || !isfinite(*x)) /* what is missing, there or here, stays as it was */
            *x = old;
    }
}

/* order[moving] of features, shuffled for this event: the first ones are disturbed. */
static void disturb_stretch(struct rng *rng, const struct event *e, const struct dataset *d,
                            const float *spread, float size, uint32_t *order, size_t moving,
                            float *X)
{
    const size_t breadth = draw_breadth(rng, moving);

    for (size_t k = 0; k < breadth; k++) {
        const size_t j = k + rng_below(rng, (uint32_t)(moving - k));
        const uint32_t i = order[j];
        order[j] = order[k];
        order[k] = i;
        disturb_feature(rng, e, d, i, size * spread[i], X);
    }
}

/* What feature i differs in between rows a and b; 0 where one is missing. */
static float difference(const struct dataset *d, size_t a, size_t b, size_t i)
{
    const float v = d->X[a * d->n + i] - d->X[b * d->n + i];

    return isfinite(v) ? v : 0;
}

/* The root mean square, in spreads, of the differences between rows a and b; 0 for equal ones. */
static double distance(const struct dataset *d, const float *spread, size_t a, size_t b)
{
    double squares = 0;
    size_t differ = 0;

    for (size_t i = 0; i < d->n; i++) {
        const double v = spread[i] > 0 ? (double)difference(d, a, b, i) / (double)spread[i] : 0;
        squares += v * v;
        differ += v != 0 ? 1 : 0;
    }
    return differ > 0 ? sqrt(squares / (double)differ) : 0;
}

static void disturb_jointly(struct rng *rng, const struct event *e, const struct dataset *d,
                            const float *spread, float size, float *X)
{
    size_t a = 0, b = 0;
    double far = 0;

    for (int tries = 0; tries < PAIR_TRIES && far <= 0; tries++) {
        a = rng_below(rng, (uint32_t)d->rows);
        b = rng_below(rng, (uint32_t)d->rows);
        far = distance(d, spread, a, b);
    }
    for (size_t i = 0; far > 0 && i < d->n; i++)
        if (spread[i] > 0)
            disturb_feature(rng, e, d, i, (float)((double)size / far) * difference(d, a, b, i), X);
}

static void label_rows(const struct event *e, size_t rows, uint8_t *label)
{
    for (size_t r = e->first; r < e->first + e->rows; r++)
        label[r] = (uint8_t)(DISTURB_LABEL + e->kind);
    for (size_t r = e->first + e->rows; r < e->first + 2 * e->rows && r < rows; r++)
        label[r] = DISTURB_AFTER;
}

enum rc disturb_apply(const struct dataset *d, const float *spread, float size, bool joint,
                      uint64_t seed, float *X, uint8_t *label, struct err *err)
{
    CLEANUP(mem_freep) uint32_t *order = mem_array(d->n, sizeof *order);
    const size_t longest = d->rows / LONGEST_SHARE < LONGEST ? d->rows / LONGEST_SHARE : LONGEST;
    size_t moving = 0;
    struct rng rng;

    if (!order)
        return err_set(err, E_NOMEM, "no memory to disturb %zu features", d->n);
    if (d->rows < DISTURB_ROWS_MIN)
        return err_set(err, E_STATE, "%zu rows to judge with: expected at least %d", d->rows,
                       DISTURB_ROWS_MIN);
    for (size_t i = 0; i < d->n; i++)
        if (spread[i] > 0)
            order[moving++] = (uint32_t)i;
    if (moving == 0)
        return err_set(err, E_STATE, "no feature moves in the %zu rows to judge with", d->rows);

    rng_init(&rng, seed);
    memcpy(X, d->X, d->rows * d->n * sizeof *X);
    memset(label, DISTURB_NONE, d->rows);
    uint32_t kind = rng_below(&rng, DISTURB_APART);
    for (size_t at = 1 + rng_below(&rng, (uint32_t)longest);;) {
        struct event e = {.kind = joint ? DISTURB_JOINT : kind++ % DISTURB_APART, .first = at};

        e.rows = draw_length(&rng, e.kind == DISTURB_SPIKE ? SPIKE_LONGEST : longest);
        if (at + 2 * e.rows > d->rows)
            return OK;
        e.from = rng_below(&rng, (uint32_t)(d->rows - e.rows + 1));
        if (joint)
            disturb_jointly(&rng, &e, d, spread, size, X);
        else
            disturb_stretch(&rng, &e, d, spread, size, order, moving, X);
        label_rows(&e, d->rows, label);
        at += e.rows * (1 + QUIET_LEAST) +
              rng_below(&rng, (uint32_t)(e.rows * (QUIET_MOST - QUIET_LEAST) + 1));
    }
}
