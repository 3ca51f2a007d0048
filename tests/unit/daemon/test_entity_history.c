/* SPDX-License-Identifier: Apache-2.0 */
#include "entity_fixture.h"

#include "detect/replay.h"

/* What an entity kept says again what it said live. */

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
        cmocka_unit_test_setup_teardown(a_replay_of_its_frames_comes_to_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replay_follows_a_budget_as_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verdicts_of_an_earlier_run_bring_the_promise_back, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
