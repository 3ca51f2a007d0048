/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../test.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "detect/hours.h"
#include "detect/reference.h"
#include "fake_days.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define START (20000 * DAY_MS)

enum { N = FAKE_KINDS, STEP_MS = 300 * 1000 };

/* A host that is watched, and one feature of which an offset is added. */
struct host {
    struct fake_days days;
    struct schema *schema;
    struct reference *r;
    int64_t now;
    double add;       /* to memory_used */
    double rate;      /* of add, an hour */
    int64_t phase_ms; /* of the rhythm */
    unsigned opened, updated, closed;
    struct slow_change last; /* event's */
};

/* resolution: a factor of the usual ones. */
static void host_init_fine(struct host *h, uint64_t seed, double resolution)
{
    struct err err;

    memset(h, 0, sizeof *h);
    fake_days_init(&h->days, N, STEP_MS, seed);
    h->days.memory_h = 3;
    h->days.resolution = resolution;
    h->schema = fake_days_schema(&h->days);
    h->now = START;
    assert_int_equal(reference_new(h->schema, &h->r, &err), OK);
}

static void host_init(struct host *h, uint64_t seed)
{
    host_init_fine(h, seed, 1);
}

static void host_done(struct host *h)
{
    reference_free(h->r);
    schema_free(h->schema);
}

static void count(struct host *h, enum watch_event event)
{
    h->opened += event == WATCH_OPENED;
    h->updated += event == WATCH_UPDATED;
    h->closed += event == WATCH_CLOSED;
}

static void push(struct host *h, const float *x, bool learnable)
{
    count(h, reference_push(h->r, h->now, x, learnable, &h->last));
    h->now += STEP_MS;
}

static void live(struct host *h, double days, bool learnable)
{
    const int64_t end = h->now + (int64_t)(days * (double)DAY_MS);
    float x[N];

    while (h->now < end) {
        fake_days_frame(&h->days, h->now + h->phase_ms, x);
        x[FAKE_MEMORY] += (float)h->add;
        push(h, x, learnable);
        h->add += h->rate * STEP_MS / 3600e3;
    }
}

static void a_step_opens_one_incident_that_closes_when_it_goes_away(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    struct slow_change open;

    host_init(&h, 1);
    live(&h, 20, true);
    assert_int_equal(h.opened, 0);
    assert_false(reference_open(h.r, &open));
    h.add = 0.16;
    const int64_t from = h.now;
    live(&h, 5, true);
    assert_int_equal(h.opened, 1);
    assert_true(reference_open(h.r, &open));
    assert_int_equal(open.incident.causes[0].feature, FAKE_MEMORY);
    assert_float_equal(open.incident.causes[0].value - open.incident.causes[0].expected, 0.16,
                       0.03);
    assert_true(open.incident.peak_score > open.incident.threshold);
    assert_in_range(open.incident.start_ms, from, from + DAY_MS);
    h.add = 0;
    live(&h, 4, true);
    assert_int_equal(h.opened, 1);
    assert_int_equal(h.closed, 1);
    assert_true(h.last.incident.end_ms > h.last.incident.peak_ms);
}

static void what_lasts_less_than_a_day_is_no_slow_change_however_large(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 2);
    live(&h, 16, true);
    for (int hours = 6; hours < 24; hours += 4) {
        h.add = 0.7;
        live(&h, hours / 24.0, true);
        h.add = 0;
        live(&h, 3, true);
        assert_int_equal(h.opened, 0);
    }
    h.add = 0.7;
    live(&h, 1.1, true);
    assert_int_equal(h.opened, 1);
}

static void an_accepted_step_is_silent_and_the_next_one_is_not(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    struct slow_change change;
    char text[REFERENCE_TEXT_MAX];

    host_init(&h, 3);
    live(&h, 15, true);
    h.add = 0.16;
    live(&h, 3, true);
    assert_int_equal(h.opened, 1);
    assert_int_equal(reference_accept(h.r, h.now, FAKE_MEMORY, &change), WATCH_CLOSED);
    assert_int_equal(change.incident.end_ms, h.now);
    live(&h, 30, true);
    assert_int_equal(h.opened, 1);
    assert_float_equal(reference_expected(h.r, FAKE_MEMORY, h.now), 0.34, 0.02);
    h.add = 0;
    live(&h, 3, true);
    assert_int_equal(h.opened, 2);
    reference_describe(&h.last, h.schema, text);
    assert_non_null(strstr(text, " where 3")); /* what was accepted is what was learned */
}

static void an_open_change_is_accepted_with_its_own_features_alone(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    struct slow_change change;

    host_init(&h, 3);
    live(&h, 15, true);
    assert_int_equal(reference_accept(h.r, h.now, REFERENCE_OPEN, &change), WATCH_QUIET);
    const float cpu = reference_expected(h.r, FAKE_CPU, h.now);
    h.add = 0.16;
    live(&h, 3, true);
    assert_int_equal(h.opened, 1);
    assert_int_equal(reference_accept(h.r, h.now, REFERENCE_OPEN, &change), WATCH_CLOSED);
    assert_true(change.incident.accepted && change.incident.end_ms == h.now);
    assert_float_equal(reference_expected(h.r, FAKE_MEMORY, h.now), 0.34, 0.02);
    assert_true(reference_expected(h.r, FAKE_CPU, h.now) == cpu);
    assert_int_equal(reference_accept(h.r, h.now, REFERENCE_OPEN, &change), WATCH_QUIET);
    h.add = 0;
    live(&h, 3, true);
    assert_int_equal(h.opened, 2);
    assert_false(h.last.incident.accepted); /* the next one is not */
}

static void a_step_accepted_before_it_rang_never_rings(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    struct slow_change change;

    host_init(&h, 4);
    live(&h, 15, true);
    h.add = 0.16;
    live(&h, 0.3, true); /* seven hours */
    assert_int_equal(reference_accept(h.r, h.now, REFERENCE_ALL, &change), WATCH_QUIET);
    live(&h, 10, true);
    assert_int_equal(h.opened, 0);
}

static void a_leak_is_told_with_its_rate_and_days(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    char text[REFERENCE_TEXT_MAX];

    host_init(&h, 5);
    live(&h, 15, true);
    h.rate = 0.003;
    live(&h, 5, true);
    assert_int_equal(h.opened, 1);
    assert_true(h.updated >= 1); /* it grew by half and more */
    assert_float_equal(h.last.slow[0].rate, 0.003, 0.0005);
    reference_describe(&h.last, h.schema, text);
    assert_memory_equal(text, "slow change: memory_used ", 25);
    assert_non_null(strstr(text, " was learned on 2024-10-18; +0.28"));
    assert_non_null(strstr(text, " %/h for "));
}

static void what_is_not_learnable_is_compared_but_not_learned(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 6);
    live(&h, 4, false);
    assert_int_equal(reference_days(h.r), 0);
    assert_true(isnan(reference_limit(h.r, FAKE_MEMORY)));
    live(&h, 15, true);
    assert_int_equal(reference_days(h.r), REFERENCE_DAYS);
    h.add = 0.16;
    live(&h, 3, false);
    assert_int_equal(h.opened, 1);
}

static void it_is_frozen_after_its_days(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 7);
    live(&h, REFERENCE_DAYS + 1.1, true);
    const float expected = reference_expected(h.r, FAKE_MEMORY, h.now);
    const float limit = reference_limit(h.r, FAKE_MEMORY);
    h.add = 0.02; /* under the resolution */
    live(&h, 30, true);
    assert_true(reference_expected(h.r, FAKE_MEMORY, h.now - 30 * DAY_MS) == expected);
    assert_true(reference_limit(h.r, FAKE_MEMORY) == limit);
    assert_int_equal(h.opened, 0);
}

static void a_limit_is_never_under_the_resolution_and_narrows_with_days(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init_fine(&h, 8, 0.001);
    h.days.daily = h.days.weekly = 0;
    live(&h, 4, true);
    const float early = reference_limit(h.r, FAKE_MEMORY);
    live(&h, 11, true);
    const float late = reference_limit(h.r, FAKE_MEMORY);
    assert_true(late >= h.schema->f[FAKE_MEMORY].resolution && late < early / 2);
    /* with the usual resolution nothing narrows it further */
    CLEANUP(host_done) struct host usual;
    host_init(&usual, 8);
    usual.days.daily = usual.days.weekly = 0;
    live(&usual, 15, true);
    assert_true(reference_limit(usual.r, FAKE_MEMORY) == usual.schema->f[FAKE_MEMORY].resolution);
}

/* Unless a whole week was seen, a change no larger than that of day and night may be a weekend. */
static void in_the_first_week_the_swing_of_the_day_is_tolerated(void **state)
{
    (void)state;
    for (int learned = 4; learned <= 14; learned += 10) {
        CLEANUP(host_done) struct host h;
        host_init_fine(&h, 13, 0.001);
        h.days.memory_h = 0.1;
        h.days.daily = 3;
        h.days.weekly = 0;
        live(&h, learned, true);
        h.add = 0.04; /* of a swing of 0.06 */
        live(&h, 2, true);
        assert_int_equal(h.opened, learned < 7 ? 0 : 1);
    }
}

static void a_change_while_it_learns_is_not_learned(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 14);
    live(&h, 8, true);
    const float before = reference_expected(h.r, FAKE_MEMORY, h.now);
    h.add = 0.16;
    live(&h, 20, true);
    assert_int_equal(h.opened, 1);
    assert_int_equal(h.closed, 0);
    assert_float_equal(reference_expected(h.r, FAKE_MEMORY, h.now), before, 0.001);
    assert_int_equal(reference_days(h.r), REFERENCE_DAYS); /* the other features are */
}

static void days_of_which_much_is_missing_are_not_learned(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 15);
    for (int day = 0; day < 20; day++) {
        live(&h, 14 / 24.0, true); /* 25 hours in all: any hour of the day is missed */
        h.now += 11 * HOURS_MS;
    }
    assert_int_equal(reference_days(h.r), 0);
}

/* The weekday, the noise, the interval and the seed are of no matter. */
static void stationary_hosts_with_rhythms_stay_silent(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        CLEANUP(host_done) struct host h;
        host_init_fine(&h, seed, 0.001);
        h.now += (int64_t)seed * DAY_MS;
        h.days.memory_h = 0.5 * (double)(seed % 12 + 1);
        live(&h, 44, true);
        assert_int_equal(h.opened, 0);
    }
}

static void summer_time_moves_the_rhythm_by_an_hour_and_nothing_opens(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init_fine(&h, 16, 0.001);
    live(&h, 15, true);
    h.phase_ms = HOURS_MS;
    live(&h, 30, true);
    assert_int_equal(h.opened, 0);
}

static void gaps_a_clock_set_back_and_missing_features_open_nothing(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    float nothing[N];

    for (size_t i = 0; i < N; i++)
        nothing[i] = NAN;
    host_init(&h, 9);
    live(&h, 10, true);
    h.now += 3 * DAY_MS;
    live(&h, 0.7, true);
    h.now -= 9 * DAY_MS;
    live(&h, 8, true);
    for (int k = 0; k < 1000; k++)
        push(&h, nothing, true);
    h.now += 400 * DAY_MS;
    live(&h, 3, true);
    assert_int_equal(h.opened, 0);
    h.add = 0.16; /* and it still hears */
    live(&h, 4, true);
    assert_int_equal(h.opened, 1);
}

static void an_incident_outlives_a_silence(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;

    host_init(&h, 10);
    live(&h, 15, true);
    h.add = 0.16;
    live(&h, 3, true);
    assert_int_equal(h.opened, 1);
    h.now += 5 * DAY_MS;
    live(&h, 0.2, true);
    assert_int_equal(h.closed, 0);
}

static void a_weightless_feature_is_never_judged(void **state)
{
    (void)state;
    struct feature f[2] = {{.name = "uptime", .resolution = 1, .weightless = true},
                           {.name = "other", .resolution = 1, .weightless = false}};
    struct slow_change change;
    struct schema *schema;
    struct reference *r;
    struct err err;

    assert_int_equal(schema_new(f, 2, &schema, &err), OK);
    assert_int_equal(reference_new(schema, &r, &err), OK);
    for (int64_t t = START; t < START + 30 * DAY_MS; t += STEP_MS) {
        const float x[2] = {(float)((double)(t - START) / 1000), 5};
        assert_int_equal(reference_push(r, t, x, true, &change), WATCH_QUIET);
    }
    assert_true(isnan(reference_limit(r, 0)));
    assert_true(reference_limit(r, 1) == 1);
    reference_free(r);
    schema_free(schema);
}

/* Without a resolution, and with values at the ends of float: no crash, no incident. */
static void extreme_values_are_survived(void **state)
{
    (void)state;
    struct feature f[3] = {{.name = "huge"}, {.name = "zero"}, {.name = "both"}};
    struct slow_change change;
    struct schema *schema;
    struct reference *r;
    struct err err;

    assert_int_equal(schema_new(f, 3, &schema, &err), OK);
    assert_int_equal(reference_new(schema, &r, &err), OK);
    for (int64_t t = START; t < START + 30 * DAY_MS; t += STEP_MS) {
        const float x[3] = {FLT_MAX, 0, t / HOURS_MS % 2 ? FLT_MAX : -FLT_MAX};
        assert_int_equal(reference_push(r, t, x, true, &change), WATCH_QUIET);
    }
    reference_free(r);
    schema_free(schema);
}

static void a_restart_of_learning_forgets(void **state)
{
    (void)state;
    CLEANUP(host_done) struct host h;
    struct slow_change change;

    host_init(&h, 11);
    live(&h, 15, true);
    h.add = 0.16;
    live(&h, 3, true);
    assert_int_equal(reference_restart(h.r, h.now, &change), WATCH_CLOSED);
    assert_int_equal(reference_days(h.r), 0);
    live(&h, 30, true);
    assert_int_equal(h.opened, 1);
    assert_int_equal(reference_days(h.r), REFERENCE_DAYS);
}

static void many_causes_are_told_in_order_and_cut_to_fit(void **state)
{
    (void)state;
    struct fake_days days;
    struct slow_change change, opened = {0};
    struct reference *r;
    struct err err;
    char text[REFERENCE_TEXT_MAX];
    float x[40];

    fake_days_init(&days, 40, STEP_MS, 12);
    struct schema *schema = fake_days_schema(&days);
    assert_int_equal(reference_new(schema, &r, &err), OK);
    for (int64_t t = START; t < START + 20 * DAY_MS; t += STEP_MS) {
        fake_days_frame(&days, t, x);
        if (t >= START + 15 * DAY_MS)
            for (size_t i = 0; i < 40; i++)
                x[i] += (float)(8 + i) * schema->f[i].resolution;
        const enum watch_event event = reference_push(r, t, x, true, &change);
        if (event == WATCH_OPENED || event == WATCH_UPDATED)
            opened = change;
    }
    assert_int_equal(opened.incident.n_causes, CAUSES_MAX);
    float sum = 0;
    for (size_t k = 0; k < CAUSES_MAX; k++) {
        sum += opened.incident.causes[k].share;
        assert_true(k == 0 ||
                    opened.incident.causes[k].share <= opened.incident.causes[k - 1].share);
    }
    assert_true(sum > 0.2f && sum < 1);
    reference_describe(&opened, schema, text);
    assert_true(strlen(text) < REFERENCE_TEXT_MAX);
    assert_non_null(strstr(text, "; "));
    reference_free(r);
    schema_free(schema);
}

static void no_memory_is_told_at_every_allocation(void **state)
{
    (void)state;
    struct fake_days days;
    struct reference *r = NULL;
    struct err err;

    fake_days_init(&days, N, STEP_MS, 1);
    struct schema *schema = fake_days_schema(&days);
    for (uint64_t k = 1; k <= 4; k++) {
        mem_fail_at(k);
        assert_int_equal(reference_new(schema, &r, &err), E_NOMEM);
        assert_null(r);
    }
    mem_fail_at(0);
    assert_true(reference_bytes(50) < 20000); /* docs/drift.md says so */
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_opens_one_incident_that_closes_when_it_goes_away),
        cmocka_unit_test(what_lasts_less_than_a_day_is_no_slow_change_however_large),
        cmocka_unit_test(an_accepted_step_is_silent_and_the_next_one_is_not),
        cmocka_unit_test(an_open_change_is_accepted_with_its_own_features_alone),
        cmocka_unit_test(a_step_accepted_before_it_rang_never_rings),
        cmocka_unit_test(a_leak_is_told_with_its_rate_and_days),
        cmocka_unit_test(what_is_not_learnable_is_compared_but_not_learned),
        cmocka_unit_test(it_is_frozen_after_its_days),
        cmocka_unit_test(a_limit_is_never_under_the_resolution_and_narrows_with_days),
        cmocka_unit_test(in_the_first_week_the_swing_of_the_day_is_tolerated),
        cmocka_unit_test(a_change_while_it_learns_is_not_learned),
        cmocka_unit_test(days_of_which_much_is_missing_are_not_learned),
        cmocka_unit_test(stationary_hosts_with_rhythms_stay_silent),
        cmocka_unit_test(summer_time_moves_the_rhythm_by_an_hour_and_nothing_opens),
        cmocka_unit_test(gaps_a_clock_set_back_and_missing_features_open_nothing),
        cmocka_unit_test(an_incident_outlives_a_silence),
        cmocka_unit_test(a_weightless_feature_is_never_judged),
        cmocka_unit_test(extreme_values_are_survived),
        cmocka_unit_test(a_restart_of_learning_forgets),
        cmocka_unit_test(many_causes_are_told_in_order_and_cut_to_fit),
        cmocka_unit_test(no_memory_is_told_at_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
