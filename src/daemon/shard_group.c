/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/shard_private.h"
#include "daemon/trainer.h"
#include "model/assemble.h"

struct shard_group *shard_group_of(const struct shard *s, size_t at)
{
    const size_t number = s->slot[at].group;

    return number ? &s->groups[number - 1] : NULL;
}

/* One that nobody is in is kept while the trainer works for it: its number is in the answer. */
static bool is_free(const struct shard_group *g)
{
    return g->n == 0 && !g->training;
}

static bool is_named(const struct shard_group *g, const struct entity *e, const char *name)
{
    return !is_free(g) && g->schema_hash == entity_schema(e)->hash &&
           g->interval_ms == entity_interval_ms(e) && strcmp(g->name, name) == 0;
}

/* The number of the group that e is in by this name: of the same features and interval. 0: no
 * memory. */
static size_t number_of(struct shard *s, const struct entity *e, const char *name)
{
    size_t place = s->n_groups;

    for (size_t i = 0; i < s->n_groups; i++) {
        if (is_named(&s->groups[i], e, name))
            return i + 1;
        if (is_free(&s->groups[i]))
            place = i;
    }
    if (place == s->n_groups) {
        struct shard_group *more = mem_grow(s->groups, s->n_groups + 1, sizeof *more);
        if (!more)
            return 0;
        s->groups = more;
        s->n_groups++;
    }
    struct shard_group *g = &s->groups[place];
    *g = (struct shard_group){.schema_hash = entity_schema(e)->hash,
                              .interval_ms = entity_interval_ms(e)};
    (void)snprintf(g->name, sizeof g->name, "%s", name);
    return place + 1;
}

static void forget_when_free(struct shard_group *g)
{
    if (is_free(g))
        model_unref(TAKE(g->model));
}

/* -- whose model it is -- */

/* It watches with that model, in that group. */
static bool shares(const struct shard *s, size_t at, size_t group, uint64_t model_id)
{
    const struct shard_slot *slot = &s->slot[at];

    return slot->entity && slot->group == group && entity_phase(slot->entity) == PHASE_WATCHING &&
           entity_model_id(slot->entity) == model_id;
}

struct shard_group *shard_group_shared(const struct shard *s, size_t at)
{
    struct shard_group *g = shard_group_of(s, at);

    return g && g->model && shares(s, at, s->slot[at].group, g->model_id) ? g : NULL;
}

/* It was trained when the group's model was, wherever it was then. */
static void note_training(struct shard_slot *slot, const struct model *m)
{
    const int64_t made_ms = m->provenance.created_ms;

    slot->trained_ms = made_ms > slot->trained_ms ? made_ms : slot->trained_ms;
    if (!slot->now.mono_ms)
        return; /* its first tick will look */
    const int64_t ago_ms = slot->now.wall_ms > made_ms ? slot->now.wall_ms - made_ms : 0;
    if (slot->now.mono_ms - ago_ms > slot->trained_mono_ms)
        slot->trained_mono_ms = slot->now.mono_ms - ago_ms;
}

/* Its entity watches with the group's model from now on, whatever it had before. recorded: the
 * trainer put the model's row for it. */
static bool give_model(struct shard *s, size_t at, const struct shard_group *g, bool recorded)
{
    struct entity *e = s->slot[at].entity;
    struct err err;

    const bool was_watching = entity_phase(e) == PHASE_WATCHING;
    if (entity_set_model(e, g->model, g->model_id, &err) != OK) {
        announce_break(s->o.announcer);
        log_event(LOG_ERROR, "the group's model was not taken", "instance", entity_instance(e),
                  "group", g->name, "err", err.msg, NULL);
        return false;
    }
    s->n_watching += !was_watching;
    entity_set_chosen(e, false);
    note_training(&s->slot[at], g->model);
    if (recorded && !g->unsaved)
        shard_keep_live(s, at);
    else if (!g->unsaved)
        shard_keep_model(s, at, "the group's");
    shard_tell_watching(s, at);
    shard_publish(s, &s->slot[at]);
    return true;
}

static bool is_made_for(const struct model *m, const struct shard_group *g)
{
    char of_group[sizeof m->provenance.instance];

    (void)snprintf(of_group, sizeof of_group, MODEL_OF_GROUP "%s", g->name);
    return strcmp(m->provenance.instance, of_group) == 0;
}

/* It was made for a group that this is not: of machines that do something else. */
static bool is_foreign(const struct model *m, const struct shard_group *g)
{
    return strncmp(m->provenance.instance, MODEL_OF_GROUP, sizeof MODEL_OF_GROUP - 1) == 0 &&
           !is_made_for(m, g);
}

/* What an entity brings from an earlier run, or from before it was in the group, against what the
 * group has: a model of the group before one of a machine, the newer one of two alike. */
static bool is_better(const struct model *m, const struct shard_group *g)
{
    if (!g->model)
        return true;
    if (is_made_for(m, g) != is_made_for(g->model, g))
        return is_made_for(m, g);
    return m->provenance.created_ms > g->model->provenance.created_ms;
}

/* The group has its model from now on, and so have those that learn, or had the one before. */
static void adopt(struct shard *s, size_t at, struct shard_group *g)
{
    const uint64_t before = g->model_id;

    model_unref(g->model);
    g->model = entity_model_ref(s->slot[at].entity);
    g->model_id = entity_model_id(s->slot[at].entity);
    g->unsaved = g->unsaved && g->model_id == before;
    for (size_t i = 0; i < s->n; i++) {
        const struct shard_slot *slot = &s->slot[i];
        if (!slot->entity || slot->group != s->slot[at].group || i == at)
            continue;
        if (entity_phase(slot->entity) == PHASE_LEARNING ||
            (before && shares(s, i, slot->group, before)))
            (void)give_model(s, i, g, false);
    }
}

static void follow_group(struct shard *s, size_t at, struct shard_group *g)
{
    const struct entity *e = s->slot[at].entity;
    const struct model *own = entity_model(e);

    if (own && entity_model_id(e) == g->model_id)
        return;
    if (own && !entity_is_chosen(e) && !is_foreign(own, g) && is_better(own, g))
        adopt(s, at, g);
    else if (g->model)
        (void)give_model(s, at, g, false);
}

void shard_leave_group(struct shard *s, size_t at)
{
    struct shard_group *g = shard_group_of(s, at);

    if (!g)
        return;
    s->slot[at].group = 0;
    g->n--;
    forget_when_free(g);
}

void shard_join_group(struct shard *s, size_t at, const char *name)
{
    struct shard_slot *slot = &s->slot[at];

    if (shard_is_trained(slot)) { /* the answer is for what it was when it was asked */
        mem_free(slot->joins);
        slot->joins = mem_strndup(name, strlen(name));
        return;
    }
    const size_t number = name[0] ? number_of(s, slot->entity, name) : 0;
    if (name[0] && !number)
        telemetry_add(s->o.telemetry, TEL_DROPPED_NO_MEMORY, 1);
    if (number == slot->group)
        return;
    shard_leave_group(s, at);
    slot->group = number;
    entity_set_group(slot->entity, number ? name : "");
    if (number) {
        struct shard_group *g = &s->groups[number - 1];
        g->n++;
        follow_group(s, at, g);
    }
    shard_publish(s, slot);
}

/* -- what the trainer is given of a group -- */

bool shard_group_gathers(const struct shard *s, size_t at)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->slot[i].entity && s->slot[i].group == s->slot[at].group &&
            entity_is_gathering(s->slot[i].entity))
            return true;
    return false;
}

bool shard_pool_group(struct shard *s, size_t at, struct trainer_job *job)
{
    struct shard_group *g = shard_group_of(s, at);

    if (!g)
        return true;
    struct pool *pool = &job->reply->pool;
    pool->v = mem_array(g->n, sizeof *pool->v);
    if (!pool->v)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        struct shard_slot *slot = &s->slot[i];
        if (!slot->entity || slot->group != s->slot[at].group || i == at ||
            !entity_can_train(slot->entity))
            continue;
        pool->v[pool->n++] = (struct pooled){i, entity_take_training(slot->entity)};
        shard_publish(s, slot);
    }
    memcpy(job->group, g->name, sizeof job->group);
    job->reply->group = s->slot[at].group;
    g->training = true;
    return true;
}

void shard_unpool(struct shard *s, struct pool *pool)
{
    for (size_t i = 0; i < pool->n; i++) {
        struct entity *e = s->slot[pool->v[i].slot].entity;
        if (!e || entity_phase(e) != PHASE_TRAINING)
            continue;
        entity_training_failed(e, TAKE(pool->v[i].dataset));
        shard_publish(s, &s->slot[pool->v[i].slot]);
    }
}

/* The one that asks, and evenly chosen others, not the same ones each time. */
static void choose_members(const struct shard *s, size_t at, size_t others, size_t most,
                           struct trainer_job *job)
{
    const size_t group = s->slot[at].group, room = most - 1;
    const size_t turn = others ? s->groups[group - 1].turn % others : 0;
    size_t seen = 0;

    (void)snprintf(job->member[job->n_members++], sizeof job->member[0], "%s",
                   entity_instance(s->slot[at].entity));
    for (size_t i = 0; others > 0 && i < s->n; i++) {
        if (i == at || !shares(s, i, group, job->live_id))
            continue;
        const size_t k = (seen++ + turn) % others;
        if (k * room / others != (k + 1) * room / others && job->n_members < most)
            (void)snprintf(job->member[job->n_members++], sizeof job->member[0], "%s",
                           entity_instance(s->slot[i].entity));
    }
}

bool shard_list_group(struct shard *s, size_t at, struct trainer_job *job)
{
    struct shard_group *g = shard_group_of(s, at);
    const size_t group = s->slot[at].group;
    size_t watching = 0;

    for (size_t i = 0; i < s->n; i++)
        watching += shares(s, i, group, job->live_id);
    const size_t most = watching < PANEL_MAX ? watching : PANEL_MAX;
    job->member = mem_array(most, sizeof *job->member);
    if (!job->member)
        return false;
    choose_members(s, at, watching - 1, most, job);
    g->turn += most;
    for (size_t i = 0; i < s->n; i++)
        if (shares(s, i, group, job->live_id)) {
            s->slot[i].trained_mono_ms = s->slot[i].now.mono_ms;
            s->slot[i].owed = false;
        }
    memcpy(job->group, g->name, sizeof job->group);
    job->reply->group = group;
    g->training = true;
    return true;
}

/* -- and what comes back -- */

/* The trained model with the threshold in force, made once for all. */
static enum rc set_group_model(const struct shard *s, struct shard_group *g,
                               const struct shard_message *m, struct err *err)
{
    const struct threshold_spec wanted = settings_share(&s->o.threshold, s->n_watching);
    struct model *judged = NULL;

    if (model_keeps_threshold(m->model, &wanted))
        judged = model_ref(m->model);
    else if (model_with_threshold(m->model, &wanted, &judged, err) != OK)
        return err->rc;
    model_unref(g->model);
    g->model = judged;
    g->model_id = m->model_id;
    g->unsaved = m->unsaved;
    return OK;
}

/* Whom the new model is for: those that learn or were learned from, and those that watch with the
 * model that it was held against, or with the group's of before. One whose model an operator chose
 * keeps that. In a group those in training are the job's: others join when they are not. */
static bool is_meant(const struct shard *s, size_t at, const struct shard_message *m,
                     uint64_t before)
{
    const struct shard_slot *slot = &s->slot[at];

    if (!slot->entity || slot->group != m->group)
        return false;
    return entity_phase(slot->entity) != PHASE_WATCHING || shares(s, at, m->group, m->judged_by) ||
           shares(s, at, m->group, before);
}

/* What was not to be: all learn on. */
static void give_back(struct shard *s, struct shard_message *m)
{
    struct entity *e = s->slot[m->slot].entity;

    if (entity_phase(e) == PHASE_TRAINING)
        entity_training_failed(e, TAKE(m->dataset));
    shard_unpool(s, &m->pool);
}

void shard_take_group_model(struct shard *s, struct shard_message *m)
{
    struct shard_group *g = &s->groups[m->group - 1];
    const uint64_t before = g->model_id;
    struct err err;

    if (set_group_model(s, g, m, &err) != OK) {
        announce_break(s->o.announcer);
        log_event(LOG_ERROR, "the new model was not taken", "group", g->name, "err", err.msg, NULL);
    } else {
        for (size_t i = 0; i < s->n; i++) {
            if (is_meant(s, i, m, before) && give_model(s, i, g, i == m->slot))
                s->slot[i].trained_mono_ms = s->slot[i].now.mono_ms;
        }
    }
    give_back(s, m); /* those that it was not given to */
    const struct entity *e = s->slot[m->slot].entity;
    if (entity_phase(e) == PHASE_WATCHING && entity_model_id(e) != m->model_id)
        shard_keep_live(s, m->slot); /* the trainer's row says otherwise */
}

void shard_end_group_training(struct shard *s, const struct shard_message *m)
{
    struct shard_group *g = &s->groups[m->group - 1];

    g->training = false;
    forget_when_free(g);
    for (size_t i = 0; i < s->n; i++) /* who was to leave meanwhile, or to join another */
        if (i != m->slot && (s->slot[i].leaving || s->slot[i].joins))
            shard_end_waiting(s, i);
}
