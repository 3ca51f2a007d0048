/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/series.h"
#include "feature/range.h"

/* Values worked out by hand from extrapolatedRate of Prometheus 2.42. */

enum { ABSENT = -1 }; /* what ask returns where the server has no element; no value here is -1 */

struct sample {
    int64_t ts_ms;
    double v;
};

/* fn over the window of range_ms that ends at end_ms; s[n] lie in it. */
static double ask(enum range_fn fn, const struct sample *s, size_t n, int64_t range_ms,
                  int64_t end_ms)
{
    int64_t ts[16] = {0};
    double v[16], value = 0;

    for (size_t i = 0; i < n; i++) {
        ts[i] = s[i].ts_ms;
        v[i] = s[i].v;
    }
    const struct range_window w = {.ts = ts,
                                   .v = v,
                                   .ts_mask = 15,
                                   .v_mask = 15,
                                   .end = n,
                                   .start_ms = end_ms - range_ms,
                                   .end_ms = end_ms};
    return range_apply(fn, &w, &value) ? value : ABSENT;
}

#define N(array) (sizeof(array) / sizeof(array)[0])
#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static void samples_at_both_ends_need_no_extrapolation(void **state)
{
    const struct sample s[] = {{0, 100}, {1000, 110}, {2000, 120}, {3000, 130}};

    (void)state;
    NEAR(ask(RANGE_RATE, s, N(s), 3000, 3000), 10);
    NEAR(ask(RANGE_INCREASE, s, N(s), 3000, 3000), 30);
    NEAR(ask(RANGE_DELTA, s, N(s), 3000, 3000), 30);
}

static void samples_near_an_end_are_stretched_to_it(void **state)
{
    /* mean distance 1 s; 0.6 s and 0.4 s to the ends, both under 1.1 s: 20 * (2 + 1) / 2 */
    const struct sample s[] = {{600, 100}, {1600, 110}, {2600, 120}};

    (void)state;
    NEAR(ask(RANGE_INCREASE, s, N(s), 3000, 3000), 30);
    NEAR(ask(RANGE_RATE, s, N(s), 3000, 3000), 10);
}

static void samples_far_from_an_end_are_stretched_by_half_their_distance(void **state)
{
    /* 7 s and 1 s to the ends: 0.5 s and 1 s are added: 20 * (2 + 0.5 + 1) / 2 */
    const struct sample s[] = {{7000, 100}, {8000, 110}, {9000, 120}};

    (void)state;
    NEAR(ask(RANGE_INCREASE, s, N(s), 10000, 10000), 35);
    NEAR(ask(RANGE_RATE, s, N(s), 10000, 10000), 3.5);
    /* 1.1 s is not under 1.1 times the mean distance */
    NEAR(ask(RANGE_INCREASE, s, N(s), 10000, 10100), 30);
}

static void a_counter_is_not_extrapolated_below_zero(void **state)
{
    /* 1 at 0.9 s and 11 at 1.9 s: zero was 0.1 s before the first: 10 * (1 + 0.1 + 0.1) / 1 */
    const struct sample s[] = {{900, 1}, {1900, 11}};

    (void)state;
    NEAR(ask(RANGE_INCREASE, s, N(s), 2000, 2000), 12);
    NEAR(ask(RANGE_DELTA, s, N(s), 2000, 2000), 20); /* a gauge may be below zero */
}

static void a_reset_adds_what_the_counter_had_reached(void **state)
{
    /* 120 - 100, then 5 and 15 after a restart: 15 - 100 + 120 = 35 */
    const struct sample s[] = {{0, 100}, {1000, 120}, {2000, 5}, {3000, 15}};

    (void)state;
    NEAR(ask(RANGE_INCREASE, s, N(s), 3000, 3000), 35);
    NEAR(ask(RANGE_DELTA, s, N(s), 3000, 3000), -85);
}

static void one_sample_has_no_rate(void **state)
{
    const struct sample s[] = {{1000, 5}};

    (void)state;
    for (int fn = RANGE_RATE; fn <= RANGE_IDELTA; fn++) {
        assert_true(ask((enum range_fn)fn, s, 1, 3000, 3000) == ABSENT);
        assert_true(ask((enum range_fn)fn, s, 0, 3000, 3000) == ABSENT);
    }
    NEAR(ask(RANGE_AVG, s, 1, 3000, 3000), 5);
    assert_true(ask(RANGE_COUNT, s, 0, 3000, 3000) == ABSENT);
}

static void stale_markers_are_skipped_and_nan_is_not(void **state)
{
    const struct sample s[] = {{0, 100}, {1000, series_stale()}, {2000, 120}};
    const struct sample with_nan[] = {{0, 100}, {1000, (double)NAN}, {2000, 120}};

    (void)state;
    NEAR(ask(RANGE_INCREASE, s, N(s), 2000, 2000), 20);
    NEAR(ask(RANGE_COUNT, s, N(s), 2000, 2000), 2);
    NEAR(ask(RANGE_COUNT, with_nan, N(s), 2000, 2000), 3);
    assert_true(isnan(ask(RANGE_SUM, with_nan, N(s), 2000, 2000)));
    NEAR(ask(RANGE_MAX, with_nan, N(s), 2000, 2000), 120);
    assert_true(ask(RANGE_LAST, s, 2, 2000, 2000) == 100);
}

static void instant_rates_use_the_last_two_samples(void **state)
{
    const struct sample s[] = {{0, 0}, {1000, 120}, {3000, 100}};

    (void)state;
    NEAR(ask(RANGE_IDELTA, s, N(s), 5000, 5000), -20);
    NEAR(ask(RANGE_IRATE, s, N(s), 5000, 5000), 50); /* a reset: 100 since, in 2 s */
    NEAR(ask(RANGE_IRATE, s, 2, 5000, 5000), 120);
}

static void values_over_time_are_of_all_samples(void **state)
{
    const struct sample s[] = {{0, 4}, {1000, -1.5}, {2000, 6.5}};

    (void)state;
    NEAR(ask(RANGE_AVG, s, N(s), 2000, 2000), 3);
    NEAR(ask(RANGE_MIN, s, N(s), 2000, 2000), -1.5);
    NEAR(ask(RANGE_MAX, s, N(s), 2000, 2000), 6.5);
    NEAR(ask(RANGE_SUM, s, N(s), 2000, 2000), 9);
    NEAR(ask(RANGE_COUNT, s, N(s), 2000, 2000), 3);
    NEAR(ask(RANGE_LAST, s, N(s), 2000, 2000), 6.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_at_both_ends_need_no_extrapolation),
        cmocka_unit_test(samples_near_an_end_are_stretched_to_it),
        cmocka_unit_test(samples_far_from_an_end_are_stretched_by_half_their_distance),
        cmocka_unit_test(a_counter_is_not_extrapolated_below_zero),
        cmocka_unit_test(a_reset_adds_what_the_counter_had_reached),
        cmocka_unit_test(one_sample_has_no_rate),
        cmocka_unit_test(stale_markers_are_skipped_and_nan_is_not),
        cmocka_unit_test(instant_rates_use_the_last_two_samples),
        cmocka_unit_test(values_over_time_are_of_all_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
