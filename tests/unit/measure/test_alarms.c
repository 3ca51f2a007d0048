/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <math.h>

#include "base/mem.h"
#include "measure/alarms.h"

enum { ROWS = 20 };

/*                                   0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 */
static const uint8_t label[ROWS] = {0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0};

static struct alarms measure(const uint8_t *flag, const int64_t *ts_ms)
{
    struct events e = {0};
    struct alarms a;
    struct err err;

    assert_int_equal(events_find(label, ROWS, &e, &err), OK);
    assert_int_equal(alarms_measure(flag, &e, ts_ms, &a, &err), OK);
    events_done(&e);
    return a;
}

static void rows_events_and_delays_are_counted(void **state)
{
    (void)state;
    /* the first event three rows late, the second at once by an alarm that began before it */
    const uint8_t flag[ROWS] = {1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1};
    int64_t ts_ms[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        ts_ms[i] = 1700000000000 + 60000 * (int64_t)i + (i >= 5 ? 6000 : 0);

    const struct alarms a = measure(flag, ts_ms);
    assert_int_equal(a.flagged, 8);
    CHECK_NEAR(a.precision, 2.0 / 8, 1e-12);
    CHECK_NEAR(a.recall, 2.0 / 8, 1e-12);
    CHECK_NEAR(a.f1, 2.0 / 8, 1e-12);
    assert_int_equal(a.events, 3);
    assert_int_equal(a.events_found, 2);
    CHECK_NEAR(a.detection_rate, 2.0 / 3, 1e-12);
    assert_int_equal(a.false_alarm_events, 3); /* rows 0, 12-13 and 19: the others touch an event */
    CHECK_NEAR(a.false_alarm_events_per_1000, 150, 1e-9);
    CHECK_NEAR(a.false_positive_rate, 6.0 / 12, 1e-12);
    CHECK_NEAR(a.delay_mean, 1.5, 1e-12);
    CHECK_NEAR(a.delay_median, 1.5, 1e-12);
    CHECK_NEAR(a.mean_time_to_detect_s, (3 * 60 + 6) / 2.0, 1e-9);
}

static void the_median_of_three_is_the_middle_one(void **state)
{
    (void)state;
    const uint8_t flag[ROWS] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1};

    const struct alarms a = measure(flag, NULL);
    CHECK_NEAR(a.delay_median, 1, 1e-12);
    CHECK_NEAR(a.delay_mean, 4.0 / 3, 1e-12);
    assert_true(isnan(a.mean_time_to_detect_s));
    assert_true(a.precision == 1 && a.false_alarm_events == 0 && a.false_positive_rate == 0);
}

static void silence_finds_nothing_and_has_no_delay(void **state)
{
    (void)state;
    const uint8_t flag[ROWS] = {0};

    const struct alarms a = measure(flag, NULL);
    assert_true(a.precision == 0 && a.recall == 0 && a.f1 == 0 && a.detection_rate == 0);
    assert_true(isnan(a.delay_mean) && isnan(a.delay_median) && isnan(a.mean_time_to_detect_s));
    assert_int_equal(a.events, 3);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    const uint8_t flag[ROWS] = {1};
    struct events e = {0};
    struct alarms a;
    struct err err;

    assert_int_equal(events_find(label, ROWS, &e, &err), OK);
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(alarms_measure(flag, &e, NULL, &a, &err), E_NOMEM);
    }
    mem_fail_at(0);
    events_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_events_and_delays_are_counted),
        cmocka_unit_test(the_median_of_three_is_the_middle_one),
        cmocka_unit_test(silence_finds_nothing_and_has_no_delay),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
