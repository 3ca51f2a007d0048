/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read back, and so is what others write of the same network. */
#include "onnx_small.h"

enum { MODELS = 60 };

static void the_bare_network_reads_back_bit_for_bit(void **state)
{
    (void)state;
    struct rng rng;
    struct err err;

    rng_init(&rng, 1);
    for (uint64_t seed = 0; seed < MODELS; seed++) {
        struct model *m = some_model(1 + rng_below(&rng, SOME_FEATURES_MAX), seed);
        struct buf b = write_model(m, true);
        struct exchange_net net = {0};
        struct net back = {0};

        assert_int_equal(exchange_format_of(b.p, b.n), EXCHANGE_ONNX);
        if (onnx_read(b.p, b.n, "m.onnx", &net, &err) != OK ||
            exchange_net_to(&net, &back, &err) != OK)
            fail_msg("%s", err.msg);
        assert_int_equal(back.n_layers, m->net.n_layers);
        for (size_t l = 0; l < back.n_layers; l++) {
            assert_int_equal(back.layer[l].out, m->net.layer[l].out);
            assert_int_equal(back.layer[l].act, m->net.layer[l].act);
        }
        assert_memory_equal(back.params, m->net.params, back.n_params * sizeof *back.params);
        assert_string_equal(net.input, EXCHANGE_IN_RAW);
        assert_string_equal(net.output, EXCHANGE_OUT_RAW);
        assert_non_null(exchange_facts_get(&net.facts, EXCHANGE_FEATURES));
        assert_string_equal(exchange_facts_get(&net.facts, EXCHANGE_THRESHOLD), "0.1998");
        exchange_net_done(&net);
        net_done(&back);
        buf_done(&b);
        model_unref(m);
    }
}

/* --- other ways to write the same network --- */

static void with_raw_data(Onnx__ModelProto *o)
{
    for (size_t i = 0; i < o->graph->n_initializer; i++)
        to_raw(o->graph->initializer[i]);
}

static void with_weights_the_other_way(Onnx__ModelProto *o)
{
    attribute(o->graph->node[0], "transB")->i = 0;
    transpose(o->graph->initializer[0]);
}

static void with_a_zero_left_out(Onnx__ModelProto *o)
{
    with_weights_the_other_way(o);
    attribute(o->graph->node[0], "transB")->has_i = 0;
}

static void with_weights_behind_a_transpose(Onnx__ModelProto *o)
{
    attribute(o->graph->node[0], "transB")->i = 0;
    set(&o->graph->node[0]->input[1], "turned");
    (void)insert(o, 0, "Transpose", "dense_1.weight", "turned");
}

static void with_alpha_and_beta(Onnx__ModelProto *o)
{
    Onnx__NodeProto *const n = o->graph->node[0];
    Onnx__AttributeProto *const alpha = add_attribute(n, "alpha"), *const beta =
                                                                       add_attribute(n, "beta");

    alpha->has_f = beta->has_f = 1;
    alpha->f = 2;
    beta->f = 0.5f;
    for (size_t i = 0; i < o->graph->initializer[0]->n_float_data; i++)
        o->graph->initializer[0]->float_data[i] /= 2; /* exact, so are all of these */
    for (size_t i = 0; i < o->graph->initializer[1]->n_float_data; i++)
        o->graph->initializer[1]->float_data[i] *= 2;
}

/* As Keras is written: MatMul, then Add; the bias first or last. */
static void with_matmul_and_add(Onnx__ModelProto *o)
{
    Onnx__NodeProto *const n = o->graph->node[0];

    with_weights_the_other_way(o);
    set(&n->op_type, "MatMul");
    onnx__attribute_proto__free_unpacked(n->attribute[0], NULL);
    n->n_attribute = 0;
    free(n->input[2]);
    n->n_input = 2;
    Onnx__NodeProto *const add = insert(o, 1, "Add", "dense_1.bias", n->output[0]);
    add_input(add, "product");
    set(&n->output[0], "product");
}

/* A tensor as a Constant node's value instead of an initializer. */
static void with_a_constant_node(Onnx__ModelProto *o)
{
    Onnx__NodeProto *const n = insert(o, 0, "Constant", "", "dense_1.weight");

    free(n->input[0]);
    n->n_input = 0;
    Onnx__AttributeProto *const value = add_attribute(n, "value");
    value->t = o->graph->initializer[0];
    memmove(o->graph->initializer, o->graph->initializer + 1,
            --o->graph->n_initializer * sizeof(void *));
}

static void with_initializers_among_the_inputs(Onnx__ModelProto *o)
{
    Onnx__GraphProto *const g = o->graph;
    Onnx__ValueInfoProto *const v = malloc(sizeof *v);

    assert_non_null(v);
    onnx__value_info_proto__init(v);
    v->name = copy("dense_1.weight");
    g->input = realloc(g->input, 2 * sizeof(void *));
    assert_non_null(g->input);
    g->input[1] = g->input[0];
    g->input[0] = v;
    g->n_input = 2;
}

static void other_spellings_are_the_same_network(void **state)
{
    (void)state;
    static void (*const ways[])(Onnx__ModelProto *) = {with_raw_data,
                                                       with_weights_the_other_way,
                                                       with_a_zero_left_out,
                                                       with_weights_behind_a_transpose,
                                                       with_alpha_and_beta,
                                                       with_matmul_and_add,
                                                       with_identities_and_dropout,
                                                       with_a_reshape_to_the_same,
                                                       with_a_constant_node,
                                                       with_initializers_among_the_inputs};
    struct exchange_net plain = {0};
    Onnx__ModelProto *o = small();
    struct err err;

    assert_int_equal(read_back(o, &plain, &err), OK);
    onnx__model_proto__free_unpacked(o, NULL);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct exchange_net net = {0};
        o = small();
        ways[i](o);
        if (read_back(o, &net, &err) != OK)
            fail_msg("way %zu: %s", i, err.msg);
        assert_int_equal(net.n_layers, 2);
        for (size_t l = 0; l < 2; l++) {
            const struct exchange_layer *const a = &plain.layer[l], *const b = &net.layer[l];
            assert_int_equal(a->act, b->act);
            assert_memory_equal(a->W, b->W, (a->in * a->out + a->out) * sizeof(float));
        }
        exchange_net_done(&net);
        onnx__model_proto__free_unpacked(o, NULL);
    }
    exchange_net_done(&plain);
}

static void a_cut_file_is_refused_or_whole(void **state)
{
    (void)state;
    struct model *m = some_model(3, 8);
    struct buf b = write_model(m, true);

    for (size_t n = 0; n < b.n; n++) {
        char *const p = malloc(n + 1); /* so that a read past the end is seen */
        struct exchange_net net = {0};
        struct err err = {0};

        assert_non_null(p);
        memcpy(p, b.p, n);
        if (onnx_read(p, n, "m.onnx", &net, &err) != OK)
            assert_non_null(strstr(err.msg, "'m.onnx'"));
        exchange_net_done(&net); /* metadata stands last: without some of it, it is a network */
        free(p);
    }
    buf_done(&b);
    model_unref(m);
}

static void many_empty_messages_meet_a_limit(void **state)
{
    (void)state;
    enum { N = 40 << 20 };
    uint8_t *const p = malloc(N);
    struct exchange_net net = {0};
    struct err err;

    assert_non_null(p);
    for (size_t i = 0; i + 1 < N; i += 2) { /* metadata_props, of no bytes */
        p[i] = 14 << 3 | 2;
        p[i + 1] = 0;
    }
    assert_int_equal(onnx_read(p, N, "m.onnx", &net, &err), E_LIMIT);
    free(p);
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    struct model *m = some_model(3, 8);
    struct buf b = write_model(m, true);
    enum rc rc = E_NOMEM;

    for (uint64_t n = 1; rc != OK; n++) {
        struct exchange_net net = {0};
        struct err err;
        mem_fail_at(n);
        rc = onnx_read(b.p, b.n, "m.onnx", &net, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        exchange_net_done(&net);
    }
    buf_done(&b);
    model_unref(m);
}

static void a_file_that_does_not_fit_is_said(void **state)
{
    (void)state;
    struct model *m = some_model(3, 8);
    struct exchange_plan p = {0};
    struct buf b;
    struct err err;

    buf_init(&b, 100);
    assert_int_equal(exchange_plan_make(m, false, &p, &err), OK);
    assert_int_equal(onnx_write(&p, &b, &err), E_LIMIT);
    exchange_plan_done(&p);
    buf_done(&b);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bare_network_reads_back_bit_for_bit),
        cmocka_unit_test(other_spellings_are_the_same_network),
        cmocka_unit_test(a_cut_file_is_refused_or_whole),
        cmocka_unit_test(many_empty_messages_meet_a_limit),
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
        cmocka_unit_test(a_file_that_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
