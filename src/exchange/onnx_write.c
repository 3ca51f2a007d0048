/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of exchange_plan as ONNX operators (onnx.ai/onnx/operators). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/exchange.h"
#include "exchange/onnx.pb-c.h"

/* The operator set of ONNX 1.8 (2020), the first whose ReduceSum takes its axes as every later one
 * does; all operators here are in it. The IR version is that of the same release. */
enum { OPSET = 13, IR_VERSION = 7 };

enum { TYPE_FLOAT = 1, TYPE_INT64 = 7 }; /* TensorProto.DataType */
enum { ATTRIBUTE_INT = 2 };              /* AttributeProto.AttributeType */
enum {
    NODES_MAX = 2 * EXCHANGE_LAYERS_MAX + 48
}; /* Gemm and activation, and what is around them */
enum { TENSORS_MAX = 2 * EXCHANGE_LAYERS_MAX + 32 };
enum { DAY_S = 86400 };
enum { VALUES_MAX = 3, INPUTS_MAX = 3, TEXT_MAX = 32 };

struct node {
    Onnx__NodeProto m;
    char type[TEXT_MAX], to[TEXT_MAX], from[INPUTS_MAX][TEXT_MAX], attribute_name[TEXT_MAX];
    char *inputs[INPUTS_MAX], *outputs[1];
    Onnx__AttributeProto attribute;
    Onnx__AttributeProto *attributes[1];
};

struct tensor {
    Onnx__TensorProto m;
    char name[TEXT_MAX];
    int64_t dims[2];
    float value; /* of a scalar */
    int64_t axis;
};

struct value { /* an input or output of the graph: float32 [batch][width] */
    Onnx__ValueInfoProto m;
    char name[TEXT_MAX], batch[TEXT_MAX];
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dim[2];
    Onnx__TensorShapeProto__Dimension *dims[2];
};

/* The messages point at each other, so it stays where it was allocated. */
struct writer {
    const struct exchange_plan *plan;
    struct node node[NODES_MAX];
    struct tensor tensor[TENSORS_MAX];
    struct value in[2], out[VALUES_MAX];
    Onnx__NodeProto *nodes[NODES_MAX];
    Onnx__TensorProto *tensors[TENSORS_MAX];
    Onnx__ValueInfoProto *ins[2], *outs[VALUES_MAX];
    Onnx__StringStringEntryProto fact[EXCHANGE_FACTS_MAX];
    Onnx__StringStringEntryProto *facts[EXCHANGE_FACTS_MAX];
    Onnx__OperatorSetIdProto opset;
    Onnx__OperatorSetIdProto *opsets[1];
    Onnx__GraphProto graph;
    Onnx__ModelProto model;
    char producer[TEXT_MAX], version[TEXT_MAX], graph_name[TEXT_MAX], no_domain[1];
};

static void put_text(char text[TEXT_MAX], const char *from)
{
    const int n = snprintf(text, TEXT_MAX, "%s", from);

    assert(n >= 0 && n < TEXT_MAX);
}

/* --- pieces of a graph --- */

/* to = type(a, b, c); b and c may be NULL. Returns to. */
static const char *add(struct writer *w, const char *type, const char *a, const char *b,
                       const char *c, const char *to)
{
    const char *const from[INPUTS_MAX] = {a, b, c};

    assert(w->graph.n_node < NODES_MAX);
    struct node *const node = &w->node[w->graph.n_node];
    onnx__node_proto__init(&node->m);
    put_text(node->type, type);
    put_text(node->to, to);
    node->m.op_type = node->type;
    node->m.name = node->to; /* each gives another tensor: that names it */
    for (size_t i = 0; i < INPUTS_MAX && from[i]; i++) {
        put_text(node->from[i], from[i]);
        node->inputs[i] = node->from[i];
        node->m.n_input = i + 1;
    }
    node->m.input = node->inputs;
    node->outputs[0] = node->to;
    node->m.output = node->outputs;
    node->m.n_output = 1;
    w->nodes[w->graph.n_node++] = &node->m;
    return to;
}

/* An attribute of the node added last. */
static void add_int(struct writer *w, const char *name, int64_t v)
{
    struct node *const node = &w->node[w->graph.n_node - 1];

    onnx__attribute_proto__init(&node->attribute);
    put_text(node->attribute_name, name);
    node->attribute.name = node->attribute_name;
    node->attribute.has_type = node->attribute.has_i = 1;
    node->attribute.type = ATTRIBUTE_INT;
    node->attribute.i = v;
    node->attributes[0] = &node->attribute;
    node->m.attribute = node->attributes;
    node->m.n_attribute = 1;
}

static struct tensor *add_tensor(struct writer *w, const char *name, int32_t type, size_t rank,
                                 size_t rows, size_t columns)
{
    assert(w->graph.n_initializer < TENSORS_MAX);
    struct tensor *const t = &w->tensor[w->graph.n_initializer];
    onnx__tensor_proto__init(&t->m);
    put_text(t->name, name);
    t->m.name = t->name;
    t->dims[0] = (int64_t)(rank == 2 ? rows : columns);
    t->dims[1] = (int64_t)columns;
    t->m.dims = t->dims;
    t->m.n_dims = rank;
    t->m.has_data_type = 1;
    t->m.data_type = type;
    w->tensors[w->graph.n_initializer++] = &t->m;
    return t;
}

static const char *vector(struct writer *w, const char *name, float *v, size_t n)
{
    struct tensor *const t = add_tensor(w, name, TYPE_FLOAT, 1, 1, n);

    t->m.float_data = v;
    t->m.n_float_data = n;
    return name;
}

static const char *matrix(struct writer *w, const char *name, float *v, size_t rows, size_t columns)
{
    struct tensor *const t = add_tensor(w, name, TYPE_FLOAT, 2, rows, columns);

    t->m.float_data = v;
    t->m.n_float_data = rows * columns;
    return name;
}

static const char *scalar(struct writer *w, const char *name, float v)
{
    struct tensor *const t = add_tensor(w, name, TYPE_FLOAT, 0, 1, 1);

    t->value = v;
    t->m.float_data = &t->value;
    t->m.n_float_data = 1;
    return name;
}

static void add_value(struct value *v, const char *name, size_t width)
{
    onnx__value_info_proto__init(&v->m);
    onnx__type_proto__init(&v->type);
    onnx__type_proto__tensor__init(&v->tensor);
    onnx__tensor_shape_proto__init(&v->shape);
    put_text(v->name, name);
    put_text(v->batch, "batch");
    for (size_t i = 0; i < 2; i++) {
        onnx__tensor_shape_proto__dimension__init(&v->dim[i]);
        v->dims[i] = &v->dim[i];
    }
    v->dim[0].dim_param = v->batch;
    v->dim[1].has_dim_value = 1;
    v->dim[1].dim_value = (int64_t)width;
    v->shape.dim = v->dims;
    v->shape.n_dim = 2;
    v->tensor.has_elem_type = 1;
    v->tensor.elem_type = TYPE_FLOAT;
    v->tensor.shape = &v->shape;
    v->type.tensor_type = &v->tensor;
    v->m.type = &v->type;
    v->m.name = v->name;
}

static void add_input(struct writer *w, const char *name, size_t width)
{
    add_value(&w->in[w->graph.n_input], name, width);
    w->ins[w->graph.n_input] = &w->in[w->graph.n_input].m;
    w->graph.n_input++;
}

static void add_output(struct writer *w, const char *name, size_t width)
{
    add_value(&w->out[w->graph.n_output], name, width);
    w->outs[w->graph.n_output] = &w->out[w->graph.n_output].m;
    w->graph.n_output++;
}

/* --- the plan --- */

static const char *activation(enum activation act)
{
    switch (act) {
    case ACT_RELU:
        return "Relu";
    case ACT_SIGMOID:
        return "Sigmoid";
    case ACT_TANH:
        return "Tanh";
    case ACT_LINEAR:
    case ACT_AUTO: /* of no layer */
        break;
    }
    return NULL;
}

static const char *add_net(struct writer *w, const char *x, const char *to)
{
    const struct exchange_net *const net = &w->plan->net;
    char name[TEXT_MAX], weight[TEXT_MAX], bias[TEXT_MAX];

    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];
        const char *const act = activation(layer->act);
        const bool last = l + 1 == net->n_layers;

        (void)snprintf(weight, sizeof weight, "dense_%zu.weight", l + 1);
        (void)snprintf(bias, sizeof bias, "dense_%zu.bias", l + 1);
        matrix(w, weight, layer->W, layer->out, layer->in);
        vector(w, bias, layer->b, layer->out);
        (void)snprintf(name, sizeof name, "dense_%zu", l + 1);
        add(w, "Gemm", x, weight, bias, last && !act ? to : name);
        add_int(w, "transB", 1);
        x = w->node[w->graph.n_node - 1].to;
        if (!act)
            continue;
        (void)snprintf(name, sizeof name, "activation_%zu", l + 1);
        add(w, act, x, NULL, NULL, last ? to : name);
        x = w->node[w->graph.n_node - 1].to;
    }
    return to;
}

/* The season at time_of_day, [batch][n]. */
static const char *add_season(struct writer *w)
{
    const struct exchange_plan *const p = w->plan;
    const size_t slots = p->season_slots;

    vector(w, "slot_at", p->slot_at, slots);
    vector(w, "slot_rest", p->slot_rest, slots);
    matrix(w, "season_table", p->season, slots, p->n);
    add(w, "Sub", EXCHANGE_IN_TIME, "slot_at", NULL, "after_slot_at");
    add(w, "Sub", "after_slot_at", "slot_rest", NULL, "after_slot");
    add(w, "Abs", "after_slot", NULL, NULL, "far");
    add(w, "Sub", scalar(w, "day", DAY_S), "far", NULL, "the_other_way");
    add(w, "Min", "far", "the_other_way", NULL, "nearest");
    add(w, "Mul", "nearest", scalar(w, "slots_a_second", (float)slots / DAY_S), NULL,
        "nearest_slots");
    add(w, "Sub", scalar(w, "one", 1), "nearest_slots", NULL, "hat_and_less");
    add(w, "Relu", "hat_and_less", NULL, NULL, "hat");
    return add(w, "MatMul", "hat", "season_table", NULL, "season");
}

static const char *mask(struct writer *w, const char *x, const char *passed, const char *to)
{
    if (!w->plan->masked)
        return x;
    return add(w, "Add", add(w, "Mul", x, "pass", NULL, passed), "fill", NULL, to);
}

/* z to what the network is shown, and its answer. */
static const char *add_masked_net(struct writer *w, const char *z)
{
    const struct exchange_plan *const p = w->plan;

    if (p->masked) {
        vector(w, "pass", p->pass, p->n);
        vector(w, "fill", p->fill, p->n);
    }
    add(w, "Clip", z, scalar(w, "clip_low", p->clip_low), scalar(w, "clip_high", p->clip_high),
        "clipped");
    return mask(w, add_net(w, mask(w, "clipped", "clipped_learned", "shown"), "answer"),
                "answer_learned", "expected");
}

/* What each feature weighs in each frame; [n], or [batch][n] where some count only when they moved.
 */
static const char *add_weights(struct writer *w, const char *z)
{
    const struct exchange_plan *const p = w->plan;

    vector(w, "weight_always", p->weight, p->n);
    if (!p->watches)
        return "weight_always";
    vector(w, "watch", p->watch, p->n);
    add(w, "Sub", z, scalar(w, "centre", SCALER_CENTRE), NULL, "off_centre");
    add(w, "Abs", "off_centre", NULL, NULL, "off");
    add(w, "GreaterOrEqual", "off", scalar(w, "noticed", SCALER_NOTICED), NULL, "moved");
    add(w, "Cast", "moved", NULL, NULL, "moved_or_not");
    add_int(w, "to", TYPE_FLOAT);
    add(w, "Mul", "moved_or_not", "watch", NULL, "weight_moved");
    return add(w, "Add", "weight_moved", "weight_always", NULL, "weight");
}

static const char *sum(struct writer *w, const char *x, const char *to)
{
    add(w, "ReduceSum", x, "along_features", NULL, to);
    add_int(w, "keepdims", 1);
    return to;
}

static void add_score(struct writer *w, const char *z, const char *y)
{
    const struct exchange_plan *const p = w->plan;
    const char *weights = NULL;
    struct tensor *const axes = add_tensor(w, "along_features", TYPE_INT64, 1, 1, 1);

    axes->axis = 1;
    axes->m.int64_data = &axes->axis;
    axes->m.n_int64_data = 1;
    add(w, "Sub", z, y, NULL, "difference");
    add(w, "Clip", "difference", scalar(w, "distance_least", -MODEL_DISTANCE_MAX),
        scalar(w, "distance_most", MODEL_DISTANCE_MAX), "distance");
    if (p->masked) {
        weights = add_weights(w, z);
        add(w, "Mul", "distance", "distance", NULL, "square");
        add(w, "Mul", "square", weights, NULL, EXCHANGE_OUT_ERROR);
    } else {
        add(w, "Mul", "distance", "distance", NULL, EXCHANGE_OUT_ERROR);
    }
    sum(w, EXCHANGE_OUT_ERROR, "error_sum");
    add(w, "Div", "error_sum",
        p->watches ? sum(w, weights, "weight_sum") : scalar(w, "weight_sum", p->n_weighted), NULL,
        EXCHANGE_OUT_SCORE);
}

static void add_plan(struct writer *w)
{
    const struct exchange_plan *const p = w->plan;
    const bool season = p->season_slots > 0;
    const char *x = EXCHANGE_IN, *s = NULL;

    add_input(w, EXCHANGE_IN, p->n);
    if (season) {
        add_input(w, EXCHANGE_IN_TIME, 1);
        s = add_season(w);
        x = add(w, "Sub", x, s, NULL, "less_season");
    }
    vector(w, "low", p->low, p->n);
    vector(w, "span", p->span, p->n);
    add(w, "Sub", x, "low", NULL, "above_low");
    add(w, "Div", "above_low", "span", NULL, "scaled_far");
    const char *z = add(w, "Clip", "scaled_far", scalar(w, "z_least", -SCALER_Z_MAX),
                        scalar(w, "z_most", SCALER_Z_MAX), "scaled");
    const char *y = add_masked_net(w, z);
    vector(w, "out_span", p->out_span, p->n);
    vector(w, "out_low", p->out_low, p->n);
    add(w, "Mul", y, "out_span", NULL, "reconstruction_span");
    add(w, "Add", "reconstruction_span", "out_low", NULL,
        season ? "reconstruction_level" : EXCHANGE_OUT);
    if (season)
        add(w, "Add", "reconstruction_level", s, NULL, EXCHANGE_OUT);
    add_score(w, z, y);
    add_output(w, EXCHANGE_OUT, p->n);
    add_output(w, EXCHANGE_OUT_ERROR, p->n);
    add_output(w, EXCHANGE_OUT_SCORE, 1);
}

static void add_raw(struct writer *w)
{
    add_input(w, EXCHANGE_IN_RAW, w->plan->net.n_inputs);
    add_net(w, EXCHANGE_IN_RAW, EXCHANGE_OUT_RAW);
    add_output(w, EXCHANGE_OUT_RAW, w->plan->net.layer[w->plan->net.n_layers - 1].out);
}

/* --- the file --- */

static void begin(struct writer *w)
{
    onnx__model_proto__init(&w->model);
    onnx__graph_proto__init(&w->graph);
    onnx__operator_set_id_proto__init(&w->opset);
    put_text(w->producer, "tocsin");
    put_text(w->version, TOCSIN_VERSION);
    put_text(w->graph_name, w->plan->raw ? "autoencoder" : "tocsin");
    w->graph.name = w->graph_name;
    w->graph.node = w->nodes;
    w->graph.initializer = w->tensors;
    w->graph.input = w->ins;
    w->graph.output = w->outs;
    w->opset.domain = w->no_domain; /* "": that of ONNX itself */
    w->opset.has_version = 1;
    w->opset.version = OPSET;
    w->opsets[0] = &w->opset;
    w->model.has_ir_version = 1;
    w->model.ir_version = IR_VERSION;
    w->model.producer_name = w->producer;
    w->model.producer_version = w->version;
    w->model.graph = &w->graph;
    w->model.opset_import = w->opsets;
    w->model.n_opset_import = 1;
}

static void add_facts(struct writer *w)
{
    const struct exchange_facts *const f = &w->plan->facts;

    for (size_t i = 0; i < f->n; i++) {
        onnx__string_string_entry_proto__init(&w->fact[i]);
        w->fact[i].key = f->v[i].key;
        w->fact[i].value = f->v[i].value;
        w->facts[i] = &w->fact[i];
    }
    w->model.metadata_props = w->facts;
    w->model.n_metadata_props = f->n;
}

struct sink {
    ProtobufCBuffer base;
    struct buf *out;
};

static void sink_append(ProtobufCBuffer *base, size_t n, const uint8_t *p)
{
    buf_add(((struct sink *)base)->out, p, n);
}

enum rc onnx_write(const struct exchange_plan *p, struct buf *out, struct err *err)
{
    CLEANUP(mem_freep) struct writer *w = mem_alloc(sizeof *w);
    struct sink sink = {{sink_append}, out};

    if (!w)
        return err_set(err, E_NOMEM, "no memory to write a model");
    w->plan = p;
    begin(w);
    if (p->raw)
        add_raw(w);
    else
        add_plan(w);
    add_facts(w);
    (void)onnx__model_proto__pack_to_buffer(&w->model, &sink.base);
    if (out->failed)
        return err_set(err, E_LIMIT, "the model does not fit %zu bytes or memory", out->limit);
    return OK;
}
