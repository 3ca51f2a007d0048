/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/watch.h"

static const struct confirm_spec three_of_five = {3, 5};

static struct verdict verdict(int64_t ts_ms, float score)
{
    struct verdict v = {.ts_ms = ts_ms, .score = score, .threshold = 1, .anomalous = score > 1};

    v.n_causes = 1;
    v.causes[0] = (struct cause){.feature = (uint16_t)ts_ms, .value = score, .share = 1};
    return v;
}

/* Pushes scores at times 1, 2, ...; returns the time of the first `want`, or 0. */
static int64_t first(struct watch *w, const char *scores, enum watch_event want,
                     struct incident *in)
{
    for (int64_t t = 1; scores[t - 1]; t++) {
        const char c = scores[t - 1];
        const struct verdict v = verdict(t, c == '?' ? NAN : (float)(c - '0') / 2);
        if (watch_push(w, &v, in) == want)
            return t;
    }
    return 0;
}

static void opens_at_the_kth_anomalous_of_the_last_n(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "004040400", WATCH_OPENED, &in), 7);
    assert_int_equal(in.start_ms, 3);
    assert_int_equal(in.end_ms, 0);
}

static void stays_quiet_when_anomalies_are_spread_wider(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "4004004004004", WATCH_OPENED, &in), 0);
}

static void an_incident_names_its_worst_verdict_from_before_it_opened(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "0393", WATCH_OPENED, &in), 4);
    assert_int_equal(in.peak_ms, 3);
    assert_int_equal(in.causes[0].feature, 3);
    assert_true(in.peak_score == 4.5f);
}

static void a_worse_verdict_from_an_older_window_is_not_its_peak(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "900000333", WATCH_OPENED, &in), 9);
    assert_int_equal(in.peak_ms, 7);
    assert_int_equal(in.start_ms, 7);
}

static void a_verdict_that_left_the_window_is_no_part_of_what_opens(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "90003034", WATCH_OPENED, &in), 8);
    assert_int_equal(in.start_ms, 5);
    assert_int_equal(in.peak_ms, 8);
    assert_int_equal(in.causes[0].feature, 8);
}

static void a_clock_set_back_does_not_end_it_before_it_began(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, (struct confirm_spec){1, 2});
    struct verdict v = verdict(7200, 3);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_OPENED);
    v = verdict(3600, 2);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    v = verdict(3601, 0);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_CLOSED);
    assert_int_equal(in.end_ms, 7200);
}

static void when_the_watching_ends_an_open_incident_is_closed(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(watch_end(&w, &in), WATCH_QUIET);
    assert_int_equal(first(&w, "3333", WATCH_OPENED, &in), 3);
    assert_int_equal(watch_end(&w, &in), WATCH_CLOSED);
    assert_int_equal(in.end_ms, 3);
    assert_int_equal(watch_end(&w, &in), WATCH_QUIET);
}

static void a_new_peak_updates_and_a_lower_one_does_not(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "3333363", WATCH_UPDATED, &in), 6);
    assert_int_equal(in.peak_ms, 6);
    const struct verdict lower = verdict(8, 2);
    assert_int_equal(watch_push(&w, &lower, &in), WATCH_QUIET);
}

static void closes_after_n_calm_verdicts_and_ends_at_the_last_high_one(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    /* 1 is half the threshold; 2 is the threshold itself, over the closing level of 0.8 */
    assert_int_equal(first(&w, "333111121111133", WATCH_CLOSED, &in), 13);
    assert_int_equal(in.end_ms, 8);
    assert_int_equal(in.start_ms, 1);
}

static void what_closed_one_incident_does_not_help_to_open_the_next(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, (struct confirm_spec){1, 2});
    assert_int_equal(first(&w, "300", WATCH_CLOSED, &in), 3);
    const struct verdict calm = verdict(4, 0), high = verdict(5, 3);
    assert_int_equal(watch_push(&w, &calm, &in), WATCH_QUIET);
    assert_int_equal(watch_push(&w, &high, &in), WATCH_OPENED);
    assert_int_equal(in.start_ms, 5);
}

static void silence_neither_opens_nor_closes(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "33??????3", WATCH_OPENED, &in), 9);
    assert_int_equal(first(&w, "????????????????", WATCH_CLOSED, &in), 0);
    assert_true(w.open);
}

static void a_gap_forgets_what_was_being_confirmed_but_not_an_incident(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    (void)first(&w, "33", WATCH_OPENED, &in);
    watch_gap(&w);
    assert_int_equal(first(&w, "3", WATCH_OPENED, &in), 0);
    assert_int_equal(first(&w, "33", WATCH_OPENED, &in), 2);
    watch_gap(&w);
    assert_true(w.open);
}

static void the_widest_window_is_counted_right(void **state)
{
    struct watch w;
    struct incident in;
    int64_t t = 1;

    (void)state;
    watch_init(&w, (struct confirm_spec){2, WATCH_OF_MAX});
    struct verdict v = verdict(t++, 3);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    for (int i = 0; i < WATCH_OF_MAX - 2; i++) {
        v = verdict(t++, 0);
        assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    }
    v = verdict(t++, 3); /* the first one is just within the last 64 */
    assert_int_equal(watch_push(&w, &v, &in), WATCH_OPENED);
    assert_int_equal(in.start_ms, 1);
}

/* Property: against a plain recount of the last n, over random verdicts and all small k, n. */
static void agrees_with_a_plain_recount(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (uint32_t round = 0; round < 500; round++) {
        const uint32_t of = 1 + rng_below(&rng, 8), k = 1 + rng_below(&rng, of);
        struct watch w;
        struct incident in;
        bool high[200];
        watch_init(&w, (struct confirm_spec){k, of});
        for (uint32_t t = 0; t < 200; t++) {
            high[t] = rng_below(&rng, 4) == 0;
            uint32_t count = 0;
            for (uint32_t back = 0; back < of && back <= t; back++)
                count += high[t - back];
            const struct verdict v = verdict(t, high[t] ? 3 : 0);
            const bool opened = watch_push(&w, &v, &in) == WATCH_OPENED;
            assert_int_equal(opened, high[t] && count >= k);
            if (opened) {
                assert_true(high[in.start_ms] && t - (uint32_t)in.start_ms < of);
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_at_the_kth_anomalous_of_the_last_n),
        cmocka_unit_test(stays_quiet_when_anomalies_are_spread_wider),
        cmocka_unit_test(an_incident_names_its_worst_verdict_from_before_it_opened),
        cmocka_unit_test(a_worse_verdict_from_an_older_window_is_not_its_peak),
        cmocka_unit_test(a_verdict_that_left_the_window_is_no_part_of_what_opens),
        cmocka_unit_test(a_clock_set_back_does_not_end_it_before_it_began),
        cmocka_unit_test(when_the_watching_ends_an_open_incident_is_closed),
        cmocka_unit_test(a_new_peak_updates_and_a_lower_one_does_not),
        cmocka_unit_test(closes_after_n_calm_verdicts_and_ends_at_the_last_high_one),
        cmocka_unit_test(what_closed_one_incident_does_not_help_to_open_the_next),
        cmocka_unit_test(silence_neither_opens_nor_closes),
        cmocka_unit_test(a_gap_forgets_what_was_being_confirmed_but_not_an_incident),
        cmocka_unit_test(the_widest_window_is_counted_right),
        cmocka_unit_test(agrees_with_a_plain_recount),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
