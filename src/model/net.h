/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"

/* net - a stack of dense layers, Y = act(X W + b)
 *
 * Shapes: X[n][in], W[in][out], b[out], row-major float32 (as Keras keeps them: the sums of one
 * layer then run in lanes side by side). All parameters lie in one block, layer after layer, W
 * then b. Thread: immutable but for the trainer's own copy. */

enum { NET_PARAMS_MAX = 1 << 26 };

struct net_layer {
    uint32_t in, out;
    enum activation act;
    const float *W, *b; /* into the net's block; W[in][out] */
};

struct net {
    size_t n_layers;
    struct net_layer layer[NET_LAYERS_MAX + 1]; /* those asked for, and the output */
    size_t n_params;
    float *params;      /* [n_params], one block (and KERNEL_PAD floats that kernels may read) */
    uint32_t max_width; /* widest layer or input, in whole vectors: a multiple of KERNEL_PAD */
};

/* Shape of an autoencoder for n inputs by spec (widths derived from n when spec->n_layers is 0).
 * Weights are Glorot uniform by seed (Glorot & Bengio, AISTATS 2010), biases 0.
 * E_CONFIG for a width of 0; E_LIMIT past NET_WIDTH_MAX, NET_LAYERS_MAX or NET_PARAMS_MAX;
 * E_NOMEM. */
MUST_CHECK enum rc net_init(struct net *ret, size_t n, const struct learn_spec *spec,
                            struct err *err);
/* The same shape from explicit widths, the output's too; parameters zero: for reading a model
 * file. Up to NET_LAYERS_MAX + 1 layers. Errors as above; E_CONFIG also when the last is not n. */
MUST_CHECK enum rc net_init_layers(struct net *ret, size_t n, const uint32_t *widths,
                                   const enum activation *acts, size_t n_layers, struct err *err);
void net_done(struct net *net); /* a zeroed one is fine */

/* Forward of one sample: x[in] to y[out]; work[2 * max_width] is the caller's, 64-byte aligned.
 * y may be x. */
void net_forward(const struct net *net, const float *x, float *y, float *work);
