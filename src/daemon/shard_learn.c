/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/shard_private.h"
#include "daemon/trainer.h"
#include "model/assemble.h"

/* Under this factor of a fleet's budget the threshold hardly moves. */
static const double FLEET_STEP = 1.1;

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
    job->threshold = settings_share(&s->o.threshold, s->n_watching);
    job->slot = at;
    job->schema = entity_schema(e);
    (void)snprintf(job->instance, sizeof job->instance, "%s", entity_instance(e));
    (void)snprintf(job->profile, sizeof job->profile, "%s", profile_name(entity_profile(e)));
    return job;
}

void shard_order_training(struct shard *s, size_t at)
{
    struct entity *e = s->slot[at].entity;
    struct shard_group *g = shard_group_of(s, at);

    if (!queue_has_room(s->o.trainer)) /* a large fleet began at once: it learns on meanwhile */
        return;
    if (g && (g->training || shard_group_gathers(s, at)))
        return; /* for it too, or the next one is: the same */
    struct trainer_job *job = new_job(s, at);
    if (!job)
        return;
    if (shard_pool_group(s, at, job)) {
        job->dataset = entity_take_training(e);
        if (queue_push(s->o.trainer, job))
            return;
        entity_training_failed(e, TAKE(job->dataset));
        shard_unpool(s, &job->reply->pool);
    }
    telemetry_add(s->o.telemetry, TEL_TRAININGS_FAILED, 1); /* or everything is stopping */
    if (g)
        g->training = false;
    trainer_job_free(job);
}

void shard_order_retraining(struct shard *s, size_t at, const char *reason)
{
    struct shard_slot *slot = &s->slot[at];
    struct entity *e = slot->entity;
    uint64_t rows, wanted;
    struct shard_group *g = shard_group_shared(s, at);

    slot->owed = false;
    if (slot->retraining || entity_phase(e) != PHASE_WATCHING)
        return;
    if (!queue_has_room(s->o.trainer)) { /* of a large fleet: with a frame to come */
        slot->owed = true;
        return;
    }
    slot->trained_mono_ms = slot->now.mono_ms; /* whatever comes of it: not again at each tick */
    if (g && g->training)
        return;
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
    slot->retraining = (!g || shard_list_group(s, at, job)) && queue_push(s->o.trainer, job);
    if (slot->retraining)
        return;
    if (g)
        g->training = false;
    telemetry_add(s->o.telemetry, TEL_TRAININGS_FAILED, 1);
    trainer_job_free(job);
}

void shard_follow_drift(struct shard *s, size_t at, const struct aging_step *step)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct shard_slot *slot = &s->slot[at];
    const struct entity *e = slot->entity;
    char text[DRIFT_TEXT_MAX], reason[RETRAIN_REASON_MAX];

    if (!step->drifted)
        return;
    drift_describe(&step->drift, entity_schema(e), text);
    announce_break(s->o.announcer);
    log_event(LOG_INFO, "the model drifts", "instance", entity_instance(e), "why", text, NULL);
    struct shard_group *g = shard_group_shared(s, at);
    bool *drifted = g ? &g->drifted : &slot->drifted;
    int64_t *drift_mono_ms = g ? &g->drift_mono_ms : &slot->drift_mono_ms;
    if (*drifted && slot->now.mono_ms - *drift_mono_ms < DAY_MS)
        return;
    *drifted = true;
    *drift_mono_ms = slot->now.mono_ms;
    int n = snprintf(reason, sizeof reason, "drift: %s", text);
    n = n < (int)sizeof reason ? n : (int)sizeof reason - 1;
    while (n > 0 && !str_is_utf8((struct str){reason, (size_t)n})) /* cut within a letter */
        reason[--n] = '\0';
    shard_order_retraining(s, at, reason);
}

/* A model of minutes knows a small part of what the machine does, and rings for the rest: it is
 * made anew each time the history has doubled since the last training, whatever came of that. So
 * half of a history at most is unknown, and the trainings of a day, however short the first one
 * was, cost no more than twice the last. How long the history was then, 0 where it has not. */
static int64_t outgrown_ms(const struct shard_slot *slot, int64_t since_ms)
{
    const struct model *m = entity_model(slot->entity);
    uint64_t learned, wanted;
    int64_t known_ms;

    if (!m ||
        __builtin_sub_overflow(slot->now.wall_ms - since_ms, m->provenance.first_ms, &known_ms))
        return 0;
    entity_progress(slot->entity, &learned, &wanted);
    const int64_t least_ms = (int64_t)wanted * m->interval_ms;
    if (known_ms <= 0 || since_ms < (known_ms > least_ms ? known_ms : least_ms))
        return 0;
    /* Where the window or the store has no room for more its beginning moves on, and it is as long
     * as it was. One that is much shorter is another history. */
    const int64_t quarter_ms = slot->grown_ms / 4;
    const bool as_long =
        known_ms >= slot->grown_ms - quarter_ms && known_ms < slot->grown_ms + quarter_ms;
    return as_long ? 0 : known_ms;
}

void shard_follow_schedule(struct shard *s, size_t at, const struct continuity_clocks *now)
{
    struct shard_slot *slot = &s->slot[at];
    const bool first = slot->now.mono_ms == 0;

    slot->now = *now;
    if (first) /* an earlier run's training is as old as the wall's clock says */
        slot->trained_mono_ms = now->mono_ms - (slot->trained_ms && now->wall_ms > slot->trained_ms
                                                    ? now->wall_ms - slot->trained_ms
                                                    : 0);
    const int64_t since_ms = now->mono_ms - slot->trained_mono_ms;
    const bool scheduled = s->o.retrain.every_ms > 0;
    const int64_t known_ms = scheduled ? outgrown_ms(slot, since_ms) : 0;
    if (scheduled && since_ms >= s->o.retrain.every_ms)
        shard_order_retraining(s, at, "schedule");
    else if (known_ms > 0)
        shard_order_retraining(s, at, "the history has grown");
    else if (slot->owed)
        shard_order_retraining(s, at, "asked when the trainer was busy");
    if (known_ms > 0 && (slot->retraining || slot->owed))
        slot->grown_ms = known_ms;
}

/* The same; or of a fleet's budget nearly the same part, since each step of it makes a model. */
static bool is_near(const struct threshold_spec *a, const struct threshold_spec *b)
{
    if (b->scope != SCOPE_FLEET || !threshold_is_budget(b->method))
        return settings_same_threshold(a, b);
    return a->method == b->method && a->scope == b->scope && (a->observe > 0) == (b->observe > 0) &&
           a->value < b->value * FLEET_STEP && a->value > b->value / FLEET_STEP;
}

enum rc shard_apply_threshold(struct shard *s, size_t at, struct err *err)
{
    CLEANUP(model_unrefp) struct model *changed = NULL;
    const struct threshold_spec wanted = settings_share(&s->o.threshold, s->n_watching);
    struct entity *e = s->slot[at].entity;
    struct shard_group *g = shard_group_shared(s, at);

    if (settings_same_threshold(&entity_model(e)->threshold_spec, &wanted) ||
        model_keeps_threshold(entity_model(e), &wanted))
        return OK;
    if (g) { /* once for all that share it */
        if (!is_near(&g->model->threshold_spec, &wanted)) {
            if (model_with_threshold(g->model, &wanted, &changed, err) != OK)
                return err->rc;
            model_unref(g->model);
            g->model = TAKE(changed);
        }
        return entity_set_model(e, g->model, g->model_id, err);
    }
    if (model_with_threshold(entity_model(e), &wanted, &changed, err) != OK)
        return err->rc;
    return entity_set_model(e, changed, entity_model_id(e), err);
}

void shard_count_watching(struct shard *s)
{
    s->n_watching = 0;
    for (size_t i = 0; i < s->n; i++)
        s->n_watching += s->slot[i].entity && entity_phase(s->slot[i].entity) == PHASE_WATCHING;
}

void shard_follow_fleet(struct shard *s, size_t at)
{
    struct entity *e = s->slot[at].entity;
    struct err err;

    if (s->o.threshold.scope != SCOPE_FLEET || !entity_model(e))
        return;
    const double now = entity_model(e)->threshold_spec.value;
    const double wanted = settings_share(&s->o.threshold, s->n_watching).value;
    if (wanted < now * FLEET_STEP && wanted > now / FLEET_STEP)
        return;
    if (shard_apply_threshold(s, at, &err) == OK)
        return;
    announce_break(s->o.announcer);
    log_event(LOG_ERROR, "the share of the fleet's budget was not taken", "instance",
              entity_instance(e), "err", err.msg, NULL);
}

/* Its entity watches with another model by now, which an operator chose: it was not judged by that
 * one. */
static enum rc check_judge(const struct entity *e, const struct shard_message *m, struct err *err)
{
    if (m->by_operator || m->judged_by == 0 || m->judged_by == entity_model_id(e))
        return OK;
    return err_set(err, E_STATE, "another model went live while it was judged");
}

void shard_take_model(struct shard *s, struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];
    struct entity *e = slot->entity;
    struct err err;

    if (m->by_operator && entity_phase(e) == PHASE_TRAINING) {
        log_event(LOG_ERROR, "the model in use stays", "instance", entity_instance(e), "err",
                  "it is being trained; send SIGHUP again", NULL);
        return;
    }
    if (!m->by_operator) {
        slot->retraining = false;
        slot->trained_mono_ms = slot->now.mono_ms;
    }
    if (m->group) {
        shard_take_group_model(s, m);
        return;
    }
    if (check_judge(e, m, &err) != OK || entity_set_model(e, m->model, m->model_id, &err) != OK ||
        shard_apply_threshold(s, m->slot, &err) != OK) {
        announce_break(s->o.announcer);
        log_event(LOG_ERROR, "the new model was not taken", "instance", entity_instance(e), "err",
                  err.msg, NULL);
        if (entity_model(e))
            shard_keep_live(s, m->slot);
        return;
    }
    entity_set_chosen(e, m->by_operator);
    if (!m->by_operator) /* else its row is live, with the operator's reason */
        shard_keep_live(s, m->slot);
    shard_count_watching(s);
    shard_tell_watching(s, m->slot);
    shard_publish(s, slot);
}

void shard_take_failure(struct shard *s, struct shard_message *m)
{
    struct shard_slot *slot = &s->slot[m->slot];

    announce_break(s->o.announcer);
    log_event(LOG_ERROR, "training failed, learning goes on", "instance",
              entity_instance(slot->entity), "err", m->why.msg, NULL);
    if (entity_phase(slot->entity) == PHASE_TRAINING)
        entity_training_failed(slot->entity, TAKE(m->dataset));
    shard_unpool(s, &m->pool);
    shard_publish(s, slot);
}
