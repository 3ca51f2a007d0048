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
#include "model/net.h"
#include "model/tape.h"

static struct learn_spec spec_of(size_t n_layers, const uint32_t *layers)
{
    struct learn_spec s;

    settings_learn_defaults(&s);
    s.n_layers = n_layers;
    if (n_layers)
        memcpy(s.layers, layers, n_layers * sizeof *layers);
    return s;
}

static void twenty_one_inputs_derive_the_classic_widths(void **state)
{
    (void)state;
    static const uint32_t classic[] = {14, 8, 4, 8, 14, 21};
    const struct learn_spec s = spec_of(0, NULL);
    struct net net;
    struct err err;

    assert_int_equal(net_init(&net, 21, &s, &err), OK);
    assert_int_equal(net.n_layers, 6);
    for (size_t l = 0; l < 6; l++) {
        assert_int_equal(net.layer[l].out, classic[l]);
        assert_int_equal(net.layer[l].act, l < 5 ? ACT_RELU : ACT_LINEAR);
    }
    assert_int_equal(net.n_params, 945);
    net_done(&net);
}

static void an_output_that_is_left_open_is_linear_unless_the_data_are_scaled(void **state)
{
    (void)state;
    struct learn_spec s = spec_of(0, NULL);
    struct err err;

    for (int scaling = SCALING_MINMAX; scaling <= SCALING_NONE; scaling++)
        for (int act = ACT_LINEAR; act <= ACT_AUTO; act++) {
            struct net net;
            s.scaling = (enum scaling)scaling;
            s.output = (enum activation)act;
            assert_int_equal(net_init(&net, 9, &s, &err), OK);
            assert_int_equal(net.layer[5].act, act != ACT_AUTO           ? act
                                               : scaling == SCALING_NONE ? ACT_SIGMOID
                                                                         : ACT_LINEAR);
            net_done(&net);
        }
}

static void the_middle_is_a_twelfth_of_many_inputs(void **state)
{
    (void)state;
    static const uint32_t widths[] = {80, 40, 10, 40, 80, 120};
    const struct learn_spec s = spec_of(0, NULL);
    struct net net;
    struct err err;

    assert_int_equal(net_init(&net, 120, &s, &err), OK);
    assert_int_equal(net.n_layers, 6);
    for (size_t l = 0; l < 6; l++)
        assert_int_equal(net.layer[l].out, widths[l]);
    net_done(&net);
}

static void any_number_of_inputs_derives_a_network(void **state)
{
    (void)state;
    const struct learn_spec s = spec_of(0, NULL);
    struct err err;

    for (size_t n = 1; n <= 1024; n += n < 50 ? 1 : 97) {
        struct net net;
        assert_int_equal(net_init(&net, n, &s, &err), OK);
        assert_int_equal(net.layer[0].in, n);
        assert_int_equal(net.layer[net.n_layers - 1].out, n);
        assert_true(net.layer[2].out <= net.layer[1].out && net.layer[2].out >= 1);
        net_done(&net);
    }
}

static void the_output_layer_follows_even_a_last_width_that_is_the_inputs(void **state)
{
    (void)state;
    static const uint32_t widths[] = {3, 5};
    const struct learn_spec s = spec_of(2, widths);
    struct net net;
    struct err err;

    assert_int_equal(net_init(&net, 5, &s, &err), OK);
    assert_int_equal(net.n_layers, 3);
    assert_int_equal(net.layer[2].in, 5);
    assert_int_equal(net.layer[2].out, 5);
    net_done(&net);
}

static void weights_are_glorot_uniform_by_seed(void **state)
{
    (void)state;
    struct learn_spec s = spec_of(0, NULL);
    struct net a, b, c;
    struct err err;

    assert_int_equal(net_init(&a, 45, &s, &err), OK);
    assert_int_equal(net_init(&b, 45, &s, &err), OK);
    s.seed++;
    assert_int_equal(net_init(&c, 45, &s, &err), OK);
    assert_memory_equal(a.params, b.params, a.n_params * sizeof(float));
    assert_memory_not_equal(a.params, c.params, a.n_params * sizeof(float));
    for (size_t l = 0; l < a.n_layers; l++) {
        const struct net_layer *const layer = &a.layer[l];
        const size_t weights = (size_t)layer->in * layer->out;
        const double limit = sqrt(6.0 / (layer->in + layer->out));
        double largest = 0;

        for (size_t i = 0; i < weights; i++)
            largest = fmax(largest, fabs((double)layer->W[i]));
        assert_true(largest <= limit && largest > 0.9 * limit);
        for (size_t j = 0; j < layer->out; j++)
            assert_true(layer->b[j] == 0);
    }
    net_done(&a);
    net_done(&b);
    net_done(&c);
}

static void impossible_shapes_are_refused_in_words(void **state)
{
    (void)state;
    static const uint32_t zero[] = {4, 0}, wide[] = {NET_WIDTH_MAX + 1}, last[] = {4, 6};
    static const uint32_t huge[16] = {4096, 4096, 4096, 4096, 4096, 4096};
    static const enum activation acts[2] = {ACT_RELU, ACT_RELU};
    struct learn_spec s = spec_of(2, zero);
    struct net net;
    struct err err;

    assert_int_equal(net_init(&net, 5, &s, &err), E_CONFIG);
    assert_string_equal(err.msg, "layer 2 is 0 wide: expected 1 to 4096");
    s = spec_of(1, wide);
    assert_int_equal(net_init(&net, 5, &s, &err), E_LIMIT);
    s = spec_of(6, huge);
    assert_int_equal(net_init(&net, 4096, &s, &err), E_LIMIT);
    s.n_layers = NET_LAYERS_MAX + 1;
    assert_int_equal(net_init(&net, 5, &s, &err), E_LIMIT);
    s = spec_of(0, NULL);
    assert_int_equal(net_init(&net, 0, &s, &err), E_LIMIT);
    assert_int_equal(net_init(&net, NET_WIDTH_MAX + 1, &s, &err), E_LIMIT);
    assert_int_equal(net_init_layers(&net, 5, last, acts, 2, &err), E_CONFIG);
    assert_string_equal(err.msg, "the last layer is 6 wide: expected the input's 5");
    mem_fail_at(1);
    assert_int_equal(net_init(&net, 5, &s, &err), E_NOMEM);
    mem_fail_at(0);
}

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

static void forward_is_the_layers_formula(void **state)
{
    (void)state;
    enum { N = 21 };
    static const enum activation kinds[] = {ACT_LINEAR, ACT_RELU, ACT_SIGMOID, ACT_TANH};
    struct rng rng;
    struct err err;

    rng_init(&rng, 9);
    for (size_t a = 0; a < 4; a++) {
        struct learn_spec s = spec_of(0, NULL);
        struct net net;
        double in[64], out[64];
        float x[N];

        s.hidden = s.output = kinds[a];
        assert_int_equal(net_init(&net, N, &s, &err), OK);
        for (size_t i = 0; i < net.n_params; i++) /* biases too */
            net.params[i] += 0.1f * rng_float(&rng);
        for (size_t i = 0; i < N; i++)
            in[i] = (double)(x[i] = rng_float(&rng));
        float *work = mem_array_aligned(2 * net.max_width, sizeof *work);
        net_forward(&net, x, x, work); /* y may be x */
        for (size_t l = 0; l < net.n_layers; l++) {
            const struct net_layer *const layer = &net.layer[l];
            for (size_t j = 0; j < layer->out; j++) {
                double sum = (double)layer->b[j];
                for (size_t i = 0; i < layer->in; i++)
                    sum += in[i] * (double)layer->W[i * layer->out + j];
                out[j] = activation(layer->act, sum);
            }
            memcpy(in, out, sizeof in);
        }
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)x[i] - out[i]) < 1e-6);
        mem_free(work);
        net_done(&net);
    }
}

static void one_sample_and_a_batch_give_the_same_bits(void **state)
{
    (void)state;
    enum { ROWS = 5 };
    const struct learn_spec s = spec_of(0, NULL);
    const struct kernels *k;
    struct err err;

    for (size_t set = 0; (k = kernels_at(set)); set++) {
        for (size_t n = 1; n < 70; n += 4) {
            struct net net;
            struct tape t;
            struct rng rng;
            float y[70];

            assert_int_equal(net_init(&net, n, &s, &err), OK);
            assert_int_equal(tape_init(&t, &net, ROWS, k, &err), OK);
            rng_init(&rng, n);
            for (size_t i = 0; i < ROWS * t.ldx; i++)
                t.X[i] = rng_float(&rng);
            tape_forward(&t, ROWS);
            float *work = mem_array_aligned(2 * net.max_width, sizeof *work);
            for (size_t r = 0; r < ROWS; r++) {
                net_forward(&net, t.X + r * t.ldx, y, work);
                assert_memory_equal(y, tape_output(&t)->Y + r * tape_output(&t)->ld, n * sizeof *y);
            }
            mem_free(work);
            tape_done(&t);
            net_done(&net);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twenty_one_inputs_derive_the_classic_widths),
        cmocka_unit_test(an_output_that_is_left_open_is_linear_unless_the_data_are_scaled),
        cmocka_unit_test(the_middle_is_a_twelfth_of_many_inputs),
        cmocka_unit_test(any_number_of_inputs_derives_a_network),
        cmocka_unit_test(the_output_layer_follows_even_a_last_width_that_is_the_inputs),
        cmocka_unit_test(weights_are_glorot_uniform_by_seed),
        cmocka_unit_test(impossible_shapes_are_refused_in_words),
        cmocka_unit_test(forward_is_the_layers_formula),
        cmocka_unit_test(one_sample_and_a_batch_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
