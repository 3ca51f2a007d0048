/* SPDX-License-Identifier: Apache-2.0 */
/* What the shard makes of its entities. */
#include "shard_fixture.h"

enum { ENTITIES = 4 };

/* With a budget that the entities may share. */
static int set_up_budget(void **state)
{
    static const struct threshold_spec budget = {
        .method = THRESHOLD_BUDGET, .value = 8, .confirm = {3, 5}, .scope = SCOPE_FLEET};

    if (set_up(state) != 0)
        return 1;
    struct fixture *x = *state;
    x->shard->o.threshold = budget;
    make_model(x, 4000, &budget);
    return 0;
}

static double promised(const struct fixture *x, size_t at)
{
    return entity_model(x->shard->slot[at].entity)->threshold_spec.value;
}

static void a_budget_of_the_fleet_is_shared_by_those_that_are_watched(void **state)
{
    struct fixture *x = *state;

    add(x, 0, OLD);
    shard_follow_fleet(x->shard, 0);
    assert_true(promised(x, 0) == 8);
    const float alone = entity_model(x->shard->slot[0].entity)->threshold;
    add(x, 0, 0); /* learns: no page comes from it */
    shard_follow_fleet(x->shard, 0);
    assert_true(promised(x, 0) == 8);
    for (int i = 2; i < ENTITIES + 1; i++)
        add(x, 0, OLD);
    shard_follow_fleet(x->shard, 1); /* without a model: nothing to do */
    for (size_t i = 0; i < ENTITIES + 1; i++)
        shard_follow_fleet(x->shard, i);
    for (size_t i = 0; i < ENTITIES + 1; i++)
        assert_true(i == 1 || promised(x, i) == 8.0 / ENTITIES);
    assert_true(entity_model(x->shard->slot[0].entity)->threshold > alone);
}

static void a_budget_of_each_is_not_shared(void **state)
{
    struct fixture *x = *state;

    x->shard->o.threshold.scope = SCOPE_ENTITY;
    for (int i = 0; i < ENTITIES; i++)
        add(x, 0, OLD);
    for (size_t i = 0; i < ENTITIES; i++) {
        shard_follow_fleet(x->shard, i);
        assert_true(promised(x, i) == 8);
    }
}

/* What was ordered of the trainer, NULL: nothing. */
static struct trainer_job *ordered(struct fixture *x, int64_t mono_ms)
{
    const struct continuity_clocks now = {mono_ms, mono_ms, mono_ms};

    shard_follow_schedule(x->shard, 0, &now);
    return queue_pop(x->trainer);
}

static void a_history_that_has_outgrown_its_model_is_learned_from_before_the_night(void **state)
{
    enum { FEW = 400, DAY_MS = 24 * 3600 * 1000 };
    struct fixture *x = *state;
    const struct threshold_spec staged = {
        .method = THRESHOLD_STAGED, .value = 2, .confirm = {3, 5}};
    const int64_t start = FEW * INTERVAL_MS, grown = 2 * start;

    x->shard->o.threshold = staged;
    x->shard->o.retrain = (struct retrain_spec){.every_ms = DAY_MS};
    make_model(x, FEW, &staged);
    assert_int_equal(x->model->threshold_by, THRESHOLD_PERCENTILE);
    add(x, 0, OLD);
    assert_null(ordered(x, start));
    assert_null(ordered(x, grown - INTERVAL_MS));
    struct trainer_job *job = ordered(x, grown);
    assert_non_null(job);
    assert_string_equal(job->reason, "the history has grown");
    assert_int_equal(job->threshold.method, THRESHOLD_STAGED);
    trainer_job_free(job);
    x->shard->slot[0].retraining = false;         /* the trainer found it worse */
    assert_null(ordered(x, grown + INTERVAL_MS)); /* not again at each tick */
    assert_null(ordered(x, 2 * grown - INTERVAL_MS));
    trainer_job_free(job = ordered(x, 2 * grown));
    assert_non_null(job);
    x->shard->slot[0].retraining = false;
    x->shard->o.retrain.every_ms = 0; /* never means never */
    assert_null(ordered(x, 9 * grown));
}

/* Of a fleet that learns at once not all get into the trainer's queue: none is forgotten. */
static void what_finds_the_trainer_busy_is_ordered_later(void **state)
{
    enum { ROOM = 256 };
    struct fixture *x = *state;
    const struct continuity_clocks now = {1, 1, 1};
    struct shard_slot *slot = &x->shard->slot[0];

    add(x, 0, OLD);
    for (int i = 0; i < ROOM; i++)
        assert_true(queue_push(x->trainer, mem_alloc(sizeof(struct trainer_job))));
    shard_order_retraining(x->shard, 0, "asked");
    assert_false(slot->retraining);
    shard_follow_schedule(x->shard, 0, &now);
    assert_false(slot->retraining);
    for (int i = 0; i < ROOM; i++)
        trainer_job_free(queue_pop(x->trainer));
    shard_follow_schedule(x->shard, 0, &now);
    assert_true(slot->retraining && queue_length(x->trainer) == 1);
    trainer_job_free(queue_pop(x->trainer));
    slot->retraining = false;
    shard_follow_schedule(x->shard, 0, &now); /* once */
    assert_int_equal(queue_length(x->trainer), 0);
}

static void a_first_training_waits_for_the_trainer_as_well(void **state)
{
    enum { ROOM = 256 };
    struct fixture *x = *state;

    add(x, ROWS, 0);
    for (int i = 0; i < ROOM; i++)
        assert_true(queue_push(x->trainer, mem_alloc(sizeof(struct trainer_job))));
    shard_order_training(x->shard, 0);
    assert_int_equal(entity_phase(x->shard->slot[0].entity), PHASE_LEARNING);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_TRAININGS_FAILED), 0);
    for (int i = 0; i < ROOM; i++)
        trainer_job_free(queue_pop(x->trainer));
    shard_order_training(x->shard, 0);
    assert_int_equal(entity_phase(x->shard->slot[0].entity), PHASE_TRAINING);
    trainer_job_free(queue_pop(x->trainer));
}

/* Where what is kept has no room for more, a history does not grow any more. */
static void a_history_that_only_moves_on_has_not_grown(void **state)
{
    enum { FEW = 400, DAY_MS = 24 * 3600 * 1000 };
    struct fixture *x = *state;
    const int64_t start = FEW * INTERVAL_MS;

    x->shard->o.retrain = (struct retrain_spec){.every_ms = DAY_MS};
    add(x, 0, OLD);
    assert_null(ordered(x, start));
    x->shard->slot[0].grown_ms = start;
    assert_null(ordered(x, 2 * start));
    x->model->provenance.first_ms = INT64_MIN; /* of a file: any number */
    assert_null(ordered(x, 2 * start));
    x->model->provenance.first_ms = 0;
    x->shard->slot[0].grown_ms = start / 2;
    trainer_job_free(ordered(x, 2 * start));
    assert_int_equal(x->shard->slot[0].grown_ms, start);
    /* a much shorter one is another: what was before is marked, or an operator chose */
    x->shard->slot[0].retraining = false;
    x->shard->slot[0].grown_ms = 3 * start;
    trainer_job_free(ordered(x, 4 * start));
    assert_int_equal(x->shard->slot[0].grown_ms, 2 * start);
}

/* The states that went to the store since the last look. */
static size_t states_kept(struct fixture *x)
{
    struct storekeeper_message *m;
    size_t n = 0;

    while ((m = queue_pop(x->store))) {
        n += m->kind == KEEP_STATE && m->n_bytes > 0;
        mem_free(m);
    }
    return n;
}

static void the_reference_is_kept_when_an_hour_ended_and_when_told(void **state)
{
    const int64_t hour = 3600 * 1000;
    struct fixture *x = *state;
    const float frame[2] = {1, 3};

    for (int i = 0; i < 3; i++)
        add(x, 0, OLD);
    shard_keep_reference(x->shard, 2, 10 * hour, false);
    assert_int_equal(states_kept(x), 0); /* no hour ended */
    for (int64_t t = 9 * hour; t <= 10 * hour; t += hour / 12)
        entity_recall_slow(x->shard->slot[2].entity, t, frame, true);
    shard_keep_reference(x->shard, 2, 10 * hour + 1, false);
    assert_int_equal(states_kept(x), 0); /* slot 2 has the second minute */
    shard_keep_reference(x->shard, 2, 10 * hour + 2 * 60 * 1000, false);
    assert_int_equal(states_kept(x), 1);
    shard_keep_reference(x->shard, 2, 10 * hour + 3 * 60 * 1000, false);
    assert_int_equal(states_kept(x), 0); /* once */
    shard_keep_reference(x->shard, 2, 10 * hour + 3 * 60 * 1000, true);
    assert_int_equal(states_kept(x), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_budget, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_budget_of_the_fleet_is_shared_by_those_that_are_watched),
        TEST(a_budget_of_each_is_not_shared),
        TEST(the_reference_is_kept_when_an_hour_ended_and_when_told),
        TEST(what_finds_the_trainer_busy_is_ordered_later),
        TEST(a_first_training_waits_for_the_trainer_as_well),
        TEST(a_history_that_only_moves_on_has_not_grown),
        TEST(a_history_that_has_outgrown_its_model_is_learned_from_before_the_night),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
