/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/units.h"

static void units_read_as_a_person_writes_them(void **state)
{
    static const struct {
        double v;
        const char *unit, *want;
    } cases[] = {
        {0.983, "ratio", "98.3 %"},
        {1, "ratio", "100 %"},
        {97, "percent", "97 %"},
        {0, "bytes", "0 B"},
        {999, "bytes", "999 B"},
        {1000, "bytes", "0.977 KiB"},
        {1536, "bytes/s", "1.5 KiB/s"},
        {3.0 * (1 << 30), "bytes", "3 GiB"},
        {-2048, "bytes/s", "-2 KiB/s"},
        {0, "s", "0 s"},
        {0.0123, "s", "12.3 ms"},
        {45e-6, "s", "45 µs"},
        {90, "s", "1.5 min"},
        {7200, "s", "2 h"},
        {1234567, "count", "1234567"},
        {4.15, "", "4.15"},
        {0.5, "ops/s", "0.5 ops/s"},
        {1e-9, "count", "1e-09"},
        {(double)NAN, "ratio", "absent"},
        {(double)INFINITY, "bytes", "inf PiB"},
    };
    char out[UNITS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        units_format(cases[i].v, cases[i].unit, out);
        assert_string_equal(out, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(units_read_as_a_person_writes_them)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
