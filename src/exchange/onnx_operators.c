/* SPDX-License-Identifier: Apache-2.0 */
/* What each supported operator (onnx.ai/onnx/operators) means for the network. */
#include <string.h>

#include "exchange/onnx_private.h"

enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2 }; /* AttributeProto.AttributeType */

/* --- dense layers --- */

/* The constant that node n takes as input i; its label goes before the sentence. */
static enum rc take_floats(struct onnx_reader *r, const Onnx__NodeProto *n, size_t i,
                           struct onnx_floats *ret, struct err *err)
{
    struct onnx_constant c = {0};
    bool found = false;

    if (i >= n->n_input)
        return err_set(err, E_PARSE, "%s has %zu inputs", r->label, n->n_input);
    if (onnx_constant_find(&r->graph, n->input[i], &found, &c, err) != OK)
        return err_wrap(err, "%s", r->label);
    if (!found)
        return err_set(err, E_PARSE, "%s takes '%.60s', which is no constant of the file", r->label,
                       n->input[i]);
    if (onnx_constant_floats(&c, ret, err) != OK)
        return err_wrap(err, "%s", r->label);
    return OK;
}

/* Some writers leave a number out that is 0, and say its type alone. */
static bool is_zero(const Onnx__AttributeProto *a, int32_t type)
{
    return a->has_type && a->type == type;
}

static enum rc attribute_float(const struct onnx_reader *r, const Onnx__NodeProto *n,
                               const char *name, float otherwise, float *ret, struct err *err)
{
    const Onnx__AttributeProto *const a = onnx_attribute(n, name);

    if (a && !a->has_f && !is_zero(a, ATTRIBUTE_FLOAT))
        return err_set(err, E_PARSE, "%s: attribute '%s' is no number", r->label, name);
    *ret = a ? a->f : otherwise;
    return OK;
}

static enum rc attribute_int(const struct onnx_reader *r, const Onnx__NodeProto *n,
                             const char *name, int64_t otherwise, int64_t *ret, struct err *err)
{
    const Onnx__AttributeProto *const a = onnx_attribute(n, name);

    if (a && !a->has_i && !is_zero(a, ATTRIBUTE_INT))
        return err_set(err, E_PARSE, "%s: attribute '%s' is no integer", r->label, name);
    *ret = a ? a->i : otherwise;
    return OK;
}

/* A layer of the matrix w, [out][in] when transposed, else [in][out], times alpha. */
static enum rc add_dense(struct onnx_reader *r, const struct onnx_floats *w, bool transposed,
                         float alpha, struct err *err)
{
    struct exchange_layer *layer = NULL;

    if (w->rank != 2)
        return err_set(err, E_PARSE, "%s: its weights have %zu dimensions: expected 2", r->label,
                       w->rank);
    const size_t in = w->dim[transposed ? 1 : 0], out = w->dim[transposed ? 0 : 1];
    if (r->net.n_layers == 0 && r->declared && r->declared != in)
        return err_set(err, E_PARSE, "%s takes %zu values, the model's input has %zu", r->label, in,
                       r->declared);
    /* both are NET_PARAMS_MAX at most */
    if (exchange_net_add(&r->net, (uint32_t)in, (uint32_t)out, &layer, err) != OK)
        return err_wrap(err, "%s", r->label);
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++)
            layer->W[o * in + i] = alpha * w->v[transposed ? o * in + i : i * out + o];
    return OK;
}

/* c, [out] or one number for all, to the last layer's biases, times beta. */
static enum rc add_bias(struct onnx_reader *r, const struct onnx_floats *c, float beta,
                        struct err *err)
{
    struct exchange_layer *const last = r->net.n_layers ? &r->net.layer[r->net.n_layers - 1] : NULL;

    if (!last || last->act != ACT_LINEAR)
        return err_set(err, E_PARSE, "%s does not stand right behind a dense layer", r->label);
    const bool is_row = c->rank > 0 && c->dim[c->rank - 1] == c->n; /* [out], [1][out], ... */
    if (c->n != 1 && !(is_row && c->n == last->out))
        return err_set(err, E_PARSE, "%s: a bias of %zu numbers for %u outputs", r->label, c->n,
                       last->out);
    for (size_t o = 0; o < last->out; o++)
        last->b[o] += beta * c->v[c->n == 1 ? 0 : o];
    return OK;
}

static enum rc take_gemm(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                         struct err *err)
{
    CLEANUP(onnx_floats_done) struct onnx_floats w = {0};
    CLEANUP(onnx_floats_done) struct onnx_floats c = {0};
    float alpha, beta;
    int64_t trans_a, trans_b;

    if (attribute_float(r, n, "alpha", 1, &alpha, err) != OK ||
        attribute_float(r, n, "beta", 1, &beta, err) != OK ||
        attribute_int(r, n, "transA", 0, &trans_a, err) != OK ||
        attribute_int(r, n, "transB", 0, &trans_b, err) != OK)
        return err->rc;
    if (data != 0 || trans_a)
        return err_set(err, E_PARSE,
                       "%s: expected the data as its first matrix, one sample a row (transA 0)",
                       r->label);
    if (take_floats(r, n, 1, &w, err) != OK || add_dense(r, &w, trans_b != 0, alpha, err) != OK)
        return err->rc;
    if (n->n_input < 3 || !*n->input[2])
        return OK;
    return take_floats(r, n, 2, &c, err) == OK ? add_bias(r, &c, beta, err) : err->rc;
}

static enum rc take_matmul(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                           struct err *err)
{
    CLEANUP(onnx_floats_done) struct onnx_floats w = {0};

    if (data != 0)
        return err_set(err, E_PARSE, "%s: expected the data as its first matrix", r->label);
    return take_floats(r, n, 1, &w, err) == OK ? add_dense(r, &w, false, 1, err) : err->rc;
}

static enum rc take_add(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                        struct err *err)
{
    CLEANUP(onnx_floats_done) struct onnx_floats c = {0};

    if (n->n_input != 2)
        return err_set(err, E_PARSE, "%s has %zu inputs", r->label, n->n_input);
    return take_floats(r, n, 1 - data, &c, err) == OK ? add_bias(r, &c, 1, err) : err->rc;
}

/* --- activations, and what does nothing --- */

static enum rc activate(struct onnx_reader *r, enum activation act, struct err *err)
{
    return exchange_net_activate(&r->net, act, err) == OK ? OK : err_wrap(err, "%s", r->label);
}

static enum rc take_relu(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                         struct err *err)
{
    (void)n;
    (void)data;
    return activate(r, ACT_RELU, err);
}

static enum rc take_sigmoid(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                            struct err *err)
{
    (void)n;
    (void)data;
    return activate(r, ACT_SIGMOID, err);
}

static enum rc take_tanh(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                         struct err *err)
{
    (void)n;
    (void)data;
    return activate(r, ACT_TANH, err);
}

static enum rc take_identity(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                             struct err *err)
{
    (void)r;
    (void)n;
    (void)data;
    (void)err;
    return OK;
}

/* In inference it passes everything on. Its third input, where there is one, says whether this is
 * training. */
static enum rc take_dropout(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                            struct err *err)
{
    struct onnx_constant c;
    int64_t training = 0;
    size_t found_n = 0;

    (void)data;
    for (size_t i = 1; i < n->n_input; i++) {
        bool found = !*n->input[i]; /* left out */
        const bool is_flag = i == 2 && !found;

        if (!found && onnx_constant_find(&r->graph, n->input[i], &found, &c, err) != OK)
            return err_wrap(err, "%s", r->label);
        if (!found)
            return err_set(err, E_PARSE, "%s takes '%.60s', which is no constant of the file",
                           r->label, n->input[i]);
        if (is_flag && onnx_constant_ints(&c, 1, &training, &found_n, err) != OK)
            return err_wrap(err, "%s", r->label);
    }
    if (training)
        return err_set(err, E_PARSE, "%s is in training mode: export the model for inference",
                       r->label);
    return OK;
}

/* [batch][...] to [batch][all the rest]: the numbers of a sample stay in their order. */
static enum rc take_flatten(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                            struct err *err)
{
    int64_t axis;

    (void)data;
    if (attribute_int(r, n, "axis", 1, &axis, err) != OK)
        return err->rc;
    return axis == 1 ? OK
                     : err_set(err, E_PARSE, "%s: axis %lld does not keep samples apart", r->label,
                               (long long)axis);
}

/* To [anything][width], where width is what there is. */
static enum rc take_reshape(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                            struct err *err)
{
    struct onnx_constant c;
    int64_t dim[2] = {0};
    size_t rank = 0;
    bool found = false;
    const size_t width = r->net.n_layers ? r->net.layer[r->net.n_layers - 1].out : r->declared;

    if (data != 0 || n->n_input != 2)
        return err_set(err, E_PARSE, "%s has %zu inputs: expected data and shape", r->label,
                       n->n_input);
    if (onnx_constant_find(&r->graph, n->input[1], &found, &c, err) != OK)
        return err_wrap(err, "%s", r->label);
    if (!found)
        return err_set(err, E_PARSE, "%s: its shape is no constant of the file", r->label);
    if (onnx_constant_ints(&c, 2, dim, &rank, err) != OK)
        return err_wrap(err, "%s", r->label);
    if (rank != 2 || dim[0] < -1 || width == 0 ||
        (dim[1] != (int64_t)width && !(dim[1] == -1 && dim[0] == 1)))
        return err_set(err, E_PARSE, "%s to [%lld, %lld] changes the shape of %zu values", r->label,
                       (long long)dim[0], (long long)dim[1], width);
    return OK;
}

static const struct {
    const char *type;
    onnx_take_fn *take;
} takes[] = {
    {"Gemm", take_gemm},         {"MatMul", take_matmul},   {"Add", take_add},
    {"Relu", take_relu},         {"Sigmoid", take_sigmoid}, {"Tanh", take_tanh},
    {"Identity", take_identity}, {"Dropout", take_dropout}, {"Flatten", take_flatten},
    {"Reshape", take_reshape},
};

onnx_take_fn *onnx_operator(const Onnx__NodeProto *n)
{
    if (*onnx_text(n->domain) && strcmp(n->domain, "ai.onnx") != 0)
        return NULL;
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++)
        if (strcmp(takes[i].type, onnx_text(n->op_type)) == 0)
            return takes[i].take;
    return NULL;
}
