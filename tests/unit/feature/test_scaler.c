/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "feature/scaler.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A scaler of one feature, fitted on v[n]. */
static struct scaler fit(const float *v, size_t n, float resolution, enum scaling scaling)
{
    struct feature f = {.name = "a", .resolution = resolution};
    struct schema *schema;
    struct scaler s;
    struct err err;

    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(scaler_fit(v, n, schema, scaling, &s, &err), OK);
    schema_free(schema);
    return s;
}

static float scaled(const struct scaler *s, float x)
{
    float z;

    scaler_apply(s, &x, &z);
    return z;
}

static void least_and_largest_training_values_become_0_and_1(void **state)
{
    (void)state;
    const float v[] = {30, 10, NAN, 50, 20, INFINITY};
    struct scaler s = fit(v, COUNT(v), 0, SCALING_MINMAX);

    assert_float_equal(scaled(&s, 10), 0, 0);
    assert_float_equal(scaled(&s, 50), 1, 0);
    assert_float_equal(scaled(&s, 90), 2, 0);
    assert_float_equal(s.median[0], 25, 0);
    assert_int_equal(s.constant[0], SCALER_MOVES);
    assert_true(scaler_carries_weight(&s, 0, 0.5f));
    scaler_done(&s);
}

static void inverting_gives_natural_units_back(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 3);
    for (int round = 0; round < 200; round++) {
        float v[20];
        const float scale = powf(10, 20 * rng_float(&rng) - 10);
        for (size_t i = 0; i < COUNT(v); i++)
            v[i] = scale * (float)rng_normal(&rng);
        struct scaler s = fit(v, COUNT(v), 0, round % 2 ? SCALING_MINMAX : SCALING_QUANTILE);
        for (size_t i = 0; i < COUNT(v); i++)
            assert_float_equal(scaler_invert(&s, 0, scaled(&s, v[i])), v[i], 1e-5f * scale);
        scaler_done(&s);
    }
}

static void a_missing_value_stays_missing(void **state)
{
    (void)state;
    const float v[] = {1, 2};
    struct scaler s = fit(v, COUNT(v), 0, SCALING_MINMAX);

    assert_true(isnan(scaled(&s, NAN)));
    scaler_done(&s);
}

static void a_range_under_the_resolution_is_widened_to_it_around_its_middle(void **state)
{
    (void)state;
    const float v[] = {99, 101};
    struct scaler s = fit(v, COUNT(v), 20, SCALING_MINMAX);

    assert_int_equal(s.constant[0], SCALER_MOVES);
    assert_float_equal(s.span[0], 20, 0);
    assert_float_equal(scaled(&s, 100), 0.5, 1e-6);
    assert_float_equal(scaled(&s, 110), 1, 1e-6);
    scaler_done(&s);
}

static void a_constant_feature_has_no_weight_until_it_leaves_by_its_resolution(void **state)
{
    (void)state;
    const float v[] = {7, 7, NAN, 7};
    struct scaler s = fit(v, COUNT(v), 2, SCALING_MINMAX);

    assert_int_equal(s.constant[0], SCALER_CONSTANT);
    assert_float_equal(scaled(&s, 7), SCALER_CENTRE, 0);
    assert_float_equal(s.median[0], 7, 0);
    assert_false(scaler_carries_weight(&s, 0, scaled(&s, 7)));
    assert_false(scaler_carries_weight(&s, 0, scaled(&s, 8.9f)));
    assert_true(scaler_constant_moved(&s, 0, scaled(&s, 9)));
    assert_true(scaler_constant_moved(&s, 0, scaled(&s, 5)));
    assert_true(scaler_carries_weight(&s, 0, scaled(&s, 9)));
    assert_false(scaler_carries_weight(&s, 0, NAN));
    scaler_done(&s);
}

static void a_constant_of_unknown_resolution_moves_by_a_tenth(void **state)
{
    (void)state;
    const struct {
        float value, same, moved;
    } row[] = {{0, 0.09f, 0.1f}, {0, -0.09f, -0.1f}, {0.5f, 0.59f, 0.6f},
               {200, 219, 220},  {-200, -181, -180}, {0, 1e-9f, 1},
               {1, 1, 0}};

    for (size_t i = 0; i < COUNT(row); i++) {
        struct scaler s = fit(&row[i].value, 1, 0, i % 2 ? SCALING_MINMAX : SCALING_NONE);
        assert_false(scaler_constant_moved(&s, 0, scaled(&s, row[i].same)));
        assert_true(scaler_constant_moved(&s, 0, scaled(&s, row[i].moved)));
        scaler_done(&s);
    }
}

static void rounding_of_a_large_constant_is_not_a_move(void **state)
{
    (void)state;
    const float base = 16e9f, next = nextafterf(base, FLT_MAX);
    const float v[] = {base, next, base};
    struct scaler s = fit(v, COUNT(v), 1, SCALING_MINMAX);

    assert_int_equal(s.constant[0], SCALER_CONSTANT);
    assert_false(scaler_constant_moved(&s, 0, scaled(&s, nextafterf(next, FLT_MAX))));
    assert_true(scaler_constant_moved(&s, 0, scaled(&s, base * 1.001f)));
    scaler_done(&s);
}

static void a_feature_that_never_came_carries_no_weight_whatever_comes(void **state)
{
    (void)state;
    const float v[] = {NAN, INFINITY, NAN}, later[] = {0, 1, -1e30f, FLT_MAX, -FLT_MAX, NAN};
    struct scaler s = fit(v, COUNT(v), 1, SCALING_MINMAX);

    assert_int_equal(s.constant[0], SCALER_UNSEEN);
    assert_float_equal(s.median[0], 0, 0);
    for (size_t i = 0; i < COUNT(later); i++)
        assert_false(scaler_carries_weight(&s, 0, scaled(&s, later[i])));
    scaler_done(&s);
}

static void quantile_scaling_ignores_outliers(void **state)
{
    (void)state;
    float v[1001];

    for (size_t i = 0; i < COUNT(v); i++)
        v[i] = (float)i / 10;
    v[500] = 1e9f;
    struct scaler s = fit(v, COUNT(v), 0, SCALING_QUANTILE);
    assert_float_equal(scaled(&s, 1), 0, 0.01);
    assert_float_equal(scaled(&s, 99), 1, 0.01);
    scaler_done(&s);
}

static void quantile_scaling_of_rare_events_uses_the_resolution(void **state)
{
    (void)state;
    float v[1000] = {0};

    v[500] = 1e6f;
    struct scaler s = fit(v, COUNT(v), 4, SCALING_QUANTILE);
    assert_int_equal(s.constant[0], SCALER_MOVES);
    assert_float_equal(s.span[0], 4, 0);
    assert_float_equal(scaled(&s, 0), SCALER_CENTRE, 0);
    scaler_done(&s);
}

static void quantile_scaling_of_rare_events_uses_the_whole_range(void **state)
{
    (void)state;
    float v[1000] = {0};

    v[17] = 8;
    struct scaler s = fit(v, COUNT(v), 0, SCALING_QUANTILE);
    assert_int_equal(s.constant[0], SCALER_MOVES);
    assert_float_equal(scaled(&s, 0), 0, 0);
    assert_float_equal(scaled(&s, 8), 1, 0);
    scaler_done(&s);
}

static void scaling_none_leaves_what_moves_as_it_stands(void **state)
{
    (void)state;
    const float v[] = {0.2f, 0.4f};
    struct scaler s = fit(v, COUNT(v), 0, SCALING_NONE);

    assert_float_equal(scaled(&s, 0.3f), 0.3f, 0);
    assert_float_equal(scaled(&s, -5), -5, 0);
    scaler_done(&s);
}

static void only_the_training_rows_count(void **state)
{
    (void)state;
    struct feature f = {.name = "a"};
    const float v[] = {1, 3, 100};
    struct schema *schema;
    struct scaler s;
    struct err err;

    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(scaler_fit(v, 2, schema, SCALING_MINMAX, &s, &err), OK);
    assert_float_equal(scaled(&s, 3), 1, 0);
    scaler_done(&s);
    assert_int_equal(scaler_fit(v, 0, schema, SCALING_MINMAX, &s, &err), E_STATE);
    assert_true(strlen(err.msg) > 0);
    for (uint64_t n = 1; n <= 2; n++) { /* its two allocations */
        mem_fail_at(n);
        assert_int_equal(scaler_fit(v, 2, schema, SCALING_MINMAX, &s, &err), E_NOMEM);
    }
    mem_fail_at(0);
    schema_free(schema);
}

static void seen_rows_and_the_longest_standstill_are_counted(void **state)
{
    (void)state;
    const float v[] = {1, 2, 2, NAN, 2, 3, 3, NAN, 1};
    struct scaler s = fit(v, COUNT(v), 0, SCALING_QUANTILE);

    assert_int_equal(s.rows, 9);
    assert_int_equal(s.seen[0], 7);
    assert_int_equal(s.longest_still[0], 2); /* the three 2s around a missing row */
    scaler_done(&s);
}

/* Rows less their season never stand still; how long the feature itself did is told by others. */
static void stillness_may_be_taken_from_other_rows(void **state)
{
    (void)state;
    const float v[] = {1, 2, 3, 4, 5}, raw[] = {7, 7, INFINITY, 7, 8};
    struct scaler s = fit(v, COUNT(v), 0, SCALING_MINMAX);
    const struct scaler before = s;

    assert_int_equal(s.longest_still[0], 0);
    scaler_note_stillness(&s, raw, COUNT(raw));
    assert_int_equal(s.longest_still[0], 2);
    scaler_note_stillness(&s, v, COUNT(v)); /* not the longer of both */
    assert_int_equal(s.longest_still[0], 0);
    assert_memory_equal(&s, &before, sizeof s);
    assert_true(s.seen[0] == 5 && s.median[0] == 3 && s.low[0] == 1 && s.span[0] == 4);
    scaler_done(&s);
}

/* Promises over the whole range of float: low and span finite, span positive, z never NaN. */
static void any_finite_data_gives_a_finite_scaler(void **state)
{
    (void)state;
    const float extreme[] = {0,        -0.0f,  1,       -1,         FLT_MAX, -FLT_MAX, FLT_MIN,
                             -FLT_MIN, 1e-45f, -1e-45f, 16777216.f, 1e30f,   3.4e38f,  0.1f};
    const float resolution[] = {0, 1e-45f, 1, FLT_MAX, -1, NAN};
    struct rng rng;

    rng_init(&rng, 9);
    for (int round = 0; round < 3000; round++) {
        float v[6];
        for (size_t i = 0; i < COUNT(v); i++)
            v[i] = extreme[rng_below(&rng, COUNT(extreme))];
        struct scaler s =
            fit(v, 1 + rng_below(&rng, COUNT(v)), resolution[rng_below(&rng, COUNT(resolution))],
                (enum scaling)rng_below(&rng, 3));
        assert_true(isfinite(s.low[0]) && isfinite(s.span[0]) && s.span[0] > 0);
        assert_true(isfinite(s.median[0]));
        for (size_t i = 0; i < COUNT(extreme); i++) {
            const float z = scaled(&s, extreme[i]);
            assert_true(fabsf(z) <= SCALER_Z_MAX);
        }
        if (s.constant[0] == SCALER_CONSTANT)
            assert_false(scaler_constant_moved(&s, 0, scaled(&s, v[0])));
        scaler_done(&s);
    }
}

static void a_weightless_feature_is_told_of_but_never_weighed(void **state)
{
    struct feature f[] = {{.name = "total", .weightless = true, .resolution = 1},
                          {.name = "never", .weightless = true},
                          {.name = "still", .weightless = true}};
    float X[9][COUNT(f)];
    struct schema *schema;
    struct scaler s;
    struct err err;

    (void)state;
    assert_int_equal(schema_new(f, COUNT(f), &schema, &err), OK);
    for (int r = 0; r < 9; r++) {
        X[r][0] = (float)r;
        X[r][1] = NAN;
        X[r][2] = 5;
    }
    assert_int_equal(scaler_fit(X[0], COUNT(X), schema, SCALING_MINMAX, &s, &err), OK);
    const float grown[] = {1e12f, 3, -1e30f};
    float z[COUNT(f)];
    scaler_apply(&s, grown, z);
    for (size_t i = 0; i < COUNT(f); i++) {
        assert_int_equal(s.constant[i], SCALER_WEIGHTLESS);
        assert_false(scaler_carries_weight(&s, i, z[i]));
        assert_false(scaler_carries_weight(&s, i, 1000));
        assert_float_equal(z[i], SCALER_CENTRE, 1e-6f);
    }
    assert_true(s.median[0] == 4 && s.seen[0] == 9 && s.longest_still[0] == 0);
    assert_true(s.median[1] == 0 && s.seen[1] == 0);
    assert_true(s.median[2] == 5 && s.longest_still[2] == 8);
    scaler_done(&s);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_and_largest_training_values_become_0_and_1),
        cmocka_unit_test(inverting_gives_natural_units_back),
        cmocka_unit_test(a_missing_value_stays_missing),
        cmocka_unit_test(a_range_under_the_resolution_is_widened_to_it_around_its_middle),
        cmocka_unit_test(a_constant_feature_has_no_weight_until_it_leaves_by_its_resolution),
        cmocka_unit_test(a_constant_of_unknown_resolution_moves_by_a_tenth),
        cmocka_unit_test(rounding_of_a_large_constant_is_not_a_move),
        cmocka_unit_test(a_feature_that_never_came_carries_no_weight_whatever_comes),
        cmocka_unit_test(quantile_scaling_ignores_outliers),
        cmocka_unit_test(quantile_scaling_of_rare_events_uses_the_resolution),
        cmocka_unit_test(quantile_scaling_of_rare_events_uses_the_whole_range),
        cmocka_unit_test(scaling_none_leaves_what_moves_as_it_stands),
        cmocka_unit_test(only_the_training_rows_count),
        cmocka_unit_test(seen_rows_and_the_longest_standstill_are_counted),
        cmocka_unit_test(stillness_may_be_taken_from_other_rows),
        cmocka_unit_test(any_finite_data_gives_a_finite_scaler),
        cmocka_unit_test(a_weightless_feature_is_told_of_but_never_weighed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
