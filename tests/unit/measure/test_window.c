/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <math.h>

#include "measure/window.h"

enum { N = 3000, NOTHING_TO_GO_BY = 125 };

static double x[N];

static size_t window_of_sine(double period)
{
    for (size_t i = 0; i < N; i++)
        x[i] = 1e6 + sin(2 * M_PI * (double)i / period);
    return window_of(x, N);
}

static void a_period_is_found_with_and_without_gaps(void **state)
{
    (void)state;
    assert_int_equal(window_of_sine(48), 48);
    assert_int_equal(window_of_sine(288), 288);
    for (size_t i = 0; i < N; i += 7)
        x[i] = (double)NAN;
    assert_int_equal(window_of(x, N), 288);
}

static void a_period_out_of_bounds_is_none(void **state)
{
    (void)state;
    assert_int_equal(window_of_sine(5), NOTHING_TO_GO_BY);
    assert_int_equal(window_of_sine(330), NOTHING_TO_GO_BY);
    assert_int_equal(window_of_sine(2000), NOTHING_TO_GO_BY);
}

static void a_series_without_shape_has_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++)
        x[i] = 0.1;
    assert_int_equal(window_of(x, N), NOTHING_TO_GO_BY);
    assert_int_equal(window_of(x, 0), NOTHING_TO_GO_BY);
    for (size_t i = 0; i < N; i++)
        x[i] = (double)i;
    assert_int_equal(window_of(x, N), NOTHING_TO_GO_BY);
    assert_int_equal(window_of(x, 5), NOTHING_TO_GO_BY);
    for (size_t i = 0; i < N; i++)
        x[i] = (double)NAN;
    assert_int_equal(window_of(x, N), NOTHING_TO_GO_BY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_period_is_found_with_and_without_gaps),
        cmocka_unit_test(a_period_out_of_bounds_is_none),
        cmocka_unit_test(a_series_without_shape_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
