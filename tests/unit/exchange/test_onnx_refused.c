/* SPDX-License-Identifier: Apache-2.0 */
/* What is not a plain stack of dense layers is refused, by name. */
#include "onnx_small.h"

static void no_graph(Onnx__ModelProto *o)
{
    onnx__graph_proto__free_unpacked(o->graph, NULL);
    o->graph = NULL;
}

static void another_operator(Onnx__ModelProto *o)
{
    set(&o->graph->node[1]->op_type, "Conv");
}

static void another_domain(Onnx__ModelProto *o)
{
    set(&o->graph->node[1]->domain, "com.example");
}

static void transposed_data(Onnx__ModelProto *o)
{
    Onnx__AttributeProto *const a = add_attribute(o->graph->node[0], "transA");

    a->has_i = 1;
    a->i = 1;
}

static void weights_first(Onnx__ModelProto *o)
{
    Onnx__NodeProto *const n = o->graph->node[0];
    char *const first = n->input[0];

    n->input[0] = n->input[1];
    n->input[1] = first;
}

static void missing_weights(Onnx__ModelProto *o)
{
    set(&o->graph->initializer[0]->name, "elsewhere");
}

static void short_raw_data(Onnx__ModelProto *o)
{
    to_raw(o->graph->initializer[0]);
    o->graph->initializer[0]->raw_data.len--;
}

static void numbers_twice(Onnx__ModelProto *o)
{
    const size_t n = o->graph->initializer[0]->n_float_data;

    to_raw(o->graph->initializer[0]);
    o->graph->initializer[0]->n_float_data = n;
}

static void few_numbers(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->n_float_data--;
}

static void huge_shape(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->dims[0] = INT64_MAX;
}

static void negative_shape(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->dims[1] = -3;
}

static void overflowing_shape(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->dims[0] = o->graph->initializer[0]->dims[1] = 1 << 20;
}

static void external_data(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->has_data_location = 1;
    o->graph->initializer[0]->data_location = 1;
}

static void double_weights(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->data_type = 11;
}

static void a_number_that_is_not_finite(Onnx__ModelProto *o)
{
    o->graph->initializer[0]->float_data[1] = INFINITY;
}

static void two_ways(Onnx__ModelProto *o)
{
    (void)insert(o, 1, "Tanh", "dense_1", "aside");
}

static void a_cycle(Onnx__ModelProto *o)
{
    set(&o->graph->node[1]->output[0], "scaled");
    set(&o->graph->node[0]->input[0], "scaled");
}

static void a_dead_end(Onnx__ModelProto *o)
{
    set(&o->graph->output[0]->name, "nowhere");
}

static void an_island(Onnx__ModelProto *o)
{
    (void)insert(o, 0, "Relu", "dense_2.bias", "unused");
}

static void two_activations(Onnx__ModelProto *o)
{
    set(&o->graph->node[1]->output[0], "once");
    (void)insert(o, 2, "Tanh", "once", "activation_1");
}

static void activation_first(Onnx__ModelProto *o)
{
    set(&o->graph->node[0]->input[0], "bent");
    (void)insert(o, 0, "Tanh", "scaled", "bent");
}

static void other_width(Onnx__ModelProto *o)
{
    o->graph->input[0]->type->tensor_type->shape->dim[1]->dim_value = 7;
}

static void vague_reshape(Onnx__ModelProto *o)
{
    with_a_reshape_to_the_same(o);
    o->graph->initializer[o->graph->n_initializer - 1]->int64_data[1] = 6;
}

static void training(Onnx__ModelProto *o)
{
    with_identities_and_dropout(o);
    o->graph->initializer[o->graph->n_initializer - 1]->int32_data[0] = 1;
}

static void transposed_for_ever(Onnx__ModelProto *o)
{
    set(&o->graph->initializer[0]->name, "elsewhere");
    (void)insert(o, 0, "Transpose", "other", "dense_1.weight");
    (void)insert(o, 0, "Identity", "dense_1.weight", "other");
}

static void no_output(Onnx__ModelProto *o)
{
    Onnx__GraphProto *const g = o->graph;

    onnx__value_info_proto__free_unpacked(g->output[0], NULL);
    g->n_output = 0;
}

static void integer_input(Onnx__ModelProto *o)
{
    o->graph->input[0]->type->tensor_type->elem_type = INT64;
}

static void make_long(char **text)
{
    char name[2048];

    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    set(text, name);
}

static void long_name(Onnx__ModelProto *o)
{
    make_long(&o->graph->node[0]->input[2]);
}

static void long_name_of_weights(Onnx__ModelProto *o)
{
    make_long(&o->graph->initializer[0]->name);
}

static void long_name_of_the_input(Onnx__ModelProto *o)
{
    make_long(&o->graph->input[0]->name);
}

static void what_is_not_dense_layers_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        void (*change)(Onnx__ModelProto *);
        enum rc rc;
        const char *words;
    } cases[] = {
        {no_graph, E_PARSE, "no graph"},
        {another_operator, E_PARSE, "operator Conv ('activation_1') is not supported"},
        {another_domain, E_PARSE, "operator com.example.Relu"},
        {transposed_data, E_PARSE, "transA"},
        {weights_first, E_PARSE, "as its first matrix"},
        {missing_weights, E_PARSE, "'dense_1.weight', which is no constant"},
        {short_raw_data, E_PARSE, "tensor 'dense_1.weight' of 6 numbers has 0, and 23 raw bytes"},
        {numbers_twice, E_PARSE, "has 6, and 24 raw bytes"},
        {few_numbers, E_PARSE, "of 6 numbers has 5"},
        {huge_shape, E_LIMIT, "dimension 1 of 9223372036854775807"},
        {negative_shape, E_LIMIT, "dimension 2 of -3"},
        {overflowing_shape, E_LIMIT, "dimension 2 of 1048576"},
        {external_data, E_PARSE, "in another file"},
        {double_weights, E_PARSE, "of type 11"},
        {a_number_that_is_not_finite, E_PARSE, "not finite"},
        {two_ways, E_PARSE, "'dense_1' goes 2 ways"},
        {a_cycle, E_PARSE, "behind itself"},
        {a_dead_end, E_PARSE, "'nowhere'"},
        {an_island, E_PARSE, "Relu ('unused') is not on the way"},
        {two_activations, E_PARSE, "two activations"},
        {activation_first, E_PARSE, "before the first dense layer"},
        {other_width, E_PARSE, "the model's input has 7"},
        {vague_reshape, E_PARSE, "[-1, 6] changes the shape of 3 values"},
        {training, E_PARSE, "training mode"},
        {transposed_for_ever, E_PARSE, "behind itself"},
        {no_output, E_PARSE, "1 inputs and 0 outputs"},
        {integer_input, E_PARSE, "of type 7"},
        {long_name, E_LIMIT, "name of 2047 bytes"},
        {long_name_of_weights, E_LIMIT, "name of 2047 bytes"},
        {long_name_of_the_input, E_LIMIT, "name of 2047 bytes"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Onnx__ModelProto *const o = small();
        struct exchange_net net = {0};
        struct err err = {0};

        cases[i].change(o);
        const enum rc rc = read_back(o, &net, &err);
        if (rc != cases[i].rc || !strstr(err.msg, cases[i].words) || !strstr(err.msg, "'m.onnx'"))
            fail_msg("case %zu: expected '%s', found %d '%s'", i, cases[i].words, rc, err.msg);
        assert_int_equal(net.n_layers, 0);
        onnx__model_proto__free_unpacked(o, NULL);
    }
}

static void a_whole_export_is_refused_with_a_hint(void **state)
{
    (void)state;
    struct model *m = some_model(4, 6);
    struct buf b = write_model(m, false);
    struct exchange_net net = {0};
    struct err err;

    assert_int_equal(onnx_read(b.p, b.n, "m.onnx", &net, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "tocsin export --raw"));
    buf_done(&b);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_dense_layers_is_refused_by_name),
        cmocka_unit_test(a_whole_export_is_refused_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
