/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

#include "../test.h"

static void clocks_agree_with_each_other_and_go_forward(void **state)
{
    (void)state;
    const time_t before = time(NULL);
    const int64_t wall = clock_wall_ms(), mono = clock_mono_ms(), boot = clock_boot_ms();
    const uint64_t ns = clock_mono_ns();

    /* time() lags by up to a tick of the kernel */
    assert_true(wall / 1000 >= before && wall / 1000 <= time(NULL) + 1);
    assert_true((int64_t)(ns / 1000000) >= mono);
    assert_true(clock_mono_ns() >= ns);
    assert_true(boot >= mono); /* it counts suspension on top */
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
