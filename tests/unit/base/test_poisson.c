/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/poisson.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most)) /* cmocka's is of float */

/* As the tables of Garwood's interval have them, with four digits. */
static void intervals_are_those_of_the_tables(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        double low, high;
    } known[] = {{0, 0, 3.6889},         {1, 0.0253, 5.5716},    {2, 0.2422, 7.2247},
                 {3, 0.6187, 8.7673},    {5, 1.6235, 11.6683},   {10, 4.7954, 18.3904},
                 {20, 12.2165, 30.8884}, {50, 37.1110, 65.9188}, {100, 81.3640, 121.6270}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double low, high;
        poisson_interval(known[i].n, 0.95, &low, &high);
        assert_near(low, known[i].low, 6e-4);
        assert_near(high, known[i].high, 6e-4);
    }
}

static double at_most(uint64_t n, double mean)
{
    double sum = 0;

    for (uint64_t k = 0; k <= n; k++)
        sum += exp((double)k * log(mean) - mean - lgamma((double)k + 1));
    return sum;
}

static void both_tails_hold_what_the_confidence_leaves(void **state)
{
    (void)state;
    static const double confidences[] = {0.5, 0.9, 0.99, 0.9999};

    for (uint64_t n = 1; n < 3000; n = n * 3 + 1) {
        for (size_t i = 0; i < 4; i++) {
            const double tail = (1 - confidences[i]) / 2;
            double low, high;
            poisson_interval(n, confidences[i], &low, &high);
            assert_true(low > 0 && low < (double)n && (double)n < high);
            assert_near(at_most(n, high), tail, 1e-9);
            assert_near(1 - at_most(n - 1, low), tail, 1e-9);
        }
    }
}

static void many_events_are_near_their_square_root(void **state)
{
    (void)state;
    const double n = 1e8;
    double low, high;

    poisson_interval((uint64_t)n, 0.95, &low, &high);
    assert_near((n - low) / sqrt(n), 1.96, 0.001);
    assert_near((high - n) / sqrt(n), 1.96, 0.001);
}

static void what_is_most_by_chance_is_passed_as_rarely_as_asked(void **state)
{
    (void)state;
    assert_true(poisson_most(0, 0.99) == 0);
    for (double mean = 0.01; mean < 700; mean = mean * 1.7 + 0.01) {
        const double n = poisson_most(mean, 0.99);
        assert_true(at_most((uint64_t)n, mean) >= 0.99 - 1e-9);
        assert_true(n == 0 || at_most((uint64_t)n - 1, mean) < 0.99 + 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_those_of_the_tables),
        cmocka_unit_test(both_tails_hold_what_the_confidence_leaves),
        cmocka_unit_test(what_is_most_by_chance_is_passed_as_rarely_as_asked),
        cmocka_unit_test(many_events_are_near_their_square_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
