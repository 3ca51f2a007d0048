/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/shard_private.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"

struct shard_message *shard_message_new(enum shard_message_kind kind, size_t slot,
                                        const double *base, size_t n_base)
{
    struct shard_message *m = mem_alloc(sizeof *m + n_base * sizeof m->base[0]);

    if (!m)
        return NULL;
    m->kind = kind;
    m->slot = slot;
    m->n_base = n_base;
    if (n_base)
        memcpy(m->base, base, n_base * sizeof *base);
    return m;
}

void shard_message_free(void *message)
{
    struct shard_message *m = message;

    if (!m)
        return;
    entity_free(m->entity);
    snapshot_free(m->snapshot);
    model_unref(m->model);
    dataset_free(m->dataset);
    for (size_t i = 0; i < m->pool.n; i++)
        dataset_free(m->pool.v[i].dataset);
    mem_free(m->pool.v);
    marks_free(m->marks);
    mem_free(m);
}

/* What a tick or a frame came to: to the store, the board, the log, the trainer. */
static void on_step(struct shard *s, size_t at, int64_t ts_ms,
                    const struct continuity_clocks *clocks, const struct entity_step *step)
{
    struct shard_slot *slot = &s->slot[at];

    slot->dropped = OK;
    if (step->frame) {
        telemetry_add(s->o.telemetry, TEL_FRAMES, 1);
        shard_keep_frame(s, at, ts_ms, step);
    }
    if (step->scored) {
        telemetry_add(s->o.telemetry, TEL_SCORES, 1);
        telemetry_add(s->o.telemetry, TEL_ANOMALOUS, step->verdict.anomalous);
        shard_tell_presence(s, slot);
        if (step->day_shifted)
            shard_tell_day(s, slot->entity);
        if (step->refuted)
            shard_tell_refuted(s, slot->entity);
    }
    shard_tell_incident(s, at, step);
    shard_tell_slow(s, at, step->aging.event, &step->aging.slow);
    shard_keep_reference(s, at, ts_ms, step->aging.event != WATCH_QUIET);
    shard_tell_learning(s, slot);
    if (step->training_due)
        shard_order_training(s, at);
    shard_follow_schedule(s, at, clocks);
    shard_follow_drift(s, at, &step->aging);
    shard_follow_fleet(s, at);
    shard_publish(s, slot);
    if (step->scored) /* after it was published: s->view says whether it rings */
        shard_write_score(s, at, &step->verdict, false);
}

static void on_tick(struct shard *s, const struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];
    const bool frame = m->kind == SHARD_FRAME;
    const struct continuity_clocks clocks =
        frame ? (struct continuity_clocks){m->ts_ms, m->ts_ms, m->ts_ms} : m->clocks;
    struct entity_step step;
    struct err err;

    const bool was_stale = entity_is_stale(slot->entity);
    entity_hold(slot->entity, marks_hold(s->marks, entity_instance(slot->entity),
                                         frame ? m->ts_ms : m->snapshot->ts_ms));
    const enum rc rc = frame ? entity_frame(slot->entity, m->ts_ms, m->base, m->n_base, &step, &err)
                             : entity_tick(slot->entity, m->snapshot, &clocks, &step, &err);
    if (was_stale && !entity_is_stale(slot->entity))
        log_event(LOG_INFO, "entity is back", "instance", entity_instance(slot->entity), NULL);
    shard_tell_discontinuity(s, slot->entity, &step);
    if (rc != OK)
        shard_tell_dropped(s, slot, &err);
    else
        on_step(s, m->slot, frame ? m->ts_ms : m->snapshot->ts_ms, &clocks, &step);
}

static void on_caught_up(struct shard *s, size_t at)
{
    if (entity_caught_up(s->slot[at].entity))
        shard_order_training(s, at);
    shard_publish(s, &s->slot[at]);
}

static void on_stale(struct shard *s, const struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];

    if (!entity_is_stale(slot->entity)) {
        announce_break(s->o.announcer);
        log_event(LOG_WARN, "entity is stale", "instance", entity_instance(slot->entity), "why",
                  m->why.msg, NULL);
    }
    entity_set_stale(slot->entity, m->ts_ms, m->why.msg);
    shard_publish(s, slot);
}

void shard_add(struct shard *s, struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];
    CLEANUP(mem_freep)
    enum presence_state *told = mem_array(entity_schema(m->entity)->n, sizeof *told);
    struct err err;

    *slot = (struct shard_slot){.trained_ms = m->trained_ms};
    if (!told) {
        telemetry_add(s->o.telemetry, TEL_DROPPED_NO_MEMORY, 1);
        return;
    }
    if (board_add(s->o.board, entity_instance(m->entity), &slot->board_slot, &err) != OK) {
        log_event(LOG_ERROR, "an entity is not watched", "err", err.msg, NULL);
        return;
    }
    slot->entity = TAKE(m->entity);
    slot->told = TAKE(told);
    slot->kept_ms = reference_resume_ms(entity_reference(slot->entity));
    s->n = m->slot < s->n ? s->n : m->slot + 1;
    shard_publish(s, slot);
    shard_tell_slow_goes_on(s, m->slot);
    shard_tell_threshold(s, slot->entity);
    s->n_watching += entity_phase(slot->entity) == PHASE_WATCHING;
}

/* for_good: the entity is forgotten; else the next run goes on with it, and a slow change stays
 * open. */
static void end_entity(struct shard *s, size_t at, bool for_good)
{
    struct shard_slot *slot = &s->slot[at];
    struct entity_step step = {0};

    step.event = entity_end(slot->entity, &step.incident);
    shard_tell_incident(s, at, &step);
    if (for_good && entity_slow(slot->entity, &step.aging.slow)) {
        struct incident *in = &step.aging.slow.incident;
        const int64_t last_ms = entity_last_ms(slot->entity);
        in->end_ms = last_ms > in->start_ms ? last_ms : in->start_ms;
        shard_tell_slow(s, at, WATCH_CLOSED, &step.aging.slow);
    }
    /* Not when the watching ends for all: of a fleet that is a hundred megabytes, which nobody
     * waits for. The next run goes on from the state that is stored, by the frames since. */
    if (for_good)
        shard_keep_reference(s, at, slot->now.wall_ms, true);
    entity_free(TAKE(slot->entity));
    mem_free(TAKE(slot->joins));
    mem_free(TAKE(slot->told));
}

bool shard_is_trained(const struct shard_slot *slot)
{
    return slot->retraining || entity_phase(slot->entity) == PHASE_TRAINING;
}

static void remove_entity(struct shard *s, size_t at)
{
    struct shard_slot *slot = &s->slot[at];

    slot->leaving = true;
    if (shard_is_trained(slot))
        return;
    announce_break(s->o.announcer);
    log_event(LOG_INFO, "entity forgotten: nothing was heard of it for long", "instance",
              entity_instance(slot->entity), NULL);
    shard_write_score(s, at, &(struct verdict){.ts_ms = entity_last_ms(slot->entity) + 1}, true);
    board_remove(s->o.board, slot->board_slot);
    s->n_watching -= entity_phase(slot->entity) == PHASE_WATCHING;
    shard_leave_group(s, at);
    end_entity(s, at, true);
    *slot = (struct shard_slot){0};
    s->release(s->release_arg, at);
}

void shard_end_waiting(struct shard *s, size_t at)
{
    struct shard_slot *slot = &s->slot[at];

    if (!slot->entity || shard_is_trained(slot))
        return;
    CLEANUP(mem_freep) char *joins = TAKE(slot->joins);
    if (slot->leaving)
        remove_entity(s, at);
    else if (joins)
        shard_join_group(s, at, joins);
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

        if (!e)
            continue;
        entity_set_confirm(e, m->confirm);
        if (entity_model(e) && shard_apply_threshold(s, i, &err) != OK) {
            announce_break(s->o.announcer);
            log_event(LOG_ERROR, "the new threshold was not taken", "instance", entity_instance(e),
                      "err", err.msg, NULL);
        }
        shard_publish(s, &s->slot[i]);
    }
}

/* An operator accepts what is open by the mark of its incident. */
static void accept_slow(struct shard *s, size_t at)
{
    struct shard_slot *slot = &s->slot[at];
    struct entity *e = slot->entity;
    struct slow_change slow;

    if (!entity_slow(e, &slow) ||
        !marks_accept(s->marks, entity_instance(e), slow.incident.start_ms))
        return;
    shard_tell_slow(s, at, entity_accept_slow(e, slot->now.wall_ms, &slow), &slow);
    shard_keep_reference(s, at, slot->now.wall_ms, true);
    shard_publish(s, slot);
}

static void on_marks(struct shard *s, struct shard_message *m)
{
    marks_free(s->marks);
    s->marks = TAKE(m->marks);
    for (size_t i = 0; i < s->n; i++)
        if (s->slot[i].entity)
            accept_slow(s, i);
}

/* A message for an entity that there is. */
static void take(struct shard *s, struct shard_message *m)
{
    switch (m->kind) {
    case SHARD_TICK:
    case SHARD_FRAME:
        on_tick(s, m);
        break;
    case SHARD_GATHER:
        entity_gather(s->slot[m->slot].entity);
        break;
    case SHARD_CAUGHT_UP:
        on_caught_up(s, m->slot);
        break;
    case SHARD_STALE:
        on_stale(s, m);
        break;
    case SHARD_REMOVE:
        remove_entity(s, m->slot);
        break;
    case SHARD_GROUP:
        shard_join_group(s, m->slot, m->why.msg);
        break;
    case SHARD_MODEL:
        shard_take_model(s, m);
        break;
    case SHARD_TRAINING_FAILED:
        shard_take_failure(s, m);
        break;
    case SHARD_UNCHANGED:
        s->slot[m->slot].retraining = false;
        break;
    case SHARD_RETRAIN:
        shard_order_retraining(s, m->slot, m->why.msg);
        break;
    case SHARD_ADD:
    case SHARD_SETTINGS:
    case SHARD_MARKS:
        break; /* on_message has them */
    }
}

/* Takes m. */
static void on_message(struct shard *s, struct shard_message *message)
{
    CLEANUP(shard_message_freep) struct shard_message *m = message;
    struct shard_slot *slot = &s->slot[m->slot];

    if (m->kind == SHARD_SETTINGS)
        on_settings(s, m);
    else if (m->kind == SHARD_MARKS)
        on_marks(s, m);
    else if (m->kind == SHARD_ADD)
        shard_add(s, m);
    else if (slot->entity)
        take(s, m);
    else if (m->kind == SHARD_REMOVE) /* one that could not be added, which was said */
        s->release(s->release_arg, m->slot);
    else
        shard_unpool(s, &m->pool);
    if (m->group)
        shard_end_group_training(s, m);
    shard_end_waiting(s, m->slot);
}

static void *run(void *arg)
{
    struct shard *s = arg;
    struct shard_message *m;

    pthread_setname_np(pthread_self(), "shard");
    while ((m = queue_wait(s->queue, -1))) /* NULL: closed and empty */
        on_message(s, m);
    return NULL;
}

void shard_settle(struct shard *s)
{
    struct shard_message *m;

    while ((m = queue_pop(s->queue)))
        on_message(s, m);
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

void shard_on_release(struct shard *s, void (*fn)(void *arg, size_t slot), void *arg)
{
    s->release = fn;
    s->release_arg = arg;
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
    for (size_t i = 0; i < s->n; i++)
        if (s->slot[i].entity)
            end_entity(s, i, false);
    for (size_t i = 0; i < s->n_groups; i++)
        model_unref(s->groups[i].model);
    mem_free(s->groups);
    marks_free(s->marks);
    mem_free(s);
}
