/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/shard_private.h"

#include <errno.h>
#include <pthread.h>

#include "base/log.h"
#include "base/mem.h"

enum { SHARD_QUEUE = 256 };

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

static void on_tick(struct shard *s, const struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];
    struct entity_step step;
    struct err err;

    const enum rc rc = entity_tick(slot->entity, m->snapshot, &m->clocks, &step, &err);
    shard_tell_discontinuity(s, slot->entity, &step);
    if (rc != OK) {
        shard_tell_dropped(s, slot, &err);
        return;
    }
    slot->dropped = OK;
    if (step.frame) {
        telemetry_add(s->o.telemetry, TEL_FRAMES, 1);
        shard_keep_frame(s, m->slot, m->snapshot->ts_ms, &step);
    }
    if (step.scored) {
        telemetry_add(s->o.telemetry, TEL_SCORES, 1);
        telemetry_add(s->o.telemetry, TEL_ANOMALOUS, step.verdict.anomalous);
    }
    if (step.scored)
        shard_tell_presence(s, slot);
    shard_tell_incident(s, m->slot, &step);
    shard_tell_slow(s, m->slot, step.aging.event, &step.aging.slow);
    if (entity_phase(slot->entity) == PHASE_LEARNING) {
        uint64_t rows, wanted;
        entity_progress(slot->entity, &rows, &wanted);
        announce_learning(s->o.announcer, entity_instance(slot->entity), rows, wanted,
                          entity_interval_ms(slot->entity));
    }
    if (step.training_due)
        shard_order_training(s, m->slot);
    shard_follow_schedule(s, m->slot, &m->clocks);
    shard_follow_drift(s, m->slot, &step.aging);
    shard_publish(s, slot);
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
        if (entity_model(e) && shard_apply_threshold(s, e, &err) != OK) {
            announce_break(s->o.announcer);
            log_event(LOG_ERROR, "the new threshold was not taken", "instance", entity_instance(e),
                      "err", err.msg, NULL);
        }
        shard_publish(s, &s->slot[i]);
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
    struct shard_slot *slot = &s->slot[s->n];
    CLEANUP(mem_freep)
    enum presence_state *told = mem_array(entity_schema(e)->n, sizeof *told);
    if (!told)
        return err_set(err, E_NOMEM, "entity '%s': no memory", entity_instance(e));
    if (board_add(s->o.board, entity_instance(e), &slot->board_slot, err) != OK)
        return err->rc;
    slot->entity = e;
    slot->told = TAKE(told);
    slot->trained_ms = trained_ms;
    shard_publish(s, slot);
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
        shard_tell_incident(s, i, &step);
        step.aging.event = entity_end_slow(s->slot[i].entity, &step.aging.slow);
        shard_tell_slow(s, i, step.aging.event, &step.aging.slow);
        entity_free(s->slot[i].entity);
        mem_free(s->slot[i].told);
    }
    mem_free(s);
}
