/* SPDX-License-Identifier: Apache-2.0 */
#include "entity_fixture.h"

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
        cmocka_unit_test_setup_teardown(a_model_of_another_schema_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_failed_training_it_learns_a_quarter_more, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
