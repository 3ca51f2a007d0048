/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/shard.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"

enum { SHARD_QUEUE = 256, SHARD_ENTITIES_MAX = BOARD_ENTITIES_MAX };

struct slot {
    struct entity *entity;
    size_t board_slot;
    enum presence_state *told; /* [schema->n] what was said of each feature */
    enum rc dropped;           /* why ticks are being dropped: said once, until it passes */
    bool retraining;           /* the trainer has not answered yet */
    bool drifted;              /* a drift ordered a training, then: */
    int64_t drift_mono_ms;
    struct continuity_clocks now;        /* of the last tick */
    int64_t trained_ms, trained_mono_ms; /* when it was trained last, whatever came of it: before
                                          * the first tick by the wall's clock, then monotonic */
};

struct shard {
    struct shard_options o;
    struct queue *queue;
    pthread_t thread;
    bool started;
    size_t n;
    struct slot slot[SHARD_ENTITIES_MAX];
    struct entity_view view; /* scratch */
};

void shard_message_free(void *message)
{
    struct shard_message *m = message;

    if (!m)
        return;
    snapshot_free(m->snapshot);
    model_unref(m->model);
    dataset_free(m->dataset);
    mem_free(m);
}

static void publish(struct shard *s, struct slot *slot)
{
    entity_view(slot->entity, &s->view);
    board_publish(s->o.board, slot->board_slot, &s->view);
}

/* Gives m to the storekeeper, or counts what it would have kept. */
static void keep(struct shard *s, struct storekeeper_message *m)
{
    if (m && queue_push(s->o.store, m))
        return;
    telemetry_add(s->o.telemetry, m ? TEL_DROPPED_STORE_FULL : TEL_DROPPED_NO_MEMORY, 1);
    mem_free(m);
}

static void keep_frame(struct shard *s, size_t at, int64_t ts_ms, const struct entity_step *step)
{
    const struct entity *e = s->slot[at].entity;
    struct storekeeper_message *m =
        storekeeper_message_new(KEEP_FRAME, at, step->frame, entity_schema(e)->n);

    if (m) {
        m->ts_ms = ts_ms;
        m->scored = step->scored;
        m->verdict = step->verdict;
        m->model_id = entity_model_id(e);
    }
    keep(s, m);
}

static void keep_incident(struct shard *s, size_t at, const struct incident *in)
{
    struct storekeeper_message *m = storekeeper_message_new(KEEP_INCIDENT, at, NULL, 0);

    if (m)
        m->incident = *in;
    keep(s, m);
}

static void tell_discontinuity(struct shard *s, const struct entity *e,
                               const struct entity_step *step)
{
    static const enum telemetry_id counter[] = {
        [CONTINUITY_GAP] = TEL_GAP,
        [CONTINUITY_SUSPENDED] = TEL_SUSPENDED,
        [CONTINUITY_CLOCK_JUMP] = TEL_CLOCK_JUMP,
        [CONTINUITY_CLOCK_STOPPED] = TEL_CLOCK_STOPPED,
    };
    char what[CONTINUITY_TEXT_MAX];

    if (step->continuity == CONTINUITY_OK)
        return;
    telemetry_add(s->o.telemetry, counter[step->continuity], 1);
    continuity_describe(step->continuity, step->continuity_ms, what);
    announce_break(s->o.announcer);
    log_event(LOG_WARN, what, "instance", entity_instance(e), NULL);
}

static void tell_presence(struct shard *s, struct slot *slot)
{
    static const char *const words[] = {
        [PRESENCE_FINE] = "back", [PRESENCE_ABSENT] = "absent", [PRESENCE_FROZEN] = "frozen"};
    const struct schema *schema = entity_schema(slot->entity);

    for (size_t i = 0; i < schema->n; i++) {
        const enum presence_state now = entity_presence(slot->entity, i);
        if (now != slot->told[i])
            announce_feature(s->o.announcer, entity_instance(slot->entity), schema->f[i].name,
                             words[now]);
        slot->told[i] = now;
    }
}

static void tell_incident(struct shard *s, size_t at, const struct entity_step *step)
{
    const struct entity *e = s->slot[at].entity;
    const struct schema *schema = entity_schema(e);

    if (step->event == WATCH_QUIET)
        return;
    if (step->event == WATCH_OPENED) {
        telemetry_add(s->o.telemetry, TEL_INCIDENTS, 1);
        announce_opened(s->o.announcer, entity_instance(e), schema, &step->incident);
    } else if (step->event == WATCH_CLOSED) {
        announce_closed(s->o.announcer, entity_instance(e), schema, &step->incident);
    }
    keep_incident(s, at, &step->incident);
}

static void tell_slow(struct shard *s, size_t at, enum watch_event event,
                      const struct slow_change *slow)
{
    const struct entity *e = s->slot[at].entity;
    char text[REFERENCE_TEXT_MAX];

    if (event == WATCH_QUIET)
        return;
    reference_describe(slow, entity_schema(e), text);
    if (event == WATCH_OPENED)
        telemetry_add(s->o.telemetry, TEL_INCIDENTS, 1);
    announce_break(s->o.announcer);
    log_event(event == WATCH_CLOSED ? LOG_INFO : LOG_WARN,
              event == WATCH_OPENED   ? "slow incident opened"
              : event == WATCH_CLOSED ? "slow incident closed"
                                      : "slow incident grew",
              "instance", entity_instance(e), "why", text, NULL);
    keep_incident(s, at, &slow->incident);
}

/* NULL, counted: no memory. */
static struct trainer_job *new_job(const struct shard *s, size_t at)
{
    const struct entity *e = s->slot[at].entity;
    struct trainer_job *job = mem_alloc(sizeof *job);

    if (job)
        job->reply = mem_alloc(sizeof *job->reply);
    if (!job || !job->reply) {
        telemetry_add(s->o.telemetry, TEL_TRAININGS_FAILED, 1);
        trainer_job_free(job);
        return NULL;
    }
    job->threshold = s->o.threshold;
    job->slot = at;
    job->schema = entity_schema(e);
    (void)snprintf(job->instance, sizeof job->instance, "%s", entity_instance(e));
    (void)snprintf(job->profile, sizeof job->profile, "%s", profile_name(entity_profile(e)));
    return job;
}

/* Hand what was learned to the trainer; when that cannot be, learning simply goes on. */
static void order_training(struct shard *s, size_t at)
{
    struct entity *e = s->slot[at].entity;
    struct trainer_job *job = new_job(s, at);

    if (!job)
        return;
    job->dataset = entity_take_training(e);
    if (queue_push(s->o.trainer, job))
        return;
    telemetry_add(s->o.telemetry, TEL_TRAININGS_FAILED, 1); /* or everything is stopping */
    entity_training_failed(e, TAKE(job->dataset));
    trainer_job_free(job);
}

/* Learn anew beside the watching, from what the store has: the entry for whoever has a reason. */
static void order_retraining(struct shard *s, size_t at, const char *reason)
{
    struct slot *slot = &s->slot[at];
    struct entity *e = slot->entity;
    uint64_t rows, wanted;

    if (slot->retraining || entity_phase(e) != PHASE_WATCHING)
        return;
    slot->trained_mono_ms = slot->now.mono_ms; /* whatever comes of it: not again at each tick */
    struct trainer_job *job = new_job(s, at);
    if (!job)
        return;
    entity_progress(e, &rows, &wanted);
    job->live = entity_model_ref(e);
    job->live_id = entity_model_id(e);
    (void)snprintf(job->reason, sizeof job->reason, "%s", reason);
    job->retrain = s->o.retrain;
    job->confirm = s->o.confirm;
    job->interval_ms = entity_interval_ms(e);
    job->memory_ms =
        profile_window_ms(entity_profile(e)) + (int64_t)s->o.confirm.of * job->interval_ms;
    job->least_rows = wanted / 2;
    slot->retraining = queue_push(s->o.trainer, job);
    if (slot->retraining)
        return;
    telemetry_add(s->o.telemetry, TEL_TRAININGS_FAILED, 1);
    trainer_job_free(job);
}

/* The model no longer fits what it is shown: learn anew, at most once a day. */
static void tell_drift(struct shard *s, size_t at, const struct aging_step *step)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct slot *slot = &s->slot[at];
    const struct entity *e = slot->entity;
    char text[DRIFT_TEXT_MAX], reason[RETRAIN_REASON_MAX];

    if (!step->drifted)
        return;
    drift_describe(&step->drift, entity_schema(e), text);
    announce_break(s->o.announcer);
    log_event(LOG_INFO, "the model drifts", "instance", entity_instance(e), "why", text, NULL);
    if (slot->drifted && slot->now.mono_ms - slot->drift_mono_ms < DAY_MS)
        return;
    slot->drifted = true;
    slot->drift_mono_ms = slot->now.mono_ms;
    int n = snprintf(reason, sizeof reason, "drift: %s", text);
    n = n < (int)sizeof reason ? n : (int)sizeof reason - 1;
    while (n > 0 && !str_is_utf8((struct str){reason, (size_t)n})) /* cut within a letter */
        reason[--n] = '\0';
    order_retraining(s, at, reason);
}

static void keep_schedule(struct shard *s, size_t at, const struct continuity_clocks *now)
{
    struct slot *slot = &s->slot[at];
    const bool first = slot->now.mono_ms == 0;

    slot->now = *now;
    if (first) /* an earlier run's training is as old as the wall's clock says */
        slot->trained_mono_ms = now->mono_ms - (slot->trained_ms && now->wall_ms > slot->trained_ms
                                                    ? now->wall_ms - slot->trained_ms
                                                    : 0);
    if (s->o.retrain.every_ms && now->mono_ms - slot->trained_mono_ms >= s->o.retrain.every_ms)
        order_retraining(s, at, "schedule");
}

static void count_drop(struct shard *s, struct slot *slot, const struct err *err)
{
    telemetry_add(s->o.telemetry,
                  err->rc == E_STATE   ? TEL_DROPPED_OUT_OF_ORDER
                  : err->rc == E_NOMEM ? TEL_DROPPED_NO_MEMORY
                                       : TEL_DROPPED_SERIES_LIMIT,
                  1);
    if (slot->dropped == err->rc)
        return;
    slot->dropped = err->rc;
    announce_break(s->o.announcer);
    log_event(LOG_WARN, "tick dropped", "instance", entity_instance(slot->entity), "err", err->msg,
              NULL);
}

static void on_tick(struct shard *s, const struct shard_message *m)
{
    struct slot *slot = &s->slot[m->slot];
    struct entity_step step;
    struct err err;

    const enum rc rc = entity_tick(slot->entity, m->snapshot, &m->clocks, &step, &err);
    tell_discontinuity(s, slot->entity, &step);
    if (rc != OK) {
        count_drop(s, slot, &err);
        return;
    }
    slot->dropped = OK;
    if (step.frame) {
        telemetry_add(s->o.telemetry, TEL_FRAMES, 1);
        keep_frame(s, m->slot, m->snapshot->ts_ms, &step);
    }
    if (step.scored) {
        telemetry_add(s->o.telemetry, TEL_SCORES, 1);
        telemetry_add(s->o.telemetry, TEL_ANOMALOUS, step.verdict.anomalous);
    }
    if (step.scored)
        tell_presence(s, slot);
    tell_incident(s, m->slot, &step);
    tell_slow(s, m->slot, step.aging.event, &step.aging.slow);
    if (entity_phase(slot->entity) == PHASE_LEARNING) {
        uint64_t rows, wanted;
        entity_progress(slot->entity, &rows, &wanted);
        announce_learning(s->o.announcer, entity_instance(slot->entity), rows, wanted,
                          entity_interval_ms(slot->entity));
    }
    if (step.training_due)
        order_training(s, m->slot);
    keep_schedule(s, m->slot, &m->clocks);
    tell_drift(s, m->slot, &step.aging);
    publish(s, slot);
}

/* The threshold may have been set anew while the model was trained or restored. */
static bool is_judged_by(const struct model *m, const struct threshold_spec *t)
{
    return m->threshold_spec.method == t->method && m->threshold_spec.value == t->value;
}

static enum rc apply_threshold(struct shard *s, struct entity *e, struct err *err)
{
    CLEANUP(model_unrefp) struct model *changed = NULL;

    if (is_judged_by(entity_model(e), &s->o.threshold))
        return OK;
    if (model_with_threshold(entity_model(e), &s->o.threshold, &changed, err) != OK)
        return err->rc;
    return entity_set_model(e, changed, entity_model_id(e), err);
}

/* The store's live model is the one in use, in the order in which models came to be. */
static void keep_live(struct shard *s, size_t at)
{
    struct storekeeper_message *m = storekeeper_message_new(KEEP_LIVE, at, NULL, 0);

    if (m) {
        m->model_id = entity_model_id(s->slot[at].entity);
        m->ts_ms = s->slot[at].now.wall_ms;
    }
    keep(s, m);
}

/* Its entity watches with another model by now, which an operator chose: it was not judged by that
 * one. */
static enum rc check_judge(const struct entity *e, const struct shard_message *m, struct err *err)
{
    if (m->by_operator || m->judged_by == 0 || m->judged_by == entity_model_id(e))
        return OK;
    return err_set(err, E_STATE, "another model went live while it was judged");
}

static void on_model(struct shard *s, const struct shard_message *m)
{
    struct slot *slot = &s->slot[m->slot];
    struct entity *e = slot->entity;
    struct err err;

    if (!m->by_operator) {
        slot->retraining = false;
        slot->trained_mono_ms = slot->now.mono_ms;
    }
    if (check_judge(e, m, &err) != OK || entity_set_model(e, m->model, m->model_id, &err) != OK ||
        apply_threshold(s, e, &err)) {
        announce_break(s->o.announcer);
        log_event(LOG_ERROR, "the new model was not taken", "instance", entity_instance(e), "err",
                  err.msg, NULL);
        if (entity_model(e))
            keep_live(s, m->slot);
        return;
    }
    keep_live(s, m->slot);
    const struct model *now = entity_model(e);
    announce_watching(s->o.announcer, entity_instance(e), entity_schema(e)->n,
                      now->stats.train_rows + now->stats.validation_rows, now->threshold,
                      now->threshold_widening, false);
    publish(s, slot);
}

static void on_training_failed(struct shard *s, struct shard_message *m)
{
    struct slot *slot = &s->slot[m->slot];

    announce_break(s->o.announcer);
    log_event(LOG_ERROR, "training failed, learning goes on", "instance",
              entity_instance(slot->entity), "err", m->why.msg, NULL);
    entity_training_failed(slot->entity, TAKE(m->dataset));
    publish(s, slot);
}

/* The configuration was read again: the same model with another threshold. */
static void on_settings(struct shard *s, const struct shard_message *m)
{
    s->o.threshold = m->threshold;
    s->o.confirm = m->confirm;
    s->o.retrain = m->retrain;
    for (size_t i = 0; i < s->n; i++) {
        struct entity *e = s->slot[i].entity;
        struct err err;

        entity_set_confirm(e, m->confirm);
        if (entity_model(e) && apply_threshold(s, e, &err) != OK) {
            announce_break(s->o.announcer);
            log_event(LOG_ERROR, "the new threshold was not taken", "instance", entity_instance(e),
                      "err", err.msg, NULL);
        }
        publish(s, &s->slot[i]);
    }
}

static void *run(void *arg)
{
    struct shard *s = arg;

    pthread_setname_np(pthread_self(), "shard");
    for (;;) {
        CLEANUP(shard_message_freep) struct shard_message *m = queue_wait(s->queue, -1);
        if (!m)
            return NULL; /* closed and empty */
        switch (m->kind) {
        case SHARD_TICK:
            on_tick(s, m);
            break;
        case SHARD_MODEL:
            on_model(s, m);
            break;
        case SHARD_TRAINING_FAILED:
            on_training_failed(s, m);
            break;
        case SHARD_UNCHANGED:
            s->slot[m->slot].retraining = false;
            break;
        case SHARD_RETRAIN:
            order_retraining(s, m->slot, m->why.msg);
            break;
        case SHARD_SETTINGS:
            on_settings(s, m);
            break;
        }
    }
}

enum rc shard_new(const struct shard_options *o, struct shard **ret, struct err *err)
{
    CLEANUP(mem_freep) struct shard *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "shard: no memory");
    s->o = *o;
    if (queue_new(SHARD_QUEUE, &s->queue, err) != OK)
        return err->rc;
    *ret = TAKE(s);
    return OK;
}

enum rc shard_add(struct shard *s, struct entity *e, int64_t trained_ms, size_t *ret_slot,
                  struct err *err)
{
    if (s->n == SHARD_ENTITIES_MAX)
        return err_set(err, E_LIMIT, "entity '%s': a shard holds %d", entity_instance(e),
                       SHARD_ENTITIES_MAX);
    struct slot *slot = &s->slot[s->n];
    CLEANUP(mem_freep)
    enum presence_state *told = mem_array(entity_schema(e)->n, sizeof *told);
    if (!told)
        return err_set(err, E_NOMEM, "entity '%s': no memory", entity_instance(e));
    if (board_add(s->o.board, entity_instance(e), &slot->board_slot, err) != OK)
        return err->rc;
    slot->entity = e;
    slot->told = TAKE(told);
    slot->trained_ms = trained_ms;
    publish(s, slot);
    *ret_slot = s->n++;
    return OK;
}

struct queue *shard_queue(struct shard *s)
{
    return s->queue;
}

enum rc shard_start(struct shard *s, struct err *err)
{
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno)
        return err_set(err, E_IO, "shard: thread: %m");
    s->started = true;
    return OK;
}

void shard_stop(struct shard *s)
{
    if (!s)
        return;
    queue_close(s->queue);
    if (s->started)
        pthread_join(s->thread, NULL);
    queue_free(s->queue, shard_message_free);
    for (size_t i = 0; i < s->n; i++) {
        struct entity_step step = {0};
        step.event = entity_end(s->slot[i].entity, &step.incident);
        tell_incident(s, i, &step);
        step.aging.event = entity_end_slow(s->slot[i].entity, &step.aging.slow);
        tell_slow(s, i, step.aging.event, &step.aging.slow);
        entity_free(s->slot[i].entity);
        mem_free(s->slot[i].told);
    }
    mem_free(s);
}
