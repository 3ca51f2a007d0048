/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "model/kernels.h"
#include "model/net.h"

/* tape - a network laid out for training: batch forward, and gradients by backpropagation
 * (Rumelhart, Hinton & Williams, Nature 323, 1986)
 *
 * Rows and columns are padded to whole vectors (KERNEL_PAD); padding of weights, gradients and dY
 * is 0 and stays 0, so every kernel runs over whole blocks. One block of memory.
 * Sums run over the batch in row order: same input, same bits.
 * Thread: its holder's. */

struct tape_layer {
    size_t in, out, ld; /* ld: floats from one row of W, Y or dY to the next */
    enum activation act;
    float *W, *b;   /* W[in][ld], b[ld] */
    float *dW, *db; /* the loss's gradient, same shapes */
    float *Y, *dY;  /* [batch][ld]: outputs, and the loss's gradient by them */
};

struct tape {
    const struct kernels *k;
    size_t batch;         /* rows at most */
    size_t in, ldx;       /* X[batch][ldx] */
    float *X;             /* the caller writes rows of inputs here */
    size_t n_params;      /* floats in params and grad, padding included */
    float *params, *grad; /* all W and b; all dW and db: what the optimiser runs over */
    float *WT;            /* scratch: one layer's transpose */
    size_t n_layers;
    struct tape_layer layer[NET_LAYERS_MAX + 1];
    float *block;
};

/* A tape for batches of at most `batch` rows, parameters copied from net. E_NOMEM. */
MUST_CHECK enum rc tape_init(struct tape *ret, const struct net *net, size_t batch,
                             const struct kernels *k, struct err *err);
void tape_done(struct tape *t); /* a zeroed one is fine */

static inline const struct tape_layer *tape_output(const struct tape *t)
{
    return &t->layer[t->n_layers - 1];
}

/* X[rows] to each layer's Y. */
void tape_forward(struct tape *t, size_t rows);
/* After tape_forward, with the output layer's dY written: dW and db of every layer. Hidden layers'
 * dY are overwritten, and dY of all is by then the gradient by what goes into the activation. */
void tape_backward(struct tape *t, size_t rows);
/* params (the tape's, or a copy of that block) to the same network in its own layout. */
void tape_store(const struct tape *t, const float *params, struct net *net);
