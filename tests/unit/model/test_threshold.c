/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/threshold.h"

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-5 * fabs(b);
}

static void percentile_is_the_quantile_when_enough_scores_lie_beyond(void **state)
{
    (void)state;
    enum { N = 1001 };
    static float v[N];
    const struct threshold_spec spec = {.method = THRESHOLD_PERCENTILE, .value = 95};
    float threshold, widening;
    struct err err;

    for (int i = 0; i < N; i++)
        v[i] = (float)((i * 8) % N); /* 0..1000 in another order */
    assert_int_equal(threshold_fit(&spec, v, N, &threshold, &widening, &err), OK);
    assert_true(near((double)threshold, 950));
    assert_true(widening == 1);
    assert_true(v[1] == 8); /* the caller's scores stay as they were */
}

static void
short_history_widens_a_percentile_by_the_fourth_root_of_ten_over_the_expected_rest(void **state)
{
    (void)state;
    float v[40], threshold, widening;
    const struct threshold_spec spec = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct err err;

    for (int i = 0; i < 40; i++)
        v[i] = 2;
    assert_int_equal(threshold_fit(&spec, v, 40, &threshold, &widening, &err), OK);
    assert_true(near((double)widening, pow(10 / (40 * 0.005), 0.25)));
    assert_true(near((double)threshold, 2 * (double)widening));
    /* the same scores, thinned from as many as are enough */
    assert_int_equal(threshold_fit_thinned(&spec, v, 40, 2000, false, &threshold, &widening, &err),
                     OK);
    assert_true(near((double)widening, 1));
    assert_true(near((double)threshold, 2));
}

static void more_history_never_widens_more(void **state)
{
    (void)state;
    static float v[4000];
    const struct threshold_spec spec = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    float last = INFINITY;
    struct err err;

    for (size_t n = 1; n <= 4000; n++) {
        float threshold, widening;
        v[n - 1] = 1;
        if (n % 13 && n > 50)
            continue;
        assert_int_equal(threshold_fit(&spec, v, n, &threshold, &widening, &err), OK);
        assert_true(widening >= 1 && widening <= last);
        last = widening;
    }
    assert_true(last == 1);
}

static void threshold_ignores_nan_scores(void **state)
{
    (void)state;
    const float some[] = {NAN, 1, 3, NAN, 2, INFINITY, 4, NAN}, clean[] = {1, 3, 2, 4};
    struct err err;

    for (enum threshold_method m = THRESHOLD_PERCENTILE; m <= THRESHOLD_SIGMA; m++) {
        const struct threshold_spec spec = {.method = m, .value = 3};
        float a, b, wa, wb;
        assert_int_equal(threshold_fit(&spec, some, 8, &a, &wa, &err), OK);
        assert_int_equal(threshold_fit(&spec, clean, 4, &b, &wb, &err), OK);
        assert_true(a == b && wa == wb);
    }
}

static void sigma_is_mean_plus_k_deviations_and_never_widened(void **state)
{
    (void)state;
    const float v[] = {2, 4, 4, 4, 5, 5, 7, 9}; /* mean 5, population deviation 2 */
    const struct threshold_spec spec = {.method = THRESHOLD_SIGMA, .value = 3};
    float threshold, widening;
    struct err err;

    assert_int_equal(threshold_fit(&spec, v, 8, &threshold, &widening, &err), OK);
    assert_true(near((double)threshold, 11));
    assert_true(widening == 1);
}

static void fixed_is_the_users_number_and_needs_no_scores(void **state)
{
    (void)state;
    const struct threshold_spec spec = {.method = THRESHOLD_FIXED, .value = 0.1998};
    float threshold, widening;
    struct err err;

    assert_int_equal(threshold_fit(&spec, NULL, 0, &threshold, &widening, &err), OK);
    assert_true(threshold == 0.1998f && widening == 1);
}

static void no_scores_and_wrong_settings_are_refused_in_words(void **state)
{
    (void)state;
    static const struct threshold_spec wrong[] = {
        {.method = THRESHOLD_PERCENTILE, .value = 0},
        {.method = THRESHOLD_PERCENTILE, .value = 100},
        {.method = THRESHOLD_PERCENTILE, .value = (double)NAN},
        {.method = THRESHOLD_SIGMA, .value = -1},
        {.method = THRESHOLD_SIGMA, .value = (double)NAN},
        {.method = THRESHOLD_FIXED, .value = 0},
        {.method = THRESHOLD_FIXED, .value = (double)INFINITY},
        {.method = THRESHOLD_BUDGET, .value = 0},
        {.method = THRESHOLD_BUDGET, .value = (double)NAN},
        {.method = THRESHOLD_BUDGET, .value = 1e7},
    };
    const float nothing[] = {NAN, NAN}, some[] = {1, 2};
    const struct threshold_spec spec = {.method = THRESHOLD_PERCENTILE, .value = 99};
    float threshold = 5, widening = 6;
    struct err err;

    assert_int_equal(threshold_fit(&spec, nothing, 2, &threshold, &widening, &err), E_STATE);
    assert_int_equal(threshold_fit(&spec, NULL, 0, &threshold, &widening, &err), E_STATE);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(threshold_fit(&wrong[i], some, 2, &threshold, &widening, &err), E_CONFIG);
    mem_fail_at(1);
    assert_int_equal(threshold_fit(&spec, some, 2, &threshold, &widening, &err), E_NOMEM);
    mem_fail_at(0);
    assert_true(threshold == 5 && widening == 6); /* outputs are written only on success */
}

static void an_honest_threshold_is_passed_about_as_often_as_it_says(void **state)
{
    (void)state;
    enum { N = 20000 };
    static float v[N];
    const struct threshold_spec spec = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    float threshold, widening;
    struct rng rng;
    struct err err;
    int beyond = 0;

    rng_init(&rng, 3);
    for (int i = 0; i < N; i++) {
        const double z = rng_normal(&rng);
        v[i] = (float)(z * z);
    }
    assert_int_equal(threshold_fit(&spec, v, N, &threshold, &widening, &err), OK);
    for (int i = 0; i < N; i++) {
        const double z = rng_normal(&rng);
        beyond += z * z > (double)threshold;
    }
    assert_in_range(beyond, 60, 140); /* 100 expected, deviation 10, and the fit's own */
}

static void auto_takes_sigma_for_normal_scores_and_the_percentile_for_others(void **state)
{
    (void)state;
    enum { N = 300 };
    static float normal[N], skewed[N];
    const struct threshold_spec spec = {.method = THRESHOLD_AUTO};
    const struct threshold_spec sigma = {.method = THRESHOLD_SIGMA, .value = 3};
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    float got, want, wide;
    struct rng rng;
    struct err err;

    rng_init(&rng, 4);
    for (int i = 0; i < N; i++) {
        normal[i] = (float)(2 + 0.2 * rng_normal(&rng));
        skewed[i] = (float)exp(rng_normal(&rng));
    }
    assert_int_equal(threshold_fit(&spec, normal, N, &got, &wide, &err), OK);
    assert_int_equal(threshold_fit(&sigma, normal, N, &want, &wide, &err), OK);
    assert_true(got == want);
    assert_int_equal(threshold_fit(&spec, skewed, N, &got, &wide, &err), OK);
    assert_int_equal(threshold_fit(&percentile, skewed, N, &want, &wide, &err), OK);
    assert_true(got == want);
    for (int i = 0; i < N; i++)
        normal[i] = 1; /* nothing to test */
    assert_int_equal(threshold_fit(&spec, normal, N, &got, &wide, &err), OK);
    assert_true(got >= 1);
}

static void a_budget_asks_for_scores_in_time_order(void **state)
{
    (void)state;
    const struct threshold_spec spec = {.method = THRESHOLD_BUDGET, .value = 2};
    const float some[] = {1, 2};
    float threshold, widening;
    struct err err;

    assert_int_equal(threshold_fit(&spec, some, 2, &threshold, &widening, &err), E_STATE);
    assert_string_equal(err.msg, "a budget of alarms needs the scores in time order");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentile_is_the_quantile_when_enough_scores_lie_beyond),
        cmocka_unit_test(
            short_history_widens_a_percentile_by_the_fourth_root_of_ten_over_the_expected_rest),
        cmocka_unit_test(more_history_never_widens_more),
        cmocka_unit_test(threshold_ignores_nan_scores),
        cmocka_unit_test(sigma_is_mean_plus_k_deviations_and_never_widened),
        cmocka_unit_test(fixed_is_the_users_number_and_needs_no_scores),
        cmocka_unit_test(no_scores_and_wrong_settings_are_refused_in_words),
        cmocka_unit_test(auto_takes_sigma_for_normal_scores_and_the_percentile_for_others),
        cmocka_unit_test(a_budget_asks_for_scores_in_time_order),
        cmocka_unit_test(an_honest_threshold_is_passed_about_as_often_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
