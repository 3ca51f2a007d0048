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
    struct verdict v = {
        .ts_ms = ts_ms, .score = score, .evidence = score, .threshold = 1, .anomalous = score > 1};

    v.n_causes = 1;
    v.causes[0] =
        (struct cause){.feature = (uint16_t)ts_ms, .value = score, .share = 1, .weight = score};
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

static void what_opens_in_maintenance_is_marked_and_raised_only_if_it_outlasts_it(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    watch_hold(&w, true);
    assert_int_equal(first(&w, "3333", WATCH_OPENED, &in), 3);
    assert_true(in.maintenance && !incident_pages(&in));
    assert_false(watch_pages(WATCH_OPENED, &in));
    assert_int_equal(first(&w, "333333333", WATCH_RAISED, &in), 0); /* as long as it lasts */
    watch_hold(&w, false);
    assert_int_equal(first(&w, "33", WATCH_RAISED, &in), 0); /* what was before confirms nothing */
    assert_int_equal(first(&w, "3", WATCH_RAISED, &in), 1);
    assert_true(!in.maintenance && watch_pages(WATCH_RAISED, &in));
    assert_int_equal(first(&w, "3333", WATCH_RAISED, &in), 0); /* once */
    assert_int_equal(first(&w, "000000", WATCH_CLOSED, &in), 5);
    assert_false(in.maintenance);
}

static void what_ends_with_its_maintenance_is_never_raised(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "33", WATCH_OPENED, &in), 0);
    watch_hold(&w, true);
    assert_int_equal(first(&w, "3", WATCH_OPENED, &in), 0); /* nor does it confirm what comes */
    assert_int_equal(first(&w, "33", WATCH_OPENED, &in), 2);
    watch_hold(&w, false);
    assert_int_equal(first(&w, "30300000", WATCH_CLOSED, &in), 8);
    assert_true(in.maintenance);
    assert_int_equal(first(&w, "3333", WATCH_OPENED, &in), 3);
    assert_false(in.maintenance); /* the next one is an ordinary one */
}

static void one_that_was_open_before_its_maintenance_stays_one_to_page_for(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "333", WATCH_OPENED, &in), 3);
    watch_hold(&w, true);
    assert_int_equal(first(&w, "300000", WATCH_CLOSED, &in), 6);
    assert_false(in.maintenance);
}

/* Scores are halves: 3 is 1.5, over the threshold of 1; 2 is 1, over the observing level of 0.8. */
static void what_is_over_the_softer_level_alone_is_observed(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "22222", WATCH_OPENED, &in), 0); /* no softer tier */
    watch_observe(&w, 0.8f);
    assert_int_equal(first(&w, "1122021", WATCH_OPENED, &in), 6);
    assert_true(in.tier == INCIDENT_OBSERVE && !incident_pages(&in) && in.start_ms == 3);
    assert_false(watch_pages(WATCH_OPENED, &in));
    assert_true(in.n_causes > 0);
    /* it closes under 0.8 of 0.8: 1 is 0.5 */
    assert_int_equal(first(&w, "1111111", WATCH_CLOSED, &in), 5);
    assert_int_equal(in.tier, INCIDENT_OBSERVE);
}

static void it_is_raised_when_what_pages_is_there(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    watch_observe(&w, 0.8f);
    assert_int_equal(first(&w, "222", WATCH_OPENED, &in), 3);
    assert_int_equal(first(&w, "3202033030", WATCH_RAISED, &in), 9); /* three of five over it */
    assert_true(in.tier == INCIDENT_PAGE && incident_pages(&in) && in.start_ms == 1);
    assert_true(watch_pages(WATCH_RAISED, &in));
    /* from then on it closes as one that pages does: under 0.8 of the threshold */
    struct verdict v = verdict(9, 0.75f);
    for (int i = 0; i < 4; i++)
        assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_CLOSED);
    assert_int_equal(in.tier, INCIDENT_PAGE);
}

/* Property: a softer tier changes nothing of what pages, but for where it began. */
static void what_pages_is_the_same_with_a_softer_tier(void **state)
{
    struct rng rng;
    size_t pages = 0, observed = 0;
    struct watch with, without;

    (void)state;
    rng_init(&rng, 5);
    watch_init(&with, three_of_five);
    watch_init(&without, three_of_five);
    watch_observe(&with, 0.6f);
    float level = 0;
    for (int64_t t = 0; t < 20000; t++) {
        struct incident a, b;
        level = 0.8f * level + 0.2f * 2 * rng_float(&rng);
        struct verdict v = verdict(t, level * (0.5f + rng_float(&rng)));
        const enum watch_event soft = watch_push(&with, &v, &a);
        const enum watch_event hard = watch_push(&without, &v, &b);
        const bool paged = soft != WATCH_QUIET && watch_pages(soft, &a);
        assert_int_equal(paged, hard == WATCH_OPENED);
        assert_true(!paged || a.start_ms <= b.start_ms);
        const bool pages_now = with.open && incident_pages(&with.incident);
        assert_int_equal(pages_now, without.open);
        pages += paged;
        observed += soft == WATCH_OPENED && !paged;
    }
    assert_true(pages > 20 && observed > 20);
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

static struct verdict with_cause(int64_t ts_ms, uint16_t feature, float part, float rest)
{
    struct verdict v = verdict(ts_ms, part + rest);

    v.causes[0] = (struct cause){.feature = feature,
                                 .value = part,
                                 .expected = (float)ts_ms,
                                 .share = part / (part + rest),
                                 .weight = part};
    return v;
}

static void causes_are_each_at_their_own_largest_part_the_first_ones_included(void **state)
{
    struct watch w;
    struct incident in;

    (void)state;
    watch_init(&w, three_of_five);
    /* 7 moves first, 5 next and more, 9 only where nothing is anomalous */
    const struct verdict v[] = {with_cause(1, 7, 3, 1), with_cause(2, 9, 0.5f, 0.25f),
                                with_cause(3, 7, 2, 1), with_cause(4, 5, 8, 2)};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(watch_push(&w, &v[i], &in), WATCH_QUIET);
    assert_int_equal(watch_push(&w, &v[3], &in), WATCH_OPENED);
    assert_int_equal(in.n_causes, 2);
    assert_int_equal(in.causes[0].feature, 5);
    assert_int_equal(in.causes[1].feature, 7);
    assert_true(in.causes[1].value == 3 && in.causes[1].expected == 1);
    assert_float_equal(in.causes[0].share, 8.0 / 13, 1e-6); /* 8 + 3, and 2 at most of others */
    assert_float_equal(in.causes[1].share, 3.0 / 13, 1e-6);
    const struct verdict worse = with_cause(5, 7, 20, 0);
    assert_int_equal(watch_push(&w, &worse, &in), WATCH_UPDATED);
    assert_int_equal(in.n_causes, 2);
    assert_true(in.causes[0].feature == 7 && in.causes[0].expected == 5);
    assert_true(in.causes[1].feature == 5 && in.causes[1].expected == 4);
    assert_float_equal(in.causes[0].share, 20.0 / 30, 1e-6);
    /* the next incident starts with none of them */
    assert_int_equal(watch_end(&w, &in), WATCH_CLOSED);
    assert_int_equal(first(&w, "3333", WATCH_OPENED, &in), 3);
    assert_int_equal(in.n_causes, 3);
    assert_float_equal(in.causes[0].share, 1.0 / 3, 1e-6);
}

/* As scorer_push makes it: of 12 features with random parts the CAUSES_MAX largest, in order. */
static struct verdict random_verdict(struct rng *rng, int64_t ts_ms, float largest[12])
{
    struct verdict v = {.ts_ms = ts_ms, .threshold = 1, .anomalous = true};
    float part[12];

    for (size_t i = 0; i < 12; i++)
        v.score += part[i] = 0.5f + 10 * rng_float(rng) * rng_float(rng);
    v.evidence = v.score;
    for (; v.n_causes < CAUSES_MAX; v.n_causes++) {
        size_t best = 0;
        for (size_t i = 1; i < 12; i++)
            best = part[i] > part[best] ? i : best;
        v.causes[v.n_causes] = (struct cause){
            .feature = (uint16_t)best, .share = part[best] / v.score, .weight = part[best]};
        largest[best] = part[best] > largest[best] ? part[best] : largest[best];
        part[best] = 0;
    }
    return v;
}

/* Property: against a plain search for the largest, over random verdicts. */
static void causes_agree_with_a_plain_search(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int round = 0; round < 200; round++) {
        float largest[12] = {0};
        struct incident in;
        struct watch w;
        float shares = 0;

        watch_init(&w, (struct confirm_spec){1, 1});
        for (int64_t t = 0; t < 10; t++) {
            const struct verdict v = random_verdict(&rng, t, largest);
            (void)watch_push(&w, &v, &in);
        }
        (void)watch_end(&w, &in);
        assert_int_equal(in.n_causes, CAUSES_MAX);
        for (size_t k = 0; k < CAUSES_MAX; k++) {
            size_t best = 0;
            for (size_t i = 1; i < 12; i++)
                best = largest[i] > largest[best] ? i : best;
            assert_int_equal(in.causes[k].feature, best);
            largest[best] = 0;
            shares += in.causes[k].share;
        }
        assert_true(shares > 0.5f && shares < 1);
    }
}

static void a_score_that_is_high_only_for_what_was_is_calm(void **state)
{
    struct watch w;
    struct incident in;
    struct verdict v;

    (void)state;
    watch_init(&w, three_of_five);
    assert_int_equal(first(&w, "333", WATCH_OPENED, &in), 3);
    v = verdict(4, 1.4f);
    v.evidence = 0.1f;
    v.anomalous = false;
    for (int i = 0; i < 4; i++)
        assert_int_equal(watch_push(&w, &v, &in), WATCH_QUIET);
    assert_int_equal(watch_push(&w, &v, &in), WATCH_CLOSED);
    assert_int_equal(in.end_ms, 3);
    v.score = NAN;
    assert_true(isnan(verdict_watched(&v)));
    v = verdict(4, 0.1f);
    v.evidence = 9;
    assert_true(verdict_watched(&v) == 0.1f);
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
        cmocka_unit_test(what_opens_in_maintenance_is_marked_and_raised_only_if_it_outlasts_it),
        cmocka_unit_test(what_ends_with_its_maintenance_is_never_raised),
        cmocka_unit_test(one_that_was_open_before_its_maintenance_stays_one_to_page_for),
        cmocka_unit_test(what_is_over_the_softer_level_alone_is_observed),
        cmocka_unit_test(it_is_raised_when_what_pages_is_there),
        cmocka_unit_test(what_pages_is_the_same_with_a_softer_tier),
        cmocka_unit_test(the_widest_window_is_counted_right),
        cmocka_unit_test(agrees_with_a_plain_recount),
        cmocka_unit_test(causes_are_each_at_their_own_largest_part_the_first_ones_included),
        cmocka_unit_test(causes_agree_with_a_plain_search),
        cmocka_unit_test(a_score_that_is_high_only_for_what_was_is_calm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
