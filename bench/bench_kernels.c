/* SPDX-License-Identifier: Apache-2.0 */
/* One training step (forward and gradients of a batch, network widths derived from the input's)
 * with our kernels of each instruction set, and with OpenBLAS doing the products: docs/model.md
 * has the table and what follows from it. */
#include <assert.h>
#include <cblas.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "bench.h"
#include "model/tape.h"

enum { ROUNDS = 15 };
static const double ROUND_NS = 4e6;

/* kernels.h's product by OpenBLAS; bias and ones are the same plain loops either way. */
static void blas_gemm(size_t m, size_t n, size_t k, const float *A, size_t a_row, size_t a_col,
                      const float *B, size_t ldb, const float *bias, float *C, size_t ldc)
{
    if (a_row == 0 && a_col == 0) { /* a row of ones: column sums */
        kernels_best()->gemm(m, n, k, A, 0, 0, B, ldb, bias, C, ldc);
        return;
    }
    for (size_t r = 0; bias && r < m; r++)
        memcpy(C + r * ldc, bias, n * sizeof *C);
    const bool transposed = a_col != 1;
    assert(transposed ? a_row == 1 : a_row >= k);
    cblas_sgemm(CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)m, (int)n,
                (int)k, 1.0f, A, (int)(transposed ? a_col : a_row), B, (int)ldb, bias ? 1.0f : 0.0f,
                C, (int)ldc);
}

static void step(struct tape *t)
{
    const struct tape_layer *const out = tape_output(t);

    tape_forward(t, t->batch);
    for (size_t r = 0; r < t->batch; r++)
        for (size_t i = 0; i < out->out; i++)
            out->dY[r * out->ld + i] = out->Y[r * out->ld + i] - t->X[r * t->ldx + i];
    tape_backward(t, t->batch);
}

static double step_us(const struct net *net, size_t batch, const struct kernels *k)
{
    double us[ROUNDS];
    struct rng rng;
    struct tape t;
    struct err err;

    if (tape_init(&t, net, batch, k, &err) != OK) {
        fprintf(stderr, "bench_kernels: %s\n", err.msg);
        exit(1);
    }
    rng_init(&rng, 1);
    for (size_t r = 0; r < batch; r++)
        for (size_t i = 0; i < t.in; i++)
            t.X[r * t.ldx + i] = rng_float(&rng);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t start = clock_thread_cpu_ns();
        uint64_t now = start;
        size_t steps = 0;
        for (; (double)(now - start) < ROUND_NS; steps++, now = clock_thread_cpu_ns())
            step(&t);
        us[round] = (double)(now - start) / 1000 / (double)steps;
    }
    tape_done(&t);
    return bench_median(us, ROUNDS);
}

int main(void)
{
    static const size_t widths[] = {21, 45, 128, 512, 1000}, batches[] = {16, 32, 128};
    struct kernels blas = *kernels_best();
    struct learn_spec spec;
    struct err err;

    blas.name = "OpenBLAS";
    blas.gemm = blas_gemm;
    settings_learn_defaults(&spec);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        struct net net;
        if (net_init(&net, widths[w], &spec, &err) != OK) {
            fprintf(stderr, "bench_kernels: %s\n", err.msg);
            return 1;
        }
        for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
            const struct kernels *k;
            for (size_t s = 0; (k = kernels_at(s)); s++) {
                char name[96];
                (void)snprintf(name, sizeof name, "step, %zu wide, batch %zu, %s", widths[w],
                               batches[b], k->name);
                bench_print(name, step_us(&net, batches[b], k), "us");
            }
            char name[96];
            (void)snprintf(name, sizeof name, "step, %zu wide, batch %zu, OpenBLAS", widths[w],
                           batches[b]);
            bench_print(name, step_us(&net, batches[b], &blas), "us");
        }
        net_done(&net);
    }
    return 0;
}
