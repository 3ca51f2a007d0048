/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/recent.h"

enum { N = 3 };

static struct recent new_recent(void)
{
    struct recent r;
    struct err err;

    assert_int_equal(recent_init(&r, N, &err), OK);
    return r;
}

/* x for all features. */
static void push(struct recent *r, float x, bool present)
{
    const float frame[N] = {x, x, x};
    const uint8_t here[N] = {present, present, present};

    recent_push(r, frame, here);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Features come and go by themselves; against the last three that came, found in a log. */
static void median_is_that_of_the_last_three_that_came(void **state)
{
    (void)state;
    enum { FRAMES = 3000 };
    static float log[N][FRAMES];
    static uint32_t at[N][FRAMES];
    size_t logged[N] = {0};
    struct recent r = new_recent();
    struct rng rng;

    rng_init(&rng, 1);
    for (uint32_t t = 0; t < FRAMES; t++) {
        float frame[N];
        uint8_t present[N];

        for (size_t i = 0; i < N; i++) {
            /* values repeat; one feature is nearly always here, one seldom, one has long gaps */
            frame[i] = (float)rng_below(&rng, 7) * (i == 1 ? -1e30f : 1);
            present[i] = i == 0   ? rng_below(&rng, 10) > 0
                         : i == 1 ? rng_below(&rng, 3) == 0
                                  : t / 20 % 2 == 0;
            size_t held = 0;
            while (held < 3 && held < logged[i] &&
                   (held == 0 ? t : at[i][logged[i] - held]) - at[i][logged[i] - held - 1] <=
                       FILL_TICKS + 1)
                held++;
            float expected = 0;
            if (held == 3) {
                float three[3];
                memcpy(three, &log[i][logged[i] - 3], sizeof three);
                qsort(three, 3, sizeof three[0], by_value);
                expected = frame[i] - three[1];
                assert_true(recent_median(&r, i) == three[1]);
            }
            assert_int_equal(r.held[i], held);
            assert_true(recent_change(&r, i, frame[i]) == expected);
            if (present[i]) {
                log[i][logged[i]] = frame[i];
                at[i][logged[i]++] = t;
            }
        }
        recent_push(&r, frame, present);
    }
    recent_done(&r);
}

static void one_wild_value_is_a_change_when_it_comes_and_none_when_it_goes(void **state)
{
    (void)state;
    struct recent r = new_recent();

    for (int i = 0; i < 3; i++) {
        assert_true(recent_change(&r, 0, 99) == 0); /* nothing to compare with yet */
        push(&r, 5, true);
    }
    assert_true(recent_change(&r, 0, 1e6f) == 1e6f - 5);
    push(&r, 1e6f, true);
    for (int i = 0; i < 4; i++) {
        assert_true(recent_change(&r, 0, 5) == 0);
        push(&r, 5, true);
    }
    recent_done(&r);
}

static void a_level_that_stays_is_a_change_for_two_frames(void **state)
{
    (void)state;
    struct recent r = new_recent();

    for (int i = 0; i < 3; i++)
        push(&r, 5, true);
    for (int i = 0; i < 5; i++) {
        assert_true(recent_change(&r, 0, 8) == (i < 2 ? 3 : 0));
        push(&r, 8, true);
    }
    recent_done(&r);
}

static void what_was_missing_for_long_is_forgotten(void **state)
{
    (void)state;
    struct recent r = new_recent();

    for (int gone = 0; gone <= 2 * FILL_TICKS; gone++) {
        for (int i = 0; i < 3; i++)
            push(&r, 5, true);
        for (int i = 0; i < gone; i++)
            push(&r, 700, false);
        assert_true(recent_change(&r, 1, 8) == (gone <= FILL_TICKS ? 3 : 0));
    }
    push(&r, 5, true);
    assert_int_equal(r.held[1], 1);
    recent_done(&r);
}

static void clearing_is_beginning_anew(void **state)
{
    (void)state;
    struct recent r = new_recent();

    for (int i = 0; i < 3; i++)
        push(&r, 5, true);
    recent_clear(&r);
    assert_true(recent_change(&r, 0, 8) == 0);
    push(&r, 1, true);
    push(&r, 2, true);
    assert_true(recent_change(&r, 0, 8) == 0);
    push(&r, 3, true);
    assert_true(recent_change(&r, 0, 8) == 6);
    recent_done(&r);
    recent_done(&(struct recent){0});
    mem_fail_at(1);
    struct err err;
    assert_int_equal(recent_init(&r, N, &err), E_NOMEM);
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_is_that_of_the_last_three_that_came),
        cmocka_unit_test(one_wild_value_is_a_change_when_it_comes_and_none_when_it_goes),
        cmocka_unit_test(a_level_that_stays_is_a_change_for_two_frames),
        cmocka_unit_test(what_was_missing_for_long_is_forgotten),
        cmocka_unit_test(clearing_is_beginning_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
