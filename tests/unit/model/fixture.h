/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdio.h>
#include <string.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "model/model.h"

/* fixture - a small machine to learn: n features that all follow two hidden loads, with noise.
 * Included after cmocka.h. */

static inline struct schema *fixture_schema(size_t n)
{
    struct feature *f = mem_array(n, sizeof *f);
    struct schema *s;
    struct err err;

    assert_non_null(f);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        f[i].resolution = i < 2 ? 1e-3f : 0; /* less than any span here */
    }
    assert_int_equal(schema_new(f, n, &s, &err), OK);
    mem_free(f);
    return s;
}

static inline struct dataset *fixture_dataset(size_t n, size_t rows, uint64_t seed)
{
    double load[2] = {0};
    struct dataset *d;
    struct rng rng;
    struct err err;

    rng_init(&rng, seed);
    assert_int_equal(dataset_new(n, &d, &err), OK);
    for (size_t r = 0; r < rows; r++) {
        float frame[64];

        for (int k = 0; k < 2; k++)
            load[k] = 0.8 * load[k] + 0.3 * rng_normal(&rng);
        for (size_t i = 0; i < n; i++)
            frame[i] = (float)(100 * (double)(i + 1) *
                               (load[i % 2] + (i % 3 == 0 ? load[(i + 1) % 2] / 2 : 0) +
                                0.05 * rng_normal(&rng)));
        assert_int_equal(dataset_append(d, 1000 * (int64_t)r, frame, &err), OK);
    }
    return d;
}

static inline struct learn_spec fixture_spec(void)
{
    struct learn_spec s;

    settings_learn_defaults(&s);
    s.epochs = 30;
    return s;
}
