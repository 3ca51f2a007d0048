/* SPDX-License-Identifier: Apache-2.0 */
/* What the shard makes of its entities, without its thread. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../works.h"

#include "base/mem.h"
#include "base/rng.h"
#include "daemon/shard_private.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"

enum { INTERVAL_MS = 1000, ROWS = 4000, ENTITIES = 4 };

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
};

static struct model *train(const struct schema *schema, const struct threshold_spec *t,
                           int64_t rows)
{
    const struct model_provenance provenance = {.created_ms = 1};
    struct learn_spec learn;
    struct model *m = NULL;
    struct dataset *d = NULL;
    struct rng rng;

    rng_init(&rng, 1);
    settings_learn_defaults(&learn);
    WORKS(dataset_new(schema->n, &d, E));
    for (int64_t r = 0; r < rows; r++) {
        const float load = 1 + 0.5f * sinf((float)r / 50) + 0.1f * rng_float(&rng);
        const float frame[2] = {load, 3 * load + 0.1f * rng_float(&rng)};
        WORKS(dataset_append(d, r * INTERVAL_MS, frame, E));
    }
    WORKS(model_train(d, NULL, schema, &learn, t, &provenance, NULL, NULL, &m, E));
    dataset_free(d);
    return m;
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
        queue_new(64, &x.store, &err) != OK || announcer_new(false, &x.announcer, &err) != OK)
        return 1;
    const struct shard_options o = {.board = x.board,
                                    .telemetry = &x.telemetry,
                                    .trainer = x.trainer,
                                    .store = x.store,
                                    .announcer = x.announcer,
                                    .threshold = {.method = THRESHOLD_BUDGET,
                                                  .value = 8,
                                                  .confirm = {3, 5},
                                                  .scope = SCOPE_FLEET},
                                    .confirm = {3, 5}};
    x.model = train(profile_schema(x.profile), &o.threshold, ROWS);
    return shard_new(&o, &x.shard, &err) != OK;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    shard_stop(x->shard);
    queue_free(x->trainer, NULL);
    queue_free(x->store, mem_free);
    board_free(x->board);
    announcer_free(x->announcer);
    model_unref(x->model);
    profile_free(x->profile);
    return 0;
}

static void add(struct fixture *x, int number, bool watching)
{
    char instance[32];
    const struct entity_options o = {.instance = instance,
                                     .profile = x->profile,
                                     .interval_ms = INTERVAL_MS,
                                     .wanted_rows = 100,
                                     .confirm = {3, 5}};
    struct entity *e = NULL;

    (void)snprintf(instance, sizeof instance, "host-%d", number);
    WORKS(entity_new(&o, &e, E));
    if (watching)
        WORKS(entity_set_model(e, x->model, 42, E));
    CLEANUP(shard_message_freep)
    struct shard_message *m = shard_message_new(SHARD_ADD, x->shard->n, NULL, 0);
    assert_non_null(m);
    m->entity = e;
    shard_add(x->shard, m);
}

static double promised(const struct fixture *x, size_t at)
{
    return entity_model(x->shard->slot[at].entity)->threshold_spec.value;
}

static void a_budget_of_the_fleet_is_shared_by_those_that_are_watched(void **state)
{
    struct fixture *x = *state;

    add(x, 0, true);
    shard_follow_fleet(x->shard, 0);
    assert_true(promised(x, 0) == 8);
    const float alone = entity_model(x->shard->slot[0].entity)->threshold;
    add(x, 1, false); /* learns: no page comes from it */
    shard_follow_fleet(x->shard, 0);
    assert_true(promised(x, 0) == 8);
    for (int i = 2; i < ENTITIES + 1; i++)
        add(x, i, true);
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
        add(x, i, true);
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
    const int64_t start = 1000, grown = start + 16 * (int64_t)FEW * INTERVAL_MS;

    x->shard->o.threshold = staged;
    x->shard->o.retrain = (struct retrain_spec){.every_ms = DAY_MS};
    model_unref(x->model);
    x->model = train(profile_schema(x->profile), &staged, FEW);
    assert_int_equal(x->model->threshold_by, THRESHOLD_PERCENTILE);
    add(x, 0, true);
    assert_null(ordered(x, start));
    assert_null(ordered(x, grown - INTERVAL_MS));
    struct trainer_job *job = ordered(x, grown);
    assert_non_null(job);
    assert_string_equal(job->reason, "the history has grown");
    assert_int_equal(job->threshold.method, THRESHOLD_STAGED);
    trainer_job_free(job);
    x->shard->slot[0].retraining = false;         /* the trainer found it worse */
    assert_null(ordered(x, grown + INTERVAL_MS)); /* not again at each tick */
    x->shard->o.retrain.every_ms = 0;             /* never means never */
    assert_null(ordered(x, 3 * grown));
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
        add(x, i, true);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_budget_of_the_fleet_is_shared_by_those_that_are_watched),
        TEST(a_budget_of_each_is_not_shared),
        TEST(the_reference_is_kept_when_an_hour_ended_and_when_told),
        TEST(a_history_that_has_outgrown_its_model_is_learned_from_before_the_night),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
