/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../model/fixture.h"
#include "detect/daylight.h"
#include "detect/scorer.h"

enum { N = FIXTURE_N, CONSTANT = FIXTURE_CONSTANT, DAYS = 8, A_DAY = 144, AN_HOUR = 6 };

#define INTERVAL_MS INT64_C(600000)
static const int64_t HOUR_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000;

/* Of a machine with a daily rhythm, some of it twice a day; and of one whose day comes sooner. */
static struct model *model, *of_summer;

/* Gives d's rows their times, from row `first` of all time on, and a rhythm that comes so much
 * sooner. Its height is from 24 deviations of a feature's noise to two; all of them share the
 * noise. */
static void give_rhythm(struct dataset *d, int64_t first, int64_t sooner_ms)
{
    for (size_t r = 0; r < d->rows; r++) {
        const int64_t ms = (first + (int64_t)r) * INTERVAL_MS;
        const double turn = 2 * M_PI * (double)(ms + sooner_ms) / (double)DAY_MS;

        d->ts_ms[r] = ms;
        for (size_t i = 0; i < N; i++)
            d->X[r * N + i] +=
                i == CONSTANT ? 0 : (float)(1200 * sin((i % 3 == 0 ? 2 : 1) * turn + (double)i));
    }
}

static struct model *learned(int64_t sooner_ms)
{
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine((size_t)DAYS * A_DAY, 1);

    give_rhythm(d, 0, sooner_ms);
    struct model *m = fixture_learn(d, NULL, &spec);
    dataset_free(d);
    assert_int_equal(m->season.slots, SEASON_SLOTS);
    return m;
}

static int learn(void **state)
{
    (void)state;
    model = learned(0);
    of_summer = learned(HOUR_MS);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    model_unref(model);
    model_unref(of_summer);
    return 0;
}

static struct daylight *new_daylight(void)
{
    struct daylight *d;
    struct err err;

    assert_int_equal(daylight_new(N, &d, &err), OK);
    return d;
}

static struct dataset *later_days(size_t days, uint64_t seed, int64_t sooner_ms)
{
    struct dataset *d = fixture_machine(days * A_DAY, seed);

    give_rhythm(d, DAYS * A_DAY + 50, sooner_ms);
    return d;
}

static void push(struct daylight *y, const struct model *m, const struct dataset *d, size_t from,
                 size_t to)
{
    for (size_t r = from; r < to; r++)
        daylight_push(y, m, d->ts_ms[r], d->X + r * N);
}

static void a_day_that_comes_sooner_or_later_is_told_in_a_day_and_some_hours(void **state)
{
    (void)state;
    for (int64_t sooner_ms = -HOUR_MS; sooner_ms <= HOUR_MS; sooner_ms += 2 * HOUR_MS) {
        struct dataset *before = later_days(7, 2, 0), *after = later_days(7, 2, sooner_ms);
        struct daylight *y = new_daylight();

        push(y, model, before, 0, 3 * A_DAY);
        push(y, model, after, 3 * A_DAY, 3 * A_DAY + A_DAY / 3);
        assert_int_equal(daylight_ms(y), 0);
        push(y, model, after, 3 * A_DAY + A_DAY / 3, 4 * A_DAY + A_DAY / 3);
        assert_int_equal(daylight_ms(y), sooner_ms);
        for (size_t r = 4 * A_DAY + A_DAY / 3; r < after->rows; r++) {
            push(y, model, after, r, r + 1);
            assert_int_equal(daylight_ms(y), sooner_ms);
        }
        daylight_free(y);
        dataset_free(before);
        dataset_free(after);
    }
}

/* 20 hours, which the first, begun in the middle, is none of, and then six that are sure. */
static void nothing_is_told_of_less_than_26_hours(void **state)
{
    (void)state;
    struct dataset *d = later_days(2, 2, HOUR_MS);
    struct daylight *y = new_daylight();

    push(y, model, d, 0, 25 * AN_HOUR);
    assert_int_equal(daylight_ms(y), 0);
    push(y, model, d, 25 * AN_HOUR, d->rows);
    assert_int_equal(daylight_ms(y), HOUR_MS);
    daylight_free(y);
    dataset_free(d);
}

static void a_holiday_is_no_reason_to_give_it_up(void **state)
{
    (void)state;
    struct dataset *d = later_days(4, 3, HOUR_MS), *nobody = fixture_machine(4 * A_DAY, 3);
    struct daylight *y = new_daylight();

    push(y, model, d, 0, 2 * A_DAY);
    for (size_t r = 2 * A_DAY; r < d->rows; r++) {
        daylight_push(y, model, d->ts_ms[r], (r < 3 * A_DAY ? nobody : d)->X + r * N);
        assert_int_equal(daylight_ms(y), HOUR_MS);
    }
    daylight_free(y);
    dataset_free(d);
    dataset_free(nobody);
}

static void clocks_that_are_set_back_are_told_as_well(void **state)
{
    (void)state;
    struct dataset *summer = later_days(4, 3, HOUR_MS), *winter = later_days(8, 3, 0);
    struct daylight *y = new_daylight();

    push(y, model, summer, 0, summer->rows);
    assert_int_equal(daylight_ms(y), HOUR_MS);
    push(y, model, winter, summer->rows, summer->rows + A_DAY);
    assert_int_equal(daylight_ms(y), 0);
    daylight_free(y);
    dataset_free(summer);
    dataset_free(winter);
}

static void a_day_as_it_was_learned_is_never_taken_for_another(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 20; seed++) {
        struct dataset *d = later_days(20, seed, 0);
        struct daylight *y = new_daylight();

        for (size_t r = 0; r < d->rows; r++) {
            push(y, model, d, r, r + 1);
            assert_int_equal(daylight_ms(y), 0);
        }
        daylight_free(y);
        dataset_free(d);
    }
}

/* Two days on which nobody comes; then one whose morning is late, and whose evening is not. */
static void neither_is_a_holiday_or_a_late_morning(void **state)
{
    (void)state;
    struct dataset *d = later_days(8, 4, 0), *late = later_days(8, 4, -HOUR_MS);
    struct dataset *nobody = fixture_machine(8 * A_DAY, 4);
    struct daylight *y = new_daylight();

    for (size_t r = 0; r < d->rows; r++) {
        const size_t day = r / A_DAY, of_day = r % A_DAY;
        const float *const x = day == 3 || day == 4               ? nobody->X + r * N
                               : day == 6 && of_day < 2 * AN_HOUR ? late->X + r * N
                                                                  : d->X + r * N;
        daylight_push(y, model, d->ts_ms[r], x);
        assert_int_equal(daylight_ms(y), 0);
    }
    daylight_free(y);
    dataset_free(d);
    dataset_free(late);
    dataset_free(nobody);
}

/* An office that is busy from 8 to 18 and silent on weekends, which are in what was learned. */
static void neither_is_a_silent_weekend(void **state)
{
    (void)state;
    enum { WEEKS = 3, LEARNED = 14 * A_DAY, ROWS = (14 + 7 * WEEKS) * A_DAY };
    const struct learn_spec spec = fixture_spec();

    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct dataset *d = fixture_machine(ROWS, seed);
        for (size_t r = 0; r < ROWS; r++) {
            const size_t day = r / A_DAY % 7, hour = r % A_DAY / AN_HOUR;
            d->ts_ms[r] = (int64_t)r * INTERVAL_MS;
            for (size_t i = 0; i < N && day < 5 && hour >= 8 && hour < 18; i++)
                d->X[r * N + i] += i == CONSTANT ? 0 : 200 * (float)(i + 1);
        }
        d->rows = LEARNED;
        struct model *office = fixture_learn(d, NULL, &spec);
        struct daylight *y = new_daylight();
        for (size_t r = LEARNED; r < ROWS; r++) {
            push(y, office, d, r, r + 1);
            assert_int_equal(daylight_ms(y), 0);
        }
        daylight_free(y);
        model_unref(office);
        dataset_free(d);
    }
}

enum { WIDE = 24, NEVER = 99 };

/* Days from `first` on, of features whose day comes an hour sooner from the day `set` on; the last
 * one has a tall job at 3 and, from the day `moved` on, at 4. */
static struct dataset *job_days(size_t first, size_t days, size_t moved, size_t set)
{
    struct dataset *d = fixture_dataset(WIDE, days * A_DAY, first + 1);

    for (size_t r = 0; r < d->rows; r++) {
        const size_t at = first * A_DAY + r, day = at / A_DAY, hour = at % A_DAY / AN_HOUR;
        const double turn = 2 * M_PI * (double)(at + (day >= set ? AN_HOUR : 0)) / A_DAY;
        d->ts_ms[r] = (int64_t)at * INTERVAL_MS;
        for (size_t i = 0; i + 1 < WIDE; i++)
            d->X[r * WIDE + i] += (float)(300 * (double)(i + 1) * sin(turn + (double)i));
        d->X[r * WIDE + WIDE - 1] += hour == (day >= moved ? 4 : 3) ? 200000 : 0;
    }
    return d;
}

static void one_tall_job_speaks_neither_for_the_machine_nor_against_it(void **state)
{
    (void)state;
    enum { LEARNED = 8 };
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = job_days(0, LEARNED, NEVER, NEVER);
    struct model *m = fixture_learn(d, NULL, &spec);

    dataset_free(d);
    for (int people = 0; people < 2; people++) {
        struct daylight *y;
        struct err err;
        assert_int_equal(daylight_new(WIDE, &y, &err), OK);
        d = job_days(LEARNED, 8, people ? NEVER : LEARNED + 3, people ? LEARNED + 3 : NEVER);
        for (size_t r = 0; r < d->rows; r++) {
            daylight_push(y, m, d->ts_ms[r], d->X + r * WIDE);
            assert_true(people || daylight_ms(y) == 0);
        }
        assert_int_equal(daylight_ms(y), people ? HOUR_MS : 0);
        daylight_free(y);
        dataset_free(d);
    }
    model_unref(m);
}

/* A frame on the hour stands where the hour begins, and not in its middle. */
static void frames_an_hour_apart_have_no_hour_of_their_own(void **state)
{
    (void)state;
    enum { LEARNED = 14 * 24, ROWS = 28 * 24 };
    const struct learn_spec spec = fixture_spec();

    for (int set = 0; set < 2; set++) {
        struct dataset *d = fixture_machine(ROWS, 1);
        for (size_t r = 0; r < ROWS; r++) {
            const size_t hour = r + (set && r >= LEARNED + 5 * 24 ? 1 : 0);
            d->ts_ms[r] = (int64_t)r * HOUR_MS;
            for (size_t i = 0; i < N; i++)
                d->X[r * N + i] +=
                    i == CONSTANT ? 0
                                  : (float)(1200 * sin(2 * M_PI * (double)hour / 24 + (double)i));
        }
        d->rows = LEARNED;
        struct model *m = fixture_learn(d, NULL, &spec);
        struct daylight *y = new_daylight();
        for (size_t r = LEARNED; r < ROWS; r++) {
            push(y, m, d, r, r + 1);
            assert_true(set || daylight_ms(y) == 0);
        }
        assert_int_equal(daylight_ms(y), set ? HOUR_MS : 0);
        daylight_free(y);
        model_unref(m);
        dataset_free(d);
    }
}

/* Each stands elsewhere from the third day on and one value in five hundred is wild: no day of its
 * own, and none that hides the one that comes later. */
static void another_level_and_wild_values_neither_make_nor_hide_it(void **state)
{
    (void)state;
    struct dataset *d = later_days(9, 5, 0), *sooner = later_days(9, 5, HOUR_MS);
    struct daylight *y = new_daylight();
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t r = 0; r < d->rows; r++) {
        float x[N];
        for (size_t i = 0; i < N; i++)
            x[i] = (r < 6 * A_DAY ? d : sooner)->X[r * N + i] +
                   (r > 3 * A_DAY + 77 ? 30 * model->unit_level[i] : 0);
        x[rng_below(&rng, N)] *= rng_below(&rng, 50) == 0 ? 1e6f : 1.0f;
        daylight_push(y, model, d->ts_ms[r], x);
        if (r < 6 * A_DAY)
            assert_int_equal(daylight_ms(y), 0);
    }
    assert_int_equal(daylight_ms(y), HOUR_MS);
    daylight_free(y);
    dataset_free(d);
    dataset_free(sooner);
}

static void frames_within_a_minute_are_not_looked_at(void **state)
{
    (void)state;
    static const float wild[N] = {9e9f, -9e9f, 9e9f, 1, 2, 3, 4, 5, 6, 7};
    struct dataset *d = later_days(3, 6, HOUR_MS);
    struct daylight *y = new_daylight();

    for (size_t r = 0; r < d->rows; r++) {
        daylight_push(y, model, d->ts_ms[r], d->X + r * N);
        daylight_push(y, model, d->ts_ms[r] + 1000, wild);
        daylight_push(y, model, d->ts_ms[r] + 59000, wild);
    }
    assert_int_equal(daylight_ms(y), HOUR_MS);
    daylight_free(y);
    dataset_free(d);
}

/* Of frames that lack the first hours of each day. */
static int64_t told_without(size_t hours, size_t features)
{
    struct dataset *d = later_days(5, 7, HOUR_MS);
    struct daylight *y = new_daylight();

    for (size_t r = 0; r < d->rows; r++) {
        const bool lacks = r % A_DAY < hours * AN_HOUR;
        for (size_t i = 0; i < features && lacks; i++)
            d->X[r * N + i] = NAN;
        if (!lacks || features > 0)
            push(y, model, d, r, r + 1);
    }
    const int64_t ret = daylight_ms(y);
    daylight_free(y);
    dataset_free(d);
    return ret;
}

static void a_few_hours_without_a_frame_hide_nothing_and_six_hide_the_day(void **state)
{
    (void)state;
    assert_int_equal(told_without(2, 0), HOUR_MS);
    assert_int_equal(told_without(6, 0), 0);
    assert_int_equal(told_without(6, N), 0);
    assert_int_equal(told_without(6, N - 3), HOUR_MS); /* the others go on */
}

static void times_without_sense_and_frames_of_nothing_say_nothing(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MAX, INT64_MIN, 0, -1, 1};
    struct daylight *y = new_daylight();
    float nothing[N];

    for (size_t i = 0; i < N; i++)
        nothing[i] = i % 2 ? NAN : INFINITY;
    for (size_t k = 0; k < sizeof times / sizeof *times; k++)
        daylight_push(y, model, times[k], nothing);
    for (int64_t k = 0; k < 3 * A_DAY; k++)
        daylight_push(y, model, k * INTERVAL_MS, nothing);
    assert_int_equal(daylight_ms(y), 0);
    daylight_free(y);
}

/* What was seen before is no part of a day then; what was chosen is kept. */
static void a_clock_that_goes_back_and_days_of_silence_begin_anew(void **state)
{
    (void)state;
    struct dataset *d = later_days(2, 8, HOUR_MS);

    for (int64_t jump_ms = -3 * DAY_MS; jump_ms <= 3 * DAY_MS; jump_ms += 6 * DAY_MS) {
        struct daylight *y = new_daylight();

        push(y, model, d, 0, 24 * AN_HOUR);
        for (size_t r = 0; r < 18 * AN_HOUR; r++)
            daylight_push(y, model, d->ts_ms[r] + jump_ms, d->X + r * N);
        assert_int_equal(daylight_ms(y), 0);
        for (size_t r = 18 * AN_HOUR; r < d->rows; r++)
            daylight_push(y, model, d->ts_ms[r] + jump_ms, d->X + r * N);
        assert_int_equal(daylight_ms(y), HOUR_MS);
        push(y, model, d, 0, A_DAY / 2);
        assert_int_equal(daylight_ms(y), HOUR_MS);
        daylight_free(y);
    }
    dataset_free(d);
}

static void another_model_is_asked_as_the_hour_ends(void **state)
{
    (void)state;
    struct dataset *d = later_days(3, 9, HOUR_MS);
    struct daylight *y = new_daylight();

    push(y, model, d, 0, 2 * A_DAY);
    assert_int_equal(daylight_ms(y), HOUR_MS);
    push(y, of_summer, d, 2 * A_DAY, 2 * A_DAY + AN_HOUR + 1);
    assert_int_equal(daylight_ms(y), 0);
    struct model plain = *model;
    plain.season = (struct season){.n = N};
    push(y, model, d, 2 * A_DAY + AN_HOUR + 1, 2 * A_DAY + 9 * AN_HOUR);
    assert_int_equal(daylight_ms(y), HOUR_MS);
    push(y, &plain, d, 2 * A_DAY + 9 * AN_HOUR, 2 * A_DAY + 11 * AN_HOUR);
    assert_int_equal(daylight_ms(y), 0);
    daylight_free(y);
    dataset_free(d);
}

/* Once it is told, scores are what they would have been without. */
static void scores_are_of_the_hour_that_it_is(void **state)
{
    (void)state;
    struct dataset *d = later_days(4, 8, HOUR_MS), *same = later_days(4, 8, 0);
    struct scorer *follows, *stays;
    struct verdict v, u;
    double late = 0, early = 0, usual = 0;
    size_t told = 0;
    struct err err;

    assert_int_equal(scorer_new(model, &follows, &err), OK);
    assert_int_equal(scorer_follow_day(follows, &err), OK);
    assert_int_equal(scorer_new(model, &stays, &err), OK);
    for (size_t r = 0; r < d->rows; r++) {
        scorer_push(follows, d->ts_ms[r], d->X + r * N, &v);
        scorer_push(stays, same->ts_ms[r], same->X + r * N, &u);
        told += scorer_day_shift_ms(follows) == HOUR_MS;
        if (told == 0)
            early += (double)v.evidence - (double)u.evidence;
        else if (told <= 3) /* the hour's change is none of the features */
            assert_true(v.evidence < 1.01f * u.evidence + 0.01f);
        if (told > 3) {
            late += (double)v.evidence;
            usual += (double)u.evidence;
        }
    }
    assert_true(told > 2 * A_DAY);
    assert_int_equal(scorer_day_shift_ms(stays), 0);
    assert_true(early > A_DAY / 2);
    /* but for the error of the season itself, which is another at another hour */
    assert_true(fabs(late - usual) < 0.03 * usual);
    scorer_free(follows);
    scorer_free(stays);
    dataset_free(d);
    dataset_free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_that_comes_sooner_or_later_is_told_in_a_day_and_some_hours),
        cmocka_unit_test(nothing_is_told_of_less_than_26_hours),
        cmocka_unit_test(a_holiday_is_no_reason_to_give_it_up),
        cmocka_unit_test(clocks_that_are_set_back_are_told_as_well),
        cmocka_unit_test(a_day_as_it_was_learned_is_never_taken_for_another),
        cmocka_unit_test(neither_is_a_holiday_or_a_late_morning),
        cmocka_unit_test(neither_is_a_silent_weekend),
        cmocka_unit_test(one_tall_job_speaks_neither_for_the_machine_nor_against_it),
        cmocka_unit_test(frames_an_hour_apart_have_no_hour_of_their_own),
        cmocka_unit_test(another_level_and_wild_values_neither_make_nor_hide_it),
        cmocka_unit_test(frames_within_a_minute_are_not_looked_at),
        cmocka_unit_test(a_few_hours_without_a_frame_hide_nothing_and_six_hide_the_day),
        cmocka_unit_test(times_without_sense_and_frames_of_nothing_say_nothing),
        cmocka_unit_test(a_clock_that_goes_back_and_days_of_silence_begin_anew),
        cmocka_unit_test(another_model_is_asked_as_the_hour_ends),
        cmocka_unit_test(scores_are_of_the_hour_that_it_is),
    };

    return cmocka_run_group_tests(tests, learn, forget);
}
