/* SPDX-License-Identifier: Apache-2.0 */
#include "some_plan.h"

#include "exchange/flatbuffer_read.h"
#include "exchange/tflite_schema.h"

enum { LIMIT = 1 << 22, ROWS = 50 };

static const struct plan_kind raw = {.raw = true}, whole = {0}, uneven = {.uneven = true},
                              seasonal = {.uneven = true, .seasonal = true};

static void write_plan(const struct exchange_plan *p, const struct exchange_calibration *c,
                       struct buf *ret)
{
    struct err err = {0};

    buf_init(ret, LIMIT);
    if (tflite_write(p, c, ret, &err) != OK)
        fail_msg("%s", err.msg);
    assert_true(exchange_format_of(ret->p, ret->n) == EXCHANGE_TFLITE);
}

static void check_same(const struct exchange_net *a, const struct exchange_net *b)
{
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_params, b->n_params);
    for (size_t l = 0; l < a->n_layers; l++) {
        const struct exchange_layer *const one = &a->layer[l], *const two = &b->layer[l];
        assert_int_equal(one->act, two->act);
        assert_int_equal(one->out, two->out);
        assert_memory_equal(one->W, two->W, one->in * one->out * sizeof(float));
        assert_memory_equal(one->b, two->b, one->out * sizeof(float));
    }
}

static void a_raw_export_is_read_back_bit_for_bit(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 60; n++) {
        struct exchange_plan p;
        struct exchange_net net;
        struct buf out;
        struct err err = {0};

        mem_free(some_plan(&p, n, raw, 1, n));
        write_plan(&p, NULL, &out);
        if (tflite_read(out.p, out.n, "m.tflite", &net, &err) != OK)
            fail_msg("%s", err.msg);
        check_same(&p.net, &net);
        assert_string_equal(net.input, EXCHANGE_IN_RAW);
        assert_string_equal(net.output, EXCHANGE_OUT_RAW);
        assert_int_equal(net.facts.n, p.facts.n);
        for (size_t i = 0; i < p.facts.n; i++)
            assert_string_equal(exchange_facts_get(&net.facts, p.facts.v[i].key),
                                p.facts.v[i].value);
        exchange_net_done(&net);
        exchange_plan_done(&p);
        buf_done(&out);
    }
}

static void the_same_plan_gives_the_same_bytes(void **state)
{
    struct exchange_plan p;
    struct buf a, b;

    (void)state;
    mem_free(some_plan(&p, 5, seasonal, 1, 1));
    write_plan(&p, NULL, &a);
    write_plan(&p, NULL, &b);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    buf_done(&a);
    buf_done(&b);
    exchange_plan_done(&p);
}

/* The names of a list of TensorMaps, each with a space behind it. */
static void names_of(struct flatbuffer_table signature, uint16_t field, char ret[128])
{
    const struct flatbuffer_vector v = flatbuffer_get_vector(signature, field, 4);
    size_t n = 0;

    ret[0] = 0;
    for (size_t i = 0; i < v.n; i++) {
        const struct str s =
            flatbuffer_get_string(flatbuffer_table_at(v, i), TFLITE_TENSOR_MAP_NAME);
        n += (size_t)snprintf(ret + n, 128 - n, "%.*s ", (int)s.n, s.p);
    }
}

/* Every operator takes what is a constant, an input, or made before it, and all that is computed
 * has an open first dimension. */
static void check_graph(const struct buf *file, const char *inputs, const char *outputs)
{
    struct err err = {0};
    struct flatbuffer f = {.p = (const uint8_t *)file->p, .n = file->n, .err = &err};
    const struct flatbuffer_table model = flatbuffer_get_root(&f, TFLITE_IDENTIFIER);
    const struct flatbuffer_table graph =
        flatbuffer_table_at(flatbuffer_get_vector(model, TFLITE_MODEL_SUBGRAPHS, 4), 0);
    const struct flatbuffer_vector tensors =
                                       flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_TENSORS, 4),
                                   operators =
                                       flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_OPERATORS, 4),
                                   ends[] = {
                                       flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_INPUTS, 4),
                                       flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_OUTPUTS, 4)};
    bool known[1024] = {false};
    char names[128];

    assert_true(tensors.n > 0 && tensors.n <= 1024 && operators.n > 0);
    for (size_t t = 0; t < tensors.n; t++) {
        const struct flatbuffer_table tensor = flatbuffer_table_at(tensors, t);
        const struct flatbuffer_vector open =
            flatbuffer_get_vector(tensor, TFLITE_TENSOR_SHAPE_SIGNATURE, 4);
        known[t] = flatbuffer_get_u32(tensor, TFLITE_TENSOR_BUFFER, 0) != 0;
        assert_int_equal(known[t], open.n == 0);
        if (open.n) {
            assert_int_equal(open.n, 2);
            assert_int_equal(flatbuffer_u32_at(open, 0), UINT32_MAX);
        }
    }
    for (size_t i = 0; i < ends[0].n; i++)
        known[flatbuffer_u32_at(ends[0], i)] = true;
    for (size_t o = 0; o < operators.n; o++) {
        const struct flatbuffer_table op = flatbuffer_table_at(operators, o);
        const struct flatbuffer_vector in = flatbuffer_get_vector(op, TFLITE_OPERATOR_INPUTS, 4),
                                       out = flatbuffer_get_vector(op, TFLITE_OPERATOR_OUTPUTS, 4);
        for (size_t i = 0; i < in.n; i++)
            assert_true(known[flatbuffer_u32_at(in, i)]);
        assert_int_equal(out.n, 1);
        assert_false(known[flatbuffer_u32_at(out, 0)]);
        known[flatbuffer_u32_at(out, 0)] = true;
    }
    for (size_t i = 0; i < ends[1].n; i++)
        assert_true(known[flatbuffer_u32_at(ends[1], i)]);
    const struct flatbuffer_table signature =
        flatbuffer_table_at(flatbuffer_get_vector(model, TFLITE_MODEL_SIGNATURE_DEFS, 4), 0);
    names_of(signature, TFLITE_SIGNATURE_INPUTS, names);
    assert_string_equal(names, inputs);
    names_of(signature, TFLITE_SIGNATURE_OUTPUTS, names);
    assert_string_equal(names, outputs);
    assert_false(f.failed);
}

static void a_graph_of_any_kind_is_sound(void **state)
{
    const struct plan_kind kinds[] = {whole, uneven, seasonal};

    (void)state;
    for (size_t k = 0; k < 30; k++) {
        for (int int8 = 0; int8 < 2; int8++) {
            struct exchange_plan p;
            struct buf out;
            float *const X = some_plan(&p, 1 + k, kinds[k % 3], ROWS, k);
            const struct exchange_calibration c = {ROWS, X, NULL};

            write_plan(&p, int8 ? &c : NULL, &out);
            check_graph(&out, kinds[k % 3].seasonal ? "features time_of_day " : "features ",
                        "reconstruction feature_error anomaly_score ");
            buf_done(&out);
            exchange_plan_done(&p);
            mem_free(X);
        }
    }
}

static void a_whole_export_is_refused_by_what_it_says_of_itself(void **state)
{
    struct exchange_plan p;
    struct exchange_net net;
    struct buf out;
    struct err err = {0};

    (void)state;
    mem_free(some_plan(&p, 4, whole, 1, 1));
    write_plan(&p, NULL, &out);
    assert_int_equal(tflite_read(out.p, out.n, "m.tflite", &net, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "--raw"));
    buf_done(&out);
    exchange_plan_done(&p);
}

static void an_int8_export_is_refused_as_quantized_and_smaller(void **state)
{
    struct exchange_plan p;
    struct exchange_net net;
    struct buf plain, small;
    struct err err = {0};

    (void)state;
    float *const X = some_plan(&p, 60, raw, ROWS, 1);
    const struct exchange_calibration c = {ROWS, X, NULL};
    write_plan(&p, NULL, &plain);
    write_plan(&p, &c, &small);
    assert_true(plain.n - small.n > 2 * p.net.n_params);
    assert_int_equal(tflite_read(small.p, small.n, "m.tflite", &net, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "quantized"));
    buf_done(&plain);
    buf_done(&small);
    exchange_plan_done(&p);
    mem_free(X);
}

static void no_room_and_no_memory_are_said(void **state)
{
    struct exchange_plan p;
    struct buf out;
    struct err err = {0};
    enum rc rc = E_NOMEM;

    (void)state;
    float *const X = some_plan(&p, 5, seasonal, ROWS, 1);
    const struct exchange_calibration c = {ROWS, X, NULL};
    buf_init(&out, 100);
    assert_int_equal(tflite_write(&p, NULL, &out, &err), E_LIMIT);
    buf_done(&out);
    int failures = 0;
    for (uint64_t nth = 1; rc != OK && nth < 1000; nth++) {
        buf_init(&out, LIMIT);
        mem_fail_at(nth);
        rc = tflite_write(&p, &c, &out, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM || rc == E_LIMIT);
        failures += rc != OK;
        buf_done(&out);
    }
    assert_int_equal(rc, OK);
    assert_true(failures > 5);
    exchange_plan_done(&p);
    mem_free(X);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_export_is_read_back_bit_for_bit),
        cmocka_unit_test(the_same_plan_gives_the_same_bytes),
        cmocka_unit_test(a_graph_of_any_kind_is_sound),
        cmocka_unit_test(a_whole_export_is_refused_by_what_it_says_of_itself),
        cmocka_unit_test(an_int8_export_is_refused_as_quantized_and_smaller),
        cmocka_unit_test(no_room_and_no_memory_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
