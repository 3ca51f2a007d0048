/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdlib.h>

#include "exchange/onnx.pb-c.h"
#include "fixture.h"

/* A small network as ONNX messages, to be changed. All memory is malloc's, as that of the library
 * that frees it. */

enum { FLOAT = 1, INT64 = 7, BOOL = 9 };

static inline struct buf write_model(const struct model *m, bool raw)
{
    struct exchange_plan p = {0};
    struct buf b;
    struct err err;

    buf_init(&b, 1 << 24);
    if (exchange_plan_make(m, raw, &p, &err) != OK || onnx_write(&p, &b, &err) != OK)
        fail_msg("%s", err.msg);
    exchange_plan_done(&p);
    return b;
}

static inline char *copy(const char *z)
{
    char *const p = malloc(strlen(z) + 1);

    assert_non_null(p);
    memcpy(p, z, strlen(z) + 1);
    return p;
}

static inline void set(char **text, const char *z)
{
    free(*text);
    *text = copy(z);
}

/* A network 3-2-3: Gemm, Relu, Gemm, Sigmoid. */
static inline Onnx__ModelProto *small(void)
{
    const uint32_t widths[] = {2, 3};
    const enum activation acts[] = {ACT_RELU, ACT_SIGMOID};
    struct model *m = some_model(3, 5);
    struct rng rng;
    struct err err;

    rng_init(&rng, 5);
    net_done(&m->net);
    assert_int_equal(net_init_layers(&m->net, 3, widths, acts, 2, &err), OK);
    for (size_t i = 0; i < m->net.n_params; i++)
        m->net.params[i] = (float)rng_normal(&rng);
    struct buf b = write_model(m, true);
    Onnx__ModelProto *const o = onnx__model_proto__unpack(NULL, b.n, (const uint8_t *)b.p);
    assert_non_null(o);
    assert_int_equal(o->graph->n_node, 4);
    buf_done(&b);
    model_unref(m);
    return o;
}

static inline enum rc read_back(const Onnx__ModelProto *o, struct exchange_net *ret,
                                struct err *err)
{
    const size_t n = onnx__model_proto__get_packed_size(o);
    uint8_t *const p = malloc(n + 1);

    assert_non_null(p);
    assert_int_equal(onnx__model_proto__pack(o, p), n);
    const enum rc rc = onnx_read(p, n, "m.onnx", ret, err);
    free(p);
    return rc;
}

/* Room for one more node, moved to place `at`. */
static inline Onnx__NodeProto *insert(Onnx__ModelProto *o, size_t at, const char *type,
                                      const char *in, const char *out)
{
    Onnx__GraphProto *const g = o->graph;
    Onnx__NodeProto *const n = malloc(sizeof *n);

    assert_non_null(n);
    onnx__node_proto__init(n);
    n->op_type = copy(type);
    n->n_input = n->n_output = 1;
    n->input = malloc(3 * sizeof *n->input); /* room for two more */
    n->output = malloc(sizeof *n->output);
    assert_non_null(n->input);
    assert_non_null(n->output);
    n->input[0] = copy(in);
    n->output[0] = copy(out);
    g->node = realloc(g->node, (g->n_node + 1) * sizeof *g->node);
    assert_non_null(g->node);
    memmove(g->node + at + 1, g->node + at, (g->n_node - at) * sizeof *g->node);
    g->node[at] = n;
    g->n_node++;
    return n;
}

static inline void add_input(Onnx__NodeProto *n, const char *name)
{
    n->input[n->n_input++] = copy(name);
}

static inline Onnx__AttributeProto *add_attribute(Onnx__NodeProto *n, const char *name)
{
    Onnx__AttributeProto *const a = malloc(sizeof *a);

    assert_non_null(a);
    onnx__attribute_proto__init(a);
    a->name = copy(name);
    n->attribute = realloc(n->attribute, (n->n_attribute + 1) * sizeof(void *));
    assert_non_null(n->attribute);
    n->attribute[n->n_attribute++] = a;
    return a;
}

static inline Onnx__TensorProto *add_tensor(Onnx__ModelProto *o, const char *name, int32_t type,
                                            size_t n)
{
    Onnx__GraphProto *const g = o->graph;
    Onnx__TensorProto *const t = malloc(sizeof *t);

    assert_non_null(t);
    onnx__tensor_proto__init(t);
    t->name = copy(name);
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = 1;
    t->dims = malloc(sizeof *t->dims);
    assert_non_null(t->dims);
    t->dims[0] = (int64_t)n;
    g->initializer = realloc(g->initializer, (g->n_initializer + 1) * sizeof(void *));
    assert_non_null(g->initializer);
    g->initializer[g->n_initializer++] = t;
    return t;
}

static inline void to_raw(Onnx__TensorProto *t)
{
    t->has_raw_data = 1;
    t->raw_data.len = t->n_float_data * sizeof(float);
    t->raw_data.data = malloc(t->raw_data.len);
    assert_non_null(t->raw_data.data);
    memcpy(t->raw_data.data, t->float_data, t->raw_data.len); /* tests run on little-endian */
    t->n_float_data = 0;
}

/* Rows for columns, of a matrix as it stands. */
static inline void transpose(Onnx__TensorProto *t)
{
    const size_t rows = (size_t)t->dims[0], columns = (size_t)t->dims[1];
    float *const v = malloc(rows * columns * sizeof *v);

    assert_non_null(v);
    for (size_t i = 0; i < rows * columns; i++)
        v[i % columns * rows + i / columns] = t->float_data[i];
    free(t->float_data);
    t->float_data = v;
    t->dims[0] = (int64_t)columns;
    t->dims[1] = (int64_t)rows;
}

static inline Onnx__AttributeProto *attribute(Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, name) == 0)
            return n->attribute[i];
    abort(); /* there is one */
}

static inline void with_identities_and_dropout(Onnx__ModelProto *o)
{
    (void)insert(o, 0, "Identity", "scaled", "copied");
    Onnx__NodeProto *const n = insert(o, 1, "Dropout", "copied", "kept");
    Onnx__TensorProto *const ratio = add_tensor(o, "ratio", FLOAT, 1);
    Onnx__TensorProto *const training = add_tensor(o, "training", BOOL, 1);

    ratio->float_data = calloc(1, sizeof(float));
    ratio->n_float_data = 1;
    training->int32_data = calloc(1, sizeof(int32_t));
    training->n_int32_data = 1;
    add_input(n, "ratio");
    add_input(n, "training");
    (void)insert(o, 2, "Flatten", "kept", "flat");
    set(&o->graph->node[3]->input[0], "flat");
}

static inline void with_a_reshape_to_the_same(Onnx__ModelProto *o)
{
    Onnx__NodeProto *const n = insert(o, 0, "Reshape", "scaled", "shaped");
    Onnx__TensorProto *const shape = add_tensor(o, "shape", INT64, 2);

    shape->int64_data = malloc(2 * sizeof(int64_t));
    assert_non_null(shape->int64_data);
    shape->int64_data[0] = -1;
    shape->int64_data[1] = 3;
    shape->n_int64_data = 2;
    add_input(n, "shape");
    set(&o->graph->node[1]->input[0], "shaped");
}
