/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/tape.h"

enum { IN = 5, ROWS = 6, WIDEST = 20 };

/* Loss of a whole batch in double: mean over rows of the mean over weighted features. params is in
 * the tape's layout, so that the test can nudge each of them. */
struct batch {
    double X[ROWS][IN], weight[ROWS][IN];
};

static double activation(enum activation act, double x)
{
    switch (act) {
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_TANH:
        return tanh(x);
    case ACT_AUTO: /* of no layer */
    case ACT_LINEAR:
        break;
    }
    return x;
}

static double loss(const struct tape *t, const double *params, const struct batch *b)
{
    double total = 0;

    for (size_t r = 0; r < ROWS; r++) {
        double in[WIDEST], out[WIDEST], e = 0, weights = 0;

        memcpy(in, b->X[r], sizeof b->X[r]);
        for (size_t l = 0; l < t->n_layers; l++) {
            const struct tape_layer *const layer = &t->layer[l];
            const double *const W = params + (layer->W - t->params);
            const double *const bias = params + (layer->b - t->params);
            for (size_t j = 0; j < layer->out; j++) {
                double sum = bias[j];
                for (size_t i = 0; i < layer->in; i++)
                    sum += in[i] * W[i * layer->ld + j];
                out[j] = activation(layer->act, sum);
            }
            memcpy(in, out, sizeof in);
        }
        for (size_t i = 0; i < IN; i++) {
            e += b->weight[r][i] * (out[i] - b->X[r][i]) * (out[i] - b->X[r][i]);
            weights += b->weight[r][i];
        }
        total += weights > 0 ? e / weights / ROWS : 0;
    }
    return total;
}

static void run_tape(struct tape *t, const struct batch *b)
{
    const struct tape_layer *const out = tape_output(t);

    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < IN; i++)
            t->X[r * t->ldx + i] = (float)b->X[r][i];
    tape_forward(t, ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        double weights = 0;
        for (size_t i = 0; i < IN; i++)
            weights += b->weight[r][i];
        for (size_t i = 0; i < IN; i++)
            out->dY[r * out->ld + i] = weights > 0
                                           ? (float)(2 * b->weight[r][i] / weights / ROWS *
                                                     ((double)out->Y[r * out->ld + i] - b->X[r][i]))
                                           : 0;
    }
    tape_backward(t, ROWS);
}

static void check_gradients(enum activation hidden, enum activation output, bool masked,
                            const struct kernels *k)
{
    static const uint32_t widths[] = {7, 3, 18};
    struct learn_spec s = {.n_layers = 3, .hidden = hidden, .output = output, .seed = 4};
    struct batch b;
    struct net net;
    struct tape t;
    struct rng rng;
    struct err err;

    memcpy(s.layers, widths, sizeof widths);
    assert_int_equal(net_init(&net, IN, &s, &err), OK);
    rng_init(&rng, 77);
    for (size_t i = 0; i < net.n_params; i++)
        net.params[i] += 0.2f * rng_float(&rng);
    assert_int_equal(tape_init(&t, &net, ROWS + 2, k, &err), OK);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < IN; i++) {
            b.X[r][i] = (double)rng_float(&rng);
            b.weight[r][i] = !masked || rng_below(&rng, 3) > 0;
        }
    if (masked)
        memset(b.weight[2], 0, sizeof b.weight[2]); /* a row with nothing present */
    for (int again = 0; again < 2; again++)         /* gradients do not pile up */
        run_tape(&t, &b);

    double *params = mem_array(t.n_params, sizeof *params);
    assert_non_null(params);
    for (size_t i = 0; i < t.n_params; i++)
        params[i] = (double)t.params[i];
    double largest = 0;
    for (size_t i = 0; i < t.n_params; i++) {
        const double p = params[i], h = 1e-6;
        params[i] = p + h;
        const double up = loss(&t, params, &b);
        params[i] = p - h;
        const double down = loss(&t, params, &b);
        params[i] = p;
        const double slope = (up - down) / (2 * h), g = (double)t.grad[i];
        /* padding has slope 0, and must have gradient 0 */
        assert_true(fabs(slope - g) < 2e-6 + 1e-4 * fabs(slope));
        largest = fmax(largest, fabs(slope));
    }
    assert_true(largest > 1e-3); /* there was something to compare */
    mem_free(params);
    tape_done(&t);
    net_done(&net);
}

static void gradients_match_central_differences_for_every_activation(void **state)
{
    (void)state;
    const struct kernels *k;

    for (size_t set = 0; (k = kernels_at(set)); set++)
        for (enum activation hidden = ACT_LINEAR; hidden <= ACT_TANH; hidden++)
            for (enum activation output = ACT_LINEAR; output <= ACT_TANH; output++)
                check_gradients(hidden, output, false, k);
}

static void gradients_match_central_differences_of_a_masked_loss(void **state)
{
    (void)state;
    check_gradients(ACT_RELU, ACT_SIGMOID, true, kernels_best());
    check_gradients(ACT_TANH, ACT_LINEAR, true, kernels_best());
}

static void padding_never_moves(void **state)
{
    (void)state;
    struct learn_spec s;
    struct net net;
    struct tape t;
    struct err err;

    settings_learn_defaults(&s);
    assert_int_equal(net_init(&net, 21, &s, &err), OK);
    assert_int_equal(tape_init(&t, &net, 4, kernels_best(), &err), OK);
    for (size_t i = 0; i < 4 * t.ldx; i++)
        t.X[i] = 0.5f; /* the input's padding too: it must not matter */
    for (int again = 0; again < 3; again++) {
        tape_forward(&t, 4);
        const struct tape_layer *const out = tape_output(&t);
        for (size_t r = 0; r < 4; r++)
            for (size_t i = 0; i < out->out; i++)
                out->dY[r * out->ld + i] = 1;
        tape_backward(&t, 4);
        for (size_t l = 0; l < t.n_layers; l++) {
            const struct tape_layer *const layer = &t.layer[l];
            for (size_t i = 0; i <= layer->in; i++) /* the last row is db */
                for (size_t j = layer->out; j < layer->ld; j++)
                    assert_true(layer->dW[i * layer->ld + j] == 0);
        }
    }
    tape_done(&t);
    net_done(&net);
}

static void a_network_comes_back_from_the_tape_as_it_went_in(void **state)
{
    (void)state;
    struct learn_spec s;
    struct net net, back;
    struct tape t;
    struct err err;

    settings_learn_defaults(&s);
    assert_int_equal(net_init(&net, 37, &s, &err), OK);
    s.seed++;
    assert_int_equal(net_init(&back, 37, &s, &err), OK);
    assert_int_equal(tape_init(&t, &net, 1, kernels_best(), &err), OK);
    tape_store(&t, t.params, &back);
    assert_memory_equal(net.params, back.params, net.n_params * sizeof(float));
    tape_done(&t);
    net_done(&net);
    net_done(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_central_differences_for_every_activation),
        cmocka_unit_test(gradients_match_central_differences_of_a_masked_loss),
        cmocka_unit_test(padding_never_moves),
        cmocka_unit_test(a_network_comes_back_from_the_tape_as_it_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
