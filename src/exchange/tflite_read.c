/* SPDX-License-Identifier: Apache-2.0 */
/* A TensorFlow Lite graph that is a plain stack of dense layers, followed from its input to its
 * output. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exchange/exchange.h"
#include "exchange/flatbuffer_read.h"
#include "exchange/tflite_schema.h"

/* Far more than a stack of EXCHANGE_LAYERS_MAX layers can need; so a file whose lists all name the
 * same few bytes takes no time. */
enum {
    OPERATORS_MAX = 256,
    TENSORS_MAX = 4096,
    BUFFERS_MAX = 4096,
    METADATA_MAX = 256,
    ENDS_MAX = 8, /* inputs of an operator */
    RANK_MAX = 8,
    LABEL_MAX = 96,
};

#define QUANTIZED                                                                                  \
    "the model is quantized to integers: expected float32, or float16 weights; convert it again "  \
    "without integer quantization"

struct reader {
    struct flatbuffer f;
    struct err broken; /* what f says: the first thing that is no FlatBuffer */
    struct flatbuffer_vector codes, buffers, tensors, operators;
    struct exchange_net net;
    /* DEQUANTIZE: tensors that stand for constants in float16. */
    struct {
        uint32_t tensor, half;
    } halves[OPERATORS_MAX];
    size_t n_halves;
    uint32_t reached; /* the tensor that the stack has come to */
};

struct operator_of {
    enum tflite_op op;
    char label[LABEL_MAX]; /* "operator 3, RELU6" */
    struct flatbuffer_table table;
    struct flatbuffer_vector inputs, outputs;
};

/* What a constant tensor holds. */
struct constant {
    uint8_t type;
    size_t rank;
    uint32_t shape[RANK_MAX];
    const uint8_t *p;
    size_t bytes;
};

/* --- tensors --- */

static enum rc tensor_at(struct reader *r, uint32_t i, struct flatbuffer_table *ret,
                         struct err *err)
{
    if (i >= r->tensors.n)
        return err_set(err, E_PARSE, "tensor %u: there are %zu", i, r->tensors.n);
    *ret = flatbuffer_table_at(r->tensors, i);
    return OK;
}

static enum rc shape_of(struct flatbuffer_table tensor, uint32_t i, uint32_t shape[RANK_MAX],
                        size_t *ret_rank, struct err *err)
{
    const struct flatbuffer_vector v =
        flatbuffer_get_vector(tensor, TFLITE_TENSOR_SHAPE, sizeof(uint32_t));

    if (v.n > RANK_MAX)
        return err_set(err, E_LIMIT, "tensor %u has %zu dimensions: expected %d at most", i, v.n,
                       RANK_MAX);
    for (size_t d = 0; d < v.n; d++)
        shape[d] = flatbuffer_u32_at(v, d);
    *ret_rank = v.n;
    return OK;
}

/* The bytes of tensor i, in the file's buffers or behind them. */
static enum rc bytes_of(struct reader *r, struct flatbuffer_table tensor, uint32_t i,
                        struct constant *ret, struct err *err)
{
    const uint32_t buffer = flatbuffer_get_u32(tensor, TFLITE_TENSOR_BUFFER, 0);

    if (flatbuffer_get_u32(tensor, TFLITE_TENSOR_EXTERNAL_BUFFER, 0) != 0)
        return err_set(err, E_PARSE, "tensor %u lies in another file: expected one file", i);
    if (flatbuffer_get_table(tensor, TFLITE_TENSOR_SPARSITY).at != 0)
        return err_set(err, E_PARSE, "tensor %u is sparse: expected dense weights", i);
    if (buffer >= r->buffers.n)
        return err_set(err, E_PARSE, "buffer %u of tensor %u: there are %zu", buffer, i,
                       r->buffers.n);
    const struct flatbuffer_table t = flatbuffer_table_at(r->buffers, buffer);
    const uint64_t offset = flatbuffer_get_u64(t, TFLITE_BUFFER_OFFSET, 0);
    const uint64_t size = flatbuffer_get_u64(t, TFLITE_BUFFER_SIZE, 0);
    const struct flatbuffer_vector v = flatbuffer_get_vector(t, TFLITE_BUFFER_DATA, 1);

    ret->p = r->f.p + v.at;
    ret->bytes = v.n;
    if (offset > 1) {
        if (offset > r->f.n || size > r->f.n - offset)
            return err_set(err, E_PARSE, "buffer %u does not end in the file", buffer);
        ret->p = r->f.p + offset;
        ret->bytes = size;
    }
    return OK;
}

static enum rc find_constant(struct reader *r, const char *label, uint32_t i, struct constant *ret,
                             struct err *err)
{
    struct constant c = {0};
    struct flatbuffer_table tensor;
    size_t count = 1;

    for (size_t h = 0; h < r->n_halves; h++)
        if (r->halves[h].tensor == i)
            i = r->halves[h].half;
    if (tensor_at(r, i, &tensor, err) != OK || shape_of(tensor, i, c.shape, &c.rank, err) != OK ||
        bytes_of(r, tensor, i, &c, err) != OK)
        return err->rc;
    c.type = flatbuffer_get_u8(tensor, TFLITE_TENSOR_TYPE, TFLITE_FLOAT32);
    if (c.type != TFLITE_FLOAT32 && c.type != TFLITE_FLOAT16)
        return err_set(err, E_PARSE, QUANTIZED);
    for (size_t d = 0; d < c.rank; d++) {
        if (c.shape[d] == 0 || c.shape[d] > r->f.n / count)
            return err_set(err, E_PARSE, "tensor %u is larger than the file", i);
        count *= c.shape[d];
    }
    if (c.bytes == 0)
        return err_set(err, E_PARSE, "%s: tensor %u is computed: expected constant weights", label,
                       i);
    if (c.bytes != count * (c.type == TFLITE_FLOAT16 ? 2 : 4))
        return err_set(err, E_PARSE, "tensor %u of %zu numbers has %zu bytes", i, count, c.bytes);
    *ret = c;
    return OK;
}

/* IEEE 754 binary16. */
static float half_to_float(uint16_t h)
{
    const int exponent = h >> 10 & 0x1f, fraction = h & 0x3ff;
    const float size = exponent == 31  ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? ldexpf((float)fraction, -24)
                                       : ldexpf((float)(0x400 | fraction), exponent - 25);

    return h >> 15 ? -size : size;
}

static float float_at(const struct constant *c, size_t i)
{
    const uint8_t *const p = c->p + i * (c->type == TFLITE_FLOAT16 ? 2 : 4);
    uint32_t bits = p[0] | (uint32_t)p[1] << 8;
    float v;

    if (c->type == TFLITE_FLOAT16)
        return half_to_float((uint16_t)bits);
    bits |= (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* --- operators --- */

static enum rc find_op(struct reader *r, size_t i, struct operator_of *ret, struct err *err)
{
    const struct flatbuffer_table t = flatbuffer_table_at(r->operators, i);
    const uint32_t at = flatbuffer_get_u32(t, TFLITE_OPERATOR_CODE, 0);

    if (at >= r->codes.n)
        return err_set(err, E_PARSE, "operator %zu is number %u of %zu", i + 1, at, r->codes.n);
    const struct flatbuffer_table code = flatbuffer_table_at(r->codes, at);
    const uint32_t old = flatbuffer_get_u8(code, TFLITE_CODE_OLD_BUILTIN, 0);
    const uint32_t new = flatbuffer_get_u32(code, TFLITE_CODE_BUILTIN, 0);
    const uint32_t op = old > new ? old : new;
    const char *const name = tflite_op_name(op);
    const struct str custom = flatbuffer_get_string(code, TFLITE_CODE_CUSTOM);
    char number[16];

    (void)snprintf(number, sizeof number, "number %u", op);
    (void)snprintf(ret->label, sizeof ret->label, "operator %zu, %s%s%.*s", i + 1,
                   name ? name : number, op == TFLITE_CUSTOM ? " " : "",
                   op == TFLITE_CUSTOM ? (int)(custom.n < 40 ? custom.n : 40) : 0, custom.p);
    ret->op = op;
    ret->table = t;
    ret->inputs = flatbuffer_get_vector(t, TFLITE_OPERATOR_INPUTS, sizeof(uint32_t));
    ret->outputs = flatbuffer_get_vector(t, TFLITE_OPERATOR_OUTPUTS, sizeof(uint32_t));
    return OK;
}

static bool is_supported(enum tflite_op op)
{
    return op == TFLITE_FULLY_CONNECTED || op == TFLITE_RELU || op == TFLITE_LOGISTIC ||
           op == TFLITE_TANH || op == TFLITE_DEQUANTIZE;
}

/* What cannot be taken at all says more than where it stands. */
static enum rc check_operators(struct reader *r, struct err *err)
{
    if (r->operators.n > OPERATORS_MAX || r->tensors.n > TENSORS_MAX || r->buffers.n > BUFFERS_MAX)
        return err_set(err, E_LIMIT,
                       "%zu operators, %zu tensors and %zu buffers: expected %d, %d and %d at most",
                       r->operators.n, r->tensors.n, r->buffers.n, OPERATORS_MAX, TENSORS_MAX,
                       BUFFERS_MAX);
    for (size_t i = 0; i < r->operators.n; i++) {
        struct operator_of o;

        if (find_op(r, i, &o, err) != OK)
            return err->rc;
        if (o.op == TFLITE_QUANTIZE)
            return err_set(err, E_PARSE, QUANTIZED);
        if (!is_supported(o.op))
            return err_set(err, E_PARSE,
                           "%s is not supported: expected dense layers (FULLY_CONNECTED) with "
                           "RELU, LOGISTIC, TANH or none",
                           o.label);
        if (o.inputs.n == 0 || o.inputs.n > ENDS_MAX || o.outputs.n != 1)
            return err_set(err, E_PARSE, "%s has %zu inputs and %zu outputs", o.label, o.inputs.n,
                           o.outputs.n);
    }
    return OK;
}

static enum rc take_dequantize(struct reader *r, const struct operator_of *o, struct err *err)
{
    const uint32_t half = flatbuffer_u32_at(o->inputs, 0);
    struct flatbuffer_table tensor;

    if (tensor_at(r, half, &tensor, err) != OK)
        return err->rc;
    if (flatbuffer_get_u8(tensor, TFLITE_TENSOR_TYPE, TFLITE_FLOAT32) != TFLITE_FLOAT16)
        return err_set(err, E_PARSE, QUANTIZED);
    r->halves[r->n_halves].tensor = flatbuffer_u32_at(o->outputs, 0);
    r->halves[r->n_halves++].half = half;
    return OK;
}

static enum rc take_fused(struct reader *r, const struct operator_of *o, struct err *err)
{
    const struct flatbuffer_table options = flatbuffer_get_table(o->table, TFLITE_OPERATOR_OPTIONS);
    const uint8_t type =
        flatbuffer_get_u8(o->table, TFLITE_OPERATOR_OPTIONS_TYPE, TFLITE_OPTIONS_NONE);
    const uint8_t fused = flatbuffer_get_u8(options, TFLITE_FULLY_CONNECTED_ACTIVATION, 0);
    const char *const name = tflite_fused_name(fused);

    if (options.at && type != TFLITE_OPTIONS_FULLY_CONNECTED)
        return err_set(err, E_PARSE, "%s has options of another operator", o->label);
    if (flatbuffer_get_u8(options, TFLITE_FULLY_CONNECTED_WEIGHTS_FORMAT, 0) != 0)
        return err_set(err, E_PARSE, "%s has shuffled weights: expected them as they are",
                       o->label);
    if (fused == TFLITE_FUSED_RELU)
        return exchange_net_activate(&r->net, ACT_RELU, err);
    if (fused == TFLITE_FUSED_TANH)
        return exchange_net_activate(&r->net, ACT_TANH, err);
    if (fused != TFLITE_FUSED_NONE)
        return err_set(err, E_PARSE,
                       "%s with the fused activation %s is not supported: expected RELU, TANH or "
                       "none",
                       o->label, name ? name : "of an unknown number");
    return OK;
}

/* Weights [out][in], as the net keeps them. */
static enum rc take_fully_connected(struct reader *r, const struct operator_of *o, struct err *err)
{
    const uint32_t none = UINT32_MAX; /* -1: no bias */
    const uint32_t bias_at = o->inputs.n > 2 ? flatbuffer_u32_at(o->inputs, 2) : none;
    struct constant weights, bias = {0};
    struct exchange_layer *layer;

    if (o->inputs.n < 2 || o->inputs.n > 3)
        return err_set(err, E_PARSE, "%s has %zu inputs: expected 2 or 3", o->label, o->inputs.n);
    if (find_constant(r, o->label, flatbuffer_u32_at(o->inputs, 1), &weights, err) != OK)
        return err->rc;
    if (weights.rank != 2)
        return err_set(err, E_PARSE, "%s has weights of %zu dimensions: expected 2", o->label,
                       weights.rank);
    if (bias_at != none && find_constant(r, o->label, bias_at, &bias, err) != OK)
        return err->rc;
    const uint32_t out = weights.shape[0], in = weights.shape[1];
    const size_t bias_n = bias.bytes / (bias.type == TFLITE_FLOAT16 ? 2 : 4);
    if (bias_at != none && bias_n != out)
        return err_set(err, E_PARSE, "%s has %zu biases for %u outputs", o->label, bias_n, out);
    if (exchange_net_add(&r->net, in, out, &layer, err) != OK)
        return err_wrap(err, "%s", o->label);
    for (size_t i = 0; i < (size_t)in * out; i++)
        layer->W[i] = float_at(&weights, i);
    for (size_t i = 0; i < bias_n; i++)
        layer->b[i] = float_at(&bias, i);
    return take_fused(r, o, err);
}

static enum rc take_operator(struct reader *r, const struct operator_of *o, struct err *err)
{
    if (o->op == TFLITE_DEQUANTIZE)
        return take_dequantize(r, o, err);
    if (flatbuffer_u32_at(o->inputs, 0) != r->reached)
        return err_set(err, E_PARSE,
                       "%s does not take what is before it: expected one stack of layers",
                       o->label);
    r->reached = flatbuffer_u32_at(o->outputs, 0);
    if (o->op == TFLITE_FULLY_CONNECTED)
        return take_fully_connected(r, o, err);
    if (o->inputs.n != 1)
        return err_set(err, E_PARSE, "%s has %zu inputs: expected 1", o->label, o->inputs.n);
    const enum activation act = o->op == TFLITE_RELU       ? ACT_RELU
                                : o->op == TFLITE_LOGISTIC ? ACT_SIGMOID
                                                           : ACT_TANH;
    if (exchange_net_activate(&r->net, act, err) != OK)
        return err_wrap(err, "%s", o->label);
    return OK;
}

/* --- the graph --- */

/* The one tensor in a list of the subgraph's, and its name. */
static enum rc find_end(struct reader *r, struct flatbuffer_vector v, const char *what,
                        uint32_t *ret, char name[EXCHANGE_NAME_MAX], struct err *err)
{
    struct flatbuffer_table tensor;

    if (v.n != 1)
        return err_set(err, E_PARSE, "the model has %zu %ss: expected one", v.n, what);
    *ret = flatbuffer_u32_at(v, 0);
    if (tensor_at(r, *ret, &tensor, err) != OK)
        return err->rc;
    const uint8_t type = flatbuffer_get_u8(tensor, TFLITE_TENSOR_TYPE, TFLITE_FLOAT32);
    if (type == TFLITE_INT8 || type == TFLITE_UINT8)
        return err_set(err, E_PARSE, QUANTIZED);
    if (type != TFLITE_FLOAT32)
        return err_set(err, E_PARSE, "the %s is of type %u: expected float32", what, type);
    const struct str s = flatbuffer_get_string(tensor, TFLITE_TENSOR_NAME);
    (void)snprintf(name, EXCHANGE_NAME_MAX, "%.*s",
                   (int)(s.n < EXCHANGE_NAME_MAX ? s.n : EXCHANGE_NAME_MAX), s.p);
    str_make_printable(name);
    return OK;
}

/* [batch][features], or with ones between. */
static enum rc check_input(struct reader *r, uint32_t input, struct err *err)
{
    uint32_t shape[RANK_MAX];
    struct flatbuffer_table tensor;
    size_t rank;

    if (tensor_at(r, input, &tensor, err) != OK || shape_of(tensor, input, shape, &rank, err) != OK)
        return err->rc;
    for (size_t d = 1; d + 1 < rank; d++)
        if (shape[d] != 1)
            return err_set(err, E_PARSE,
                           "the input has %zu dimensions: expected a batch of features", rank);
    if (rank == 0 || r->net.n_layers == 0 || shape[rank - 1] == r->net.n_inputs)
        return OK;
    return err_set(err, E_PARSE, "the input has %u features, the first layer takes %u",
                   shape[rank - 1], r->net.n_inputs);
}

static enum rc read_facts(struct reader *r, struct flatbuffer_table model, struct err *err)
{
    const struct flatbuffer_vector v =
        flatbuffer_get_vector(model, TFLITE_MODEL_METADATA, sizeof(uint32_t));

    for (size_t i = 0; i < v.n && i < METADATA_MAX; i++) {
        const struct flatbuffer_table t = flatbuffer_table_at(v, i);
        const struct str key = flatbuffer_get_string(t, TFLITE_METADATA_NAME);
        const uint32_t buffer = flatbuffer_get_u32(t, TFLITE_METADATA_BUFFER, 0);

        if (!str_starts(key, STR("tocsin.")) || buffer >= r->buffers.n)
            continue;
        const struct str value =
            flatbuffer_get_string(flatbuffer_table_at(r->buffers, buffer), TFLITE_BUFFER_DATA);
        if (exchange_facts_add(&r->net.facts, key, value, err) != OK)
            return err->rc;
    }
    return exchange_facts_check_raw(&r->net.facts, err);
}

static enum rc read_subgraph(struct reader *r, struct flatbuffer_table graph, struct err *err)
{
    uint32_t input, output;

    r->tensors = flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_TENSORS, sizeof(uint32_t));
    r->operators = flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_OPERATORS, sizeof(uint32_t));
    const struct flatbuffer_vector inputs = flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_INPUTS,
                                                                  sizeof(uint32_t)),
                                   outputs = flatbuffer_get_vector(graph, TFLITE_SUBGRAPH_OUTPUTS,
                                                                   sizeof(uint32_t));

    if (check_operators(r, err) != OK ||
        find_end(r, inputs, "input", &input, r->net.input, err) != OK ||
        find_end(r, outputs, "output", &output, r->net.output, err) != OK)
        return err->rc;
    r->reached = input;
    for (size_t i = 0; i < r->operators.n; i++) {
        struct operator_of o;

        if (find_op(r, i, &o, err) != OK || take_operator(r, &o, err) != OK)
            return err->rc;
    }
    if (r->reached != output)
        return err_set(err, E_PARSE, "the output is not that of the last layer");
    return check_input(r, input, err);
}

static enum rc read_model(struct reader *r, struct err *err)
{
    const struct flatbuffer_table model = flatbuffer_get_root(&r->f, TFLITE_IDENTIFIER);
    const uint32_t version = flatbuffer_get_u32(model, TFLITE_MODEL_VERSION, 0);
    const struct flatbuffer_vector graphs =
        flatbuffer_get_vector(model, TFLITE_MODEL_SUBGRAPHS, sizeof(uint32_t));

    r->codes = flatbuffer_get_vector(model, TFLITE_MODEL_OPERATOR_CODES, sizeof(uint32_t));
    r->buffers = flatbuffer_get_vector(model, TFLITE_MODEL_BUFFERS, sizeof(uint32_t));
    if (version != TFLITE_SCHEMA_VERSION)
        return err_set(err, E_PARSE, "a model of schema version %u: expected %d", version,
                       TFLITE_SCHEMA_VERSION);
    if (graphs.n != 1)
        return err_set(err, E_PARSE, "the model has %zu subgraphs: expected one", graphs.n);
    if (read_facts(r, model, err) != OK ||
        read_subgraph(r, flatbuffer_table_at(graphs, 0), err) != OK)
        return err->rc;
    return exchange_net_check(&r->net, err);
}

enum rc tflite_read(const void *p, size_t n, const char *name, struct exchange_net *ret,
                    struct err *err)
{
    struct reader r = {.f = {.p = p, .n = n}};

    if (n > EXCHANGE_BYTES_MAX)
        return err_set(err, E_LIMIT, "'%s': %zu bytes: expected a model of %d at most", name, n,
                       EXCHANGE_BYTES_MAX);
    r.f.err = &r.broken;
    enum rc rc = read_model(&r, err);
    if (r.f.failed) { /* what came of it is a consequence */
        *err = r.broken;
        rc = err_wrap(err, "no sound TensorFlow Lite model");
    }
    if (rc != OK) {
        exchange_net_done(&r.net);
        return err_wrap(err, "'%s'", name);
    }
    *ret = r.net;
    return OK;
}
