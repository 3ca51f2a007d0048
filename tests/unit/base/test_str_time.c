/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../test.h"
#include "base/rng.h"
#include "base/str.h"

static void check_duration(const char *text, int64_t want_ms)
{
    int64_t ms = -1;

    assert_true(str_to_duration_ms(str_of(text), &ms));
    assert_int_equal(ms, want_ms);
}

static void durations_are_read_as_prometheus_writes_them(void **state)
{
    (void)state;
    check_duration("15s", 15000);
    check_duration("2m", 120000);
    check_duration("1h30m", 5400000);
    check_duration("7d", 604800000);
    check_duration("1w", 604800000);
    check_duration("1y", 31536000000);
    check_duration("500ms", 500);
    check_duration("1m1ms", 60001);
    check_duration("90m", 5400000);
    check_duration("0", 0);
    check_duration("0s", 0);
    check_duration("100y", 3153600000000);
}

static void malformed_durations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "s",    "15", "15 s",  " 15s", "1.5h", "-1s",     "+1s",
        "1m1h", "1s1s", "1S", "15sec", "1ms1", "101y", "100y1ms", "99999999999999999999s",
        "1h30", "1hm"};
    int64_t ms = 42;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_to_duration_ms(str_of(bad[i]), &ms));
    assert_int_equal(ms, 42);
}

static void durations_are_written_as_prometheus_does(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0, "0s"},           {1, "1ms"},
        {1500, "1s500ms"},   {5400000, "1h30m"},
        {86400000, "1d"},    {604800000, "1w"},
        {691200000, "8d"},   {31536000000, "1y"},
        {-1500, "-1s500ms"}, {INT64_MIN, "-106751991167d7h12m55s808ms"},
    };
    char text[STR_DURATION_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str_from_duration_ms(rows[i].ms, text);
        assert_string_equal(text, rows[i].want);
    }
}

static void every_duration_reads_back_as_itself(void **state)
{
    (void)state;
    static const int64_t grain[] = {1, 1000, 60000, 3600000, 86400000, 604800000, 31536000000};
    char text[STR_DURATION_MAX];
    struct rng r;
    int64_t back;

    rng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        const int64_t g = grain[i % 7];
        const int64_t ms = (int64_t)(rng_u64(&r) % (3153600000000u / (uint64_t)g)) * g;
        str_from_duration_ms(ms, text);
        assert_true(str_to_duration_ms(str_of(text), &back));
        assert_int_equal(back, ms);
    }
}

static void check_date(const char *text, int64_t want_ms)
{
    int64_t ms = -1;

    assert_true(str_to_rfc3339_ms(str_of(text), &ms));
    assert_int_equal(ms, want_ms);
}

static void dates_are_read_with_fraction_and_offset(void **state)
{
    (void)state;
    check_date("1970-01-01T00:00:00Z", 0);
    check_date("2025-02-20T21:55:00.5Z", 1740088500500);
    check_date("2025-02-20t21:55:00.123456789z", 1740088500123);
    check_date("2025-02-20T23:55:00+02:00", 1740088500000);
    check_date("2025-02-20T16:25:00-05:30", 1740088500000);
    check_date("2024-02-29T00:00:00Z", 1709164800000);
    check_date("2000-02-29T00:00:00Z", 951782400000);
    check_date("1969-12-31T23:59:59.999Z", -1);
    check_date("0000-01-01T00:00:00Z", -62167219200000);
    check_date("9999-12-31T23:59:59.999Z", 253402300799999);
    check_date("2016-12-31T23:59:60Z", 1483228800000); /* a leap second */
}

static void malformed_dates_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2025-02-20",
        "2025-02-20T21:55:00",
        "2025-02-20 21:55:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-01-00T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "2025-01-01T24:00:00Z",
        "2025-01-01T00:60:00Z",
        "2025-01-01T00:00:60Z",
        "2025-01-01T00:59:61Z",
        "2025-01-01T00:00:00.Z",
        "2025-01-01T00:00:00+24:00",
        "2025-01-01T00:00:00+00:60",
        "2025-01-01T00:00:00+0000",
        "2025-01-01T00:00:00ZZ",
        "2025-1-1T00:00:00Z",
        "-025-01-01T00:00:00Z",
        "12025-01-01T00:00:00Z",
    };
    int64_t ms = 42;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_to_rfc3339_ms(str_of(bad[i]), &ms));
    assert_int_equal(ms, 42);
}

/* Against the C library's calendar, over all years that the format has. */
static void every_date_is_that_of_the_c_library_and_reads_back(void **state)
{
    (void)state;
    const int64_t first = -62167219200000, last = 253402300799999;
    char text[STR_RFC3339_MAX], want[STR_RFC3339_MAX];
    struct rng r;
    int64_t back;

    rng_init(&r, 8);
    for (int i = 0; i < 50000; i++) {
        const int64_t ms = first + (int64_t)(rng_u64(&r) % (uint64_t)(last - first + 1));
        const int64_t of_second = (ms % 1000 + 1000) % 1000;
        const time_t seconds = (ms - of_second) / 1000;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        (void)snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
                       tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, (int)of_second);
        str_from_rfc3339_ms(ms, text);
        assert_string_equal(text, want);
        assert_true(str_to_rfc3339_ms(str_of(text), &back));
        assert_int_equal(back, ms);
    }
}

static void times_far_out_still_fit_their_buffer(void **state)
{
    (void)state;
    char text[STR_RFC3339_MAX];

    str_from_rfc3339_ms(INT64_MIN, text);
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
    str_from_rfc3339_ms(INT64_MAX, text);
    assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_as_prometheus_writes_them),
        cmocka_unit_test(malformed_durations_are_refused),
        cmocka_unit_test(durations_are_written_as_prometheus_does),
        cmocka_unit_test(every_duration_reads_back_as_itself),
        cmocka_unit_test(dates_are_read_with_fraction_and_offset),
        cmocka_unit_test(malformed_dates_are_refused),
        cmocka_unit_test(every_date_is_that_of_the_c_library_and_reads_back),
        cmocka_unit_test(times_far_out_still_fit_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
