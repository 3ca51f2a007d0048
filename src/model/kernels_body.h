/* SPDX-License-Identifier: Apache-2.0 */
/* The text of kernels.c that is compiled once for each instruction set: no #pragma once. */
#if !defined(LANES) || !defined(TARGET) || !defined(NAME)
#error "kernels.c includes this, with LANES, TARGET and NAME defined"
#endif

#define VF NAME(vf)
#define VI NAME(vi)
#define VU NAME(vu)
#define TILE NAME(tile)
/* aligned(4): rows of a network's weights begin anywhere */
typedef float VF __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t VI __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t VU __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* A tile of rows x vecs vectors of C in registers. rows and vecs are constants where it is inlined,
 * so the loops over them vanish. */
TARGET __attribute__((always_inline)) static inline void
NAME(tile)(size_t rows, size_t vecs, size_t k, const float *A, size_t a_row, size_t a_col,
           const float *B, size_t ldb, const float *bias, float *C, size_t ldc)
{
    VF acc[4][2];

#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vecs; j++)
            acc[i][j] = bias ? *(const VF *)(bias + j * LANES) : (VF){0};
    for (size_t q = 0; q < k; q++, A += a_col, B += ldb) {
#pragma GCC unroll 4
        for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (size_t j = 0; j < vecs; j++)
                acc[i][j] += A[i * a_row] * *(const VF *)(B + j * LANES);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vecs; j++)
            *(VF *)(C + i * ldc + j * LANES) = acc[i][j];
}

TARGET static void NAME(gemm)(size_t m, size_t n, size_t k, const float *A, size_t a_row,
                              size_t a_col, const float *B, size_t ldb, const float *bias, float *C,
                              size_t ldc)
{
    /* Columns outside: a strip of B two vectors wide stays in cache for all rows of A. */
    for (size_t j = 0; j < n; j += 2 * LANES) {
        const float *const b = bias ? bias + j : NULL;
        const bool two = n - j > LANES;
        size_t i = 0;

        for (; i + 4 <= m; i += 4) {
            if (two) {
                TILE(4, 2, k, A + i * a_row, a_row, a_col, B + j, ldb, b, C + i * ldc + j, ldc);
            } else {
                TILE(4, 1, k, A + i * a_row, a_row, a_col, B + j, ldb, b, C + i * ldc + j, ldc);
            }
        }
        for (; i < m; i++) {
            if (two) {
                TILE(1, 2, k, A + i * a_row, a_row, a_col, B + j, ldb, b, C + i * ldc + j, ldc);
            } else {
                TILE(1, 1, k, A + i * a_row, a_row, a_col, B + j, ldb, b, C + i * ldc + j, ldc);
            }
        }
    }
}

/* mask ? a : b, lane by lane */
TARGET __attribute__((always_inline)) static inline VF NAME(pick)(VI mask, VF a, VF b)
{
    return (VF)((mask & (VI)a) | (~mask & (VI)b));
}

/* e^x, x cut to [-87, 88] where float32 neither vanishes nor overflows; relative error under 2e-7.
 * Range reduction x = n ln 2 + r with ln 2 in two parts, then the polynomial of Cephes' expf
 * (Moshier, Methods and Programs for Mathematical Functions, 1989). */
TARGET __attribute__((always_inline)) static inline VF NAME(exp)(VF x)
{
    const VF lo = (VF){0} - 87.0f, hi = (VF){0} + 88.0f;
    const float to_int =
        12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */

    x = NAME(pick)(x < lo, lo, x);
    x = NAME(pick)(x > hi, hi, x);
    const VF shifted = x * 1.44269504088896341f + to_int;
    const VF n = shifted - to_int;
    const VF r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    VF p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n: n + 127 in the exponent's place; the integer stands in shifted's low bits */
    return p * (VF)(((VU)shifted + 127) << 23);
}

TARGET static void NAME(act)(enum activation act, float *v, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        VF *const y = (VF *)(v + i);

        switch (act) {
        case ACT_AUTO: /* of no layer */
        case ACT_LINEAR:
            return;
        case ACT_RELU:
            *y = (VF)((VI)*y & (*y > 0.0f));
            break;
        case ACT_SIGMOID:
            *y = 1.0f / (1.0f + NAME(exp)(-*y));
            break;
        case ACT_TANH: /* 2 sigmoid(2x) - 1 */
            *y = 2.0f / (1.0f + NAME(exp)(-2.0f * *y)) - 1.0f;
            break;
        }
    }
}

TARGET static void NAME(act_grad)(enum activation act, const float *y, float *dy, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const VF v = *(const VF *)(y + i);
        VF *const d = (VF *)(dy + i);

        switch (act) {
        case ACT_AUTO: /* of no layer */
        case ACT_LINEAR:
            return;
        case ACT_RELU: /* 0 at 0 */
            *d = (VF)((VI)*d & (v > 0.0f));
            break;
        case ACT_SIGMOID:
            *d *= v * (1.0f - v);
            break;
        case ACT_TANH:
            *d *= 1.0f - v * v;
            break;
        }
    }
}

TARGET static void NAME(adam)(const struct kernel_adam *a, size_t n, const float *g, float *p,
                              float *m, float *v)
{
    const VF tiny = (VF){0} + 1e-30f;

    for (size_t i = 0; i < n; i += LANES) {
        const VF gi = *(const VF *)(g + i);
        VF mi = a->beta1 * *(const VF *)(m + i) + (1.0f - a->beta1) * gi;
        VF vi = a->beta2 * *(const VF *)(v + i) + (1.0f - a->beta2) * gi * gi;
        const VF vhat = vi * a->v_unit;
        float root[LANES];

        for (size_t l = 0; l < LANES; l++)
            root[l] = sqrtf(vhat[l]);
        *(VF *)(p + i) -= a->step * mi / (*(const VF *)root + a->epsilon);
        mi = (VF)((VI)mi & ((mi > tiny) | (mi < -tiny)));
        vi = (VF)((VI)vi & (vi > tiny));
        *(VF *)(m + i) = mi;
        *(VF *)(v + i) = vi;
    }
}

#undef TILE
#undef VF
#undef VI
#undef VU
