/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "exchange/onnx_private.h"

enum { LOCATION_EXTERNAL = 1 }; /* TensorProto.DataLocation */
enum { BEHIND_MAX = 8 };        /* Identity and Transpose between a constant and who takes it */

void onnx_label(const Onnx__NodeProto *n, char out[ONNX_LABEL_MAX])
{
    const char *domain = onnx_text(n->domain), *name = onnx_text(n->name);

    if (!*name && n->n_output)
        name = onnx_text(n->output[0]);
    (void)snprintf(out, ONNX_LABEL_MAX, "operator %.40s%s%.60s ('%.40s')", domain,
                   *domain ? "." : "", onnx_text(n->op_type), name);
}

const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(onnx_text(n->attribute[i]->name), name) == 0)
            return n->attribute[i];
    return NULL;
}

static const Onnx__TensorProto *find_initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(onnx_text(g->initializer[i]->name), name) == 0)
            return g->initializer[i];
    return NULL;
}

/* The index of the node that makes `name`, or n_node. */
static size_t find_maker(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            if (strcmp(g->node[i]->output[k], name) == 0)
                return i;
    return g->n_node;
}

/* Rows for columns, of a matrix: the default, and perm [1, 0]. */
static bool swaps_a_matrix(const Onnx__NodeProto *n)
{
    const Onnx__AttributeProto *const perm = onnx_attribute(n, "perm");

    return !perm || (perm->n_ints == 2 && perm->ints[0] == 1 && perm->ints[1] == 0);
}

enum rc onnx_constant_find(struct onnx_graph *g, const char *name, bool *ret_found,
                           struct onnx_constant *ret, struct err *err)
{
    bool on_the_way[ONNX_NODES_MAX] = {false};
    struct onnx_constant c = {0};

    *ret_found = false;
    for (size_t behind = 0; !(c.t = find_initializer(g->g, name)); behind++) {
        const size_t at = find_maker(g->g, name);
        if (at == g->g->n_node)
            return OK;
        const Onnx__NodeProto *const n = g->g->node[at];
        const char *const type = onnx_text(n->op_type);
        const bool transposes = strcmp(type, "Transpose") == 0;

        if (behind == BEHIND_MAX || on_the_way[at])
            return err_set(err, E_PARSE, "tensor '%.60s' stands behind itself or too much else",
                           name);
        on_the_way[at] = true;
        if (strcmp(type, "Constant") == 0) {
            const Onnx__AttributeProto *const value = onnx_attribute(n, "value");
            if (!value || !value->t)
                return err_set(err, E_PARSE, "Constant '%.60s' has no tensor as its value", name);
            c.t = value->t;
            break;
        }
        if ((!transposes && strcmp(type, "Identity") != 0) || n->n_input != 1)
            return OK;
        if (transposes && !swaps_a_matrix(n))
            return err_set(err, E_PARSE, "Transpose of '%.60s' is not of a matrix", name);
        c.transposed = c.transposed != transposes;
        name = n->input[0];
    }
    for (size_t i = 0; i < g->g->n_node; i++)
        g->used[i] = g->used[i] || on_the_way[i];
    *ret_found = true;
    *ret = c;
    return OK;
}

/* The shape, checked: the product of the dimensions is at most NET_PARAMS_MAX. */
static enum rc read_shape(const Onnx__TensorProto *t, struct onnx_floats *ret, struct err *err)
{
    size_t n = 1;

    if (t->n_dims > ONNX_RANK_MAX)
        return err_set(err, E_LIMIT, "tensor '%.60s' has %zu dimensions: expected %d at most",
                       onnx_text(t->name), t->n_dims, ONNX_RANK_MAX);
    for (size_t i = 0; i < t->n_dims; i++) {
        const int64_t dim = t->dims[i];
        if (dim <= 0 || dim > NET_PARAMS_MAX || n > NET_PARAMS_MAX / (size_t)dim)
            return err_set(err, E_LIMIT,
                           "tensor '%.60s': dimension %zu of %lld: expected 1 to %d numbers in all",
                           onnx_text(t->name), i + 1, (long long)dim, NET_PARAMS_MAX);
        n *= (size_t)dim;
        ret->dim[i] = (size_t)dim;
    }
    ret->rank = t->n_dims;
    ret->n = n;
    return OK;
}

/* What is there of it in this file. */
static enum rc check_content(const Onnx__TensorProto *t, size_t n, size_t typed, size_t size,
                             struct err *err)
{
    if (t->n_external_data || (t->has_data_location && t->data_location == LOCATION_EXTERNAL))
        return err_set(err, E_PARSE,
                       "tensor '%.60s' keeps its numbers in another file: expected them in this "
                       "one",
                       onnx_text(t->name));
    if (t->has_raw_data ? typed != 0 || t->raw_data.len != n * size : typed != n)
        return err_set(err, E_PARSE, "tensor '%.60s' of %zu numbers has %zu, and %zu raw bytes",
                       onnx_text(t->name), n, typed, t->has_raw_data ? t->raw_data.len : (size_t)0);
    return OK;
}

/* Number i of raw bytes, which are little-endian. */
static float raw_float(const uint8_t *p)
{
    const uint32_t bits =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static int64_t raw_int(const uint8_t *p)
{
    uint64_t v = 0;

    for (size_t i = 0; i < sizeof v; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return (int64_t)v;
}

static float float_at(const Onnx__TensorProto *t, size_t i)
{
    return t->has_raw_data ? raw_float(t->raw_data.data + 4 * i) : t->float_data[i];
}

enum rc onnx_constant_floats(const struct onnx_constant *c, struct onnx_floats *ret,
                             struct err *err)
{
    const Onnx__TensorProto *const t = c->t;
    struct onnx_floats f = {0};

    if (!t->has_data_type || t->data_type != ONNX_FLOAT)
        return err_set(err, E_PARSE, "tensor '%.60s' is of type %d: expected %d, float32",
                       onnx_text(t->name), t->has_data_type ? t->data_type : 0, ONNX_FLOAT);
    if (read_shape(t, &f, err) != OK ||
        check_content(t, f.n, t->n_float_data, sizeof(float), err) != OK)
        return err->rc;
    if (c->transposed && f.rank != 2)
        return err_set(err, E_PARSE, "Transpose of tensor '%.60s', which is no matrix",
                       onnx_text(t->name));
    f.v = mem_array(f.n, sizeof *f.v);
    if (!f.v)
        return err_set(err, E_NOMEM, "no memory for tensor '%.60s'", onnx_text(t->name));
    if (c->transposed) {
        const size_t rows = f.dim[0], columns = f.dim[1];

        for (size_t i = 0; i < f.n; i++)
            f.v[i % columns * rows + i / columns] = float_at(t, i);
        f.dim[0] = columns;
        f.dim[1] = rows;
    } else {
        for (size_t i = 0; i < f.n; i++)
            f.v[i] = float_at(t, i);
    }
    *ret = f;
    return OK;
}

enum rc onnx_constant_ints(const struct onnx_constant *c, size_t most, int64_t *ret, size_t *ret_n,
                           struct err *err)
{
    const Onnx__TensorProto *const t = c->t;
    const bool is_bool = t->has_data_type && t->data_type == ONNX_BOOL;
    struct onnx_floats shape = {0};

    if (!is_bool && (!t->has_data_type || t->data_type != ONNX_INT64))
        return err_set(err, E_PARSE, "tensor '%.60s' is of type %d: expected %d, int64",
                       onnx_text(t->name), t->has_data_type ? t->data_type : 0, ONNX_INT64);
    if (read_shape(t, &shape, err) != OK)
        return err->rc;
    if (shape.n > most)
        return err_set(err, E_LIMIT, "tensor '%.60s' has %zu numbers: expected %zu at most",
                       onnx_text(t->name), shape.n, most);
    if (check_content(t, shape.n, is_bool ? t->n_int32_data : t->n_int64_data,
                      is_bool ? 1 : sizeof(int64_t), err) != OK)
        return err->rc;
    for (size_t i = 0; i < shape.n; i++) {
        if (is_bool)
            ret[i] = t->has_raw_data ? t->raw_data.data[i] != 0 : t->int32_data[i] != 0;
        else
            ret[i] = t->has_raw_data ? raw_int(t->raw_data.data + 8 * i) : t->int64_data[i];
    }
    *ret_n = shape.n;
    return OK;
}
