/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/trainer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/shard.h"
#include "daemon/storekeeper.h"
#include "model/model.h"

enum { TRAINER_QUEUE = 64, NICEST = 19, REPLY_RETRY_US = 10000 };

struct trainer {
    struct trainer_options o;
    char models_dir[512];
    struct queue *queue, *shard;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    const struct trainer_job *job; /* in work: the trainer's thread only */
};

void trainer_job_free(void *job)
{
    struct trainer_job *j = job;

    if (!j)
        return;
    dataset_free(j->dataset);
    shard_message_free(j->reply);
    mem_free(j);
}

static bool on_epoch(void *arg, uint32_t done, uint32_t of, double validation_mse)
{
    struct trainer *t = arg;

    (void)validation_mse;
    announce_training(t->o.announcer, t->job->instance, done, of);
    return !atomic_load_explicit(&t->stopping, memory_order_relaxed);
}

static enum rc train(struct trainer *t, const struct trainer_job *j, struct model **ret,
                     struct err *err)
{
    struct model_provenance p = {
        .created_ms = clock_wall_ms(),
        .first_ms = j->dataset->rows ? j->dataset->ts_ms[0] : 0,
        .last_ms = j->dataset->rows ? j->dataset->ts_ms[j->dataset->rows - 1] : 0,
        .seed = t->o.learn.seed,
    };

    (void)snprintf(p.instance, sizeof p.instance, "%s", j->instance);
    (void)snprintf(p.profile, sizeof p.profile, "%s", j->profile);
    (void)snprintf(p.version, sizeof p.version, "%s", TOCSIN_VERSION);
    announce_training(t->o.announcer, j->instance, 0, 1);
    return model_train(j->dataset, NULL, j->schema, &t->o.learn, &j->threshold, &p, on_epoch, t,
                       ret, err);
}

/* A model that cannot be saved still watches: only a restart would miss it. */
static void save(struct trainer *t, const struct trainer_job *j, const struct model *m,
                 uint64_t model_id)
{
    CLEANUP(mem_freep)
    struct storekeeper_message *k = storekeeper_message_new(KEEP_MODEL, j->slot, NULL, 0);
    char path[sizeof t->models_dir + sizeof k->model.file];
    struct err err;

    if (!k)
        return;
    k->model.created_ms = m->provenance.created_ms;
    k->model.model_id = model_id;
    k->model.schema_hash = m->schema->hash;
    snprintf(k->model.file, sizeof k->model.file, "%016" PRIx64 ".tsm", model_id);
    snprintf(k->model.provenance, sizeof k->model.provenance,
             "{\"version\":\"%s\",\"seed\":%" PRIu64 ",\"train_rows\":%" PRIu64
             ",\"validation_rows\":%" PRIu64 ",\"epochs\":%" PRIu32
             ",\"train_mse\":%.9g,\"validation_mse\":%.9g,\"threshold\":%.9g,\"first_ms\":%" PRId64
             ",\"last_ms\":%" PRId64 "}",
             m->provenance.version, m->provenance.seed, m->stats.train_rows,
             m->stats.validation_rows, m->stats.epochs, m->stats.train_mse, m->stats.validation_mse,
             (double)m->threshold, m->provenance.first_ms, m->provenance.last_ms);
    snprintf(path, sizeof path, "%s/%s", t->models_dir, k->model.file);
    if (file_mkdirs(t->models_dir, &err) != OK || model_save(m, path, &err) != OK) {
        announce_break(t->o.announcer);
        telemetry_add(t->o.telemetry, TEL_STORE_ERRORS, 1);
        log_event(LOG_ERROR, "the model could not be saved; a restart will learn again", "err",
                  err.msg, NULL);
        return;
    }
    if (queue_push(t->o.store, k))
        k = NULL;
    else
        telemetry_add(t->o.telemetry, TEL_DROPPED_STORE_FULL, 1);
}

/* A full queue holds ticks only, and they pass: the answer must arrive. */
static void reply(struct trainer *t, struct trainer_job *j)
{
    while (!atomic_load(&t->stopping)) {
        if (queue_push(t->shard, j->reply)) {
            j->reply = NULL; /* the shard's now */
            return;
        }
        usleep(REPLY_RETRY_US);
    }
}

static void work(struct trainer *t, struct trainer_job *j)
{
    struct shard_message *m = j->reply;
    struct err err;

    m->slot = j->slot;
    t->job = j;
    const enum rc rc = train(t, j, &m->model, &err);
    if (atomic_load(&t->stopping))
        return; /* nobody waits for it: the frames are in the store */
    if (rc == OK) {
        m->kind = SHARD_MODEL;
        m->model_id = model_id(m->model);
        telemetry_add(t->o.telemetry, TEL_TRAININGS, 1);
        save(t, j, m->model, m->model_id);
    } else {
        m->kind = SHARD_TRAINING_FAILED;
        m->why = err;
        m->dataset = TAKE(j->dataset);
        telemetry_add(t->o.telemetry, TEL_TRAININGS_FAILED, 1);
    }
    reply(t, j);
}

static void *run(void *arg)
{
    struct trainer *t = arg;
    struct trainer_job *job;

    pthread_setname_np(pthread_self(), "train");
    /* Linux: the thread alone, not the process (setpriority(2), "C library/kernel differences"). */
    (void)setpriority(PRIO_PROCESS, 0, NICEST); /* best effort: training only takes longer */
    while ((job = queue_wait(t->queue, -1))) {
        work(t, job);
        trainer_job_free(job);
    }
    return NULL;
}

enum rc trainer_new(const struct trainer_options *o, struct trainer **ret, struct err *err)
{
    CLEANUP(mem_freep) struct trainer *t = mem_alloc(sizeof *t);

    if (!t)
        return err_set(err, E_NOMEM, "trainer: no memory");
    t->o = *o;
    if ((size_t)snprintf(t->models_dir, sizeof t->models_dir, "%s", o->models_dir) >=
        sizeof t->models_dir)
        return err_set(err, E_LIMIT, "models folder: path longer than %zu bytes",
                       sizeof t->models_dir - 1);
    if (queue_new(TRAINER_QUEUE, &t->queue, err) != OK)
        return err->rc;
    *ret = TAKE(t);
    return OK;
}

struct queue *trainer_queue(struct trainer *t)
{
    return t->queue;
}

enum rc trainer_start(struct trainer *t, struct queue *shard, struct err *err)
{
    t->shard = shard;
    errno = pthread_create(&t->thread, NULL, run, t);
    if (errno)
        return err_set(err, E_IO, "trainer: thread: %m");
    t->started = true;
    return OK;
}

void trainer_stop(struct trainer *t)
{
    if (!t)
        return;
    atomic_store(&t->stopping, true);
    queue_close(t->queue);
    if (t->started)
        pthread_join(t->thread, NULL);
    t->started = false;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    queue_free(t->queue, trainer_job_free);
    mem_free(t);
}
