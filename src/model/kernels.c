/* SPDX-License-Identifier: Apache-2.0 */
#include "model/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The body is compiled once a set: LANES floats a vector, TARGET lets the compiler use the
 * instructions, NAME gives each function its set's name. Vectors are the compiler's own, so the
 * same text serves every processor. */
#if defined(__x86_64__)
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl")))
#define NAME(x) x##_avx512
#include "model/kernels_body.h"
#undef LANES
#undef TARGET
#undef NAME

#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##_avx2
#include "model/kernels_body.h"
#undef LANES
#undef TARGET
#undef NAME
#endif

#define LANES 4
#define TARGET
#define NAME(x) x##_base
#include "model/kernels_body.h"

const struct kernels *kernels_at(size_t i)
{
    static const struct kernels base = {"base", gemm_base, act_base, act_grad_base, adam_base};
#if defined(__x86_64__)
    static const struct kernels avx2 = {"avx2", gemm_avx2, act_avx2, act_grad_avx2, adam_avx2};
    static const struct kernels avx512 = {"avx512", gemm_avx512, act_avx512, act_grad_avx512,
                                          adam_avx512};

    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        if (i == 0)
            return &avx512;
        i--;
    }
    if (__builtin_cpu_supports("avx2")) {
        if (i == 0)
            return &avx2;
        i--;
    }
#endif
    return i == 0 ? &base : NULL;
}

const struct kernels *kernels_best(void)
{
    return kernels_at(0);
}
