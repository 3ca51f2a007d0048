/* SPDX-License-Identifier: Apache-2.0 */
/* Entities that share a model: the shard without its thread, the trainer's part played by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "daemon/lesson.h"
#include "daemon/shard_private.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"

#define WORKS(call)                                                                                \
    do {                                                                                           \
        struct err err_;                                                                           \
        if ((call) != OK)                                                                          \
            fail_msg("%s: %s", #call, err_.msg);                                                   \
    } while (0)
#define E (&err_) /* the error of the call in WORKS */

enum { INTERVAL_MS = 1000, ROWS = 200, OLD = 42, NEW = 43 };

static const char profile_text[] = "name: test\n"
                                   "features:\n"
                                   "  - {name: load, expr: load}\n"
                                   "  - {name: memory, expr: memory}\n";

struct fixture {
    struct profile *profile;
    struct model *model;
    struct telemetry telemetry;
    struct board *board;
    struct queue *trainer, *store;
    struct announcer *announcer;
    struct shard *shard;
    size_t released;
};

static void frame_at(struct rng *rng, int64_t r, float frame[2])
{
    const float load = 1 + 0.5f * sinf((float)r / 50) + 0.1f * rng_float(rng);

    frame[0] = load;
    frame[1] = 3 * load + 0.1f * rng_float(rng);
}

static struct dataset *learned(int64_t rows, uint64_t seed)
{
    struct dataset *d = NULL;
    struct rng rng;

    rng_init(&rng, seed);
    WORKS(dataset_new(2, &d, E));
    for (int64_t r = 0; r < rows; r++) {
        float frame[2];
        frame_at(&rng, r, frame);
        WORKS(dataset_append(d, r * INTERVAL_MS, frame, E));
    }
    return d;
}

static struct model *train(const struct fixture *x, const struct dataset *const *v, size_t n)
{
    const struct model_provenance provenance = {.created_ms = 1};
    const struct threshold_spec t = {
        .method = THRESHOLD_PERCENTILE, .value = 99, .confirm = {3, 5}};
    struct learn_spec learn;
    struct model *m = NULL;

    settings_learn_defaults(&learn);
    WORKS(lesson_train(v, n, RETRAIN_ROWS_MAX, profile_schema(x->profile), &learn, &t, &provenance,
                       NULL, NULL, &m, E));
    return m;
}

static void on_release(void *arg, size_t slot)
{
    struct fixture *x = arg;

    (void)slot;
    x->released++;
}

static int set_up(void **state)
{
    static struct fixture x;
    const struct str text = {profile_text, sizeof profile_text - 1};
    struct err err;

    memset(&x, 0, sizeof x);
    *state = &x;
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK ||
        board_new(&x.telemetry, &x.board, &err) != OK || queue_new(64, &x.trainer, &err) != OK ||
        queue_new(4096, &x.store, &err) != OK || announcer_new(false, &x.announcer, &err) != OK)
        return 1;
    const struct shard_options o = {
        .board = x.board,
        .telemetry = &x.telemetry,
        .trainer = x.trainer,
        .store = x.store,
        .announcer = x.announcer,
        .threshold = {.method = THRESHOLD_PERCENTILE, .value = 99, .confirm = {3, 5}},
        .confirm = {3, 5}};
    struct dataset *d = learned(1000, 1);
    x.model = train(&x, (const struct dataset *const[]){d}, 1);
    dataset_free(d);
    if (shard_new(&o, &x.shard, &err) != OK)
        return 1;
    shard_on_release(x.shard, on_release, &x);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    shard_stop(x->shard);
    queue_free(x->trainer, trainer_job_free);
    queue_free(x->store, mem_free);
    board_free(x->board);
    announcer_free(x->announcer);
    model_unref(x->model);
    profile_free(x->profile);
    return 0;
}

/* Goes by the shard's queue, as all does. */
static void say(struct fixture *x, struct shard_message *m)
{
    assert_non_null(m);
    assert_true(queue_push(shard_queue(x->shard), m));
    shard_settle(x->shard);
}

static struct entity *entity_at(const struct fixture *x, size_t at)
{
    return x->shard->slot[at].entity;
}

/* In the next slot: with rows of learning, or with a model of an earlier run. */
static void add(struct fixture *x, int64_t rows, uint64_t model_id)
{
    char instance[32];
    const struct entity_options o = {.instance = instance,
                                     .profile = x->profile,
                                     .interval_ms = INTERVAL_MS,
                                     .wanted_rows = ROWS,
                                     .confirm = {3, 5}};
    struct entity *e = NULL;
    struct rng rng;

    (void)snprintf(instance, sizeof instance, "host-%zu", x->shard->n);
    rng_init(&rng, x->shard->n);
    WORKS(entity_new(&o, &e, E));
    for (int64_t r = 0; r < rows; r++) {
        float frame[2];
        frame_at(&rng, r, frame);
        WORKS(entity_recall(e, r * INTERVAL_MS, frame, E));
    }
    if (model_id)
        WORKS(entity_set_model(e, x->model, model_id, E));
    struct shard_message *m = shard_message_new(SHARD_ADD, x->shard->n, NULL, 0);
    assert_non_null(m);
    m->entity = e;
    say(x, m);
}

static void join(struct fixture *x, size_t at, const char *group)
{
    struct shard_message *m = shard_message_new(SHARD_GROUP, at, NULL, 0);

    assert_non_null(m);
    (void)snprintf(m->why.msg, sizeof m->why.msg, "%s", group);
    say(x, m);
}

/* Models that the store was told are live, since the last look. */
static size_t models_kept(struct fixture *x)
{
    struct storekeeper_message *m;
    size_t n = 0;

    while ((m = queue_pop(x->store))) {
        n += m->kind == KEEP_MODEL && m->model.state == STORE_MODEL_LIVE;
        mem_free(m);
    }
    return n;
}

/* The trainer's answer to a job: the fixture's model as NEW. */
static void answer(struct fixture *x, struct trainer_job *job, enum shard_message_kind kind)
{
    struct shard_message *m = TAKE(job->reply);

    m->kind = kind;
    m->slot = job->slot;
    m->judged_by = job->live_id;
    if (kind == SHARD_MODEL) {
        m->model = model_ref(x->model);
        m->model_id = NEW;
    }
    if (kind == SHARD_TRAINING_FAILED)
        m->dataset = TAKE(job->dataset);
    trainer_job_free(job);
    say(x, m);
}

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
    assert_string_equal(job->member[0], "host-0");
    assert_string_equal(job->member[1], "host-1");
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
    struct model *m = train(x, (const struct dataset *const[]){a, b}, 2);
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

/* As an earlier run left it: a model of the group, made at that time. */
static void set_model(struct fixture *x, size_t at, uint64_t id, int64_t created_ms)
{
    const struct dataset *d = learned(1000, 1);
    struct model *m = train(x, &d, 1);

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_joins_watches_at_once_with_the_model_that_is_there),
        TEST(those_that_learn_are_learned_from_together),
        TEST(a_training_that_failed_gives_back_what_it_took),
        TEST(a_full_line_to_the_trainer_gives_back_what_it_took),
        TEST(what_watches_is_learned_anew_together_but_for_an_operators_choice),
        TEST(one_that_goes_while_it_is_learned_from_goes_when_the_trainer_has_answered),
        TEST(another_threshold_is_made_once_for_all),
        TEST(one_that_gathers_its_past_is_waited_for),
        TEST(after_a_restart_the_newest_model_of_the_group_is_everybodys),
        TEST(one_that_is_learned_from_joins_another_when_the_trainer_has_answered),
        TEST(a_model_of_two_is_held_to_what_both_do_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
