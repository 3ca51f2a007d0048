/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

#include "../rng_normal.h"
#include "../test.h"
#include "base/stats.h"

/* Against an independent implementation of the two papers in Python; a model's bytes hang on it. */
static void numbers_are_those_of_xoshiro256pp(void **state)
{
    (void)state;
    static const uint64_t want[] = {0xcfc5d07f6f03c29bu, 0xbf424132963fe08du, 0x19a37d5757aaf520u,
                                    0xbf08119f05cd56d6u};
    struct rng r;

    rng_init(&r, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rng_u64(&r), want[i]);
}

static void below_is_uniform_and_in_range(void **state)
{
    (void)state;
    struct rng r;
    int counts[7] = {0};

    rng_init(&r, 2);
    for (int i = 0; i < 70000; i++)
        counts[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) /* five standard deviations of a binomial */
        assert_true(abs(counts[i] - 10000) < 463);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&r, UINT32_MAX) < UINT32_MAX);
}

static void floats_and_normals_have_their_moments(void **state)
{
    (void)state;
    struct stats_moments u, z;
    struct rng r;

    stats_init(&u);
    stats_init(&z);
    rng_init(&r, 3);
    for (int i = 0; i < 100000; i++) {
        stats_add(&u, (double)rng_float(&r));
        const double x = rng_normal(&r);
        assert_true(isfinite(x));
        stats_add(&z, x);
    }
    assert_true(u.min >= 0 && u.max < 1);
    assert_true(fabs(u.mean - 0.5) < 0.005 && fabs(stats_variance(&u) - 1.0 / 12) < 0.001);
    assert_true(fabs(z.mean) < 0.016 && fabs(stats_std(&z) - 1) < 0.012);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_xoshiro256pp),
        cmocka_unit_test(below_is_uniform_and_in_range),
        cmocka_unit_test(floats_and_normals_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
