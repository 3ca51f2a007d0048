/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "daemon/entity.h"
#include "detect/replay.h"

/* A day of ticks is driven through the whole line here: no thread, no clock, no file. */

enum { INTERVAL_MS = 1000, WANTED = 120 };

static const char profile_text[] =
    "name: test\n"
    "features:\n"
    "  - {name: work, expr: 'rate(work_total[5s])', unit: ops/s, group: cpu, resolution: 0.2}\n"
    "  - {name: level, expr: level, unit: ratio, group: memory, resolution: 0.05}\n"
    "  - {name: swap, expr: swap, unit: count, group: memory, resolution: 10}\n"
    "derive:\n"
    "  - {name: level_mean, expr: 'mean(level, 3)', unit: ratio, group: memory, resolution: "
    "0.05}\n";

struct fixture {
    struct profile *profile;
    struct entity *entity, *other; /* this machine, and one that is asked from elsewhere */
    int ticks_of_training;
    struct dataset *learned; /* and what came while the trainer worked */
    struct model *model;     /* that was made of it */
    struct series_set *set;
    uint32_t work, level, swap;
    double work_total, swap_now, level_shift;
    bool level_gone;
    struct rng rng;
    int64_t t; /* ticks so far */
    struct continuity_clocks clocks;
    struct entity_step step;
};

static int set_up(void **state)
{
    static struct fixture x;
    const struct entity_options o = {
        .instance = "host-a", .interval_ms = INTERVAL_MS, .wanted_rows = WANTED, .confirm = {3, 5}};
    struct entity_options with = o;
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&x.rng, 1);
    x.clocks = (struct continuity_clocks){1700000000000, 50000, 60000};
    const struct str text = {profile_text, sizeof profile_text - 1};
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK)
        return 1;
    with.profile = x.profile;
    *state = &x;
    struct entity_options of_other = with;
    of_other.remote = true;
    return entity_new(&with, &x.entity, &err) != OK ||
           entity_new(&of_other, &x.other, &err) != OK || series_set_new(&x.set, &err) != OK ||
           series_set_intern(x.set, STR("work_total"), NULL, 0, METRIC_COUNTER, &x.work, &err) ||
           series_set_intern(x.set, STR("level"), NULL, 0, METRIC_GAUGE, &x.level, &err) ||
           series_set_intern(x.set, STR("swap"), NULL, 0, METRIC_GAUGE, &x.swap, &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    entity_free(x->entity);
    entity_free(x->other);
    model_unref(x->model);
    dataset_free(x->learned);
    profile_free(x->profile);
    series_set_unref(x->set);
    return 0;
}

/* One tick of a machine whose work and level follow one rhythm. */
static void tick(struct fixture *x)
{
    struct snapshot *s = snapshot_new(x->set, x->clocks.wall_ms);
    const double phase = sin((double)x->t / 10), noise = 0.02 * rng_normal(&x->rng);
    struct err err;

    assert_non_null(s);
    x->work_total += 5 + 3 * phase + noise;
    s->v[x->work] = x->work_total;
    if (!x->level_gone)
        s->v[x->level] = 0.5 + 0.2 * phase + noise / 10 + x->level_shift;
    s->v[x->swap] = x->swap_now;
    assert_int_equal(entity_tick(x->entity, s, &x->clocks, &x->step, &err), OK);
    snapshot_free(s);
    x->t++;
    x->clocks.wall_ms += INTERVAL_MS;
    x->clocks.mono_ms += INTERVAL_MS;
    x->clocks.boot_ms += INTERVAL_MS;
}

static void learn_and_train(struct fixture *x)
{
    const struct model_provenance provenance = {.created_ms = 1};
    struct learn_spec learn;
    struct threshold_spec threshold;
    struct dataset *d;
    struct model *m = NULL;
    struct err err;

    settings_learn_defaults(&learn);
    settings_threshold_defaults(&threshold);
    do
        tick(x);
    while (!x->step.training_due);
    d = entity_take_training(x->entity);
    assert_int_equal(d->rows, WANTED);
    assert_int_equal(entity_phase(x->entity), PHASE_TRAINING);
    assert_int_equal(model_train(d, NULL, entity_schema(x->entity), &learn, &threshold, &provenance,
                                 NULL, NULL, &m, &err),
                     OK);
    for (int i = 0; i < x->ticks_of_training; i++) {
        tick(x);
        assert_int_equal(dataset_append(d, x->clocks.wall_ms - INTERVAL_MS, x->step.frame, &err),
                         OK);
    }
    assert_int_equal(entity_set_model(x->entity, m, 42, &err), OK);
    x->model = m;
    x->learned = d;
}

/* Ticks until this event; the number of them, at most n. */
static int until(struct fixture *x, enum watch_event event, int n)
{
    for (int i = 1; i <= n; i++) {
        tick(x);
        if (x->step.event == event)
            return i;
    }
    return 0;
}

static void pass(struct fixture *x, int64_t ms)
{
    x->clocks.wall_ms += ms;
    x->clocks.mono_ms += ms;
    x->clocks.boot_ms += ms;
}

/* Ticks until the next frame. */
static int ticks_to_a_frame(struct fixture *x)
{
    int n = 0;

    do {
        tick(x);
        n++;
    } while (!x->step.frame && n < 100);
    return n;
}

static void of_another_machine_windows_fill_anew_after_a_gap(void **state)
{
    struct fixture *x = *state;
    struct entity *this_one = x->entity;

    (void)ticks_to_a_frame(x);
    pass(x, 2 * INTERVAL_MS); /* late, and judged: this machine may have stalled */
    assert_int_equal(ticks_to_a_frame(x), 1);
    x->entity = x->other;
    (void)ticks_to_a_frame(x);
    pass(x, INTERVAL_MS); /* one scrape missed */
    assert_int_equal(ticks_to_a_frame(x), 1);
    pass(x, 2 * INTERVAL_MS); /* and two */
    assert_int_equal(ticks_to_a_frame(x), 6);
    x->entity = this_one;
}

/* Two scrapes lost in the midst of trouble: what was seen before them counts still. */
static void of_another_machine_lost_scrapes_do_not_hide_trouble(void **state)
{
    struct fixture *x = *state;
    struct entity *this_one = x->entity;
    struct err err;

    learn_and_train(x);
    assert_int_equal(entity_set_model(x->other, x->model, 42, &err), OK);
    x->entity = x->other;
    for (int i = 0; i < 20; i++)
        (void)ticks_to_a_frame(x);
    x->level_shift = 0.6;
    int anomalous = 0;
    for (int i = 0; i < 2; i++) {
        tick(x);
        anomalous += x->step.verdict.anomalous && x->step.event == WATCH_QUIET;
    }
    pass(x, 2 * INTERVAL_MS);
    const int ticks = ticks_to_a_frame(x);
    x->entity = this_one;
    assert_int_equal(anomalous, 2);
    assert_int_equal(ticks, 6);
    assert_int_equal(x->step.event, WATCH_OPENED);
}

static void of_other_series_windows_fill_anew(void **state)
{
    struct fixture *x = *state;
    struct series_set *before = x->set;
    struct err err;

    (void)ticks_to_a_frame(x);
    tick(x);
    assert_int_equal(series_set_new(&x->set, &err), OK); /* as when a target's labels change */
    assert_int_equal(
        series_set_intern(x->set, STR("work_total"), NULL, 0, METRIC_COUNTER, &x->work, &err), OK);
    assert_int_equal(
        series_set_intern(x->set, STR("level"), NULL, 0, METRIC_GAUGE, &x->level, &err), OK);
    assert_int_equal(series_set_intern(x->set, STR("swap"), NULL, 0, METRIC_GAUGE, &x->swap, &err),
                     OK);
    series_set_unref(before);
    assert_int_equal(ticks_to_a_frame(x), 6);
}

static void a_servers_frames_are_not_judged_while_its_windows_fill(void **state)
{
    struct fixture *x = *state;
    const double base[3] = {5, 0.5, 0};
    struct err err;
    int64_t t = 1700000000000;

    for (int i = 0; i < 3; i++, t += INTERVAL_MS) {
        assert_int_equal(entity_frame(x->other, t, base, 3, &x->step, &err), OK);
        assert_non_null(x->step.frame); /* at the start they are full already */
    }
    t += 10 * INTERVAL_MS;
    for (int i = 0; i < 7; i++, t += INTERVAL_MS) {
        assert_int_equal(entity_frame(x->other, t, base, 3, &x->step, &err), OK);
        assert_true((x->step.frame != NULL) == (i >= 5));
    }
}

static void no_frame_comes_before_the_windows_are_full(void **state)
{
    struct fixture *x = *state;

    for (int i = 0; i < 5; i++) {
        tick(x);
        assert_null(x->step.frame);
    }
    tick(x);
    assert_non_null(x->step.frame);
}

static void it_learns_trains_and_then_watches_quietly(void **state)
{
    struct fixture *x = *state;
    struct entity_view v;

    learn_and_train(x);
    entity_view(x->entity, &v);
    assert_int_equal(v.phase, PHASE_WATCHING);
    assert_false(v.scored);
    assert_int_equal(until(x, WATCH_OPENED, 600), 0);
    entity_view(x->entity, &v);
    assert_true(v.scored && !v.ringing && v.confidence == 1);
    assert_int_equal(v.model_id, 42);
}

static void a_level_out_of_step_rings_with_its_own_name_and_stops(void **state)
{
    struct fixture *x = *state;
    struct entity_view v;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 20);
    x->level_shift = 0.6;
    assert_in_range(until(x, WATCH_OPENED, 10), 3, 5);
    entity_view(x->entity, &v);
    assert_true(v.ringing);
    assert_memory_equal(v.incident.causes[0].feature, "level", 5);
    assert_string_equal(v.incident.causes[0].group, "memory");
    assert_true(v.incident.causes[0].value > v.incident.causes[0].expected + 0.3f);
    x->level_shift = 0;
    /* five calm verdicts, once the mean of four has come back and is done with moving */
    assert_in_range(until(x, WATCH_CLOSED, 20), 5, 11);
}

static void what_never_moved_in_training_rings_when_it_moves(void **state)
{
    struct fixture *x = *state;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 20);
    x->swap_now = 9; /* less than the least change worth noticing */
    assert_int_equal(until(x, WATCH_OPENED, 20), 0);
    x->swap_now = 500;
    assert_int_equal(until(x, WATCH_OPENED, 10), 3);
    assert_int_equal(x->step.incident.causes[0].feature,
                     schema_find(entity_schema(x->entity), STR("swap")));
}

static struct model *another_model(const struct fixture *x)
{
    const struct threshold_spec other = {.method = THRESHOLD_PERCENTILE, .value = 99.9};
    struct model *m = NULL;
    struct err err;

    assert_int_equal(model_with_threshold(entity_model(x->entity), &other, &m, &err), OK);
    return m;
}

static void a_swap_while_watching_forgets_nothing(void **state)
{
    struct fixture *x = *state;
    struct entity_view v;
    struct err err;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 20);
    x->level_gone = true; /* absent for good, and for a while filled with its last value */
    for (int i = 0; i < 20; i++)
        tick(x);
    x->swap_now = 500;
    assert_int_equal(until(x, WATCH_OPENED, 10), 3);
    const struct verdict before = x->step.verdict;

    struct model *m = another_model(x);
    assert_int_equal(entity_set_model(x->entity, m, 43, &err), OK);
    model_unref(m);
    entity_view(x->entity, &v);
    assert_true(v.ringing && v.model_id == 43 && v.n_absent == 2);
    tick(x);
    assert_true(x->step.scored); /* no windows to fill */
    assert_false(x->step.presence_changed);
    assert_int_not_equal(x->step.event, WATCH_OPENED);
    assert_true(x->step.verdict.confidence == before.confidence);
    x->swap_now = 0;
    assert_in_range(until(x, WATCH_CLOSED, 20), 4, 8);
}

/* The score of the second frame that lacks a feature, with or without a swap between the two. */
static float score_in_gap(struct fixture *x, bool swap)
{
    struct err err;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 30);
    x->level_gone = true;
    tick(x);
    if (swap) {
        struct model *m = another_model(x);
        assert_int_equal(entity_set_model(x->entity, m, 43, &err), OK);
        model_unref(m);
    }
    tick(x);
    assert_true(x->step.scored);
    return x->step.verdict.score;
}

/* The scorer knows the last value from before the swap, so the score is the same to the bit. */
static void a_gap_is_filled_across_a_swap(void **state)
{
    const float swapped = score_in_gap(*state, true);

    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
    assert_true(swapped == score_in_gap(*state, false));
}

static void a_missing_feature_lowers_confidence_and_is_named(void **state)
{
    struct fixture *x = *state;
    struct entity_view v;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 20);
    x->level_gone = true;
    assert_int_equal(until(x, WATCH_OPENED, 60), 0);
    entity_view(x->entity, &v);
    assert_true(v.scored && !isnan(v.score));
    assert_true(v.confidence == 0.5f); /* level and its mean of four */
    assert_int_equal(v.n_absent, 2);
    assert_string_equal(v.absent[0], "level");
    x->level_gone = false;
    tick(x);
    assert_true(x->step.presence_changed);
}

static void a_clock_that_jumps_is_named_and_is_no_anomaly(void **state)
{
    struct fixture *x = *state;
    struct entity_view v;
    static const int64_t jumps[] = {3600 * 1000, -2 * 3600 * 1000, 400 * INT64_C(86400000)};

    learn_and_train(x);
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        (void)until(x, WATCH_OPENED, 20);
        x->clocks.wall_ms += jumps[i];
        tick(x);
        assert_int_equal(x->step.continuity, CONTINUITY_CLOCK_JUMP);
        assert_null(x->step.frame);
        assert_int_equal(until(x, WATCH_OPENED, 100), 0);
        assert_true(x->step.scored);
    }
    entity_view(x->entity, &v);
    assert_non_null(strstr(v.discontinuity, "the clock jumped forward by 400d"));
}

static void a_reboot_that_resets_counters_is_no_anomaly(void **state)
{
    struct fixture *x = *state;

    learn_and_train(x);
    (void)until(x, WATCH_OPENED, 20);
    x->work_total = 0;
    assert_int_equal(until(x, WATCH_OPENED, 100), 0);
}

static void a_model_of_another_schema_is_refused(void **state)
{
    struct fixture *x = *state;
    struct feature f = {.name = "other"};
    struct schema *schema = NULL;
    struct err err;

    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    struct model m = {.schema = schema};
    assert_int_equal(entity_set_model(x->entity, &m, 1, &err), E_STATE);
    assert_int_equal(entity_phase(x->entity), PHASE_LEARNING);
    schema_free(schema);
}

static void after_a_failed_training_it_learns_a_quarter_more(void **state)
{
    struct fixture *x = *state;
    uint64_t rows, wanted;

    do
        tick(x);
    while (!x->step.training_due);
    entity_training_failed(x->entity, entity_take_training(x->entity));
    assert_int_equal(entity_phase(x->entity), PHASE_LEARNING);
    entity_progress(x->entity, &rows, &wanted);
    assert_int_equal(rows, WANTED);
    assert_int_equal(wanted, WANTED + WANTED / 4 + 1);
}

/* What the entity has seen so far, and the model that it has now. */
static void begin_replay(const struct fixture *x, struct model *m, struct replay *r)
{
    const struct schema *const schema = entity_schema(x->entity);
    const struct dataset *const d = x->learned;
    struct err err;

    replay_init(r, (struct confirm_spec){3, 5}, INTERVAL_MS, profile_window_ms(x->profile));
    for (size_t i = 0; i < d->rows; i++)
        assert_int_equal(line_note(&r->line, schema, d->ts_ms[i], &d->X[i * d->n], &err), OK);
    assert_int_equal(line_set_model(&r->line, schema, m, &err), OK);
}

/* One more tick of both: the frame that the entity kept is replayed and must come to the same. */
static void tick_and_replay(struct fixture *x, struct replay *r)
{
    struct replay_step again;

    tick(x);
    if (!x->step.frame)
        return;
    replay_push(r, x->clocks.wall_ms - INTERVAL_MS, x->step.frame, &again);
    assert_memory_equal(&again.line.verdict, &x->step.verdict, sizeof again.line.verdict);
    assert_int_equal(again.line.event, x->step.event);
    if (x->step.event != WATCH_QUIET)
        assert_memory_equal(&again.line.incident, &x->step.incident, sizeof x->step.incident);
}

static void a_replay_of_its_frames_comes_to_the_same(void **state)
{
    struct fixture *x = *state;
    struct replay r;
    unsigned opened = 0;

    x->ticks_of_training = 30;
    learn_and_train(x);
    begin_replay(x, x->model, &r);
    for (int i = 0; i < 600; i++) {
        x->level_shift = i % 200 > 180 ? 0.6 : 0; /* rings */
        x->level_gone = i % 90 > 80;              /* the filler has a past */
        if (i == 172 || i == 382) /* while a value is filled in, and before an incident opens */
            x->clocks.wall_ms += 3600 * 1000;
        if (i == 588) { /* it slept in the middle of an incident */
            x->clocks.boot_ms += 3600 * 1000;
            x->clocks.wall_ms += 3600 * 1000;
        }
        tick_and_replay(x, &r);
        opened += x->step.event == WATCH_OPENED;
    }
    assert_true(opened >= 2);
    assert_int_equal(r.holes, 3);
    assert_int_equal(r.watched_ms, (int64_t)r.frames * INTERVAL_MS);
    replay_done(&r);
}

static void a_replay_follows_a_budget_as_live(void **state)
{
    struct fixture *x = *state;
    const struct threshold_spec spec = {.method = THRESHOLD_BUDGET, .value = 5000};
    struct replay r;
    struct model *m;
    struct err err;

    learn_and_train(x);
    assert_int_equal(model_with_threshold(entity_model(x->entity), &spec, &m, &err), OK);
    assert_int_equal(entity_set_model(x->entity, m, 43, &err), OK);
    begin_replay(x, m, &r);
    for (int i = 0; i < 4000; i++) {
        x->level_shift = i % 1000 > 980 ? 2 : 0;
        x->level_gone = i % 90 > 80;
        tick_and_replay(x, &r);
    }
    assert_true(budget_threshold(r.line.budget) != m->threshold); /* it followed */
    replay_done(&r);
    model_unref(m);
}

/* The promise of alarms, and the threshold that follows it, are what the scores make of them. */
static void verdicts_of_an_earlier_run_bring_the_promise_back(void **state)
{
    struct fixture *x = *state;
    const struct threshold_spec spec = {.method = THRESHOLD_BUDGET, .value = 5000};
    const struct entity_options o = {.instance = "host-a",
                                     .profile = x->profile,
                                     .interval_ms = INTERVAL_MS,
                                     .wanted_rows = WANTED,
                                     .confirm = {3, 5}};
    enum { TICKS = 4000 };
    static struct verdict kept[TICKS];
    static struct entity_view before, after;
    struct entity *again;
    struct model *m;
    struct watch w;
    struct err err;
    size_t n = 0;

    learn_and_train(x);
    assert_int_equal(model_with_threshold(entity_model(x->entity), &spec, &m, &err), OK);
    assert_int_equal(entity_set_model(x->entity, m, 43, &err), OK);
    while (n < TICKS) {
        x->level_shift = n % 1000 > 980 ? 2 : 0;
        tick(x);
        if (x->step.scored)
            kept[n++] = x->step.verdict;
    }
    entity_view(x->entity, &before);
    assert_true(before.alarm_budget == 5000 && before.alarm_rate > 0);
    assert_true(before.alarm_rate_lower < before.alarm_rate &&
                before.alarm_rate < before.alarm_rate_upper);
    assert_true(before.threshold != m->threshold); /* it followed */

    assert_int_equal(entity_new(&o, &again, &err), OK);
    assert_int_equal(entity_set_model(again, m, 43, &err), OK);
    watch_init(&w, o.confirm);
    for (size_t i = 0; i < n; i++)
        entity_recall_verdict(again, &w, &kept[i], false);
    entity_view(again, &after);
    assert_true(after.threshold == before.threshold && after.alarm_rate == before.alarm_rate);
    assert_true(after.alarm_rate_upper == before.alarm_rate_upper);
    entity_free(again);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_another_machine_windows_fill_anew_after_a_gap, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_another_machine_lost_scrapes_do_not_hide_trouble, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_other_series_windows_fill_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_servers_frames_are_not_judged_while_its_windows_fill,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_frame_comes_before_the_windows_are_full, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_learns_trains_and_then_watches_quietly, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_level_out_of_step_rings_with_its_own_name_and_stops,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_never_moved_in_training_rings_when_it_moves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_swap_while_watching_forgets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gap_is_filled_across_a_swap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_feature_lowers_confidence_and_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_jumps_is_named_and_is_no_anomaly, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reboot_that_resets_counters_is_no_anomaly, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replay_of_its_frames_comes_to_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replay_follows_a_budget_as_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verdicts_of_an_earlier_run_bring_the_promise_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_model_of_another_schema_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_failed_training_it_learns_a_quarter_more, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
