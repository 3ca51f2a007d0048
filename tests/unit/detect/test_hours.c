/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "../rng_normal.h"
#include "../test.h"

#include "base/mem.h"
#include "detect/hours.h"

enum { MINUTE = 60 * 1000 };

static struct hours *new_hours(size_t n)
{
    struct hours *h;
    struct err err;

    assert_int_equal(hours_new(n, &h, &err), OK);
    return h;
}

/* The level of hour 100 when f gives its samples, step_ms apart. */
static float level_of(float (*f)(int64_t ms), int64_t step_ms)
{
    struct hours *h = new_hours(1);
    const int64_t from = INT64_C(100) * HOURS_MS;
    int64_t hour = 0;
    float x;

    for (int64_t ms = 0; ms < HOURS_MS; ms += step_ms) {
        x = f(ms);
        assert_false(hours_push(h, from + ms, &x, &hour));
    }
    x = -1e9f;
    assert_true(hours_push(h, from + HOURS_MS, &x, &hour));
    assert_int_equal(hour, 100);
    x = hours_levels(h)[0];
    hours_free(h);
    return x;
}

static float rising(int64_t ms)
{
    return (float)ms / HOURS_MS;
}

static float burst(int64_t ms)
{
    return ms < INT64_C(25) * MINUTE ? 1000 : 7;
}

static float half_missing(int64_t ms)
{
    return ms / MINUTE % 2 ? NAN : 3;
}

static float ten_minutes(int64_t ms)
{
    return ms < INT64_C(10) * MINUTE ? 5 : NAN;
}

static void a_second_and_five_minutes_give_the_same_level(void **state)
{
    (void)state;
    assert_float_equal(level_of(rising, 1000), 0.5, 0.001);
    assert_float_equal(level_of(rising, 10000), 0.5, 0.002);
    assert_float_equal(level_of(rising, INT64_C(5) * MINUTE), 0.5, 0.05);
    assert_float_equal(level_of(rising, INT64_C(15) * MINUTE), 0.5, 0.15);
}

static void a_burst_of_25_minutes_does_not_move_it(void **state)
{
    (void)state;
    assert_true(level_of(burst, 1000) == 7);
    assert_true(level_of(burst, INT64_C(5) * MINUTE) == 7);
}

static void missing_samples_are_skipped_and_ten_minutes_are_no_hour(void **state)
{
    (void)state;
    assert_true(level_of(half_missing, MINUTE) == 3);
    assert_true(isnan(level_of(ten_minutes, MINUTE)));
}

static void time_before_1970_and_a_clock_set_back_are_hours_too(void **state)
{
    (void)state;
    struct hours *h = new_hours(1);
    const float x = 1;
    int64_t hour = 0;

    assert_int_equal(hours_of(-1), -1);
    assert_int_equal(hours_of(-HOURS_MS), -1);
    assert_int_equal(hours_of(0), 0);
    assert_false(hours_push(h, INT64_C(50) * HOURS_MS, &x, &hour));
    assert_true(hours_push(h, INT64_C(-3) * HOURS_MS, &x, &hour));
    assert_int_equal(hour, 50);
    assert_true(isnan(hours_levels(h)[0])); /* one slot */
    assert_true(hours_push(h, INT64_C(50) * HOURS_MS, &x, &hour));
    assert_int_equal(hour, -3);
    hours_free(h);
}

static void the_median_is_of_finite_values(void **state)
{
    (void)state;
    float v[] = {NAN, 3, INFINITY, 1, 2, NAN}, two[] = {4, NAN, 1}, none[] = {NAN};

    assert_true(hours_median(v, 6) == 2);
    assert_true(hours_median(two, 3) == 2.5f);
    assert_true(isnan(hours_median(none, 1)));
}

/* Property: a level lies within what its hour had, whatever came and went. */
static void a_level_lies_within_its_hour(void **state)
{
    (void)state;
    struct hours *h = new_hours(3);
    struct rng rng;
    float low[3], high[3];
    int64_t t = 0, hour;

    rng_init(&rng, 5);
    for (size_t i = 0; i < 3; i++)
        low[i] = INFINITY, high[i] = -INFINITY;
    for (int k = 0; k < 20000; k++) {
        float x[3];
        t += 1000 + rng_below(&rng, rng_below(&rng, 50) ? 60 * 1000 : 3 * HOURS_MS);
        for (size_t i = 0; i < 3; i++)
            x[i] = rng_below(&rng, 4) ? (float)rng_normal(&rng) : NAN;
        const bool ended = hours_push(h, t, x, &hour);
        for (size_t i = 0; i < 3; i++) {
            const float level = hours_levels(h)[i];
            if (ended && !isnan(level))
                assert_true(level >= low[i] - 1e-6f && level <= high[i] + 1e-6f);
            if (ended)
                low[i] = INFINITY, high[i] = -INFINITY;
            if (!isnan(x[i])) {
                low[i] = fminf(low[i], x[i]);
                high[i] = fmaxf(high[i], x[i]);
            }
        }
    }
    hours_free(h);
}

static void no_memory_is_told(void **state)
{
    (void)state;
    struct hours *h = NULL;
    struct err err = {0};

    mem_fail_at(1);
    assert_int_equal(hours_new(4, &h, &err), E_NOMEM);
    assert_null(h);
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_and_five_minutes_give_the_same_level),
        cmocka_unit_test(a_burst_of_25_minutes_does_not_move_it),
        cmocka_unit_test(missing_samples_are_skipped_and_ten_minutes_are_no_hour),
        cmocka_unit_test(time_before_1970_and_a_clock_set_back_are_hours_too),
        cmocka_unit_test(the_median_is_of_finite_values),
        cmocka_unit_test(a_level_lies_within_its_hour),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
