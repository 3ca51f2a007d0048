/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"

/* net - a stack of dense layers, Y = act(X W^T + b)
 *
 * Shapes: X[n][in], W[out][in], b[out], row-major float32. All parameters lie in one block, layer
 * after layer, W then b. Thread: immutable but for the trainer's own copy. */

struct net_layer {
    uint32_t in, out;
    enum activation act;
    const float *W, *b; /* into the net's block; W[out][in] */
};

struct net {
    size_t n_layers;
    struct net_layer layer[NET_LAYERS_MAX];
    size_t n_params;
    float *params; /* [n_params], one block */
    uint32_t max_width;
};

/* Shape of an autoencoder for n inputs by spec (widths derived from n when spec->n_layers is 0).
 * Weights are Glorot uniform by seed (Glorot & Bengio, AISTATS 2010), biases 0. */
MUST_CHECK enum rc net_init(struct net *ret, size_t n, const struct learn_spec *spec,
                            struct err *err);
/* The same shape from explicit widths; parameters zero: for reading a model file. */
MUST_CHECK enum rc net_init_layers(struct net *ret, size_t n, const uint32_t *widths,
                                   const enum activation *acts, size_t n_layers, struct err *err);
void net_done(struct net *net);

/* Forward of one sample: x[in] to y[out]; work[2 * max_width] is the caller's, 64-byte aligned. */
void net_forward(const struct net *net, const float *x, float *y, float *work);
