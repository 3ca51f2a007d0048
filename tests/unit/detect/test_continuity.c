/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "detect/continuity.h"

static const int64_t hour_ms = 3600 * 1000;
static struct continuity c;
static struct continuity_clocks now;

static int set_up(void **state)
{
    int64_t ms;

    (void)state;
    continuity_init(&c, 1000);
    now = (struct continuity_clocks){1000000, 5000, 7000};
    return continuity_push(&c, &now, &ms) != CONTINUITY_OK;
}

static enum continuity_kind after(int64_t wall, int64_t mono, int64_t boot, int64_t *ret_ms)
{
    now.wall_ms += wall;
    now.mono_ms += mono;
    now.boot_ms += boot;
    return continuity_push(&c, &now, ret_ms);
}

static void regular_ticks_are_fine(void **state)
{
    int64_t ms;

    (void)state;
    for (int i = 0; i < 100; i++) /* jitter and the fastest slew that NTP does */
        assert_int_equal(after(1000 + i % 7, 1000 + i % 5, 1000 + i % 5, &ms), CONTINUITY_OK);
}

static void a_clock_set_is_a_jump_with_its_size_and_direction(void **state)
{
    char text[CONTINUITY_TEXT_MAX];
    int64_t ms;

    (void)state;
    assert_int_equal(after(1000 - hour_ms, 1000, 1000, &ms), CONTINUITY_CLOCK_JUMP);
    assert_int_equal(ms, -hour_ms);
    continuity_describe(CONTINUITY_CLOCK_JUMP, ms, text);
    assert_string_equal(text, "the clock jumped back by 1h");
    assert_int_equal(after(1000 + hour_ms, 1000, 1000, &ms), CONTINUITY_CLOCK_JUMP);
    assert_int_equal(ms, hour_ms);
    assert_int_equal(after(1000, 1000, 1000, &ms), CONTINUITY_OK);
}

static void sleep_is_told_from_a_jump(void **state)
{
    char text[CONTINUITY_TEXT_MAX];
    int64_t ms;

    (void)state;
    assert_int_equal(after(181000, 1000, 181000, &ms), CONTINUITY_SUSPENDED);
    assert_int_equal(ms, 180000);
    continuity_describe(CONTINUITY_SUSPENDED, ms, text);
    assert_string_equal(text, "the machine slept for 3m");
}

static void a_late_collector_is_a_gap(void **state)
{
    int64_t ms;

    (void)state;
    assert_int_equal(after(2900, 2900, 2900, &ms), CONTINUITY_OK);
    assert_int_equal(after(3000, 3000, 3000, &ms), CONTINUITY_GAP);
    assert_int_equal(ms, 3000);
}

static void a_wall_clock_that_stands_still_is_named(void **state)
{
    int64_t ms;

    (void)state;
    assert_int_equal(after(0, 1000, 1000, &ms), CONTINUITY_CLOCK_STOPPED);
    assert_int_equal(ms, 1000);
}

static void a_hole_is_what_no_late_tick_makes(void **state)
{
    (void)state;
    assert_false(continuity_is_hole(1000, 1000, 0));
    assert_false(continuity_is_hole(2999, 1000, 0));
    assert_true(continuity_is_hole(3000, 1000, 0));
    assert_false(continuity_is_hole(5000, 1000, 5000)); /* windows could not have filled again */
    assert_true(continuity_is_hole(6000, 1000, 5000));
    assert_true(continuity_is_hole(0, 1000, 5000)); /* time stood still, or went back */
    assert_true(continuity_is_hole(-1, 1000, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(regular_ticks_are_fine, set_up),
        cmocka_unit_test_setup(a_clock_set_is_a_jump_with_its_size_and_direction, set_up),
        cmocka_unit_test_setup(sleep_is_told_from_a_jump, set_up),
        cmocka_unit_test_setup(a_late_collector_is_a_gap, set_up),
        cmocka_unit_test_setup(a_wall_clock_that_stands_still_is_named, set_up),
        cmocka_unit_test(a_hole_is_what_no_late_tick_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
