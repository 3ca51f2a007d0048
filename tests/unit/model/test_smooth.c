/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "feature/filler.h"
#include "model/smooth.h"

enum { N = 4 };

static struct smooth s;

static int begin(void **state)
{
    struct err err;

    (void)state;
    return smooth_init(&s, N, &err);
}

static int end(void **state)
{
    (void)state;
    smooth_done(&s);
    return 0;
}

/* A frame whose evidence is the mean of the parts that are there. */
static float push(struct smooth *to, float a, float b, float c, float d)
{
    const float part[N] = {a, b, c, d};
    float sum = 0;
    size_t counted = 0;

    for (size_t i = 0; i < N; i++)
        if (!isnan(part[i])) {
            sum += part[i];
            counted++;
        }
    return smooth_push(to, counted ? sum / (float)counted : NAN, counted, part);
}

static void the_average_forgets_half_in_three_frames_and_all_in_sixteen(void **state)
{
    (void)state;
    assert_float_equal(push(&s, 1, 1, 1, 5), 2, 1e-6);
    for (int t = 0; t < 20; t++)
        push(&s, 0, 0, 0, 0);
    assert_float_equal(push(&s, 4, 4, 4, 4), 4 * 0.2f / (1 - powf(0.8f, 16)), 1e-5);
    push(&s, 0, 0, 0, 0);
    push(&s, 0, 0, 0, 0);
    assert_float_equal(push(&s, 0, 0, 0, 0), 4 * 0.2f * 0.512f / (1 - powf(0.8f, 16)), 1e-5);
    float last = 1;
    for (int t = 0; t < SMOOTH_FRAMES - 3; t++)
        last = push(&s, 0, 0, 0, 0);
    assert_true(last == 0);
}

static void a_feature_that_stands_far_off_and_comes_now_and_then_moves_nothing(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 1);
    for (int t = 0; t < 1000; t++) {
        const bool comes = rng_below(&rng, 10) < 7 || t % 6 == 0;
        const float score = push(&s, 1, 1, 1, comes ? 97 : NAN);
        assert_float_equal(score, 25, 1.5f); /* the oldest frames lack it for good */
    }
}

static void what_was_away_for_longer_than_is_filled_lends_nothing(void **state)
{
    (void)state;
    float score = 0;

    for (int t = 0; t < 30; t++)
        push(&s, 1, 1, 1, 97);
    for (int t = 0; t < FILL_TICKS; t++) {
        score = push(&s, 1, 1, 1, NAN);
        assert_float_equal(score, 25, 1e-3);
    }
    score = push(&s, 1, 1, 1, NAN);
    assert_true(score < 12.5f); /* what is left of the frames that had it */
    for (int t = 0; t < SMOOTH_FRAMES; t++)
        score = push(&s, 1, 1, 1, NAN);
    assert_float_equal(score, 1, 1e-6);
}

/* One value says nothing of the frames of a time when it was long away. */
static void what_comes_back_is_lent_to_no_frame_before(void **state)
{
    (void)state;
    for (int t = 0; t < 30; t++)
        push(&s, 1, 1, 1, NAN);
    const float first = push(&s, 1, 1, 1, 97), w = 0.2f / (1 - powf(0.8f, 16));
    assert_float_equal(first, 25 * w + 1 - w, 1e-3);
}

static void a_frame_of_nothing_has_no_score_and_is_passed_over(void **state)
{
    (void)state;
    for (int t = 0; t < 3; t++)
        push(&s, 2, 4, 6, 8);
    assert_true(isnan(push(&s, NAN, NAN, NAN, NAN)));
    assert_float_equal(push(&s, 2, 4, 6, 8), 5, 1e-5);
}

/* A new one that sees the last frames alone, some features missing, says the same to the bit. */
static void sixteen_frames_are_all_it_knows(void **state)
{
    (void)state;
    enum { FRAMES = 300 };
    float parts[FRAMES][N];
    struct rng rng;
    struct err err;

    rng_init(&rng, 2);
    for (int t = 0; t < FRAMES; t++) {
        for (size_t i = 0; i < N; i++)
            parts[t][i] = rng_below(&rng, 40) < (uint32_t)(t / 20) ? NAN : 10 * rng_float(&rng);
        float want = push(&s, parts[t][0], parts[t][1], parts[t][2], parts[t][3]), got = NAN;
        if (t < SMOOTH_FRAMES)
            continue;
        struct smooth fresh;
        assert_int_equal(smooth_init(&fresh, N, &err), OK);
        for (int k = t - SMOOTH_FRAMES + 1; k <= t; k++)
            got = push(&fresh, parts[k][0], parts[k][1], parts[k][2], parts[k][3]);
        assert_memory_equal(&got, &want, sizeof got);
        smooth_done(&fresh);
    }
    smooth_clear(&s);
    assert_float_equal(push(&s, 1, 2, 3, 6), 3, 1e-6);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_average_forgets_half_in_three_frames_and_all_in_sixteen),
        TEST(a_feature_that_stands_far_off_and_comes_now_and_then_moves_nothing),
        TEST(what_was_away_for_longer_than_is_filled_lends_nothing),
        TEST(what_comes_back_is_lent_to_no_frame_before),
        TEST(a_frame_of_nothing_has_no_score_and_is_passed_over),
        TEST(sixteen_frames_are_all_it_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
