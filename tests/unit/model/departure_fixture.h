/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A machine with a daily rhythm, of which one feature never moved, and frames of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "model/departure.h"

enum { N = FIXTURE_N, CONSTANT = FIXTURE_CONSTANT, DAYS = 4, A_DAY = 144, LONGEST = 400 };

#define INTERVAL_MS INT64_C(600000)

static struct dataset *days;
static struct model *model; /* of a machine with a daily rhythm */

static inline int learn(void **state)
{
    const struct learn_spec spec = fixture_spec();

    (void)state;
    days = fixture_machine((size_t)DAYS * A_DAY, 1);
    for (size_t r = 0; r < days->rows; r++) {
        const double turn = 2 * M_PI * (double)r / A_DAY;
        days->ts_ms[r] = INTERVAL_MS * (int64_t)r;
        for (size_t i = 0; i < N; i++)
            days->X[r * N + i] += i == CONSTANT ? 0 : (float)(300 * sin(turn + (double)i));
    }
    model = fixture_learn(days, NULL, &spec);
    assert_int_equal(model->season.slots, SEASON_SLOTS);
    return 0;
}

static inline int forget(void **state)
{
    (void)state;
    model_unref(model);
    dataset_free(days);
    return 0;
}

static inline struct departure *new_departure(const struct model *m, bool bounded)
{
    struct departure *d;
    struct err err;

    assert_int_equal(departure_new(m, bounded, &d, &err), OK);
    return d;
}

/* Frames of the machine at times INTERVAL_MS apart; missing: one value in so many is not here, and
 * some stay away for long; wild: one in so many is far off. 0: none. */
struct frames {
    size_t n;
    int64_t ts_ms[LONGEST];
    float x[LONGEST][N];
};

static inline void some_frames(struct frames *f, size_t n, uint32_t missing, uint32_t wild,
                               uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    f->n = n;
    for (size_t t = 0; t < n; t++) {
        const size_t r = (t + 3 * A_DAY + 7) % days->rows;
        f->ts_ms[t] = (int64_t)(t + 3 * A_DAY + 7) * INTERVAL_MS;
        memcpy(f->x[t], days->X + r * N, sizeof f->x[t]);
        for (size_t i = 0; i < N; i++) {
            if (wild && rng_below(&rng, wild) == 0)
                f->x[t][i] = 12 + (f->x[t][i] - 12) * (rng_below(&rng, 2) ? 10 : 1e8f);
            if (wild && i == CONSTANT && rng_below(&rng, wild) == 0)
                f->x[t][i] = -3;
            if (wild && i == CONSTANT && t / 50 % 3 == 1) /* and moves for a while */
                f->x[t][i] = 12 + 40 * rng_float(&rng);
            if (missing && (rng_below(&rng, missing) == 0 || (t + 11 * i) % 40 < 9))
                f->x[t][i] = rng_below(&rng, 2) ? NAN : INFINITY;
            if (missing && t % 29 == 0)
                f->x[t][i] = NAN;
        }
    }
}
