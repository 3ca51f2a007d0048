/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/rng.h"

static void moments_of_a_small_column_are_exact(void **state)
{
    (void)state;
    static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    struct stats_moments m;

    stats_init(&m);
    for (size_t i = 0; i < 8; i++)
        stats_add(&m, x[i]);
    assert_int_equal(m.n, 8);
    assert_true(fabs(m.mean - 5) < 1e-12 && fabs(stats_std(&m) - 2) < 1e-12);
    assert_true(m.min == 2 && m.max == 9);
}

static void missing_values_do_not_count(void **state)
{
    (void)state;
    struct stats_moments m;

    stats_init(&m);
    assert_true(isnan(stats_variance(&m)) && isnan(stats_std(&m)));
    stats_add(&m, (double)NAN);
    assert_int_equal(m.n, 0);
    stats_add(&m, 3);
    stats_add(&m, (double)NAN);
    assert_int_equal(m.n, 1);
    assert_true(m.mean == 3 && stats_variance(&m) == 0);
}

static void constant_and_far_off_columns_keep_their_precision(void **state)
{
    (void)state;
    struct stats_moments third, far;

    stats_init(&third);
    stats_init(&far);
    for (int i = 0; i < 128; i++)
        stats_add(&third, 1.0 / 3);
    assert_true(stats_variance(&third) == 0); /* E[x^2] - E[x]^2 would be negative here */
    for (int i = 0; i < 1000; i++)
        stats_add(&far, 1e9 + i % 2);
    assert_true(fabs(stats_variance(&far) - 0.25) < 1e-9);
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The definition, by sorting. */
static float slow_quantile(float *v, size_t n, double q)
{
    size_t finite = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            v[finite++] = v[i];
    if (finite == 0)
        return NAN;
    qsort(v, finite, sizeof *v, compare_floats);
    const double h = (double)(finite - 1) * q;
    const size_t k = (size_t)h, next = k + 1 < finite ? k + 1 : k;
    return (float)((double)v[k] + (h - (double)k) * ((double)v[next] - (double)v[k]));
}

static void quantile_equals_its_definition_on_random_columns(void **state)
{
    (void)state;
    struct rng r;
    float v[200], copy[200];

    rng_init(&r, 4);
    for (int round = 0; round < 3000; round++) {
        const size_t n = rng_below(&r, 200);
        const uint32_t kinds = 1 + rng_below(&r, 300); /* few kinds: many equal values */
        for (size_t i = 0; i < n; i++) {
            v[i] = (float)rng_below(&r, kinds) / 7;
            if (rng_below(&r, 10) == 0)
                v[i] = rng_below(&r, 2) ? NAN : INFINITY;
        }
        memcpy(copy, v, n * sizeof *v);
        const double q = round % 10 == 0 ? round / 10 % 2 : (double)rng_float(&r);
        const float want = slow_quantile(copy, n, q), got = stats_quantile(v, n, q);
        assert_true(isnan(want) ? isnan(got) : got == want);
    }
}

/* Reference values of numpy.quantile, whose default is type 7. */
static void quantile_equals_numpy(void **state)
{
    (void)state;
    float a[] = {3, 1, 4, 1, 5, 9, 2, 6}, b[] = {3, 1, 4, 1, 5, 9, 2, 6}, c[] = {10, 20}, d[] = {7};

    assert_true(stats_quantile(a, 8, 0.5) == 3.5f);
    assert_true(stats_quantile(b, 8, 0.9) == 6.9f);
    assert_true(stats_quantile(c, 2, 0.995) == 19.95f);
    assert_true(stats_quantile(d, 1, 0.01) == 7);
}

static void quantile_of_nothing_is_nan(void **state)
{
    (void)state;
    float v[] = {NAN, INFINITY};

    assert_true(isnan(stats_quantile(NULL, 0, 0.5)));
    assert_true(isnan(stats_quantile(v, 2, 0.5)));
}

/* Orders that make a naive quickselect quadratic; this would take minutes if it were. */
static void quantile_of_a_million_sorted_or_equal_values_is_quick(void **state)
{
    (void)state;
    enum { N = 1000000 };
    CLEANUP(mem_freep) float *v = mem_array(N, sizeof *v);

    assert_non_null(v);
    for (int i = 0; i < N; i++)
        v[i] = (float)i;
    assert_true(stats_quantile(v, N, 1) == N - 1);
    for (int i = 0; i < N; i++)
        v[i] = 1;
    assert_true(stats_quantile(v, N, 0.5) == 1);
    for (int i = 0; i < N; i++)
        v[i] = (float)(i < N / 2 ? i : N - i);
    assert_true(stats_quantile(v, N, 0) == 0);
}

static void sorting_puts_the_least_first(void **state)
{
    (void)state;
    float v[] = {3, -1, 2, 2, 0};

    stats_sort(v, 5);
    for (int i = 1; i < 5; i++)
        assert_true(v[i] >= v[i - 1]);
    assert_true(v[0] == -1 && v[4] == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_of_a_small_column_are_exact),
        cmocka_unit_test(missing_values_do_not_count),
        cmocka_unit_test(constant_and_far_off_columns_keep_their_precision),
        cmocka_unit_test(quantile_equals_its_definition_on_random_columns),
        cmocka_unit_test(quantile_equals_numpy),
        cmocka_unit_test(quantile_of_nothing_is_nan),
        cmocka_unit_test(sorting_puts_the_least_first),
        cmocka_unit_test(quantile_of_a_million_sorted_or_equal_values_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
