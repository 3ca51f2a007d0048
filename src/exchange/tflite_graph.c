/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/tflite_graph.h"

#include <assert.h>
#include <string.h>

/* As the converter writes it: what is mapped into memory stands well for vector instructions. */
enum { DATA_ALIGNMENT = 16, INPUTS_MAX = 3 };

#define U8(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_U8, (uint8_t)(v)})
#define U32(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_U32, (uint32_t)(v)})
#define REF(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_REF, (v)})

void tflite_graph_init(struct tflite_graph *g, size_t limit_bytes)
{
    *g = (struct tflite_graph){.n_buffers = 1};
    flatbuffer_put_init(&g->w, limit_bytes);
    /* "the 0th entry of this array must be an empty buffer" */
    g->buffers[0] = flatbuffer_put_table(&g->w, NULL, 0);
}

void tflite_graph_done(struct tflite_graph *g)
{
    flatbuffer_put_done(&g->w);
}

static uint32_t add_buffer(struct tflite_graph *g, const void *data, size_t bytes)
{
    const flatbuffer_ref v = flatbuffer_put_vector(&g->w, data, bytes, 1, DATA_ALIGNMENT);
    const struct flatbuffer_field f[] = {REF(TFLITE_BUFFER_DATA, v)};

    assert(g->n_buffers < sizeof g->buffers / sizeof g->buffers[0]);
    g->buffers[g->n_buffers] = flatbuffer_put_table(&g->w, f, 1);
    return (uint32_t)g->n_buffers++;
}

static flatbuffer_ref add_scale(struct tflite_graph *g, const struct tflite_scale *s)
{
    if (!s)
        return 0;
    int64_t zeros[NET_WIDTH_MAX] = {0};
    assert(s->n <= NET_WIDTH_MAX);
    for (size_t i = 0; i < s->n; i++)
        zeros[i] = s->zero_point;
    const struct flatbuffer_field f[] = {
        REF(TFLITE_QUANTIZATION_SCALE,
            flatbuffer_put_vector(&g->w, s->scale, s->n, sizeof *s->scale, 0)),
        REF(TFLITE_QUANTIZATION_ZERO_POINT,
            flatbuffer_put_vector(&g->w, zeros, s->n, sizeof zeros[0], 0)),
        U32(TFLITE_QUANTIZATION_DIMENSION, 0),
    };
    return flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
}

/* dynamic: the first dimension is the batch, which stands as 1 until somebody says otherwise. */
static int32_t add_tensor(struct tflite_graph *g, const char *name, enum tflite_type type,
                          const int32_t *shape, size_t rank, bool dynamic, uint32_t buffer,
                          const struct tflite_scale *scale)
{
    flatbuffer_ref signature = 0;

    if (dynamic) {
        const int32_t open[] = {-1, shape[1]};
        assert(rank == 2);
        signature = flatbuffer_put_vector(&g->w, open, rank, sizeof open[0], 0);
    }
    const struct flatbuffer_field f[] = {
        REF(TFLITE_TENSOR_SHAPE, flatbuffer_put_vector(&g->w, shape, rank, sizeof *shape, 0)),
        U8(TFLITE_TENSOR_TYPE, type),
        U32(TFLITE_TENSOR_BUFFER, buffer),
        REF(TFLITE_TENSOR_NAME, flatbuffer_put_string(&g->w, name)),
        REF(TFLITE_TENSOR_QUANTIZATION, add_scale(g, scale)),
        REF(TFLITE_TENSOR_SHAPE_SIGNATURE, signature),
        U8(TFLITE_TENSOR_HAS_RANK, 1),
    };
    assert(g->n_tensors < TFLITE_GRAPH_MAX);
    g->tensors[g->n_tensors] = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
    return (int32_t)g->n_tensors++;
}

int32_t tflite_graph_tensor(struct tflite_graph *g, const char *name, enum tflite_type type,
                            size_t width, const struct tflite_scale *scale)
{
    const int32_t shape[] = {1, (int32_t)width};

    return add_tensor(g, name, type, shape, 2, true, 0, scale);
}

static size_t type_size(enum tflite_type type)
{
    switch (type) {
    case TFLITE_FLOAT16:
        return 2;
    case TFLITE_BOOL:
    case TFLITE_UINT8:
    case TFLITE_INT8:
        return 1;
    case TFLITE_FLOAT32:
    case TFLITE_INT32:
        break;
    }
    return 4;
}

int32_t tflite_graph_constant(struct tflite_graph *g, const char *name, enum tflite_type type,
                              size_t rows, size_t width, const void *data,
                              const struct tflite_scale *scale)
{
    const int32_t shape[] = {(int32_t)rows, (int32_t)width};
    const size_t bytes = (rows ? rows : 1) * width * type_size(type);
    const uint32_t buffer = add_buffer(g, data, bytes);

    return add_tensor(g, name, type, rows ? shape : shape + 1, rows ? 2 : 1, false, buffer, scale);
}

static uint32_t code_of(struct tflite_graph *g, enum tflite_op op, uint32_t version)
{
    for (uint32_t i = 0; i < g->n_codes; i++)
        if (g->codes[i].op == op && g->codes[i].version == version)
            return i;
    assert(g->n_codes < TFLITE_GRAPH_CODES);
    g->codes[g->n_codes].op = op;
    g->codes[g->n_codes].version = version;
    return (uint32_t)g->n_codes++;
}

/* All of our operators but the activations have a table of options, most an empty one. */
static flatbuffer_ref add_options(struct tflite_graph *g, enum tflite_op op,
                                  enum tflite_fused fused, enum tflite_options *ret_type)
{
    static const enum tflite_options types[] = {
        [TFLITE_ADD] = TFLITE_OPTIONS_ADD,
        [TFLITE_DEQUANTIZE] = TFLITE_OPTIONS_DEQUANTIZE,
        [TFLITE_FULLY_CONNECTED] = TFLITE_OPTIONS_FULLY_CONNECTED,
        [TFLITE_MUL] = TFLITE_OPTIONS_MUL,
        [TFLITE_SUB] = TFLITE_OPTIONS_SUB,
        [TFLITE_DIV] = TFLITE_OPTIONS_DIV,
        [TFLITE_CAST] = TFLITE_OPTIONS_CAST,
        [TFLITE_MAXIMUM] = TFLITE_OPTIONS_MAXIMUM_MINIMUM,
        [TFLITE_MINIMUM] = TFLITE_OPTIONS_MAXIMUM_MINIMUM,
        [TFLITE_GREATER_EQUAL] = TFLITE_OPTIONS_GREATER_EQUAL,
        [TFLITE_SUM] = TFLITE_OPTIONS_REDUCER,
        [TFLITE_ABS] = TFLITE_OPTIONS_ABS,
        [TFLITE_QUANTIZE] = TFLITE_OPTIONS_QUANTIZE,
    };
    struct flatbuffer_field f[2];
    size_t n = 0;

    *ret_type = types[op];
    if (op == TFLITE_FULLY_CONNECTED)
        f[n++] = U8(TFLITE_FULLY_CONNECTED_ACTIVATION, fused);
    if (op == TFLITE_SUM)
        f[n++] = U8(TFLITE_REDUCER_KEEP_DIMS, 1);
    if (op == TFLITE_CAST) {
        f[n++] = U8(TFLITE_CAST_FROM, TFLITE_BOOL);
        f[n++] = U8(TFLITE_CAST_TO, TFLITE_FLOAT32);
    }
    return types[op] ? flatbuffer_put_table(&g->w, f, n) : 0;
}

void tflite_graph_op(struct tflite_graph *g, enum tflite_op op, uint32_t version,
                     enum tflite_fused fused, const int32_t *inputs, size_t n, int32_t output)
{
    enum tflite_options type;
    const flatbuffer_ref options = add_options(g, op, fused, &type);

    assert(n > 0 && n <= INPUTS_MAX);
    const struct flatbuffer_field f[] = {
        U32(TFLITE_OPERATOR_CODE, code_of(g, op, version)),
        REF(TFLITE_OPERATOR_INPUTS, flatbuffer_put_vector(&g->w, inputs, n, sizeof *inputs, 0)),
        REF(TFLITE_OPERATOR_OUTPUTS, flatbuffer_put_vector(&g->w, &output, 1, sizeof output, 0)),
        U8(TFLITE_OPERATOR_OPTIONS_TYPE, type),
        REF(TFLITE_OPERATOR_OPTIONS, options),
    };
    assert(g->n_operators < TFLITE_GRAPH_MAX);
    g->operators[g->n_operators++] = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
}

void tflite_graph_input(struct tflite_graph *g, const char *name, int32_t tensor)
{
    assert(g->n_inputs < TFLITE_GRAPH_ENDS);
    g->inputs[g->n_inputs++] = (struct tflite_end){name, tensor};
}

void tflite_graph_output(struct tflite_graph *g, const char *name, int32_t tensor)
{
    assert(g->n_outputs < TFLITE_GRAPH_ENDS);
    g->outputs[g->n_outputs++] = (struct tflite_end){name, tensor};
}

static flatbuffer_ref add_ends(struct tflite_graph *g, const struct tflite_end *ends, size_t n)
{
    int32_t tensors[TFLITE_GRAPH_ENDS];

    for (size_t i = 0; i < n; i++)
        tensors[i] = ends[i].tensor;
    return flatbuffer_put_vector(&g->w, tensors, n, sizeof tensors[0], 0);
}

static flatbuffer_ref add_names(struct tflite_graph *g, const struct tflite_end *ends, size_t n)
{
    flatbuffer_ref maps[TFLITE_GRAPH_ENDS];

    for (size_t i = 0; i < n; i++) {
        const struct flatbuffer_field f[] = {
            REF(TFLITE_TENSOR_MAP_NAME, flatbuffer_put_string(&g->w, ends[i].name)),
            U32(TFLITE_TENSOR_MAP_INDEX, ends[i].tensor),
        };
        maps[i] = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
    }
    return flatbuffer_put_refs(&g->w, maps, n);
}

/* How the model is called by name: with the key that Keras's exports have. */
static flatbuffer_ref add_signatures(struct tflite_graph *g)
{
    const struct flatbuffer_field f[] = {
        REF(TFLITE_SIGNATURE_INPUTS, add_names(g, g->inputs, g->n_inputs)),
        REF(TFLITE_SIGNATURE_OUTPUTS, add_names(g, g->outputs, g->n_outputs)),
        REF(TFLITE_SIGNATURE_KEY, flatbuffer_put_string(&g->w, "serving_default")),
        U32(TFLITE_SIGNATURE_SUBGRAPH, 0),
    };
    const flatbuffer_ref one = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);

    return flatbuffer_put_refs(&g->w, &one, 1);
}

static flatbuffer_ref add_subgraphs(struct tflite_graph *g)
{
    const struct flatbuffer_field f[] = {
        REF(TFLITE_SUBGRAPH_TENSORS, flatbuffer_put_refs(&g->w, g->tensors, g->n_tensors)),
        REF(TFLITE_SUBGRAPH_INPUTS, add_ends(g, g->inputs, g->n_inputs)),
        REF(TFLITE_SUBGRAPH_OUTPUTS, add_ends(g, g->outputs, g->n_outputs)),
        REF(TFLITE_SUBGRAPH_OPERATORS, flatbuffer_put_refs(&g->w, g->operators, g->n_operators)),
        REF(TFLITE_SUBGRAPH_NAME, flatbuffer_put_string(&g->w, "main")),
    };
    const flatbuffer_ref one = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);

    return flatbuffer_put_refs(&g->w, &one, 1);
}

/* In both fields of the schema, so that runtimes of before 3a read it as well. */
static flatbuffer_ref add_codes(struct tflite_graph *g)
{
    flatbuffer_ref refs[TFLITE_GRAPH_CODES];

    for (size_t i = 0; i < g->n_codes; i++) {
        const struct flatbuffer_field f[] = {
            U8(TFLITE_CODE_OLD_BUILTIN, g->codes[i].op),
            U32(TFLITE_CODE_VERSION, g->codes[i].version),
            U32(TFLITE_CODE_BUILTIN, g->codes[i].op),
        };
        refs[i] = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
    }
    return flatbuffer_put_refs(&g->w, refs, g->n_codes);
}

static flatbuffer_ref add_metadata(struct tflite_graph *g, const struct exchange_facts *facts)
{
    flatbuffer_ref refs[EXCHANGE_FACTS_MAX];

    for (size_t i = 0; i < facts->n; i++) {
        const char *const value = facts->v[i].value;
        const struct flatbuffer_field f[] = {
            REF(TFLITE_METADATA_NAME, flatbuffer_put_string(&g->w, facts->v[i].key)),
            U32(TFLITE_METADATA_BUFFER, add_buffer(g, value, strlen(value))),
        };
        refs[i] = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
    }
    return flatbuffer_put_refs(&g->w, refs, facts->n);
}

enum rc tflite_graph_finish(struct tflite_graph *g, const char *description,
                            const struct exchange_facts *facts, struct buf *out, struct err *err)
{
    const flatbuffer_ref metadata = add_metadata(g, facts); /* adds buffers: before their list */
    const struct flatbuffer_field f[] = {
        U32(TFLITE_MODEL_VERSION, TFLITE_SCHEMA_VERSION),
        REF(TFLITE_MODEL_OPERATOR_CODES, add_codes(g)),
        REF(TFLITE_MODEL_SUBGRAPHS, add_subgraphs(g)),
        REF(TFLITE_MODEL_DESCRIPTION, flatbuffer_put_string(&g->w, description)),
        REF(TFLITE_MODEL_BUFFERS, flatbuffer_put_refs(&g->w, g->buffers, g->n_buffers)),
        REF(TFLITE_MODEL_METADATA, metadata),
        REF(TFLITE_MODEL_SIGNATURE_DEFS, add_signatures(g)),
    };
    const flatbuffer_ref root = flatbuffer_put_table(&g->w, f, sizeof f / sizeof f[0]);
    size_t n = 0;
    const uint8_t *const p = flatbuffer_put_root(&g->w, root, TFLITE_IDENTIFIER, &n);

    if (!p)
        return err_set(err, E_NOMEM, "no memory for a TensorFlow Lite model");
    buf_add(out, p, n);
    if (out->failed)
        return err_set(err, E_LIMIT, "a TensorFlow Lite model of %zu bytes: over %zu", n,
                       out->limit);
    return OK;
}
