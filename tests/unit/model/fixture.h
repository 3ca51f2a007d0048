/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdio.h>
#include <string.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "model/model.h"

static const struct threshold_spec fixture_percentile = {.method = THRESHOLD_PERCENTILE,
                                                         .value = 99.5};

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

enum { FIXTURE_N = 10, FIXTURE_ROWS = 400, FIXTURE_CONSTANT = 4, FIXTURE_UNSEEN = 7 };

/* A machine of FIXTURE_N whose feature 4 stands at 12 and whose feature 7 never comes. */
static inline struct dataset *fixture_machine(size_t rows, uint64_t seed)
{
    struct dataset *d = fixture_dataset(FIXTURE_N, rows, seed);

    for (size_t r = 0; r < rows; r++) {
        d->X[r * FIXTURE_N + FIXTURE_CONSTANT] = 12;
        d->X[r * FIXTURE_N + FIXTURE_UNSEEN] = NAN;
    }
    return d;
}

/* validation may be NULL; the schema is fixture_schema's. */
static inline struct model *fixture_learn(const struct dataset *d, const struct dataset *validation,
                                          const struct learn_spec *spec)
{
    const struct model_provenance provenance = {.instance = "here", .profile = "none"};
    struct schema *schema = fixture_schema(d->n);
    struct model *m;
    struct err err;

    if (model_train(d, validation, schema, spec, &fixture_percentile, &provenance, NULL, NULL, &m,
                    &err) != OK)
        fail_msg("%s", err.msg);
    schema_free(schema);
    return m;
}

/* What m's network makes of z[n], in double and without haste. */
static inline void fixture_forward(const struct model *m, const double *z, double *y)
{
    double in[64], out[64];

    for (size_t i = 0; i < m->schema->n; i++)
        in[i] = m->scaler.constant[i] ? (double)SCALER_CENTRE
                                      : fmin(fmax(z[i], (double)m->clip_low), (double)m->clip_high);
    for (size_t l = 0; l < m->net.n_layers; l++) {
        const struct net_layer *const layer = &m->net.layer[l];
        for (size_t j = 0; j < layer->out; j++) {
            double a = (double)layer->b[j];
            for (size_t i = 0; i < layer->in; i++)
                a += in[i] * (double)layer->W[i * layer->out + j];
            out[j] = layer->act == ACT_RELU      ? fmax(a, 0)
                     : layer->act == ACT_SIGMOID ? 1 / (1 + exp(-a))
                     : layer->act == ACT_TANH    ? tanh(a)
                                                 : a;
        }
        memcpy(in, out, sizeof in);
    }
    memcpy(y, out, m->schema->n * sizeof *y);
}
