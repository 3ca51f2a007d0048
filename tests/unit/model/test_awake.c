/* SPDX-License-Identifier: Apache-2.0 */
/* What never moved in training, and moves now. test_departure.c has the formula. */
#include "departure_fixture.h"

enum { STILL = 30 }; /* frames before it wakes */

/* The machine's frames, in which the constant moves from STILL on. */
static void some_waking_frames(struct frames *f, size_t n)
{
    struct rng rng;

    rng_init(&rng, 8);
    some_frames(f, n, 0, 0, 2);
    for (size_t t = STILL; t < n; t++)
        f->x[t][CONSTANT] = 12 + 400 * (rng_float(&rng) - 0.5f);
}

static void what_moves_all_the_time_is_no_news_for_ever(void **state)
{
    (void)state;
    static struct frames f;
    struct departure *d = new_departure(model, false);
    struct departure_score s;
    float first = 0, calm = 0;

    some_waking_frames(&f, 120);
    for (size_t t = 0; t < f.n; t++) {
        departure_push(d, f.ts_ms[t], f.x[t], &s);
        calm = t == STILL - 1 ? s.score : calm;
        first = t == STILL + 2 ? s.score : first; /* when three of five have it ring */
        if (t >= STILL + AWAKE_FRAMES + SMOOTH_FRAMES)
            assert_true(s.score < 3 * calm + 3 && s.part[CONSTANT] < 50);
    }
    assert_true(first > 100 * calm);
    departure_clear(d);
    departure_push(d, f.ts_ms[119] + INTERVAL_MS, f.x[119], &s);
    assert_true(s.part[CONSTANT] > 100);
    departure_free(d);
}

/* What is asked of a frame is weighed as the frame was: to restore nothing changes nothing. */
static void what_woke_is_restored_by_the_weights_of_its_frame(void **state)
{
    (void)state;
    static struct frames f;
    const uint8_t nothing[N] = {0};
    struct departure *d = new_departure(model, false);
    struct departure_score s, trial;

    some_waking_frames(&f, 60);
    for (size_t t = 0; t < f.n; t++) {
        departure_push(d, f.ts_ms[t], f.x[t], &s);
        const float evidence = s.evidence;
        departure_restored(d, nothing, &trial);
        assert_true(fabsf(trial.evidence - evidence) <= 1e-3f * evidence);
    }
    departure_free(d);
}

/* A flag that is set stays news, and so is one that flickers now and then. */
static void what_goes_elsewhere_and_stays_is_news_until_it_is_learned(void **state)
{
    (void)state;
    static struct frames f;
    struct departure *d = new_departure(model, false);
    struct departure_score s;
    float part = 0;

    some_frames(&f, 200, 0, 0, 2);
    for (size_t t = 0; t < f.n; t++) {
        const bool flickers = t % 30 == 29, is_set = t >= 100;
        f.x[t][CONSTANT] = is_set || flickers ? 20 : 12;
        departure_push(d, f.ts_ms[t], f.x[t], &s);
        if (t == 29)
            part = s.part[CONSTANT];
        if (!is_set && flickers)
            assert_true(s.part[CONSTANT] == part && part > 100);
        if (t > 101)
            assert_true(s.part[CONSTANT] > 100);
    }
    departure_free(d);
}

/* What a deviation of the first asleep feature counts after so many frames of 1,000 each way. */
static double counts_after(int frames)
{
    struct awake a;
    struct err err;

    assert_int_equal(awake_init(&a, model, &err), OK);
    assert_true(a.n_asleep >= 1);
    for (int f = 0; f < frames; f++) {
        awake_next(&a);
        for (size_t k = 0; k < a.n_asleep; k++)
            awake_note(&a, k, f % 2 ? 1000 : -1000, f % 2 ? 1000 : -1000);
    }
    awake_next(&a);
    const double level = 1000 * (double)a.level[a.feature[0]];
    assert_true(level == 1000 * (double)a.change[a.feature[0]]);
    awake_done(&a);
    return level;
}

static void it_counts_what_the_header_says(void **state)
{
    (void)state;
    assert_true(counts_after(0) == 1000 && counts_after(2) == 1000);
    assert_true(fabs(counts_after(5) - 25) < 0.5);
    assert_true(fabs(counts_after(10) - 7) < 0.5);
    assert_true(fabs(counts_after(AWAKE_FRAMES) - 1) < 1e-3);
    assert_true(counts_after(3 * AWAKE_FRAMES + 5) == counts_after(AWAKE_FRAMES));
}

static void what_is_no_number_or_without_end_counts_something(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f, 0.9f};
    struct awake a;
    struct err err;

    assert_int_equal(awake_init(&a, model, &err), OK);
    for (size_t f = 0; f < 100; f++) {
        awake_next(&a);
        for (size_t k = 0; k < a.n_asleep; k++)
            awake_note(&a, k, odd[f % 5], odd[(f + 1) % 5]);
        for (size_t i = 0; i < a.n; i++)
            assert_true(a.level[i] > 0 && a.level[i] <= 1 && a.change[i] > 0 && a.change[i] <= 1);
    }
    awake_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_moves_all_the_time_is_no_news_for_ever),
        cmocka_unit_test(what_woke_is_restored_by_the_weights_of_its_frame),
        cmocka_unit_test(what_goes_elsewhere_and_stays_is_news_until_it_is_learned),
        cmocka_unit_test(it_counts_what_the_header_says),
        cmocka_unit_test(what_is_no_number_or_without_end_counts_something),
    };
    return cmocka_run_group_tests(tests, learn, forget);
}
