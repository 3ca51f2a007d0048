/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/units.h"

static void says(double value, const char *unit, const char *want)
{
    char text[UNITS_MAX];

    units_format(value, unit, text);
    assert_string_equal(text, want);
}

static void shares_are_percent(void **state)
{
    (void)state;
    says(0.9312, "ratio", "93.1 %");
    says(1, "ratio", "100 %");
    says(0.00004, "ratio", "0.004 %");
    says(-0.000006, "ratio", "0 %");
    says(0.000004, "ratio", "0 %");
    says(1.5, "ratio", "150 %");
    says(93.12, "percent", "93.1 %");
}

static void bytes_take_the_binary_unit_that_fits(void **state)
{
    (void)state;
    says(0, "bytes", "0 B");
    says(1023, "bytes", "1023 B");
    says(1536, "bytes", "1.50 KiB");
    says(36805018, "bytes/s", "35.1 MiB/s");
    says(3.5 * 1073741824, "bytes", "3.50 GiB");
    says(-2048, "bytes", "-2 KiB");
    says(5e18, "bytes", "4547474 TiB");
}

static void seconds_take_the_unit_that_fits(void **state)
{
    (void)state;
    says(0, "s", "0 s");
    says(0.0042, "s", "4.20 ms");
    says(4.2e-7, "s", "420 ns");
    says(90, "s", "90 s");
    says(600, "s", "10 min");
    says(86400, "s", "24 h");
    says(10 * 86400, "s", "10 d");
}

static void other_units_stand_as_they_are(void **state)
{
    (void)state;
    says(1234.6, "ops/s", "1235 ops/s");
    says(3, "count", "3");
    says(2.345, "", "2.35");
    says(12.34, "widgets", "12.3 widgets");
    says(1e12, "count", "1e+12");
    says((double)NAN, "bytes", "missing");
    says((double)INFINITY, "count", "inf");
    says(99.97, "percent", "100 %");
    says(9.996, "count", "10.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_percent),
        cmocka_unit_test(bytes_take_the_binary_unit_that_fits),
        cmocka_unit_test(seconds_take_the_unit_that_fits),
        cmocka_unit_test(other_units_stand_as_they_are),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
