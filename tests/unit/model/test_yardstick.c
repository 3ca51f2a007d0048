/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/departure.h"
#include "model/yardstick.h"

enum { ROWS_MAX = 48 };

struct units {
    float level, change;
};

/* Of one feature with these rows, natural and less their season, and a scaler fitted on the
 * latter. */
static size_t gap = ROWS_MAX; /* the first row behind one */

static struct units fit(const float *x, const float *y, size_t rows, const uint8_t *skip,
                        struct feature f)
{
    struct schema *schema;
    struct scaler scaler;
    struct units u;
    struct err err;

    f.name[0] = 'a';
    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(scaler_fit(y, rows, schema, SCALING_MINMAX, &scaler, &err), OK);
    int64_t ts_ms[ROWS_MAX];
    assert_true(rows <= ROWS_MAX);
    for (size_t r = 0; r < rows; r++)
        ts_ms[r] = (int64_t)r * 1000 + (r < gap ? 0 : DEPARTURE_GAP * 1000);
    const struct yardstick_rows all = {rows, 1000, ts_ms, x, y, skip};
    assert_int_equal(yardstick_fit(&all, schema, &scaler, &u.level, &u.change, &err), OK);
    scaler_done(&scaler);
    schema_free(schema);
    return u;
}

static void units_are_the_deviations_of_level_and_change(void **state)
{
    (void)state;
    /* changes: from the 4th on, less the median of the three before */
    const float v[] = {2, 2, 8, 2, 8, 2, 8};
    const struct units u = fit(v, v, 7, NULL, (struct feature){0});

    /* level: mean 32/7, sum of squares 4 * 4 + 3 * 64 = 208; change: 0, 6, -6, 6 */
    assert_float_equal(u.level, sqrt(208.0 / 7 - pow(32.0 / 7, 2)), 1e-5);
    assert_float_equal(u.change, sqrt(108.0 / 4 - pow(6.0 / 4, 2)), 1e-5);
}

static void what_is_missing_or_skipped_does_not_count(void **state)
{
    (void)state;
    const float v[] = {2, NAN, 2, 8, INFINITY, 2, 60, 8, NAN, 2, 8};
    const uint8_t skip[] = {0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    const struct units u = fit(v, v, 11, skip, (struct feature){0});

    /* levels as above; the skipped row is among the last three of others all the same: 2 - 2 (of
     * 2 2 8), 8 - 8 (of 8 2 60), 2 - 8 (of 2 60 8), 8 - 8 (of 60 8 2) */
    assert_float_equal(u.level, sqrt(208.0 / 7 - pow(32.0 / 7, 2)), 1e-5);
    assert_float_equal(u.change, sqrt(36.0 / 4 - 1.5 * 1.5), 1e-5);
    const struct units all = fit(v, v, 11, NULL, (struct feature){0});
    assert_true(all.level > 15 && all.change > 15);
}

static void there_is_no_change_over_a_gap(void **state)
{
    (void)state;
    const float v[] = {0, 1, 0, 1, 0, 20, 21, 20, 21, 20};

    gap = 5; /* before the first 20 */
    const struct units u = fit(v, v, 10, NULL, (struct feature){0});
    gap = 6; /* between the same numbers */
    const struct units other = fit(v, v, 10, NULL, (struct feature){0});
    gap = ROWS_MAX;
    assert_float_equal(u.change, 1, 1e-5); /* 1 - 0, 0 - 1, and so after it: deviation 1 */
    assert_true(other.change > 5);
    assert_float_equal(u.level, fit(v, v, 10, NULL, (struct feature){0}).level, 1e-5);
}

static void they_are_those_of_what_is_left_without_the_season(void **state)
{
    (void)state;
    const float x[] = {62, 2, 68, 2, 68, 2, 68}, y[] = {2, 2, 8, 2, 8, 2, 8};
    const struct units u = fit(x, y, 7, NULL, (struct feature){0});

    assert_float_equal(u.level, sqrt(208.0 / 7 - pow(32.0 / 7, 2)), 1e-5);
    assert_float_equal(u.change, sqrt(108.0 / 4 - 1.5 * 1.5), 1e-5);
}

static void
they_are_not_under_a_hundredth_of_the_natural_range_or_a_share_of_the_resolution(void **state)
{
    (void)state;
    /* of the range, where the usual swing is less */
    const float x[ROWS_MAX] = {[7] = 1000}, y[ROWS_MAX] = {[8] = 0.5f};
    const float still[] = {5, 5, 5, 5, 5, 5.5f};

    struct units u = fit(x, y, ROWS_MAX, NULL, (struct feature){0});
    assert_float_equal(u.level, 10, 1e-6);
    assert_float_equal(u.change, 10, 1e-6);
    u = fit(still, still, 6, NULL, (struct feature){.resolution = 6});
    assert_float_equal(u.level, 2, 1e-6); /* a third of it */
    assert_float_equal(u.change, 2, 1e-6);
    u = fit(still, still, 2, NULL, (struct feature){.resolution = 0}); /* no change is known */
    assert_true(u.level > 0 && u.change > 0 && isfinite(u.level) && isfinite(u.change));
}

static void nor_under_a_share_of_the_usual_swing_which_a_burst_leaves_as_it_is(void **state)
{
    (void)state;
    float x[ROWS_MAX], y[ROWS_MAX];

    for (size_t r = 0; r < ROWS_MAX; r++) { /* a day from 0 to 1000 that the season tells all of */
        x[r] = 1000 * (float)r / (ROWS_MAX - 1);
        y[r] = r % 2 ? 3 : 3.5f;
    }
    assert_float_equal(fit(x, y, ROWS_MAX, NULL, (struct feature){0}).level, 0.04 * 900, 1e-3);
    assert_float_equal(fit(x, y, ROWS_MAX, NULL, (struct feature){0}).change, 0.04 * 900, 1e-3);
    x[ROWS_MAX - 1] = 3000;
    assert_float_equal(fit(x, y, ROWS_MAX, NULL, (struct feature){0}).level, 0.04 * 900, 1e-3);
    x[7] = NAN;
    assert_float_equal(fit(x, y, ROWS_MAX, NULL, (struct feature){0}).level, 0.04 * 900, 2);
}

static void a_constant_has_a_third_of_its_resolution_or_a_tenth_of_a_move(void **state)
{
    (void)state;
    const float v[] = {40, 40, 40, 40, 40}, none[] = {NAN, NAN};

    struct units u = fit(v, v, 5, NULL, (struct feature){.resolution = 6});
    assert_float_equal(u.level, 2, 1e-6);
    assert_float_equal(u.change, 2, 1e-6);
    u = fit(v, v, 5, NULL, (struct feature){0}); /* a tenth of 40 is a move */
    assert_float_equal(u.level, 0.4, 1e-6);
    assert_float_equal(u.change, 0.4, 1e-6);
    u = fit(none, none, 2, NULL, (struct feature){0});
    assert_true(u.level > 0 && isfinite(u.level) && u.change > 0 && isfinite(u.change));
}

/* Promise: over 0 and finite, whatever comes. */
static void any_rows_give_units_over_nothing(void **state)
{
    (void)state;
    static const float extreme[] = {0,      FLT_MAX, -FLT_MAX, FLT_MIN,  1e-45f,
                                    -1e-3f, 1e30f,   NAN,      INFINITY, 16777216};
    static const float resolution[] = {0, 1e-45f, 1, FLT_MAX};
    struct rng rng;

    rng_init(&rng, 4);
    for (int round = 0; round < 3000; round++) {
        float x[ROWS_MAX], y[ROWS_MAX];
        uint8_t skip[ROWS_MAX];
        const size_t rows = 1 + rng_below(&rng, ROWS_MAX);
        for (size_t r = 0; r < rows; r++) {
            x[r] = extreme[rng_below(&rng, sizeof extreme / sizeof extreme[0])];
            y[r] = isfinite(x[r]) ? extreme[rng_below(&rng, 7)] : x[r];
            skip[r] = rng_below(&rng, 3) == 0;
        }
        const struct units u = fit(x, y, rows, round % 2 ? skip : NULL,
                                   (struct feature){.resolution = resolution[rng_below(&rng, 4)],
                                                    .weightless = rng_below(&rng, 9) == 0});
        assert_true(u.level > 0 && isfinite(u.level) && u.change > 0 && isfinite(u.change));
    }
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct feature f = {.name = "a"};
    const float v[] = {1, 2, 3};
    const int64_t ts_ms[] = {1, 2, 3};
    struct scaler scaler;
    struct schema *schema;
    struct units u;
    struct err err;
    uint64_t n = 0;

    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(scaler_fit(v, 3, schema, SCALING_MINMAX, &scaler, &err), OK);
    for (enum rc rc = E_NOMEM; rc != OK;) {
        mem_fail_at(++n);
        const struct yardstick_rows rows = {3, 0, ts_ms, v, v, NULL};
        rc = yardstick_fit(&rows, schema, &scaler, &u.level, &u.change, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && err.msg[0]));
        assert_true(n < 20);
    }
    assert_true(n > 3);
    scaler_done(&scaler);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_the_deviations_of_level_and_change),
        cmocka_unit_test(what_is_missing_or_skipped_does_not_count),
        cmocka_unit_test(there_is_no_change_over_a_gap),
        cmocka_unit_test(they_are_those_of_what_is_left_without_the_season),
        cmocka_unit_test(
            they_are_not_under_a_hundredth_of_the_natural_range_or_a_share_of_the_resolution),
        cmocka_unit_test(nor_under_a_share_of_the_usual_swing_which_a_burst_leaves_as_it_is),
        cmocka_unit_test(a_constant_has_a_third_of_its_resolution_or_a_tenth_of_a_move),
        cmocka_unit_test(any_rows_give_units_over_nothing),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
