/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "model/normality.h"

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Probabilities by scipy 1.10.1, scipy.stats.shapiro: AS R94 too, in another's hand. */
static void shapiro_wilk_agrees_with_another_implementation(void **state)
{
    (void)state;
    static const float weights[] = {148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236};
    static const float three[] = {1, 2, 4}, four[] = {1, 2, 3, 5}, five[] = {1, 2, 3, 5, 9};
    float even[50], steep[20];

    for (int i = 0; i < 50; i++)
        even[i] = ((float)i + 0.5f) / 50;
    for (int i = 0; i < 20; i++)
        steep[i] = powf(((float)i + 0.5f) / 20, 3);
    assert_true(fabs(normality_shapiro_wilk(weights, 11) - 0.0067038) < 1e-5);
    assert_true(fabs(normality_shapiro_wilk(three, 3) - 0.636886) < 1e-4);
    assert_true(fabs(normality_shapiro_wilk(four, 4) - 0.849971) < 1e-4);
    assert_true(fabs(normality_shapiro_wilk(five, 5) - 0.482150) < 1e-4);
    assert_true(fabs(normality_shapiro_wilk(even, 50) - 0.0580895) < 1e-4);
    assert_true(fabs(normality_shapiro_wilk(steep, 20) - 0.0024665) < 1e-5);
}

/* Each test refuses about one normal sample in twenty at 5 %, and nearly all that are not. */
static void both_tests_are_wrong_as_often_as_they_say(void **state)
{
    (void)state;
    enum { SAMPLES = 400 };
    static const size_t sizes[] = {8, 30, 100, 1000};
    static float v[1000];
    struct rng rng;

    rng_init(&rng, 5);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int refused[2] = {0}, seen = 0;
        for (int i = 0; i < SAMPLES; i++) {
            const size_t n = sizes[s];
            for (size_t k = 0; k < n; k++)
                v[k] = (float)(3 + 0.1 * rng_normal(&rng));
            qsort(v, n, sizeof *v, by_value);
            refused[0] += normality_shapiro_wilk(v, n) < 0.05;
            refused[1] += normality_kolmogorov_smirnov(v, n) < 0.05;
            for (size_t k = 0; k < n; k++)
                v[k] = v[k] * v[k] * v[k] * v[k] * v[k] * v[k] * v[k] * v[k];
            seen += n < 100 || (normality_shapiro_wilk(v, n) < 0.05 &&
                                normality_kolmogorov_smirnov(v, n) < 0.1);
        }
        for (int t = 0; t < 2; t++)
            assert_in_range(refused[t], 6, 36); /* 20 expected, deviation 4.4 */
        assert_true(sizes[s] < 1000 || seen > SAMPLES * 9 / 10);
    }
}

static void what_cannot_be_judged_is_not_a_number(void **state)
{
    (void)state;
    const float same[] = {2, 2, 2, 2, 2}, two[] = {1, 2};

    assert_true(isnan(normality_shapiro_wilk(same, 5)));
    assert_true(isnan(normality_kolmogorov_smirnov(same, 5)));
    assert_true(isnan(normality_shapiro_wilk(two, 2)));
    assert_true(isnan(normality_kolmogorov_smirnov(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapiro_wilk_agrees_with_another_implementation),
        cmocka_unit_test(both_tests_are_wrong_as_often_as_they_say),
        cmocka_unit_test(what_cannot_be_judged_is_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
