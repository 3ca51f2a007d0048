/* SPDX-License-Identifier: Apache-2.0 */
/* Entities that share a model: learned from together, at first and anew. */
#include "shard_fixture.h"

static void one_that_joins_watches_at_once_with_the_model_that_is_there(void **state)
{
    struct fixture *x = *state;

    add(x, 0, OLD);
    join(x, 0, "db");
    add(x, 3, 0);
    join(x, 1, "web");
    assert_int_equal(entity_phase(entity_at(x, 1)), PHASE_LEARNING); /* of another kind */
    (void)models_kept(x);
    join(x, 1, "db");
    assert_int_equal(entity_phase(entity_at(x, 1)), PHASE_WATCHING);
    assert_int_equal(entity_model_id(entity_at(x, 1)), OLD);
    assert_ptr_equal(entity_model(entity_at(x, 1)), entity_model(entity_at(x, 0)));
    assert_int_equal(models_kept(x), 1); /* a restart finds it */
    assert_int_equal(x->shard->n_watching, 2);
    struct entity_view v;
    assert_true(board_find(x->board, "host-1", &v));
    assert_string_equal(v.group, "db");
    join(x, 1, ""); /* it keeps what it has */
    assert_int_equal(entity_model_id(entity_at(x, 1)), OLD);
    assert_int_equal(x->shard->slot[1].group, 0);
}

static void those_that_learn_are_learned_from_together(void **state)
{
    struct fixture *x = *state;

    for (int i = 0; i < 3; i++) {
        add(x, ROWS - 10 * i, 0);
        join(x, (size_t)i, "db");
    }
    add(x, ROWS, 0); /* alone */
    shard_order_training(x->shard, 0);
    struct trainer_job *job = queue_pop(x->trainer);
    assert_non_null(job);
    assert_int_equal(job->dataset->rows, ROWS);
    assert_int_equal(job->reply->pool.n, 2);
    assert_int_equal(job->reply->pool.v[1].slot, 2);
    assert_int_equal(job->reply->pool.v[1].dataset->rows, ROWS - 20);
    assert_string_equal(job->group, "db");
    /* one that comes meanwhile learns on, and is no reason for another training */
    add(x, ROWS, 0);
    join(x, 4, "db");
    shard_order_training(x->shard, 4);
    assert_null(queue_pop(x->trainer));
    shard_order_training(x->shard, 3);
    struct trainer_job *other = queue_pop(x->trainer);
    assert_int_equal(other->reply->pool.n, 0);
    trainer_job_free(other);
    (void)models_kept(x);
    answer(x, job, SHARD_MODEL);
    for (size_t i = 0; i < 5; i++) {
        if (i == 3)
            continue;
        assert_int_equal(entity_phase(entity_at(x, i)), PHASE_WATCHING);
        assert_int_equal(entity_model_id(entity_at(x, i)), NEW);
        assert_ptr_equal(entity_model(entity_at(x, i)), entity_model(entity_at(x, 0)));
    }
    assert_int_equal(models_kept(x), 3); /* the trainer recorded the one that it was asked for */
}

static void a_training_that_failed_gives_back_what_it_took(void **state)
{
    struct fixture *x = *state;
    uint64_t rows, wanted;

    for (size_t i = 0; i < 3; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    shard_order_training(x->shard, 1);
    answer(x, queue_pop(x->trainer), SHARD_TRAINING_FAILED);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(entity_phase(entity_at(x, i)), PHASE_LEARNING);
        entity_progress(entity_at(x, i), &rows, &wanted);
        assert_int_equal(rows, ROWS);
        assert_true(wanted > ROWS);
    }
    shard_order_training(x->shard, 2); /* and the next one may come */
    struct trainer_job *job = queue_pop(x->trainer);
    assert_non_null(job);
    answer(x, job, SHARD_TRAINING_FAILED);
}

static void a_full_line_to_the_trainer_gives_back_what_it_took(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
    }
    queue_close(x->trainer);
    shard_order_training(x->shard, 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(entity_phase(entity_at(x, i)), PHASE_LEARNING);
    assert_false(x->shard->groups[0].training);
}

static void what_watches_is_learned_anew_together_but_for_an_operators_choice(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 3; i++) {
        add(x, 0, OLD);
        join(x, i, "db");
    }
    struct shard_message *m = shard_message_new(SHARD_MODEL, 2, NULL, 0);
    assert_non_null(m);
    m->model = model_ref(x->model);
    m->model_id = 7;
    m->by_operator = true;
    say(x, m);
    assert_int_equal(entity_model_id(entity_at(x, 2)), 7);
    shard_order_retraining(x->shard, 1, "asked");
    struct trainer_job *job = queue_pop(x->trainer);
    assert_non_null(job);
    assert_int_equal(job->n_members, 2);
    assert_string_equal(job->member[0], "host-1"); /* who asks is among them */
    assert_string_equal(job->member[1], "host-0");
    shard_order_retraining(x->shard, 0, "asked");
    assert_null(queue_pop(x->trainer)); /* once for all */
    answer(x, job, SHARD_MODEL);
    assert_int_equal(entity_model_id(entity_at(x, 0)), NEW);
    assert_int_equal(entity_model_id(entity_at(x, 1)), NEW);
    assert_int_equal(entity_model_id(entity_at(x, 2)), 7);
    shard_order_retraining(x->shard, 2, "asked"); /* by itself */
    job = queue_pop(x->trainer);
    assert_int_equal(job->n_members, 0);
    answer(x, job, SHARD_UNCHANGED);
    shard_order_retraining(x->shard, 0, "asked"); /* and the group again */
    job = queue_pop(x->trainer);
    assert_non_null(job);
    answer(x, job, SHARD_UNCHANGED);
}

static void another_threshold_is_made_once_for_all(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 3; i++) {
        add(x, 0, OLD);
        join(x, i, "db");
    }
    struct shard_message *m = shard_message_new(SHARD_SETTINGS, 0, NULL, 0);
    assert_non_null(m);
    m->threshold =
        (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = 90, .confirm = {3, 5}};
    m->confirm = m->threshold.confirm;
    say(x, m);
    for (size_t i = 0; i < 3; i++) {
        assert_true(entity_model(entity_at(x, i))->threshold_spec.value == 90);
        assert_ptr_equal(entity_model(entity_at(x, i)), entity_model(entity_at(x, 0)));
    }
}

static void a_model_of_two_is_held_to_what_both_do_later(void **state)
{
    struct fixture *x = *state;
    struct dataset *a = learned(1000, 1), *b = learned(1000, 2);

    /* the second one stands still somewhere else at its end, which is in the part held back */
    for (size_t r = 985; r < 1000; r++)
        b->X[2 * r] = 9;
    struct model *m = train(x, (const struct dataset *const[]){a, b}, 2, &percentile);
    assert_int_equal(m->provenance.first_ms, 0);
    assert_int_equal(m->provenance.last_ms, 999 * INTERVAL_MS);
    assert_int_equal(m->stats.train_rows + m->stats.validation_rows, 2000);
    assert_int_equal(m->scaler.longest_still[0], 14);
    assert_true(m->threshold > 10 * x->model->threshold);
    model_unref(m);
    dataset_free(a);
    dataset_free(b);
}

static void one_that_gathers_its_past_is_waited_for(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < 2; i++) {
        add(x, ROWS, 0);
        join(x, i, "db");
        entity_gather(entity_at(x, i));
    }
    say(x, shard_message_new(SHARD_CAUGHT_UP, 0, NULL, 0));
    assert_null(queue_pop(x->trainer));
    say(x, shard_message_new(SHARD_CAUGHT_UP, 1, NULL, 0));
    struct trainer_job *job = queue_pop(x->trainer);
    assert_non_null(job);
    assert_int_equal(job->reply->pool.n, 1);
    answer(x, job, SHARD_MODEL);
    assert_int_equal(entity_phase(entity_at(x, 0)), PHASE_WATCHING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_joins_watches_at_once_with_the_model_that_is_there),
        TEST(those_that_learn_are_learned_from_together),
        TEST(a_training_that_failed_gives_back_what_it_took),
        TEST(a_full_line_to_the_trainer_gives_back_what_it_took),
        TEST(what_watches_is_learned_anew_together_but_for_an_operators_choice),
        TEST(another_threshold_is_made_once_for_all),
        TEST(one_that_gathers_its_past_is_waited_for),
        TEST(a_model_of_two_is_held_to_what_both_do_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
