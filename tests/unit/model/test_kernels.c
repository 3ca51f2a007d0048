/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels.h"

enum { ROWS = 7, COLS = 37, DEPTH = 21 }; /* odd shapes: tiles and vectors have rests */

static float *random_floats(size_t n, uint64_t seed)
{
    struct rng rng;
    float *v = mem_array_aligned(n + KERNEL_PAD, sizeof *v);

    rng_init(&rng, seed);
    assert_non_null(v);
    for (size_t i = 0; i < n + KERNEL_PAD; i++)
        v[i] = 4 * rng_float(&rng) - 2;
    return v;
}

static void every_set_multiplies_with_the_bits_of_a_plain_loop(void **state)
{
    (void)state;
    const size_t ldc = kernel_padded(COLS);
    float *A = random_floats(ROWS * DEPTH, 1), *B = random_floats(DEPTH * COLS, 2);
    float *bias = random_floats(COLS, 3), *C = random_floats(ROWS * ldc, 4);

    for (size_t m = 1; m <= ROWS; m++) {
        for (size_t n = 1; n <= COLS; n++) {
            const struct kernels *k;
            for (size_t s = 0; (k = kernels_at(s)); s++) {
                k->gemm(m, n, DEPTH, A, DEPTH, 1, B, COLS, n % 2 ? bias : NULL, C, ldc);
                for (size_t i = 0; i < m; i++) {
                    for (size_t j = 0; j < n; j++) {
                        float sum = n % 2 ? bias[j] : 0;
                        for (size_t q = 0; q < DEPTH; q++)
                            sum += A[i * DEPTH + q] * B[q * COLS + j];
                        assert_memory_equal(&C[i * ldc + j], &sum, sizeof sum);
                    }
                }
            }
        }
    }
    mem_free(A);
    mem_free(B);
    mem_free(bias);
    mem_free(C);
}

static void strides_read_a_transpose(void **state)
{
    (void)state;
    const size_t ldc = kernel_padded(COLS);
    float *A = random_floats(DEPTH * ROWS, 1), *B = random_floats(DEPTH * COLS, 2);
    float *C = random_floats(ROWS * ldc, 4);
    const struct kernels *k;

    for (size_t s = 0; (k = kernels_at(s)); s++) {
        k->gemm(ROWS, COLS, DEPTH, A, 1, ROWS, B, COLS, NULL, C, ldc);
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLS; j++) {
                double sum = 0;
                for (size_t q = 0; q < DEPTH; q++)
                    sum += (double)A[q * ROWS + i] * (double)B[q * COLS + j];
                assert_true(fabs((double)C[i * ldc + j] - sum) < 1e-4);
            }
        }
    }
    mem_free(A);
    mem_free(B);
    mem_free(C);
}

static double true_activation(enum activation act, double x)
{
    switch (act) {
    case ACT_AUTO: /* of no layer */
        break;
    case ACT_LINEAR:
        return x;
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_TANH:
        return tanh(x);
    }
    fail();
    return 0;
}

static void activations_are_within_their_stated_error_and_equal_in_every_set(void **state)
{
    (void)state;
    enum { N = 20011 };
    float *x = mem_array_aligned(N + KERNEL_PAD, sizeof *x);
    float *y = mem_array_aligned(N + KERNEL_PAD, sizeof *y);
    float *first = mem_array_aligned(N + KERNEL_PAD, sizeof *first);

    assert_true(x && y && first);
    for (int i = 0; i < N; i++)
        x[i] = (float)(i - N / 2) / 100; /* -100 to 100: the exponential's cut ends too */
    x[0] = -1e30f;
    x[1] = 1e30f;
    for (enum activation act = ACT_LINEAR; act <= ACT_TANH; act++) {
        const struct kernels *k;
        for (size_t s = 0; (k = kernels_at(s)); s++) {
            memcpy(y, x, N * sizeof *y);
            k->act(act, y, N);
            if (s == 0)
                memcpy(first, y, N * sizeof *y);
            assert_memory_equal(y, first, N * sizeof *y);
        }
        for (int i = 0; i < N; i++)
            assert_true(fabs((double)y[i] - true_activation(act, (double)x[i])) < 2e-7 ||
                        (act <= ACT_RELU && y[i] == (float)true_activation(act, (double)x[i])));
    }
    mem_free(x);
    mem_free(y);
    mem_free(first);
}

static void adam_takes_the_same_steps_in_every_set_as_the_paper_says(void **state)
{
    (void)state;
    enum { N = 53, STEPS = 50 };
    float *first = NULL;
    const struct kernels *k;

    for (size_t s = 0; (k = kernels_at(s)); s++) {
        float *p = random_floats(N, 5), *m = mem_array_aligned(N + KERNEL_PAD, sizeof *m);
        float *v = mem_array_aligned(N + KERNEL_PAD, sizeof *v);
        double P[N], M[N] = {0}, V[N] = {0};

        for (int i = 0; i < N; i++)
            P[i] = (double)p[i];
        for (int t = 1; t <= STEPS; t++) {
            float *g = random_floats(N, 100 + t);
            const struct kernel_adam a = {.beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-8f,
                                          .step = (float)(0.01 / (1 - pow(0.9, t))),
                                          .v_unit = (float)(1 / (1 - pow(0.999, t)))};
            k->adam(&a, N, g, p, m, v);
            for (int i = 0; i < N; i++) {
                const double gi = (double)g[i];
                M[i] = 0.9 * M[i] + 0.1 * gi;
                V[i] = 0.999 * V[i] + 0.001 * gi * gi;
                P[i] -=
                    0.01 * (M[i] / (1 - pow(0.9, t))) / (sqrt(V[i] / (1 - pow(0.999, t))) + 1e-8);
            }
            mem_free(g);
        }
        for (int i = 0; i < N; i++)
            assert_true(fabs((double)p[i] - P[i]) < 1e-4);
        if (!first) {
            first = p;
            p = NULL;
        } else {
            assert_memory_equal(p, first, N * sizeof *p);
        }
        mem_free(p);
        mem_free(m);
        mem_free(v);
    }
    mem_free(first);
}

static void adam_forgets_a_vanished_gradient_before_it_is_denormal(void **state)
{
    (void)state;
    const struct kernel_adam a = {0.9f, 0.999f, 1e-8f, 0.01f, 1};
    float g[KERNEL_PAD] = {0}, p[KERNEL_PAD] = {0}, m[KERNEL_PAD], v[KERNEL_PAD];
    const struct kernels *k;

    for (size_t s = 0; (k = kernels_at(s)); s++) {
        for (int i = 0; i < KERNEL_PAD; i++) {
            m[i] = i % 2 ? 1.1e-30f : -1.1e-30f;
            v[i] = 1.0001e-30f;
        }
        k->adam(&a, KERNEL_PAD, g, p, m, v);
        for (int i = 0; i < KERNEL_PAD; i++)
            assert_true(m[i] == 0 && v[i] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_multiplies_with_the_bits_of_a_plain_loop),
        cmocka_unit_test(strides_read_a_transpose),
        cmocka_unit_test(activations_are_within_their_stated_error_and_equal_in_every_set),
        cmocka_unit_test(adam_takes_the_same_steps_in_every_set_as_the_paper_says),
        cmocka_unit_test(adam_forgets_a_vanished_gradient_before_it_is_denormal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
