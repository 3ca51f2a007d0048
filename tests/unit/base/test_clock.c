/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

#include "../test.h"

static void clocks_agree_with_each_other_and_go_forward(void **state)
{
    (void)state;
    const int64_t wall = clock_wall_ms(), boot = clock_boot_ms();
    const uint64_t ns = clock_mono_ns();

    assert_true(wall / 1000 >= (int64_t)time(NULL) - 1 && wall / 1000 <= (int64_t)time(NULL));
    assert_true(clock_mono_ms() >= (int64_t)(ns / 1000000));
    assert_true(clock_mono_ns() >= ns);
    assert_true(clock_boot_ms() >= boot);
    assert_true(clock_boot_ms() >= clock_mono_ms() - 1); /* it counts suspension on top */
}

static void thread_cpu_time_counts_work(void **state)
{
    (void)state;
    const uint64_t before = clock_thread_cpu_ns();
    volatile unsigned sink = 0;

    for (unsigned i = 0; i < 1000000; i++)
        sink += i;
    assert_true(clock_thread_cpu_ns() > before && sink > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree_with_each_other_and_go_forward),
        cmocka_unit_test(thread_cpu_time_counts_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
