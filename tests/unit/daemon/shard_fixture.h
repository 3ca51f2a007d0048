/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../works.h"

#include "base/mem.h"
#include "base/rng.h"
#include "daemon/lesson.h"
#include "daemon/shard_private.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"

/* shard_fixture - a shard without its thread; the trainer's part is played by hand */

enum { INTERVAL_MS = 1000, ROWS = 200, OLD = 42, NEW = 43 };

static const char profile_text[] = "name: test\n"
                                   "features:\n"
                                   "  - {name: load, expr: load}\n"
                                   "  - {name: memory, expr: memory}\n";

static const struct threshold_spec percentile = {
    .method = THRESHOLD_PERCENTILE, .value = 99, .confirm = {3, 5}};

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

static inline void frame_at(struct rng *rng, int64_t r, float frame[2])
{
    const float load = 1 + 0.5f * sinf((float)r / 50) + 0.1f * rng_float(rng);

    frame[0] = load;
    frame[1] = 3 * load + 0.1f * rng_float(rng);
}

static inline struct dataset *learned(int64_t rows, uint64_t seed)
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

static inline struct model *train(const struct fixture *x, const struct dataset *const *v, size_t n,
                                  const struct threshold_spec *t)
{
    const struct model_provenance provenance = {.created_ms = 1};
    struct learn_spec learn;
    struct model *m = NULL;

    settings_learn_defaults(&learn);
    WORKS(lesson_train(v, n, RETRAIN_ROWS_MAX, profile_schema(x->profile), &learn, t, &provenance,
                       NULL, NULL, &m, E));
    return m;
}

/* The model that its entities are given from now on. */
static inline void make_model(struct fixture *x, int64_t rows, const struct threshold_spec *t)
{
    struct dataset *d = learned(rows, 1);

    model_unref(x->model);
    x->model = train(x, (const struct dataset *const[]){d}, 1, t);
    dataset_free(d);
}

static inline void on_release(void *arg, size_t slot)
{
    struct fixture *x = arg;

    (void)slot;
    x->released++;
}

static inline int set_up(void **state)
{
    static struct fixture x;
    const struct str text = {profile_text, sizeof profile_text - 1};
    struct err err;

    memset(&x, 0, sizeof x);
    *state = &x;
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK ||
        board_new(&x.telemetry, &x.board, &err) != OK || queue_new(256, &x.trainer, &err) != OK ||
        queue_new(4096, &x.store, &err) != OK || announcer_new(false, &x.announcer, &err) != OK)
        return 1;
    const struct shard_options o = {.board = x.board,
                                    .telemetry = &x.telemetry,
                                    .trainer = x.trainer,
                                    .store = x.store,
                                    .announcer = x.announcer,
                                    .threshold = percentile,
                                    .confirm = {3, 5}};
    make_model(&x, 1000, &percentile);
    if (shard_new(&o, &x.shard, &err) != OK)
        return 1;
    shard_on_release(x.shard, on_release, &x);
    return 0;
}

static inline int tear_down(void **state)
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
static inline void say(struct fixture *x, struct shard_message *m)
{
    assert_non_null(m);
    assert_true(queue_push(shard_queue(x->shard), m));
    shard_settle(x->shard);
}

static inline struct entity *entity_at(const struct fixture *x, size_t at)
{
    return x->shard->slot[at].entity;
}

/* In the next slot: with rows of learning, or with a model of an earlier run. */
static inline void add(struct fixture *x, int64_t rows, uint64_t model_id)
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

static inline void join(struct fixture *x, size_t at, const char *group)
{
    struct shard_message *m = shard_message_new(SHARD_GROUP, at, NULL, 0);

    assert_non_null(m);
    (void)snprintf(m->why.msg, sizeof m->why.msg, "%s", group);
    say(x, m);
}

/* Models that the store was told are live, since the last look. */
static inline size_t models_kept(struct fixture *x)
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
static inline void answer(struct fixture *x, struct trainer_job *job, enum shard_message_kind kind)
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
