/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "exchange/exchange.h"
#include "exchange/onnx.pb-c.h"

/* onnx_private - a graph that was read, and the constants in it
 *
 * Private to src/exchange. Thread: its holder's. */

enum {
    ONNX_NODES_MAX = 512,    /* of a graph: many times those of EXCHANGE_LAYERS_MAX layers */
    ONNX_TENSORS_MAX = 1024, /* initializers */
    ONNX_ENDS_MAX = 16,      /* inputs, outputs and attributes of a node, each */
    ONNX_NAME_MAX = 1024,    /* bytes: Keras's hold a path, over EXCHANGE_NAME_MAX at times */
    ONNX_RANK_MAX = 8,
};

enum { ONNX_FLOAT = 1, ONNX_INT64 = 7, ONNX_BOOL = 9 }; /* TensorProto.DataType */

struct onnx_graph {
    const Onnx__GraphProto *g;
    bool used[ONNX_NODES_MAX]; /* nodes that the network or a constant was made of */
};

/* A constant that the graph's nodes name: an initializer, a Constant node, or one of these behind
 * Identity and Transpose. */
struct onnx_constant {
    const Onnx__TensorProto *t;
    bool transposed;
};

/* How messages name a node: its operator and, in quotes, its name or what it makes. */
enum { ONNX_LABEL_MAX = 160 };
void onnx_label(const Onnx__NodeProto *n, char out[ONNX_LABEL_MAX]);

/* The one that `name` names, if any: false when there is none. E_PARSE for one that goes round. */
MUST_CHECK enum rc onnx_constant_find(struct onnx_graph *g, const char *name, bool *ret_found,
                                      struct onnx_constant *ret, struct err *err);

/* Its numbers as float32, transposed if it is: v[n] is the caller's (mem_free), dim[rank] its
 * shape. E_PARSE for another type, lengths that do not agree, or numbers kept in another file;
 * E_LIMIT, E_NOMEM. */
struct onnx_floats {
    size_t rank, n;
    size_t dim[ONNX_RANK_MAX];
    float *v;
};
MUST_CHECK enum rc onnx_constant_floats(const struct onnx_constant *c, struct onnx_floats *ret,
                                        struct err *err);
static inline void onnx_floats_done(struct onnx_floats *f)
{
    mem_free(f->v);
}

/* As integers (int64, or bool as 0 and 1): at most `most` of them. Errors as above. */
MUST_CHECK enum rc onnx_constant_ints(const struct onnx_constant *c, size_t most, int64_t *ret,
                                      size_t *ret_n, struct err *err);

/* The node's attribute of that name, or NULL. */
const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *n, const char *name);

/* --- operators (onnx_operators.c) --- */

struct onnx_reader {
    struct onnx_graph graph;
    struct exchange_net net;
    size_t declared;            /* width of the input as the file says it; 0: it does not */
    char label[ONNX_LABEL_MAX]; /* of the node in hand */
};

/* What takes a node into the network; data: which of its inputs the values come by. */
typedef enum rc onnx_take_fn(struct onnx_reader *r, const Onnx__NodeProto *n, size_t data,
                             struct err *err);
onnx_take_fn *onnx_operator(const Onnx__NodeProto *n); /* NULL: not supported */

/* As a text, where the file may lack it. */
static inline const char *onnx_text(const char *z)
{
    return z ? z : "";
}
