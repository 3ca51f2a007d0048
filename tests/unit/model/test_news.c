/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/news.h"

enum { N = 3 };

static const uint8_t all_here[N] = {1, 1, 1};
static const float never_moved[N] = {1, 1, 1};

static struct news new_news(void)
{
    struct news w;
    struct err err;

    assert_int_equal(news_init(&w, N, &err), OK);
    return w;
}

static void push(struct news *w, size_t frames, float a, float b, float c)
{
    const float part[N] = {a, b, c};

    for (size_t t = 0; t < frames; t++)
        news_push(w, part, all_here, never_moved);
}

static void what_stood_off_before_is_no_cause_beside_what_moves_now(void **state)
{
    (void)state;
    struct news w = new_news();

    push(&w, 1, 500, 1, 1);
    assert_true(w.cause[0] == 500 && w.cause[1] == 1); /* at first all is new */
    push(&w, 8 * NEWS_FRAMES, 500, 1, 1);
    push(&w, 1, 500, 60, 1);
    assert_true(w.cause[1] > 58 && w.cause[1] > 10 * w.cause[0]);
    assert_true(w.cause[2] < 0.1f);
    push(&w, 1, 900, 60, 1); /* it moves as well */
    assert_float_equal(w.cause[0], 400, 1);
    news_done(&w);
}

static void where_nothing_is_new_what_stands_farthest_is_named(void **state)
{
    (void)state;
    struct news w = new_news();

    push(&w, 20 * NEWS_FRAMES, 500, 30, 0);
    assert_true(w.cause[0] > 10 * w.cause[1] && w.cause[1] > 0 && w.cause[2] == 0);
    push(&w, 1, 400, 30, 0); /* on its way back, too */
    assert_float_equal(w.cause[0], NEWS_LEAST * 400, 1e-6);
    news_done(&w);
}

static void one_wild_frame_leaves_nothing_standing(void **state)
{
    (void)state;
    struct news w = new_news();

    push(&w, NEWS_FRAMES, 1, 1, 1);
    push(&w, 1, 1e6f, 1, 1);
    push(&w, 1, 100, 1, 1);
    assert_true(w.cause[0] > 95);
    news_done(&w);
}

/* A leak adds a tenth of a deviation a frame: its level's part grows as the square, then evenly. */
static void what_grows_over_hundreds_of_frames_is_still_new(void **state)
{
    (void)state;
    struct news w = new_news();

    push(&w, NEWS_FRAMES, 1, 1, 1);
    for (int t = 0; t < 200; t++) {
        const float z = 0.1f * (float)t;
        push(&w, 1, 1 + (z < 3 ? z * z : 6 * z - 9), 9, 1);
    }
    assert_true(w.cause[0] > 0.8f * 112);
    assert_true(w.cause[0] > 10 * w.cause[1]);
    news_done(&w);
}

static void a_feature_is_held_against_its_own_worst(void **state)
{
    (void)state;
    const float part[N] = {100, 80, 80}, worst[N] = {400, 1, 64};
    struct news w = new_news();

    news_push(&w, part, all_here, worst);
    assert_true(w.cause[0] == 5 && w.cause[1] == 80 && w.cause[2] == 10);
    news_done(&w);
}

static void what_stood_is_kept_while_a_feature_is_away(void **state)
{
    (void)state;
    const float away[N] = {0, 50, 50};
    const uint8_t here[N] = {0, 1, 1};
    struct news w = new_news();

    push(&w, 8 * NEWS_FRAMES, 50, 50, 50);
    for (size_t t = 0; t < 8 * NEWS_FRAMES; t++)
        news_push(&w, away, here, never_moved);
    assert_true(w.cause[0] == 0);
    push(&w, 1, 50, 50, 50);
    assert_true(w.cause[0] < 1.5f);
    news_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stood_off_before_is_no_cause_beside_what_moves_now),
        cmocka_unit_test(where_nothing_is_new_what_stands_farthest_is_named),
        cmocka_unit_test(one_wild_frame_leaves_nothing_standing),
        cmocka_unit_test(what_grows_over_hundreds_of_frames_is_still_new),
        cmocka_unit_test(a_feature_is_held_against_its_own_worst),
        cmocka_unit_test(what_stood_is_kept_while_a_feature_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
