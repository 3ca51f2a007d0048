/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/trainer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/lesson.h"
#include "daemon/model_files.h"
#include "daemon/shard.h"
#include "daemon/storekeeper.h"
#include "detect/promotion.h"
#include "model/threshold.h"

enum {
    TRAINER_QUEUE = 4096,
    NICEST = 19,
    REPLY_RETRY_US = 10000,
    SWEEP_EACH_MS = 3600 * 1000, /* it looks at the files of all entities */
};

struct trainer {
    struct trainer_options o;
    char models_dir[512];
    struct queue *queue, *shard;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    const struct trainer_job *job; /* in work: the trainer's thread only */
    int64_t swept_ms;              /* monotonic; the same */
};

void trainer_job_free(void *job)
{
    struct trainer_job *j = job;

    if (!j)
        return;
    dataset_free(j->dataset);
    model_unref(j->live);
    shard_message_free(j->reply);
    mem_free(j->member);
    mem_free(j);
}

static bool on_epoch(void *arg, uint32_t done, uint32_t of, double validation_mse)
{
    struct trainer *t = arg;

    (void)validation_mse;
    announce_training(t->o.announcer, t->job->instance, done, of);
    return !atomic_load_explicit(&t->stopping, memory_order_relaxed);
}

static enum rc train(struct trainer *t, const struct trainer_job *j, const struct dataset *const *v,
                     size_t n, struct model **ret, struct err *err)
{
    struct model_provenance p = {.created_ms = clock_wall_ms(), .seed = t->o.learn.seed};

    (void)snprintf(p.instance, sizeof p.instance, "%s%s", j->group[0] ? MODEL_OF_GROUP : "",
                   j->group[0] ? j->group : j->instance);
    (void)snprintf(p.profile, sizeof p.profile, "%s", j->profile);
    (void)snprintf(p.version, sizeof p.version, "%s", TOCSIN_VERSION);
    announce_training(t->o.announcer, j->instance, 0, 1);
    return lesson_train(v, n, RETRAIN_ROWS_MAX, j->schema, &t->o.learn, &j->threshold, &p, on_epoch,
                        t, ret, err);
}

/* Its row in the store: new, or in another state. */
static void record(struct trainer *t, const struct trainer_job *j, const struct model *m,
                   uint64_t model_id, enum store_model_state state, const char *reason,
                   const char *figures)
{
    struct storekeeper_message *k = storekeeper_message_new(KEEP_MODEL, j->slot, NULL, 0);

    if (!k)
        return;
    model_files_describe(m, model_id, &k->model);
    k->model.state = state;
    k->model.state_ms = clock_wall_ms();
    (void)snprintf(k->model.reason, sizeof k->model.reason, "%s", reason);
    (void)snprintf(k->model.figures, sizeof k->model.figures, "%s", figures);
    if (queue_push(t->o.store, k))
        k = NULL;
    else
        telemetry_add(t->o.telemetry, TEL_DROPPED_STORE_FULL, 1);
    mem_free(k);
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

/* From the job's own frames and those of the others in its group. */
static enum rc train_on_pool(struct trainer *t, struct trainer_job *j, struct err *err)
{
    const struct pool *pool = &j->reply->pool;
    CLEANUP(mem_freep) const struct dataset **v = mem_array(pool->n + 1, sizeof(void *));

    if (!v)
        return err_set(err, E_NOMEM, "no memory for the frames of %zu entities", pool->n + 1);
    v[0] = j->dataset;
    for (size_t i = 0; i < pool->n; i++)
        v[i + 1] = pool->v[i].dataset;
    return train(t, j, v, pool->n + 1, &j->reply->model, err);
}

/* A first model that cannot be saved still watches: only a restart would miss it. */
static enum rc train_first(struct trainer *t, struct trainer_job *j, struct err *err)
{
    struct shard_message *m = j->reply;
    struct err unsaved;

    if (train_on_pool(t, j, err) != OK) {
        m->kind = SHARD_TRAINING_FAILED;
        m->why = *err;
        m->dataset = TAKE(j->dataset);
        return err->rc;
    }
    m->kind = SHARD_MODEL;
    m->model_id = model_id(m->model);
    if (j->group[0])
        m->dataset = TAKE(j->dataset); /* of a group it may be that it is not for this one */
    if (atomic_load(&t->stopping))
        return OK;
    if (model_files_save(t->models_dir, m->model, m->model_id, &unsaved) == OK) {
        record(t, j, m->model, m->model_id, STORE_MODEL_LIVE, "the first one", "");
        return OK;
    }
    m->unsaved = true;
    announce_break(t->o.announcer);
    telemetry_add(t->o.telemetry, TEL_STORE_ERRORS, 1);
    log_event(LOG_ERROR, "the model could not be saved; a restart will learn again", "err",
              unsaved.msg, NULL);
    return OK;
}

static void format_figures(const struct promotion_figures *f, const char *reason,
                           size_t disbelieved, char *out, size_t size)
{
    char clean[RETRAIN_REASON_MAX];

    (void)snprintf(clean, sizeof clean, "%s", reason);
    str_make_printable(clean);
    for (char *c = clean; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '\'';
    const int n = snprintf(
        out, size,
        "{\"trained\":\"%s\",\"disbelieved\":%zu,\"confirmed\":%" PRIu32
        ",\"confirmed_missed\":%" PRIu32 ",\"unmarked\":%" PRIu32 ",\"unmarked_missed\":%" PRIu32
        ",\"unheard\":%" PRIu32 ",\"unheard_gained\":%" PRIu32 ",\"quiet_frames\":%" PRIu64
        ",\"live_opened\":%" PRIu32 ",\"candidate_opened\":%" PRIu32 ",\"live_ringing\":%" PRIu64
        ",\"candidate_ringing\":%" PRIu64 "}",
        clean, disbelieved, f->confirmed, f->confirmed_missed, f->unmarked, f->unmarked_missed,
        f->unheard, f->unheard_gained, f->quiet_frames, f->live_opened, f->candidate_opened,
        f->live_ringing, f->candidate_ringing);
    assert(n > 0 && (size_t)n < size); /* cut off it would be no JSON */
    (void)n;
}

/* The gate: m goes live, or is kept to be looked at. */
static void judge(struct trainer *t, struct trainer_job *j, const struct promotion_figures *f,
                  size_t disbelieved, struct model *m, uint64_t id)
{
    char why[PROMOTION_REASON_MAX], figures[STORE_FIGURES_MAX], number[24];
    const bool good = promotion_judge(f, why);

    format_figures(f, j->reason, disbelieved, figures, sizeof figures);
    (void)snprintf(number, sizeof number, "%016" PRIx64, id);
    record(t, j, m, id, good ? STORE_MODEL_LIVE : STORE_MODEL_REJECTED, why, figures);
    telemetry_add(t->o.telemetry, good ? TEL_PROMOTED : TEL_REJECTED, 1);
    announce_break(t->o.announcer);
    log_event(LOG_INFO, good ? "the new model goes live" : "the new model is rejected", "instance",
              j->instance, "model", number, "reason", why, NULL);
    if (!good)
        return;
    j->reply->kind = SHARD_MODEL;
    j->reply->model = model_ref(m);
    j->reply->model_id = id;
    j->reply->judged_by = j->live_id;
}

/* The live model saw exactly these: the same data and seed would give the same model. */
static bool is_known(const struct model *live, const struct dataset *const *v, size_t n)
{
    int64_t first_ms, last_ms;
    size_t rows;

    lesson_span(v, n, &first_ms, &last_ms, &rows);
    return live->stats.train_rows + live->stats.validation_rows == rows &&
           live->provenance.first_ms == first_ms && live->provenance.last_ms == last_ms;
}

/* A feature may stand still for as long as it did before the thinning, or the live model knew. */
static enum rc correct_stillness(struct panel *p, const struct model *live, struct model *m,
                                 struct err *err)
{
    const size_t n = m->schema->n;
    CLEANUP(mem_freep) uint64_t *longest = mem_array(n, sizeof *longest);

    if (!longest)
        return err_set(err, E_NOMEM, "no memory for %zu features", n);
    if (panel_stillness(p, longest, err) != OK)
        return err->rc;
    lesson_allow_stillness(m, longest);
    lesson_allow_stillness(m, live->scaler.longest_still);
    return OK;
}

/* Saved, and read again: a live model whose file is not whole would be lost at the next start. */
static enum rc save_whole(struct trainer *t, const struct model *m, uint64_t model_id,
                          struct err *err)
{
    CLEANUP(model_unrefp) struct model *again = NULL;
    char name[32];

    (void)snprintf(name, sizeof name, "%016" PRIx64 ".tsm", model_id);
    return model_files_save(t->models_dir, m, model_id, err) != OK
               ? err->rc
               : model_files_load(t->models_dir, name, &again, err);
}

/* Both by the same kind of threshold: a budget that a longer history holds rings less often than
 * the percentile before it, on purpose, which is no fault of the model. */
static enum rc rehearse(const struct trainer_job *j, struct panel *panel, struct model *m,
                        struct promotion_figures *ret, struct err *err)
{
    CLEANUP(model_unrefp) struct model *live = NULL;
    CLEANUP(model_unrefp) struct model *candidate = NULL;
    const struct threshold_spec young = threshold_young(&j->threshold);

    if (j->threshold.method != THRESHOLD_STAGED)
        return panel_rehearse(panel, j->live, m, ret, err);
    if (model_with_threshold(j->live, &young, &live, err) != OK ||
        model_with_threshold(m, &young, &candidate, err) != OK)
        return err->rc;
    return panel_rehearse(panel, live, candidate, ret, err);
}

/* The bell rang more often than can be right: what it rang for is learned from. */
static void tell_disbelieved(struct trainer *t, const struct trainer_job *j, size_t n)
{
    char count[24];

    if (n == 0)
        return;
    (void)snprintf(count, sizeof count, "%zu", n);
    announce_break(t->o.announcer);
    log_event(LOG_WARN,
              "more incidents in a day than can be true: all but the loudest were learned from, "
              "mark those that were true (tocsin mark)",
              "instance", j->instance, "learned", count, NULL);
}

/* E_STATE: there is nothing to learn from, or nothing new. */
static enum rc train_on_panel(struct trainer *t, struct trainer_job *j, struct panel *panel,
                              struct model **ret, struct err *err)
{
    const struct dataset *const *v = NULL;
    size_t n = 0;

    if (panel_gather(panel, &v, &n, err) != OK)
        return err->rc;
    if (is_known(j->live, v, n))
        return err_set(err, E_STATE,
                       "the live model was learned from the same frames, nothing has come since "
                       "that is fit to learn from");
    return train(t, j, v, n, ret, err);
}

/* Learn anew from what the store has, and judge. *ret_skipped: nothing to learn from, no failure.
 */
static enum rc train_again(struct trainer *t, struct trainer_job *j, bool *ret_skipped,
                           struct err *err)
{
    const struct retrain_question q = {
        .database = t->o.database,
        .instance = j->instance,
        .schema = j->schema,
        .now_ms = clock_wall_ms(),
        .interval_ms = j->interval_ms,
        .memory_ms = j->memory_ms,
        .per_week = threshold_is_budget(j->threshold.method) ? j->threshold.value : 0,
        .spec = j->retrain,
        .confirm = j->confirm,
        .least_rows = j->least_rows,
        .rows_max = RETRAIN_ROWS_MAX,
        .stopping = &t->stopping};
    CLEANUP(panel_closep) struct panel *panel = NULL;
    CLEANUP(model_unrefp) struct model *m = NULL;
    struct promotion_figures figures = {0};

    j->reply->kind = SHARD_UNCHANGED;
    announce_break(t->o.announcer);
    log_event(LOG_INFO, "learning anew", "instance", j->instance, "reason", j->reason, NULL);
    if (panel_open(&q, j->member, j->n_members, &panel, err) != OK)
        return err->rc;
    if (clock_mono_ms() - t->swept_ms >= SWEEP_EACH_MS &&
        panel_sweep(panel, t->models_dir, j->live_id))
        t->swept_ms = clock_mono_ms();
    if (train_on_panel(t, j, panel, &m, err) != OK) {
        *ret_skipped = err->rc == E_STATE;
        return err->rc;
    }
    assert(m);
    if (correct_stillness(panel, j->live, m, err) != OK)
        return err->rc;
    const uint64_t id = model_id(m);
    if (save_whole(t, m, id, err) != OK)
        return err->rc;
    record(t, j, m, id, STORE_MODEL_CANDIDATE, "trained, not judged yet", "");
    if (rehearse(j, panel, m, &figures, err) != OK) {
        record(t, j, m, id, STORE_MODEL_REJECTED, err->msg, "");
        return err->rc;
    }
    tell_disbelieved(t, j, panel_disbelieved(panel));
    judge(t, j, &figures, panel_disbelieved(panel), m, id);
    return OK;
}

static void tell_failure(struct trainer *t, const struct trainer_job *j, bool skipped,
                         const struct err *err)
{
    if (!j->live) /* the shard tells */
        return;
    announce_break(t->o.announcer);
    log_event(skipped ? LOG_INFO : LOG_ERROR,
              skipped ? "nothing was learned anew; the live model stays"
                      : "training failed; the live model stays",
              "instance", j->instance, "reason", err->msg, NULL);
}

static void work(struct trainer *t, struct trainer_job *j)
{
    bool skipped = false;
    struct err err;

    j->reply->slot = j->slot;
    t->job = j;
    const enum rc rc = j->live ? train_again(t, j, &skipped, &err) : train_first(t, j, &err);
    if (atomic_load(&t->stopping))
        return; /* nobody waits for it: the frames are in the store */
    telemetry_add(t->o.telemetry,
                  rc == OK  ? TEL_TRAININGS
                  : skipped ? TEL_TRAININGS_SKIPPED
                            : TEL_TRAININGS_FAILED,
                  1);
    if (rc != OK)
        tell_failure(t, j, skipped, &err);
    reply(t, j);
}

static void *run(void *arg)
{
    struct trainer *t = arg;
    struct trainer_job *job;

    pthread_setname_np(pthread_self(), "train");
    t->swept_ms = clock_mono_ms(); /* as the daemon started */
    /* Linux: the thread alone, not the process (setpriority(2), "C library/kernel differences"). */
    (void)setpriority(PRIO_PROCESS, 0, NICEST); /* best effort: training only takes longer */
    while ((job = queue_wait(t->queue, -1))) {
        if (!atomic_load(&t->stopping)) /* else all that waits is not even begun */
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
