/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "data/settings.h"

/* kernels - the arithmetic of dense layers, once for each instruction set, all with the same bits
 *
 * Why the same bits: every sum runs over its index in order, one lane for one result, so how many
 * lanes an instruction has changes nothing; products and sums are never fused (-ffp-contract=off);
 * the exponential is our own polynomial, since the C library's differs between versions. A model
 * trained on one x86-64 machine is the same, byte for byte, as one trained on another.
 *
 * Matrices are row-major; ld is the distance between rows. Buffers that are read or written in
 * whole vectors reach KERNEL_PAD floats past the last column of their last row; what stands past a
 * row's last column is read, and in outputs written, but never taken into a result.
 * Thread: pure functions on the caller's buffers. */

enum { KERNEL_PAD = 16 }; /* floats; a multiple of every vector's width */

static inline size_t kernel_padded(size_t n)
{
    return (n + KERNEL_PAD - 1) & ~(size_t)(KERNEL_PAD - 1);
}

/* C[m][n] = bias + A B, each sum in order of k. Element (i, q) of A is A[i * a_row + q * a_col], so
 * a transpose needs no copy. B[k][n] with ldb, C with ldc; bias[n], or NULL for 0. Written are
 * kernel_padded(n) columns at most: ldc >= that, or m is 1. */
typedef void kernel_gemm_fn(size_t m, size_t n, size_t k, const float *A, size_t a_row,
                            size_t a_col, const float *B, size_t ldb, const float *bias, float *C,
                            size_t ldc);

/* v[n] = act(v[n]), up to the end of n's last vector. Sigmoid and tanh are within 2e-7 of the true
 * value (absolute), which is about what float32 can tell near 1. */
typedef void kernel_act_fn(enum activation act, float *v, size_t n);

/* dy[n] *= act'(v), by the output y[n] = act(v); to the end of the last vector too. */
typedef void kernel_act_grad_fn(enum activation act, const float *y, float *dy, size_t n);

/* One step of Adam (Kingma & Ba, ICLR 2015, algorithm 1) over p[n] with gradient g; to the end
 * of the last vector too. Moments under 1e-30 become 0: a unit that is off would else decay into
 * denormal numbers, which are a hundred times slower. */
struct kernel_adam {
    float beta1, beta2, epsilon;
    float step;   /* learning rate / (1 - beta1^t) */
    float v_unit; /* 1 / (1 - beta2^t) */
};
typedef void kernel_adam_fn(const struct kernel_adam *a, size_t n, const float *g, float *p,
                            float *m, float *v);

struct kernels {
    const char *name;
    kernel_gemm_fn *gemm;
    kernel_act_fn *act;
    kernel_act_grad_fn *act_grad;
    kernel_adam_fn *adam;
};

/* The fastest set that this processor has. */
const struct kernels *kernels_best(void);
/* Every set that it has, i = 0, 1, ...; NULL past the last. For tests and benchmarks. */
const struct kernels *kernels_at(size_t i);
