/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "fixture.h"

/* some_plan - exports and frames for them, for the tests of TensorFlow Lite */

struct plan_kind {
    bool raw, uneven, seasonal;
};

/* Of some model of n features, and X[rows][n] that it may be asked, for mem_free. */
static inline float *some_plan(struct exchange_plan *p, size_t n, struct plan_kind kind,
                               size_t rows, uint64_t seed)
{
    struct model *const m = some_model(n, seed);
    float *const X = mem_array(rows * n, sizeof *X);
    struct rng rng;
    struct err err;

    assert_non_null(X);
    rng_init(&rng, seed + 1000);
    if (kind.uneven)
        make_uneven(m, &rng);
    if (kind.seasonal)
        give_season(m, &rng);
    if (exchange_plan_make(m, kind.raw, p, &err) != OK)
        fail_msg("%s", err.msg);
    for (size_t r = 0; r < rows; r++) {
        some_frame(m, &rng, X + r * n);
        for (size_t i = 0; i < n && kind.raw; i++)
            X[r * n + i] = rng_float(&rng) * 1.2f - 0.1f;
    }
    model_unref(m);
    return X;
}
