/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "daemon/fleet_private.h"
#include "daemon/restore.h"
#include "daemon/storekeeper.h"

/* -- the table; the lock is held -- */

static size_t home_of(const char *instance)
{
    return hash_bytes(instance, strlen(instance), 0) & (TABLE_SIZE - 1);
}

/* Where the instance stands in the table, or the empty place where it would. */
static size_t place_of(const struct fleet *f, const char *instance)
{
    size_t at = home_of(instance);

    while (f->table[at] && strcmp(f->member[f->table[at] - 1].instance, instance) != 0)
        at = (at + 1) & (TABLE_SIZE - 1);
    return at;
}

static struct member *find(struct fleet *f, const char *instance)
{
    const uint32_t slot = f->table[place_of(f, instance)];

    return slot ? &f->member[slot - 1] : NULL;
}

/* Knuth, The Art of Computer Programming 3, 6.4, algorithm R: no tombstones. */
static void unlist(struct fleet *f, const char *instance)
{
    size_t hole = place_of(f, instance), at = hole;

    f->table[hole] = 0;
    for (;;) {
        at = (at + 1) & (TABLE_SIZE - 1);
        if (!f->table[at])
            return;
        const size_t home = home_of(f->member[f->table[at] - 1].instance);
        const bool stays = hole < at ? home > hole && home <= at : home > hole || home <= at;
        if (stays)
            continue;
        f->table[hole] = f->table[at];
        f->table[at] = 0;
        hole = at;
    }
}

static enum rc take_slot(struct fleet *f, const char *instance, size_t *ret, struct err *err)
{
    if (f->n_free) {
        *ret = f->free[--f->n_free];
        return OK;
    }
    if (f->n == SHARD_ENTITIES_MAX)
        return err_set(err, E_CONFIG, "entity '%s' is one more than %d: it is not watched",
                       instance, SHARD_ENTITIES_MAX);
    *ret = f->n++;
    return OK;
}

static void give_back(void *arg, size_t slot)
{
    struct fleet *f = arg;

    pthread_mutex_lock(&f->lock);
    unlist(f, f->member[slot].instance);
    mem_free(f->member[slot].instance);
    f->member[slot] = (struct member){0};
    f->free[f->n_free++] = (uint32_t)slot;
    pthread_mutex_unlock(&f->lock);
}

/* -- a new entity -- */

static enum rc make_entity(struct fleet *f, const struct fleet_source *s, const char *instance,
                           struct entity **ret, int64_t *ret_trained_ms, struct err *err)
{
    /* A slow source must not end its learning with a handful of rows: fewer than there are features
     * cannot tell what goes with what. */
    const uint64_t rows = (uint64_t)((f->o.learn.for_ms + s->interval_ms - 1) / s->interval_ms);
    const uint64_t least = profile_schema(s->profile)->n;
    const uint64_t wanted = s->stays || rows > least ? rows : least;
    pthread_mutex_lock(&f->lock);
    const struct threshold_spec threshold = f->threshold;
    const struct confirm_spec confirm = f->confirm;
    pthread_mutex_unlock(&f->lock);
    const struct entity_options o = {instance, s->profile, s->interval_ms,
                                     wanted,   confirm,    !s->stays};
    const struct restore_options restore = {.database = f->o.database,
                                            .models_dir = f->o.models_dir,
                                            .threshold = threshold,
                                            .settings = settings_learn_hash(&f->o.learn),
                                            .now_ms = clock_wall_ms(),
                                            .wanted_rows = wanted,
                                            .shelf = f->shelf};
    CLEANUP(entity_freep) struct entity *e = NULL;

    if (entity_new(&o, &e, err) != OK || restore_entity(e, &restore, ret_trained_ms, err) != OK)
        return err->rc;
    *ret = TAKE(e);
    return OK;
}

/* To the store's thread first: what comes of the entity later must find its name there. (A name
 * that only that thread knows does no harm: the slot's next one takes its place.) Takes e when OK.
 */
static enum rc tell_threads(const struct fleet *f, struct entity *e, int64_t trained_ms,
                            size_t slot, struct err *err)
{
    CLEANUP(mem_freep)
    struct storekeeper_message *k = storekeeper_message_new(KEEP_ENTITY, slot, NULL, 0);
    CLEANUP(shard_message_freep)
    struct shard_message *m = shard_message_new(SHARD_ADD, slot, NULL, 0);

    if (!k || !m)
        return err_set(err, E_NOMEM, "entity '%s': no memory", entity_instance(e));
    (void)snprintf(k->instance, sizeof k->instance, "%s", entity_instance(e));
    k->schema = entity_schema(e);
    if (!queue_push(f->o.store, k))
        return err_set(err, E_LIMIT, "entity '%s': the line is full", entity_instance(e));
    k = NULL; /* the store's thread's now */
    m->trained_ms = trained_ms;
    m->entity = e;
    if (queue_push(shard_queue(f->o.shard), m)) {
        m = NULL; /* the shard's now */
        return OK;
    }
    m->entity = NULL; /* the caller's still */
    return err_set(err, E_LIMIT, "entity '%s': the line is full", entity_instance(e));
}

static void tell_restored(const struct fleet *f, const struct entity *e)
{
    const struct model *m = entity_model(e);

    if (m)
        announce_watching(f->o.announcer, entity_instance(e), m->schema->n,
                          m->stats.train_rows + m->stats.validation_rows, m->threshold,
                          m->threshold_widening, true);
}

static enum rc add(struct source *s, const char *instance, struct err *err)
{
    struct fleet *f = s->fleet;
    CLEANUP(entity_freep) struct entity *e = NULL;
    CLEANUP(mem_freep) char *name = mem_strndup(instance, strlen(instance));
    int64_t trained_ms = 0;
    size_t slot = 0;

    if (!name)
        return err_set(err, E_NOMEM, "entity '%s': no memory", instance);
    if (instance[0] == '\0' || strlen(instance) >= INSTANCE_MAX || !str_is_utf8(str_of(instance)))
        return err_set(err, E_CONFIG, "entity '%.40s': expected a name of 1 to %d bytes of UTF-8",
                       instance, INSTANCE_MAX - 1);
    /* Looked at first: to make one is work, and in vain where it cannot be handed on. */
    if (atomic_load(&f->closed) || queue_length(shard_queue(f->o.shard)) >= SHARD_QUEUE)
        return err_set(err, E_LIMIT, "entity '%s': the line is full", instance);
    if (make_entity(f, &s->s, instance, &e, &trained_ms, err) != OK)
        return err->rc;
    pthread_mutex_lock(&f->lock);
    const bool there = find(f, instance) != NULL; /* another source was quicker */
    enum rc rc = there ? OK : take_slot(f, instance, &slot, err);
    if (rc == OK && !there) {
        const int64_t last_ms = entity_last_ms(e);
        tell_restored(f, e);
        rc = tell_threads(f, e, trained_ms, slot, err);
        if (rc == OK) {
            e = NULL; /* the shard's now */
            f->member[slot] = (struct member){.instance = TAKE(name),
                                              .source = s,
                                              .heard_mono_ms = clock_mono_ms(),
                                              .last_ms = last_ms};
            f->table[place_of(f, f->member[slot].instance)] = (uint32_t)slot + 1;
        } else {
            f->free[f->n_free++] = (uint32_t)slot;
        }
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

enum rc fleet_reach(struct source *s, const char *instance, struct member **ret, struct err *err)
{
    struct fleet *f = s->fleet;

    for (;;) {
        pthread_mutex_lock(&f->lock);
        struct member *m = find(f, instance);
        if (m && !m->leaving && m->source == s) {
            *ret = m;
            return OK;
        }
        const bool leaving = m && m->leaving;
        pthread_mutex_unlock(&f->lock);
        if (leaving)
            return err_set(err, E_LIMIT, "entity '%s' is being forgotten", instance);
        if (m)
            return err_set(err, E_CONFIG, "entity '%s' comes from another source already",
                           instance);
        if (add(s, instance, err) != OK)
            return err->rc;
    }
}

void fleet_tell_stale(struct fleet *f, struct member *m, int64_t ts_ms, const char *why)
{
    if (m->stale || m->leaving)
        return;
    struct shard_message *say = shard_message_new(SHARD_STALE, (size_t)(m - f->member), NULL, 0);
    if (!say)
        return;
    say->ts_ms = ts_ms;
    (void)snprintf(say->why.msg, sizeof say->why.msg, "%s", why);
    m->stale = queue_push(shard_queue(f->o.shard), say);
    if (!m->stale)
        shard_message_free(say);
}

/* -- the fleet -- */

enum rc fleet_new(const struct fleet_options *o, struct fleet **ret, struct err *err)
{
    struct fleet *f = mem_alloc(sizeof *f);

    if (!f)
        return err_set(err, E_NOMEM, "fleet: no memory");
    if (o->share && model_shelf_new(&f->shelf, err) != OK) {
        mem_free(f);
        return err->rc;
    }
    f->o = *o;
    f->threshold = o->threshold;
    f->confirm = o->confirm;
    (void)pthread_mutex_init(&f->lock, NULL); /* of the default kind: cannot fail on Linux */
    shard_on_release(o->shard, give_back, f);
    *ret = f;
    return OK;
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        mem_free(f->member[i].instance);
    (void)pthread_mutex_destroy(&f->lock);
    model_shelf_free(f->shelf);
    mem_free(f);
}

enum rc fleet_intake(struct fleet *f, const struct fleet_source *s, struct intake *ret,
                     struct err *err)
{
    if (f->n_sources == SOURCES_MAX)
        return err_set(err, E_LIMIT, "more than %d sources", SOURCES_MAX);
    struct source *at = &f->source[f->n_sources++];
    *at = (struct source){f, *s};
    fleet_door(at, ret);
    return OK;
}

enum rc fleet_add(const struct intake *source, const char *instance, size_t *ret_slot,
                  struct err *err)
{
    struct source *s = source->arg;
    struct member *m = NULL;

    if (fleet_reach(s, instance, &m, err) != OK)
        return err->rc;
    *ret_slot = (size_t)(m - s->fleet->member);
    pthread_mutex_unlock(&s->fleet->lock);
    return OK;
}

void fleet_close(struct fleet *f)
{
    if (f)
        atomic_store(&f->closed, true);
}

void fleet_settings(struct fleet *f, const struct threshold_spec *threshold,
                    struct confirm_spec confirm)
{
    pthread_mutex_lock(&f->lock);
    f->threshold = *threshold;
    f->confirm = confirm;
    pthread_mutex_unlock(&f->lock);
}

void fleet_each(struct fleet *f,
                void (*fn)(void *arg, const char *instance, size_t slot, const struct profile *p),
                void *arg)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        const struct member *m = &f->member[i];
        if (m->instance && !m->leaving)
            fn(arg, m->instance, i, m->source->s.profile);
    }
    pthread_mutex_unlock(&f->lock);
}

struct retraining {
    struct queue *shard;
    const char *reason;
    bool full;
};

static void retrain(void *arg, const char *instance, size_t slot, const struct profile *p)
{
    struct retraining *r = arg;
    struct shard_message *m = shard_message_new(SHARD_RETRAIN, slot, NULL, 0);

    (void)instance;
    (void)p;
    if (m)
        (void)snprintf(m->why.msg, sizeof m->why.msg, "%s", r->reason);
    if (m && queue_push(r->shard, m))
        return;
    shard_message_free(m);
    r->full = true;
}

bool fleet_retrain(struct fleet *f, const char *reason)
{
    struct retraining r = {shard_queue(f->o.shard), reason, false};

    fleet_each(f, retrain, &r);
    return !r.full;
}

static void forget(struct fleet *f, struct member *m)
{
    struct shard_message *go = shard_message_new(SHARD_REMOVE, (size_t)(m - f->member), NULL, 0);

    m->leaving = go && queue_push(shard_queue(f->o.shard), go);
    if (!m->leaving)
        shard_message_free(go); /* the next sweep tries again */
}

void fleet_sweep(struct fleet *f, int64_t wall_ms, int64_t mono_ms)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        struct member *m = &f->member[i];
        if (!m->instance || m->leaving || m->source->s.stays)
            continue;
        const int64_t silent_ms = mono_ms - m->heard_mono_ms;
        const int64_t patience = SILENT_INTERVALS * m->source->s.interval_ms;
        if (silent_ms > f->o.expire_ms)
            forget(f, m);
        else if (silent_ms > (patience > SILENT_LEAST_MS ? patience : SILENT_LEAST_MS))
            fleet_tell_stale(f, m, wall_ms - silent_ms, "nothing comes of it");
    }
    pthread_mutex_unlock(&f->lock);
}
