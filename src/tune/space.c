/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/space.h"

#include <math.h>

#include "base/rng.h"

/* Lists, each entry as likely: whole steps of about a factor of 1.5 to 2, since less makes no
 * difference that two executions show, and numbers that a user can read. Around the defaults, which
 * lie inside on every list. */
static const double middles[] = {1.0 / 12, 1.0 / 6, 1.0 / 4, 1.0 / 3, 1.0 / 2}; /* of n */
static const double widests[] = {1.0 / 2, 2.0 / 3, 1, 3.0 / 2};                 /* of n */
static const double rates[] = {3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2};
static const uint32_t batches[] = {8, 16, 32, 64, 128};
static const double dropouts[] = {0, 0.05, 0.1, 0.2, 0.3};
static const enum activation hiddens[] = {ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_LINEAR};
static const enum activation outputs[] = {ACT_SIGMOID, ACT_LINEAR};

enum { SIDES_MAX = 2, MIDDLE_MIN = 2 };

#define PICK(rng, list) ((list)[rng_below((rng), sizeof(list) / sizeof *(list))])

static uint32_t width_of(double w)
{
    const double whole = floor(w + 0.5);

    if (whole < 1)
        return 1;
    return whole < NET_WIDTH_MAX ? (uint32_t)whole : NET_WIDTH_MAX;
}

/* widest, …, middle, …, widest, with `sides` layers on either side of the middle. */
static void set_layers(struct learn_spec *s, uint32_t widest, uint32_t middle, size_t sides)
{
    if (widest < middle)
        widest = middle;
    s->n_layers = 2 * sides + 1;
    s->layers[sides] = middle;
    for (size_t k = 0; k < sides; k++) { /* of two, the inner one is the geometric mean */
        const double w = k == 0 ? (double)widest : sqrt((double)widest * (double)middle);
        s->layers[k] = s->layers[2 * sides - k] = width_of(w);
    }
}

void space_draw(const struct learn_spec *base, size_t n, uint64_t seed, uint32_t trial,
                struct learn_spec *ret)
{
    struct rng rng;

    *ret = *base;
    if (trial == 0)
        return;
    rng_init(&rng, seed ^ ((uint64_t)trial << 32)); /* trials of a search, and searches, differ */
    const uint32_t middle = width_of(PICK(&rng, middles) * (double)n);
    const uint32_t widest = width_of(PICK(&rng, widests) * (double)n);
    set_layers(ret, widest, middle < MIDDLE_MIN ? MIDDLE_MIN : middle,
               rng_below(&rng, SIDES_MAX + 1));
    ret->hidden = PICK(&rng, hiddens);
    ret->output = PICK(&rng, outputs);
    ret->learning_rate = PICK(&rng, rates);
    ret->batch_size = PICK(&rng, batches);
    ret->feature_dropout = PICK(&rng, dropouts);
}
