/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tflite_variant.h"

static void check_layer(const struct exchange_net *net, enum activation act)
{
    assert_int_equal(net->n_layers, 1);
    assert_int_equal(net->n_inputs, 3);
    assert_int_equal(net->layer[0].out, 2);
    assert_int_equal(net->layer[0].act, act);
    assert_memory_equal(net->layer[0].W, weights, sizeof weights);
}

static void check_taken(const struct variant *v, size_t tail, enum activation act, bool biased)
{
    static const float none[2];
    struct exchange_net net = {0};
    struct err err = {0};
    size_t n;
    uint8_t *const p = make(v, tail, &n);

    if (tflite_read(p, n, "m.tflite", &net, &err) != OK)
        fail_msg("%s", err.msg);
    check_layer(&net, act);
    assert_memory_equal(net.layer[0].b, biased ? bias : none, sizeof bias);
    assert_string_equal(net.input, "x");
    assert_string_equal(net.output, "y");
    exchange_net_done(&net);
    free(p);
}

/* The sentence names the file and has `words`. */
static void check_refused(const struct variant *v, const char *words)
{
    struct exchange_net net = {0};
    struct err err = {0};
    size_t n;
    uint8_t *const p = make(v, 0, &n);

    assert_int_not_equal(tflite_read(p, n, "m.tflite", &net, &err), OK);
    if (!strstr(err.msg, words) || !strstr(err.msg, "'m.tflite'"))
        fail_msg("expected '%s', found: %s", words, err.msg);
    assert_int_equal(net.n_layers, 0);
    free(p);
}

static void a_dense_layer_and_its_activation_are_read(void **state)
{
    static const struct {
        int behind, fused;
        enum activation act;
    } cases[] = {
        {TFLITE_LOGISTIC, TFLITE_FUSED_NONE, ACT_SIGMOID},
        {TFLITE_TANH, 0, ACT_TANH},
        {TFLITE_RELU, TFLITE_FUSED_NONE, ACT_RELU},
        {NO_OP, TFLITE_FUSED_RELU, ACT_RELU},
        {NO_OP, TFLITE_FUSED_TANH, ACT_TANH},
        {NO_OP, TFLITE_FUSED_NONE, ACT_LINEAR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct variant v = plain;
        v.behind = cases[i].behind;
        v.fused = cases[i].fused;
        check_taken(&v, 0, cases[i].act, true);
    }
}

static void either_field_of_the_operator_code_will_do(void **state)
{
    struct variant v = plain;

    (void)state;
    v.new_code = 0; /* before schema 3a */
    check_taken(&v, 0, ACT_SIGMOID, true);
    v = plain;
    v.old_code = 0;
    check_taken(&v, 0, ACT_SIGMOID, true);
}

static void a_bias_may_be_missing_in_two_ways(void **state)
{
    struct variant v = plain;

    (void)state;
    v.n_inputs = 2;
    check_taken(&v, 0, ACT_SIGMOID, false);
    v.n_inputs = 3;
    v.inputs[2] = -1;
    check_taken(&v, 0, ACT_SIGMOID, false);
}

static void options_may_be_left_out_and_batches_of_any_size_are_taken(void **state)
{
    struct variant v = plain;

    (void)state;
    v.without_options = true;
    check_taken(&v, 0, ACT_SIGMOID, true);
    v.shape[X][0] = 32;
    check_taken(&v, 0, ACT_SIGMOID, true);
    memcpy(v.shape[X], (int32_t[]){1, 1, 3}, sizeof v.shape[X]);
    v.rank[X] = 3;
    check_taken(&v, 0, ACT_SIGMOID, true);
}

static void weights_may_stand_behind_the_flatbuffer(void **state)
{
    struct variant v = plain;
    size_t n;

    (void)state;
    v.offset = 1000; /* any: the file's size does not depend on it */
    v.size = sizeof weights;
    free(make(&v, 0, &n));
    v.offset = n + 8;
    check_taken(&v, 8 + sizeof weights, ACT_SIGMOID, true);
    check_refused(&v, "does not end in the file");
    v.offset = UINT64_MAX - 8;
    check_refused(&v, "does not end in the file");
}

static void operators_that_are_not_dense_are_refused_by_name(void **state)
{
    static const struct {
        int op;
        const char *name;
    } cases[] = {{3, "operator 2, CONV_2D"},     {TFLITE_MUL, "operator 2, MUL"},
                 {21, "operator 2, RELU6"},      {22, "operator 2, RESHAPE"},
                 {25, "operator 2, SOFTMAX"},    {126, "operator 2, BATCH_MATMUL"},
                 {150, "operator 2, GELU"},      {209, "operator 2, STABLEHLO_CASE"},
                 {999, "operator 2, number 999"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct variant v = plain;
        v.behind = cases[i].op;
        check_refused(&v, cases[i].name);
    }
    struct variant v = plain;
    v.behind = TFLITE_CUSTOM;
    v.custom = "Flex\nErf";
    check_refused(&v, "operator 2, CUSTOM Flex?Erf is not supported");
}

static void fused_activations_other_than_ours_are_refused_by_name(void **state)
{
    struct variant v = plain;

    (void)state;
    v.behind = NO_OP;
    v.fused = TFLITE_FUSED_RELU6;
    check_refused(&v, "operator 1, FULLY_CONNECTED with the fused activation RELU6");
    v.fused = TFLITE_FUSED_SIGN_BIT;
    check_refused(&v, "SIGN_BIT");
    v.fused = 77;
    check_refused(&v, "unknown");
    v = plain;
    v.fused = TFLITE_FUSED_RELU;
    check_refused(&v, "two activations");
}

static void quantized_models_are_refused_in_a_sentence(void **state)
{
    struct variant v = plain;

    (void)state;
    v.type[WEIGHTS] = TFLITE_INT8;
    check_refused(&v, "quantized to integers");
    v = plain;
    v.type[X] = TFLITE_INT8;
    check_refused(&v, "quantized to integers");
    v = plain;
    v.behind = TFLITE_QUANTIZE;
    check_refused(&v, "quantized to integers");
    v = plain;
    v.type[BIAS] = TFLITE_INT32;
    check_refused(&v, "quantized to integers");
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    struct variant v = plain;

    (void)state;
    v.shape[X][1] = 4;
    check_refused(&v, "the input has 4 features, the first layer takes 3");
    v = plain;
    v.shape[WEIGHTS][0] = 3;
    check_refused(&v, "tensor 1 of 9 numbers has 24 bytes");
    v.shape[WEIGHTS][0] = -1;
    check_refused(&v, "larger than the file");
    v = plain;
    v.rank[WEIGHTS] = 1;
    v.shape[WEIGHTS][0] = 6;
    check_refused(&v, "weights of 1 dimensions");
    v = plain;
    v.shape[BIAS][0] = 1;
    v.bias_bytes = 4;
    check_refused(&v, "1 biases for 2 outputs");
    v = plain;
    memcpy(v.shape[X], (int32_t[]){1, 5, 3}, sizeof v.shape[X]);
    v.rank[X] = 3;
    check_refused(&v, "expected a batch of features");
}

static void other_ways_of_keeping_weights_are_refused(void **state)
{
    struct variant v = plain;

    (void)state;
    v.weights_format = 1;
    check_refused(&v, "shuffled weights");
    v = plain;
    v.sparse = true;
    check_refused(&v, "sparse");
    v = plain;
    v.external = 1;
    check_refused(&v, "in another file");
    v = plain;
    v.weights_buffer = 0;
    check_refused(&v, "tensor 1 is computed");
    v.weights_buffer = 4;
    check_refused(&v, "buffer 4 of tensor 1: there are 4");
    v = plain;
    v.options_type = TFLITE_OPTIONS_MUL;
    check_refused(&v, "options of another operator");
}

static void what_is_no_single_stack_is_refused(void **state)
{
    struct variant v = plain;

    (void)state;
    v.inputs[0] = BIAS;
    check_refused(&v, "does not take what is before it");
    v = plain;
    v.copies = 2;
    check_refused(&v, "does not take what is before it");
    v = plain;
    v.copies = 60; /* over the layers that a net may have, but in vain: each takes the input */
    check_refused(&v, "does not take what is before it");
    v = plain;
    v.output = SUMS;
    check_refused(&v, "the output is not that of the last layer");
    v = plain;
    v.graph_inputs = 2;
    check_refused(&v, "2 inputs: expected one");
    v = plain;
    v.subgraphs = 2;
    check_refused(&v, "2 subgraphs: expected one");
    v.subgraphs = 0;
    check_refused(&v, "0 subgraphs: expected one");
    v = plain;
    v.inputs[1] = 99;
    check_refused(&v, "tensor 99: there are 5");
    v = plain;
    v.n_inputs = 1;
    check_refused(&v, "1 inputs: expected 2 or 3");
    v = plain;
    v.copies = 0;
    v.behind = NO_OP;
    v.output = X;
    check_refused(&v, "no dense layer");
}

static void another_schema_version_is_refused(void **state)
{
    struct variant v = plain;

    (void)state;
    v.version = 2;
    check_refused(&v, "schema version 2: expected 3");
}

static void our_own_whole_exports_are_refused_and_bare_ones_taken(void **state)
{
    struct variant v = plain;

    (void)state;
    v.score = "the reconstruction error";
    check_refused(&v, "--raw");
    v.score = "none: the bare network";
    check_taken(&v, 0, ACT_SIGMOID, true);
}

static void a_parameter_that_is_not_finite_is_refused(void **state)
{
    struct exchange_net net = {0};
    struct err err = {0};
    size_t n;
    uint8_t *const p = make(&plain, 0, &n);

    (void)state;
    for (size_t i = 0; i + sizeof weights <= n; i++)
        if (memcmp(p + i, weights, sizeof weights) == 0)
            memset(p + i + 2, 0xff, 2); /* a NaN */
    assert_int_equal(tflite_read(p, n, "m.tflite", &net, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "not finite"));
    free(p);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    size_t n;
    uint8_t *const p = make(&plain, 0, &n);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *const part = malloc(cut ? cut : 1);
        struct exchange_net net = {0};
        struct err err = {0};

        assert_non_null(part);
        memcpy(part, p, cut);
        if (tflite_read(part, cut, "m.tflite", &net, &err) == OK)
            check_layer(&net, ACT_SIGMOID); /* what was cut off says nothing */
        else
            assert_non_null(strstr(err.msg, "'m.tflite'"));
        exchange_net_done(&net);
        free(part);
    }
    free(p);
}

static void a_byte_changed_anywhere_does_no_harm(void **state)
{
    static const uint8_t others[] = {0x00, 0x01, 0x04, 0x7f, 0x80, 0xff};
    size_t n;
    uint8_t *const p = make(&plain, 0, &n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof others; k++) {
            const uint8_t old = p[i];
            struct exchange_net net = {0};
            struct err err = {0};

            p[i] = others[k];
            if (tflite_read(p, n, "m.tflite", &net, &err) != OK)
                assert_true(err.msg[0] && net.n_layers == 0);
            exchange_net_done(&net);
            p[i] = old;
        }
    free(p);
}

static void no_memory_is_said(void **state)
{
    size_t n;
    uint8_t *const p = make(&plain, 0, &n);
    struct exchange_net net = {0};
    struct err err = {0};

    (void)state;
    mem_fail_at(1);
    assert_int_equal(tflite_read(p, n, "m.tflite", &net, &err), E_NOMEM);
    mem_fail_at(0);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_layer_and_its_activation_are_read),
        cmocka_unit_test(either_field_of_the_operator_code_will_do),
        cmocka_unit_test(a_bias_may_be_missing_in_two_ways),
        cmocka_unit_test(options_may_be_left_out_and_batches_of_any_size_are_taken),
        cmocka_unit_test(weights_may_stand_behind_the_flatbuffer),
        cmocka_unit_test(operators_that_are_not_dense_are_refused_by_name),
        cmocka_unit_test(fused_activations_other_than_ours_are_refused_by_name),
        cmocka_unit_test(quantized_models_are_refused_in_a_sentence),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(other_ways_of_keeping_weights_are_refused),
        cmocka_unit_test(what_is_no_single_stack_is_refused),
        cmocka_unit_test(another_schema_version_is_refused),
        cmocka_unit_test(our_own_whole_exports_are_refused_and_bare_ones_taken),
        cmocka_unit_test(a_parameter_that_is_not_finite_is_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_byte_changed_anywhere_does_no_harm),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
