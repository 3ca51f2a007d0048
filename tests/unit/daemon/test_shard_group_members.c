/* SPDX-License-Identifier: Apache-2.0 */
/* Entities that share a model: those that come, go, come back, and have one of their own. */
#include "shard_fixture.h"

/* As an earlier run left it: a model of the group, made at that time. */
static void set_model(struct fixture *x, size_t at, uint64_t id, int64_t created_ms)
{
    const struct dataset *d = learned(1000, 1);
    struct model *m = train(x, &d, 1, &percentile);

    m->provenance.created_ms = created_ms;
    (void)snprintf(m->provenance.instance, sizeof m->provenance.instance, MODEL_OF_GROUP "db");
    WORKS(entity_set_model(entity_at(x, at), m, id, E));
    model_unref(m);
    dataset_free((struct dataset *)(uintptr_t)d);
}

static void after_a_restart_the_newest_model_of_the_group_is_everybodys(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 4; i++)
        add(x, 3, 0);
    set_model(x, 1, OLD, 1000);
    set_model(x, 2, NEW, 2000);
    WORKS(entity_set_model(entity_at(x, 3), x->model, 7, E)); /* of one machine */
    join(x, 0, "db");
    join(x, 3, "db");
    assert_int_equal(entity_model_id(entity_at(x, 0)), 7); /* better than none */
    join(x, 1, "db");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(entity_model_id(entity_at(x, i)), i == 2 ? NEW : OLD);
    join(x, 2, "db");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(entity_model_id(entity_at(x, i)), NEW);
}

static void one_that_an_operator_chose_for_one_is_not_everybodys_after_a_restart(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 3; i++)
        add(x, 3, 0);
    set_model(x, 0, 7, 2000); /* promoted for it alone, though rejected */
    entity_set_chosen(entity_at(x, 0), true);
    set_model(x, 1, OLD, 1000);
    set_model(x, 2, OLD, 1000);
    for (size_t i = 0; i < 3; i++)
        join(x, i, "db");
    assert_int_equal(entity_model_id(entity_at(x, 1)), OLD);
    assert_int_equal(entity_model_id(entity_at(x, 2)), OLD);
    join(x, 0, "");
    join(x, 0, "db"); /* by the next restart */
    assert_int_equal(entity_model_id(entity_at(x, 0)), OLD);
}

static void one_from_another_group_brings_no_model_for_those_that_learn(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 3; i++) {
        add(x, ROWS / 2, 0);
        join(x, i, "web");
    }
    add(x, 3, 0);
    set_model(x, 3, OLD, 1000);
    join(x, 3, "db");
    join(x, 3, "web");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(entity_phase(entity_at(x, i)), PHASE_LEARNING);
    assert_int_equal(entity_model_id(entity_at(x, 3)), OLD);
}

/* What the store was told last of this slot's model: its id; 0: nothing. */
static uint64_t told_live(struct fixture *x, size_t at)
{
    struct storekeeper_message *m;
    uint64_t id = 0;

    while ((m = queue_pop(x->store))) {
        if (m->slot == at && m->kind == KEEP_LIVE)
            id = m->model_id;
        if (m->slot == at && m->kind == KEEP_MODEL)
            id = m->model.model_id;
        mem_free(m);
    }
    return id;
}

static void choose(struct fixture *x, size_t at, uint64_t id)
{
    struct shard_message *m = shard_message_new(SHARD_MODEL, at, NULL, 0);

    assert_non_null(m);
    m->model = model_ref(x->model);
    m->model_id = id;
    m->by_operator = true;
    say(x, m);
}

static void what_an_operator_chooses_while_the_group_is_judged_stays_in_the_store(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        add(x, 0, OLD);
        join(x, i, "db");
    }
    shard_order_retraining(x->shard, 1, "asked");
    choose(x, 1, 7);
    (void)told_live(x, 1);
    answer(x, queue_pop(x->trainer), SHARD_MODEL); /* the trainer recorded NEW as live for slot 1 */
    assert_int_equal(entity_model_id(entity_at(x, 1)), 7);
    assert_int_equal(told_live(x, 1), 7);
}

static void an_operators_model_does_not_reach_one_that_is_trained(void **state)
{
    struct fixture *x = *state;
    static struct entity_view v;

    for (size_t i = 0; i < 2; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    shard_order_training(x->shard, 0);
    assert_true(board_find(x->board, "host-1", &v));
    assert_int_equal(v.phase, PHASE_TRAINING);
    choose(x, 0, 7);
    assert_int_equal(entity_phase(entity_at(x, 0)), PHASE_TRAINING);
    answer(x, queue_pop(x->trainer), SHARD_TRAINING_FAILED);
    assert_int_equal(entity_phase(entity_at(x, 0)), PHASE_LEARNING);
}

static void one_that_comes_back_orders_no_training_of_the_group(void **state)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct fixture *x = *state;
    struct continuity_clocks now = {INT64_C(1000) * DAY_MS, 5000, 5000};

    x->shard->o.retrain.every_ms = DAY_MS;
    for (size_t i = 0; i < 2; i++) {
        add(x, 3, 0);
        set_model(x, i, OLD, now.wall_ms - 3600 * 1000);
        join(x, i, "db");
        x->shard->slot[i].trained_ms = now.wall_ms - 3600 * 1000;
        shard_follow_schedule(x->shard, i, &now);
    }
    add(x, 3, 0);
    set_model(x, 2, 9, 1);
    x->shard->slot[2].trained_ms = now.wall_ms - 3 * (int64_t)DAY_MS;
    join(x, 2, "db");
    shard_follow_schedule(x->shard, 2, &now);
    assert_null(queue_pop(x->trainer));
}

static void the_past_of_one_that_watches_already_is_no_news(void **state)
{
    struct fixture *x = *state;
    const double base[2] = {90, -500};

    add(x, 0, OLD);
    join(x, 0, "db");
    add(x, 0, 0);
    join(x, 1, "db");
    say(x, shard_message_new(SHARD_GATHER, 1, NULL, 0));
    for (int64_t i = 1; i < 40; i++) {
        if (i == 20)
            say(x, shard_message_new(SHARD_CAUGHT_UP, 1, NULL, 0));
        struct shard_message *m = shard_message_new(SHARD_FRAME, 1, base, 2);
        assert_non_null(m);
        m->ts_ms = i * INTERVAL_MS;
        say(x, m);
        if (i == 19)
            assert_int_equal(telemetry_get(&x->telemetry, TEL_SCORES), 0);
    }
    assert_int_equal(telemetry_get(&x->telemetry, TEL_SCORES), 20);
}

static void a_group_of_many_is_learned_from_by_turns(void **state)
{
    enum { MANY = 80 };
    struct fixture *x = *state;
    bool seen[MANY] = {false};

    for (size_t i = 0; i < MANY; i++) {
        add(x, 0, OLD);
        join(x, i, "db");
    }
    for (int k = 0; k < 8; k++) {
        shard_order_retraining(x->shard, 1, "drift: of host-1");
        struct trainer_job *job = queue_pop(x->trainer);
        assert_non_null(job);
        assert_int_equal(job->n_members, PANEL_MAX);
        assert_string_equal(job->member[0], "host-1");
        for (size_t i = 0; i < job->n_members; i++)
            seen[strtoul(job->member[i] + strlen("host-"), NULL, 10)] = true;
        answer(x, job, SHARD_UNCHANGED);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_true(seen[i]);
}

static void no_row_speaks_of_a_model_without_a_file(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    shard_order_training(x->shard, 0);
    struct trainer_job *job = queue_pop(x->trainer);
    job->reply->unsaved = true;
    answer(x, job, SHARD_MODEL);
    add(x, 3, 0);
    join(x, 2, "db");
    assert_int_equal(entity_model_id(entity_at(x, 2)), NEW);
    assert_int_equal(told_live(x, 2), 0);
}

static void one_that_is_learned_from_joins_another_when_the_trainer_has_answered(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 3; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    shard_order_training(x->shard, 0);
    join(x, 0, "web");
    join(x, 1, "web");
    join(x, 1, "cache"); /* the last word counts */
    answer(x, queue_pop(x->trainer), SHARD_MODEL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(entity_model_id(entity_at(x, i)), NEW);
    assert_string_equal(shard_group_of(x->shard, 0)->name, "web");
    assert_string_equal(shard_group_of(x->shard, 1)->name, "cache");
    assert_string_equal(shard_group_of(x->shard, 2)->name, "db");
}

static void one_that_goes_while_it_is_learned_from_goes_when_the_trainer_has_answered(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    shard_order_training(x->shard, 0);
    say(x, shard_message_new(SHARD_REMOVE, 0, NULL, 0));
    say(x, shard_message_new(SHARD_REMOVE, 1, NULL, 0));
    assert_int_equal(x->released, 0);
    answer(x, queue_pop(x->trainer), SHARD_MODEL);
    assert_int_equal(x->released, 2);
    assert_null(entity_at(x, 0));
    add(x, 5, 0); /* the group went with them: nobody has a model for this one */
    join(x, x->shard->n - 1, "db");
    assert_int_equal(entity_phase(entity_at(x, x->shard->n - 1)), PHASE_LEARNING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_a_restart_the_newest_model_of_the_group_is_everybodys),
        TEST(one_that_an_operator_chose_for_one_is_not_everybodys_after_a_restart),
        TEST(one_from_another_group_brings_no_model_for_those_that_learn),
        TEST(what_an_operator_chooses_while_the_group_is_judged_stays_in_the_store),
        TEST(an_operators_model_does_not_reach_one_that_is_trained),
        TEST(one_that_comes_back_orders_no_training_of_the_group),
        TEST(the_past_of_one_that_watches_already_is_no_news),
        TEST(a_group_of_many_is_learned_from_by_turns),
        TEST(no_row_speaks_of_a_model_without_a_file),
        TEST(one_that_is_learned_from_joins_another_when_the_trainer_has_answered),
        TEST(one_that_goes_while_it_is_learned_from_goes_when_the_trainer_has_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
