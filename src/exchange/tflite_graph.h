/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "exchange/exchange.h"
#include "exchange/flatbuffer_write.h"
#include "exchange/tflite_schema.h"

/* tflite_graph - a TensorFlow Lite model while it is written: tensors, operators, buffers
 *
 * Tensors are numbered as they are added; an operator is added behind the tensors that it names.
 * Each goes into the file at once, which flatbuffer_write's direction allows: what refers to all of
 * them, the subgraph and the model, comes last. Failure is the writer's: looked at once, in the
 * end. Thread: its holder's. Source: tflite_schema.h. */

enum {
    /* Four tensors, two of them constants, and two operators a layer; what is around the network
     * has not a hundred. */
    TFLITE_GRAPH_MAX = 4 * EXCHANGE_LAYERS_MAX + 128,
    TFLITE_GRAPH_CODES = 32,
    TFLITE_GRAPH_ENDS = 4, /* inputs, and outputs, of the model */
};

struct tflite_graph {
    struct flatbuffer_writer w;
    flatbuffer_ref buffers[TFLITE_GRAPH_MAX + EXCHANGE_FACTS_MAX];
    flatbuffer_ref tensors[TFLITE_GRAPH_MAX];
    flatbuffer_ref operators[TFLITE_GRAPH_MAX];
    size_t n_buffers, n_tensors, n_operators;
    struct {
        enum tflite_op op;
        uint32_t version;
    } codes[TFLITE_GRAPH_CODES];
    size_t n_codes;
    struct tflite_end {
        const char *name; /* lent */
        int32_t tensor;
    } inputs[TFLITE_GRAPH_ENDS], outputs[TFLITE_GRAPH_ENDS];
    size_t n_inputs, n_outputs;
};

/* real = scale * (q - zero_point). n is 1, or the tensor's first dimension: a scale for each row.
 */
struct tflite_scale {
    const float *scale;
    size_t n;
    int64_t zero_point;
};

void tflite_graph_init(struct tflite_graph *g, size_t limit_bytes);
void tflite_graph_done(struct tflite_graph *g);

/* What is computed: [batch][width], the batch known at run time only. scale: NULL for floats. All
 * give the tensor's number. */
int32_t tflite_graph_tensor(struct tflite_graph *g, const char *name, enum tflite_type type,
                            size_t width, const struct tflite_scale *scale);
/* What is known: data[rows][width], rows 0: of one dimension. */
int32_t tflite_graph_constant(struct tflite_graph *g, const char *name, enum tflite_type type,
                              size_t rows, size_t width, const void *data,
                              const struct tflite_scale *scale);
static inline int32_t tflite_graph_number(struct tflite_graph *g, const char *name, float v)
{
    return tflite_graph_constant(g, name, TFLITE_FLOAT32, 0, 1, &v, NULL);
}

/* inputs[n]; output is one. version: as of op_version.cc of LiteRT for these types. fused: of
 * FULLY_CONNECTED alone. */
void tflite_graph_op(struct tflite_graph *g, enum tflite_op op, uint32_t version,
                     enum tflite_fused fused, const int32_t *inputs, size_t n, int32_t output);

void tflite_graph_input(struct tflite_graph *g, const char *name, int32_t tensor);
void tflite_graph_output(struct tflite_graph *g, const char *name, int32_t tensor);

/* Ends the file and appends it to out: E_LIMIT, E_NOMEM. Facts become metadata. */
MUST_CHECK enum rc tflite_graph_finish(struct tflite_graph *g, const char *description,
                                       const struct exchange_facts *facts, struct buf *out,
                                       struct err *err);
