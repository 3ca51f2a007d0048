/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdio.h>
#include <string.h>

#include "../rng_normal.h"
#include "../test.h"
#include "base/mem.h"
#include "exchange/exchange.h"
#include "model/assemble.h"

/* What the tests of src/exchange share: models and networks of many shapes. */

static inline enum activation some_activation(struct rng *rng)
{
    static const enum activation acts[] = {ACT_LINEAR, ACT_RELU, ACT_SIGMOID, ACT_TANH};

    return acts[rng_below(rng, 4)];
}

/* A network of n inputs and outputs, up to four layers between, weights about as large as
 * training leaves them. */
static inline struct net some_net(size_t n, struct rng *rng)
{
    uint32_t widths[EXCHANGE_LAYERS_MAX];
    enum activation acts[EXCHANGE_LAYERS_MAX];
    const size_t n_layers = 1 + rng_below(rng, 5);
    struct net net = {0};
    struct err err;

    for (size_t l = 0; l < n_layers; l++) {
        widths[l] = l + 1 == n_layers ? (uint32_t)n : 1 + rng_below(rng, 40);
        acts[l] = some_activation(rng);
    }
    assert_int_equal(net_init_layers(&net, n, widths, acts, n_layers, &err), OK);
    for (size_t i = 0; i < net.n_params; i++)
        net.params[i] = (float)rng_normal(rng) * 0.4f;
    return net;
}

enum { SOME_FEATURES_MAX = 64 };

/* A model of n features f0, f1, ... whose scales lie far apart. */
static inline struct model *some_model(size_t n, uint64_t seed)
{
    struct feature f[SOME_FEATURES_MAX] = {0};
    float low[SOME_FEATURES_MAX], span[SOME_FEATURES_MAX];
    struct model_parts parts = {.low = low, .span = span, .threshold = 0.1998f};
    struct model *m = NULL;
    struct schema *schema = NULL;
    struct rng rng;
    struct err err;

    assert_in_range(n, 1, SOME_FEATURES_MAX);
    rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        (void)snprintf(f[i].unit, sizeof f[i].unit, "%s", i % 2 ? "bytes/s" : "");
        low[i] = (float)rng_normal(&rng) * powf(10, 8 * rng_float(&rng) - 4);
        span[i] = fabsf(low[i]) * (0.1f + rng_float(&rng)) + 1e-3f;
    }
    assert_int_equal(schema_new(f, n, &schema, &err), OK);
    parts.schema = schema;
    parts.net = some_net(n, &rng);
    parts.provenance =
        (struct model_provenance){.first_ms = 1740088500000, .last_ms = 1740174900000};
    if (model_assemble(&parts, &m, &err) != OK)
        fail_msg("%s", err.msg);
    schema_free(schema);
    return m;
}

/* Some of its features were constant in training, some never came, some have no weight; and what
 * the network sees is cut. */
static inline void make_uneven(struct model *m, struct rng *rng)
{
    for (size_t i = 0; i < m->schema->n; i++) {
        /* the first is learned, so that there is a score */
        m->scaler.constant[i] = i ? (uint8_t)rng_below(rng, SCALER_WEIGHTLESS + 1) : SCALER_MOVES;
        if (m->scaler.constant[i] >= SCALER_UNSEEN) {
            m->scaler.span[i] = 3e38f;
            m->scaler.low[i] = -1.5e38f;
        }
        m->scaler.median[i] = m->scaler.low[i] + 0.5f * m->scaler.span[i];
    }
    m->clip_low = -0.5f;
    m->clip_high = 1.5f;
}

static inline void give_season(struct model *m, struct rng *rng)
{
    const size_t n = m->schema->n, slots = 4 + rng_below(rng, SEASON_SLOTS - 3);

    m->season = (struct season){.slots = slots, .n = n, .place = rng_float(rng)};
    m->season.offset = mem_array(slots * n, sizeof *m->season.offset);
    assert_non_null(m->season.offset);
    for (size_t i = 0; i < slots * n; i++) { /* of what never came nothing is known */
        const float span = m->scaler.constant[i % n] >= SCALER_UNSEEN ? 0 : m->scaler.span[i % n];
        m->season.offset[i] = (float)rng_normal(rng) * span * 0.2f;
    }
}

/* A frame in natural units, mostly where training was, now and then far from there. */
static inline void some_frame(const struct model *m, struct rng *rng, float *x)
{
    for (size_t i = 0; i < m->schema->n; i++) {
        const float far = rng_below(rng, 10) == 0 ? 20 : 1;

        x[i] = m->scaler.constant[i] >= SCALER_UNSEEN
                   ? (float)rng_normal(rng) * 100
                   : m->scaler.low[i] +
                         m->scaler.span[i] * (0.5f + ((float)rng_float(rng) - 0.5f) * far);
    }
}
