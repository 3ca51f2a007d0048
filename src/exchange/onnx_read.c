/* SPDX-License-Identifier: Apache-2.0 */
/* An ONNX graph that is a plain stack of dense layers, followed from its input to its output. */
#include <stdio.h>
#include <string.h>

#include "exchange/exchange.h"
#include "exchange/onnx_private.h"

/* What unpacking may take: raw numbers once, and room for the messages around them. Each byte of a
 * hostile file could else ask for a hundred. */
enum { MEMORY_MAX = 4 * EXCHANGE_BYTES_MAX };

/* --- the graph --- */

static size_t longer(size_t n, const char *name)
{
    const size_t length = strlen(onnx_text(name));

    return length > n ? length : n;
}

/* Sizes first, since every name is compared with many. */
static enum rc check_sizes(const Onnx__GraphProto *g, struct err *err)
{
    size_t longest = 0;

    if (g->n_node > ONNX_NODES_MAX || g->n_initializer > ONNX_TENSORS_MAX ||
        g->n_input > ONNX_TENSORS_MAX)
        return err_set(err, E_LIMIT,
                       "%zu operators, %zu tensors and %zu inputs: expected %d, %d and %d at most",
                       g->n_node, g->n_initializer, g->n_input, ONNX_NODES_MAX, ONNX_TENSORS_MAX,
                       ONNX_TENSORS_MAX);
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *const n = g->node[i];

        if (n->n_input > ONNX_ENDS_MAX || n->n_output > ONNX_ENDS_MAX ||
            n->n_attribute > ONNX_ENDS_MAX)
            return err_set(err, E_LIMIT, "operator %.60s has over %d inputs, outputs or attributes",
                           onnx_text(n->op_type), ONNX_ENDS_MAX);
        for (size_t k = 0; k < n->n_input; k++)
            longest = longer(longest, n->input[k]);
        for (size_t k = 0; k < n->n_output; k++)
            longest = longer(longest, n->output[k]);
    }
    for (size_t i = 0; i < g->n_initializer; i++)
        longest = longer(longest, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_input; i++)
        longest = longer(longest, g->input[i]->name);
    if (longest > ONNX_NAME_MAX)
        return err_set(err, E_LIMIT, "a tensor's name of %zu bytes: expected %d at most", longest,
                       ONNX_NAME_MAX);
    return OK;
}

/* What cannot be taken at all says more than where it stands. */
static enum rc check_nodes(struct onnx_reader *r, struct err *err)
{
    const Onnx__GraphProto *const g = r->graph.g;

    if (check_sizes(g, err) != OK)
        return err->rc;
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *const n = g->node[i];
        const char *const type = onnx_text(n->op_type);

        onnx_label(n, r->label);
        if (n->n_output == 0)
            return err_set(err, E_PARSE, "%s has no output", r->label);
        if (strcmp(type, "Constant") == 0 || strcmp(type, "Transpose") == 0 || onnx_operator(n))
            continue;
        return err_set(err, E_PARSE,
                       "%s is not supported: expected dense layers (Gemm, or MatMul and Add) with "
                       "Relu, Sigmoid, Tanh or none",
                       r->label);
    }
    return OK;
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(onnx_text(g->initializer[i]->name), name) == 0)
            return true;
    return false;
}

/* The product of a sample's dimensions, where the file has them all. */
static enum rc declared_width(const Onnx__ValueInfoProto *v, size_t *ret, struct err *err)
{
    const Onnx__TypeProto__Tensor *const t = v->type ? v->type->tensor_type : NULL;
    size_t width = 1;

    *ret = 0;
    if (t && t->has_elem_type && t->elem_type != ONNX_FLOAT)
        return err_set(err, E_PARSE, "input '%.60s' is of type %d: expected %d, float32",
                       onnx_text(v->name), t->elem_type, ONNX_FLOAT);
    if (!t || !t->shape)
        return OK;
    if (t->shape->n_dim < 2)
        return err_set(err, E_PARSE, "input '%.60s' has %zu dimensions: expected batch and values",
                       onnx_text(v->name), t->shape->n_dim);
    for (size_t i = 1; i < t->shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *const d = t->shape->dim[i];

        if (!d->has_dim_value)
            return OK;
        if (d->dim_value < 1 || d->dim_value > NET_WIDTH_MAX || width > NET_WIDTH_MAX)
            return err_set(err, E_LIMIT, "input '%.60s': dimension %zu is %lld: expected 1 to %d",
                           onnx_text(v->name), i + 1, (long long)d->dim_value, NET_WIDTH_MAX);
        width *= (size_t)d->dim_value;
    }
    *ret = width;
    return OK;
}

static enum rc find_ends(struct onnx_reader *r, struct err *err)
{
    const Onnx__GraphProto *const g = r->graph.g;
    const Onnx__ValueInfoProto *in = NULL;
    size_t inputs = 0;

    for (size_t i = 0; i < g->n_input; i++) /* old files list their initializers here too */
        if (!is_initializer(g, onnx_text(g->input[i]->name))) {
            in = g->input[i];
            inputs++;
        }
    if (inputs != 1 || g->n_output != 1)
        return err_set(err, E_PARSE, "%zu inputs and %zu outputs: expected one of each", inputs,
                       g->n_output);
    (void)snprintf(r->net.input, sizeof r->net.input, "%s", onnx_text(in->name));
    (void)snprintf(r->net.output, sizeof r->net.output, "%s", onnx_text(g->output[0]->name));
    str_make_printable(r->net.input);
    str_make_printable(r->net.output);
    return declared_width(in, &r->declared, err);
}

/* The one node that takes `name`, and as which input. *ret_at is n_node when there is none. */
static enum rc find_taker(const struct onnx_reader *r, const char *name, size_t *ret_at,
                          size_t *ret_input, struct err *err)
{
    const Onnx__GraphProto *const g = r->graph.g;
    size_t takers = 0;

    *ret_at = g->n_node;
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_input; k++)
            if (strcmp(g->node[i]->input[k], name) == 0) {
                *ret_at = i;
                *ret_input = k;
                takers++;
            }
    if (takers > 1)
        return err_set(err, E_PARSE, "'%.60s' goes %zu ways: expected layers one behind the other",
                       name, takers);
    return OK;
}

static enum rc follow(struct onnx_reader *r, const char *from, const char *to, struct err *err)
{
    const Onnx__GraphProto *const g = r->graph.g;
    size_t at = 0, input = 0;

    while (strcmp(from, to) != 0) {
        if (find_taker(r, from, &at, &input, err) != OK)
            return err->rc;
        if (at == g->n_node)
            return err_set(err, E_PARSE, "'%.60s' does not lead to the output '%.60s'", from, to);
        const Onnx__NodeProto *const n = g->node[at];
        onnx_take_fn *const take = onnx_operator(n);
        onnx_label(n, r->label);
        if (r->graph.used[at])
            return err_set(err, E_PARSE, "%s is behind itself", r->label);
        r->graph.used[at] = true;
        if (!take) /* Transpose */
            return err_set(err, E_PARSE, "%s of data is not supported", r->label);
        if (take(r, n, input, err) != OK)
            return err->rc;
        from = n->output[0];
    }
    for (size_t i = 0; i < g->n_node; i++) {
        onnx_label(g->node[i], r->label);
        if (!r->graph.used[i] && strcmp(onnx_text(g->node[i]->op_type), "Constant") != 0)
            return err_set(err, E_PARSE, "%s is not on the way from the input to the output",
                           r->label);
    }
    return OK;
}

/* The names as the file has them: those of the net may be cut. */
static enum rc follow_graph(struct onnx_reader *r, struct err *err)
{
    const Onnx__GraphProto *const g = r->graph.g;

    for (size_t i = 0; i < g->n_input; i++)
        if (!is_initializer(g, onnx_text(g->input[i]->name)))
            return follow(r, onnx_text(g->input[i]->name), onnx_text(g->output[0]->name), err);
    return err_set(err, E_PARSE, "no input");
}

static enum rc take_facts(const Onnx__ModelProto *m, struct exchange_net *net, struct err *err)
{
    for (size_t i = 0; i < m->n_metadata_props; i++) {
        const struct str key = str_of(onnx_text(m->metadata_props[i]->key));
        const struct str value = str_of(onnx_text(m->metadata_props[i]->value));

        if (str_starts(key, STR("tocsin.")) &&
            exchange_facts_add(&net->facts, key, value, err) != OK)
            return err->rc;
    }
    return exchange_facts_check_raw(&net->facts, err);
}

/* --- the bytes --- */

struct bounded { /* an allocator that has an end */
    size_t left;
    bool ended, failed;
};

static void *bounded_alloc(void *arg, size_t size)
{
    struct bounded *const b = arg;

    b->ended = b->ended || size > b->left;
    if (b->ended)
        return NULL;
    b->left -= size;
    void *const p = mem_alloc(size);
    b->failed = b->failed || !p;
    return p;
}

static void bounded_free(void *arg, void *p)
{
    (void)arg;
    mem_free(p);
}

static enum rc read_model(const Onnx__ModelProto *m, struct onnx_reader *r, struct err *err)
{
    if (!m->graph)
        return err_set(err, E_PARSE, "expected an ONNX model, found no graph in it");
    r->graph.g = m->graph;
    enum rc rc = take_facts(m, &r->net, err);
    if (rc == OK)
        rc = check_nodes(r, err);
    if (rc == OK)
        rc = find_ends(r, err);
    if (rc == OK)
        rc = follow_graph(r, err);
    return rc == OK ? exchange_net_check(&r->net, err) : rc;
}

enum rc onnx_read(const void *p, size_t n, const char *name, struct exchange_net *ret,
                  struct err *err)
{
    struct bounded memory = {.left = MEMORY_MAX};
    ProtobufCAllocator allocator = {bounded_alloc, bounded_free, &memory};
    struct onnx_reader r = {0};

    if (n > EXCHANGE_BYTES_MAX)
        return err_set(err, E_LIMIT, "'%s': %zu bytes: expected a model of %d at most", name, n,
                       EXCHANGE_BYTES_MAX);
    Onnx__ModelProto *const m = onnx__model_proto__unpack(&allocator, n, p);
    if (!m && memory.ended)
        return err_set(err, E_LIMIT, "'%s': expected an ONNX model that takes under %d bytes", name,
                       MEMORY_MAX);
    if (!m && memory.failed)
        return err_set(err, E_NOMEM, "'%s': no memory to read a model of %zu bytes", name, n);
    if (!m)
        return err_set(err, E_PARSE,
                       "'%s': expected an ONNX model, found bytes that are no protobuf, cut or "
                       "damaged",
                       name);
    const enum rc rc = read_model(m, &r, err);
    onnx__model_proto__free_unpacked(m, &allocator);
    if (rc != OK) {
        exchange_net_done(&r.net);
        return err_wrap(err, "'%s'", name);
    }
    *ret = r.net;
    return OK;
}
