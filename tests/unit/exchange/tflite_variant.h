/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "../test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/exchange.h"
#include "exchange/flatbuffer_write.h"
#include "exchange/tflite_schema.h"

/* tflite_variant - small TensorFlow Lite files for the reader's tests: one that is right, and what
 * a test makes of it by bending a field of the struct. */

#define U8(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_U8, (uint8_t)(v)})
#define U32(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_U32, (uint32_t)(v)})
#define U64(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_U64, (v)})
#define REF(field, v) ((struct flatbuffer_field){(field), FLATBUFFER_REF, (v)})

enum { LIMIT = 1 << 16, X = 0, WEIGHTS, BIAS, SUMS, Y, TENSORS, NO_OP = -1 };

/* A model of one dense layer, 3 inputs and 2 outputs, and an operator behind it; each test bends
 * one thing. */
struct variant {
    uint32_t version, subgraphs;
    int old_code, new_code; /* of the dense layer */
    int behind;             /* the operator behind it; NO_OP: none */
    const char *custom;     /* its name, when it is one of the user's */
    int fused, weights_format, options_type;
    int type[TENSORS];
    int32_t shape[TENSORS][3];
    size_t rank[TENSORS];
    size_t weights_bytes, bias_bytes;
    int32_t inputs[4]; /* of the dense layer */
    size_t n_inputs;
    uint32_t weights_buffer;
    uint32_t external;
    bool sparse, without_options;
    uint64_t offset, size; /* of the weights, where data behind the FlatBuffer is meant */
    int32_t output;
    size_t graph_inputs, copies; /* of the layer: each takes the first's input */
    const char *score;           /* the fact */
};

static const float weights[] = {1, 2, 3, -4, 5, -6}, bias[] = {0.5f, -0.25f};

static const struct variant plain = {
    .version = 3,
    .subgraphs = 1,
    .old_code = TFLITE_FULLY_CONNECTED,
    .new_code = TFLITE_FULLY_CONNECTED,
    .behind = TFLITE_LOGISTIC,
    .options_type = TFLITE_OPTIONS_FULLY_CONNECTED,
    .shape = {{1, 3}, {2, 3}, {2}, {1, 2}, {1, 2}},
    .rank = {2, 2, 1, 2, 2},
    .weights_bytes = sizeof weights,
    .bias_bytes = sizeof bias,
    .inputs = {X, WEIGHTS, BIAS},
    .n_inputs = 3,
    .weights_buffer = 1,
    .output = Y,
    .graph_inputs = 1,
    .copies = 1,
};

static flatbuffer_ref put_tensor(struct flatbuffer_writer *w, const struct variant *v, int i)
{
    static const char *const names[] = {"x", "weights", "bias", "sums", "y"};
    const uint32_t buffer = i == WEIGHTS ? v->weights_buffer : i == BIAS ? 2 : 0;
    const flatbuffer_ref nothing = i == WEIGHTS && v->sparse ? flatbuffer_put_table(w, NULL, 0) : 0;
    const struct flatbuffer_field f[] = {
        REF(TFLITE_TENSOR_SHAPE, flatbuffer_put_vector(w, v->shape[i], v->rank[i], 4, 0)),
        U8(TFLITE_TENSOR_TYPE, v->type[i]),
        U32(TFLITE_TENSOR_BUFFER, buffer),
        REF(TFLITE_TENSOR_NAME, flatbuffer_put_string(w, names[i])),
        REF(TFLITE_TENSOR_SPARSITY, nothing),
        U32(TFLITE_TENSOR_EXTERNAL_BUFFER, i == WEIGHTS ? v->external : 0),
    };
    return flatbuffer_put_table(w, f, sizeof f / sizeof f[0]);
}

static flatbuffer_ref put_operator(struct flatbuffer_writer *w, uint32_t code, const int32_t *in,
                                   size_t n, int32_t out, flatbuffer_ref options, int options_type)
{
    const struct flatbuffer_field f[] = {
        U32(TFLITE_OPERATOR_CODE, code),
        REF(TFLITE_OPERATOR_INPUTS, flatbuffer_put_vector(w, in, n, 4, 0)),
        REF(TFLITE_OPERATOR_OUTPUTS, flatbuffer_put_vector(w, &out, 1, 4, 0)),
        U8(TFLITE_OPERATOR_OPTIONS_TYPE, options_type),
        REF(TFLITE_OPERATOR_OPTIONS, options),
    };
    return flatbuffer_put_table(w, f, sizeof f / sizeof f[0]);
}

static flatbuffer_ref put_operators(struct flatbuffer_writer *w, const struct variant *v)
{
    static const int32_t sums = SUMS;
    flatbuffer_ref refs[64];
    size_t n = 0;

    for (size_t i = 0; i < v->copies; i++) {
        const struct flatbuffer_field f[] = {
            U8(TFLITE_FULLY_CONNECTED_ACTIVATION, v->fused),
            U8(TFLITE_FULLY_CONNECTED_WEIGHTS_FORMAT, v->weights_format),
        };
        refs[n++] = put_operator(w, 0, v->inputs, v->n_inputs, v->behind == NO_OP ? Y : SUMS,
                                 v->without_options ? 0 : flatbuffer_put_table(w, f, 2),
                                 v->without_options ? 0 : v->options_type);
    }
    if (v->behind != NO_OP)
        refs[n++] = put_operator(w, 1, &sums, 1, Y, 0, 0);
    return flatbuffer_put_refs(w, refs, n);
}

static flatbuffer_ref put_subgraphs(struct flatbuffer_writer *w, const struct variant *v)
{
    static const int32_t inputs[] = {X, X, X};
    flatbuffer_ref tensors[TENSORS], graphs[4];

    for (int i = 0; i < TENSORS; i++)
        tensors[i] = put_tensor(w, v, i);
    const struct flatbuffer_field f[] = {
        REF(TFLITE_SUBGRAPH_TENSORS, flatbuffer_put_refs(w, tensors, TENSORS)),
        REF(TFLITE_SUBGRAPH_INPUTS, flatbuffer_put_vector(w, inputs, v->graph_inputs, 4, 0)),
        REF(TFLITE_SUBGRAPH_OUTPUTS, flatbuffer_put_vector(w, &v->output, 1, 4, 0)),
        REF(TFLITE_SUBGRAPH_OPERATORS, put_operators(w, v)),
    };
    const flatbuffer_ref graph = flatbuffer_put_table(w, f, sizeof f / sizeof f[0]);
    for (size_t i = 0; i < v->subgraphs; i++)
        graphs[i] = graph;
    return flatbuffer_put_refs(w, graphs, v->subgraphs);
}

static flatbuffer_ref put_buffers(struct flatbuffer_writer *w, const struct variant *v)
{
    const char *const score = v->score ? v->score : "";
    const flatbuffer_ref data = flatbuffer_put_vector(w, weights, v->weights_bytes, 1, 16);
    const struct flatbuffer_field
        own[] = {REF(TFLITE_BUFFER_DATA, v->offset ? 0 : data),
                 U64(TFLITE_BUFFER_OFFSET, v->offset), U64(TFLITE_BUFFER_SIZE, v->size)},
        other[] = {REF(TFLITE_BUFFER_DATA, flatbuffer_put_vector(w, bias, v->bias_bytes, 1, 16))},
        fact[] = {REF(TFLITE_BUFFER_DATA, flatbuffer_put_vector(w, score, strlen(score), 1, 16))};
    const flatbuffer_ref refs[] = {
        flatbuffer_put_table(w, NULL, 0),
        flatbuffer_put_table(w, own, v->offset ? 3 : 1),
        flatbuffer_put_table(w, other, 1),
        flatbuffer_put_table(w, fact, 1),
    };
    return flatbuffer_put_refs(w, refs, 4);
}

static flatbuffer_ref put_codes(struct flatbuffer_writer *w, const struct variant *v)
{
    const int behind = v->behind == NO_OP ? 0 : v->behind;
    const flatbuffer_ref custom = v->custom ? flatbuffer_put_string(w, v->custom) : 0;
    const struct flatbuffer_field first[] = {U8(TFLITE_CODE_OLD_BUILTIN, v->old_code),
                                             U32(TFLITE_CODE_BUILTIN, v->new_code)},
                                  second[] = {
                                      U8(TFLITE_CODE_OLD_BUILTIN, behind < 127 ? behind : 127),
                                      U32(TFLITE_CODE_BUILTIN, behind),
                                      REF(TFLITE_CODE_CUSTOM, custom)};
    const flatbuffer_ref refs[] = {flatbuffer_put_table(w, first, 2),
                                   flatbuffer_put_table(w, second, 3)};

    return flatbuffer_put_refs(w, refs, 2);
}

/* The file, for free(); `tail` bytes, of which the last are the weights, stand behind it. */
static uint8_t *make(const struct variant *v, size_t tail, size_t *ret_n)
{
    struct flatbuffer_writer w;
    size_t n;

    flatbuffer_put_init(&w, LIMIT);
    const struct flatbuffer_field fact[] = {
        REF(TFLITE_METADATA_NAME, flatbuffer_put_string(&w, EXCHANGE_SCORE)),
        U32(TFLITE_METADATA_BUFFER, 3)};
    const flatbuffer_ref facts = flatbuffer_put_table(&w, fact, 2);
    const struct flatbuffer_field f[] = {
        U32(TFLITE_MODEL_VERSION, v->version),
        REF(TFLITE_MODEL_OPERATOR_CODES, put_codes(&w, v)),
        REF(TFLITE_MODEL_SUBGRAPHS, put_subgraphs(&w, v)),
        REF(TFLITE_MODEL_BUFFERS, put_buffers(&w, v)),
        REF(TFLITE_MODEL_METADATA, v->score ? flatbuffer_put_refs(&w, &facts, 1) : 0),
    };
    const flatbuffer_ref root = flatbuffer_put_table(&w, f, sizeof f / sizeof f[0]);
    const uint8_t *const p = flatbuffer_put_root(&w, root, TFLITE_IDENTIFIER, &n);
    assert_non_null(p);
    uint8_t *const ret = calloc(n + tail, 1);
    assert_non_null(ret);
    memcpy(ret, p, n);
    if (tail)
        memcpy(ret + n + tail - sizeof weights, weights, sizeof weights);
    flatbuffer_put_done(&w);
    *ret_n = n + tail;
    return ret;
}
