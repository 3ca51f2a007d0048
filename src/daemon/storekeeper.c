/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/storekeeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/marks.h"
#include "daemon/shard.h"

enum {
    KEEP_QUEUE =
        16384, /* hours of one host's ticks, should the disk hang; a tick of a large fleet */
    KEEP_SLOTS_MAX = BOARD_ENTITIES_MAX,
    PENDING_MAX = 256,    /* incidents that wait for a store that works */
    MODELS_MAX = 64,      /* and models; each entity has one or two at a time */
    DELIVERIES_MAX = 256, /* a second's, or while the store fails: one lost is told again */
    COMMIT_EVERY_MS = 1000,
    COMMIT_LATE_MS = 1000, /* at most, while more keeps coming */
    PRUNE_EVERY_MS = 60000,
};

struct kept {
    char instance[INSTANCE_MAX];
    const struct schema *schema;
    int64_t entity; /* its number in the store; 0 = not known */
    bool schema_kept;
    int64_t incident_id[2]; /* by kind: of the last incident committed, */
    int64_t incident_ms[2]; /* which started then */
};

struct pending {
    size_t slot;
    struct incident incident;
    char words[INCIDENT_WORDS_MAX];
};

struct pending_model {
    size_t slot;
    bool live_alone; /* nothing but that it is the live one: model_id, state_ms */
    struct store_model model;
};

struct storekeeper {
    struct storekeeper_options o;
    struct store *store;
    struct queue *queue;
    pthread_mutex_t marks_lock; /* of the next two: held for one push */
    struct queue *marks_to;     /* NULL: nobody follows them */
    const char *database;       /* where marks are read */
    bool marks_due;             /* read them again at the next commit */
    pthread_t thread;
    bool started;
    atomic_bool ending;
    bool failing;                    /* trouble was said and stands on the board */
    bool open;                       /* a transaction is, */
    bool marred;                     /* and a row of it could not be put */
    bool prune_failed;               /* the last time */
    uint64_t rows;                   /* put in the open transaction */
    int64_t refused_ms;              /* monotonic; when none could be opened, 0: it could */
    int64_t committed_ms, pruned_ms; /* monotonic; of the last attempt */
    size_t n_pending;
    struct pending pending[PENDING_MAX];
    size_t n_models;
    struct pending_model models[MODELS_MAX];
    size_t n_deliveries;
    struct store_delivery deliveries[DELIVERIES_MAX];
    struct kept kept[KEEP_SLOTS_MAX];
};

/* Said once, until it works again. */
static void fail(struct storekeeper *k, const struct err *err)
{
    char sentence[ERR_MSG_MAX + 16];

    telemetry_add(k->o.telemetry, TEL_STORE_ERRORS, 1);
    k->marred = true;
    if (k->failing)
        return;
    k->failing = true;
    snprintf(sentence, sizeof sentence, "store: %s", err->msg);
    board_set_trouble(k->o.board, sentence);
    log_event(LOG_ERROR, "the store failed; watching goes on, rows are lost until it works again",
              "err", err->msg, NULL);
}

static void recover(struct storekeeper *k)
{
    if (!k->failing)
        return;
    k->failing = false;
    board_set_trouble(k->o.board, "");
    log_event(LOG_INFO, "the store works again", NULL);
}

static enum rc know(struct storekeeper *k, struct kept *kept, struct err *err)
{
    if (kept->entity == 0 && store_entity(k->store, kept->instance, &kept->entity, err) != OK)
        return err->rc;
    if (!kept->schema_kept && store_put_schema(k->store, kept->schema, err) != OK)
        return err->rc;
    kept->schema_kept = true;
    return OK;
}

/* An update carries the whole incident, so only its last state must reach the store. */
static void remember_incident(struct storekeeper *k, const struct storekeeper_message *m)
{
    const struct incident *in = &m->incident;
    struct pending fresh = {m->slot, *in, ""};

    (void)snprintf(fresh.words, sizeof fresh.words, "%s", (const char *)m->frame);
    for (size_t i = 0; i < k->n_pending; i++) {
        struct pending *p = &k->pending[i];
        if (p->slot == m->slot && p->incident.kind == in->kind &&
            p->incident.start_ms == in->start_ms) {
            *p = fresh;
            return;
        }
    }
    if (k->n_pending == PENDING_MAX) { /* the store has failed for long: the oldest goes */
        telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FULL, 1);
        memmove(&k->pending[0], &k->pending[1], --k->n_pending * sizeof k->pending[0]);
    }
    k->pending[k->n_pending++] = fresh;
}

/* The number that an incident has in the store, 0: none yet. */
static enum rc find_number(struct storekeeper *k, const struct kept *kept,
                           const struct incident *in, int64_t *ret, struct err *err)
{
    if (kept->incident_ms[in->kind] == in->start_ms) {
        *ret = kept->incident_id[in->kind];
        return OK;
    }
    *ret = 0;
    return in->kind == INCIDENT_SLOW
               ? store_find_incident(k->store, kept->entity, in->kind, in->start_ms, ret, err)
               : OK;
}

static enum rc put_pending(struct storekeeper *k, struct err *err)
{
    for (size_t i = 0; i < k->n_pending; i++) {
        struct pending *p = &k->pending[i];
        struct kept *kept = &k->kept[p->slot];
        if (know(k, kept, err) != OK ||
            find_number(k, kept, &p->incident, &p->incident.id, err) != OK ||
            store_put_incident(k->store, kept->entity, kept->schema, &p->incident, err) != OK ||
            (p->words[0] &&
             store_put_incident_words(k->store, p->incident.id, p->words, err) != OK))
            return err->rc;
    }
    return OK;
}

static void settle_pending(struct storekeeper *k)
{
    for (size_t i = 0; i < k->n_pending; i++) {
        const struct pending *p = &k->pending[i];
        k->kept[p->slot].incident_id[p->incident.kind] = p->incident.id;
        k->kept[p->slot].incident_ms[p->incident.kind] = p->incident.start_ms;
    }
    k->n_pending = 0;
}

/* In the order in which they came, since the last one to be live is; an earlier word about the same
 * model is taken over. */
static void remember_model(struct storekeeper *k, size_t slot, const struct store_model *m,
                           bool live_alone)
{
    struct pending_model p = {slot, live_alone, *m};

    for (size_t i = 0; i < k->n_models; i++) {
        struct pending_model *old = &k->models[i];
        if (old->slot != slot || old->model.model_id != m->model_id)
            continue;
        if (live_alone && !old->live_alone) {
            p = *old;
            p.model.state = STORE_MODEL_LIVE;
            p.model.state_ms = m->state_ms;
        }
        memmove(old, old + 1, (--k->n_models - i) * sizeof *old);
        break;
    }
    if (k->n_models == MODELS_MAX) { /* the store has failed for long: the oldest goes */
        telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FULL, 1);
        memmove(&k->models[0], &k->models[1], --k->n_models * sizeof k->models[0]);
    }
    k->models[k->n_models++] = p;
}

/* The models that wait, in the open transaction. */
static enum rc put_models(struct storekeeper *k, struct err *err)
{
    for (size_t i = 0; i < k->n_models; i++) {
        const struct pending_model *p = &k->models[i];
        struct kept *kept = &k->kept[p->slot];
        enum rc rc = know(k, kept, err);
        if (rc == OK)
            rc = p->live_alone ? store_set_live(k->store, kept->entity, p->model.model_id,
                                                p->model.state_ms, "taken into use", err)
                               : store_put_model(k->store, kept->entity, &p->model, err);
        if (rc != OK)
            return rc;
    }
    return OK;
}

static void remember_delivery(struct storekeeper *k, const struct store_delivery *d)
{
    if (k->n_deliveries == DELIVERIES_MAX) { /* its row stays: told again after a restart */
        telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FULL, 1);
        memmove(&k->deliveries[0], &k->deliveries[1], --k->n_deliveries * sizeof k->deliveries[0]);
    }
    k->deliveries[k->n_deliveries++] = *d;
}

/* After the incidents: what was delivered of one that is put only now must not be owed again. */
static enum rc put_deliveries(struct storekeeper *k, struct err *err)
{
    for (size_t i = 0; i < k->n_deliveries; i++)
        if (store_put_delivery(k->store, &k->deliveries[i], err) != OK)
            return err->rc;
    return OK;
}

static enum rc put_frame(struct storekeeper *k, const struct storekeeper_message *m,
                         struct err *err)
{
    struct kept *kept = &k->kept[m->slot];

    if (know(k, kept, err) != OK || store_put_frame(k->store, kept->entity, m->ts_ms,
                                                    kept->schema->hash, m->frame, m->n, err) != OK)
        return err->rc;
    return m->scored ? store_put_score(k->store, kept->entity, m->model_id, &m->verdict, err) : OK;
}

static enum rc put_state(struct storekeeper *k, const struct storekeeper_message *m,
                         struct err *err)
{
    struct kept *kept = &k->kept[m->slot];

    if (know(k, kept, err) != OK)
        return err->rc;
    return store_put_state(k->store, kept->entity, REFERENCE_STATE, kept->schema->hash, m->ts_ms,
                           m->frame, m->n_bytes, err);
}

/* What must not be lost is remembered until a commit has worked. */
static void remember(struct storekeeper *k, const struct storekeeper_message *m)
{
    if (m->kind == KEEP_INCIDENT)
        remember_incident(k, m);
    if (m->kind == KEEP_MODEL)
        remember_model(k, m->slot, &m->model, false);
    if (m->kind == KEEP_LIVE)
        remember_model(k, m->slot,
                       &(struct store_model){.model_id = m->model_id, .state_ms = m->ts_ms}, true);
    if (m->kind == KEEP_DELIVERY)
        remember_delivery(k, &m->delivery);
    if (m->kind == KEEP_RETENTION) {
        k->o.max_age_ms = m->max_age_ms;
        k->o.max_size_bytes = m->max_size_bytes;
    }
}

/* A store that refuses makes each try wait (a lock's time-out): once a second is enough, and when
 * all is ending, once. */
static bool open_transaction(struct storekeeper *k)
{
    const int64_t now = clock_mono_ms();
    struct err err;

    if (k->open)
        return true;
    if (k->refused_ms && (now - k->refused_ms < COMMIT_EVERY_MS || atomic_load(&k->ending)))
        return false;
    k->marred = false;
    k->rows = 0;
    if (atomic_load(&k->ending))
        store_set_busy_timeout(k->store, 0);
    if (store_begin(k->store, &err) != OK) {
        k->refused_ms = clock_mono_ms();
        fail(k, &err);
        return false;
    }
    k->refused_ms = 0;
    k->open = true;
    return true;
}

static void prune(struct storekeeper *k, int64_t now_ms)
{
    uint64_t deleted = 0;
    struct err err;

    if (now_ms - k->pruned_ms < PRUNE_EVERY_MS)
        return;
    k->prune_failed = store_prune(k->store, clock_wall_ms(), k->o.max_age_ms, k->o.max_size_bytes,
                                  &deleted, &err) != OK;
    if (k->prune_failed)
        fail(k, &err);
    telemetry_add(k->o.telemetry, TEL_STORE_PRUNED, deleted);
    /* A call's work is bounded: while rows are left over, go on at the next commit. */
    if (k->prune_failed || deleted < STORE_PRUNE_ROWS)
        k->pruned_ms = now_ms;
}

/* Takes m. False: not now; the queue is full, or nobody follows. */
static bool push_marks(struct storekeeper *k, struct shard_message *m)
{
    pthread_mutex_lock(&k->marks_lock);
    const bool taken = k->marks_to && queue_push(k->marks_to, m);
    pthread_mutex_unlock(&k->marks_lock);
    if (!taken)
        shard_message_free(m);
    return taken;
}

static const char *followed_database(struct storekeeper *k)
{
    pthread_mutex_lock(&k->marks_lock);
    const char *database = k->marks_to ? k->database : NULL;
    pthread_mutex_unlock(&k->marks_lock);
    return database;
}

/* An operator writes beside the daemon (store/edit.h): has one? */
static void look_for_marks(struct storekeeper *k)
{
    const char *database = followed_database(k);
    bool changed = false;
    struct err err;

    if (!database)
        return;
    if (store_changed_by_others(k->store, &changed, &err) != OK)
        fail(k, &err);
    k->marks_due |= changed;
    struct shard_message *m = k->marks_due ? mem_alloc(sizeof *m) : NULL;
    if (!m)
        return;
    m->kind = SHARD_MARKS;
    if (marks_read(database, clock_wall_ms() - MARKS_LATE_MS, &m->marks, &err) == OK) {
        k->marks_due = !push_marks(k, m);
        return;
    }
    k->marks_due = false; /* at the next change of them */
    shard_message_free(m);
    log_event(LOG_WARN, "marks were not read, those before stay in force", "err", err.msg, NULL);
}

static void commit(struct storekeeper *k)
{
    struct err err;

    k->committed_ms = clock_mono_ms();
    const bool kept =
        put_pending(k, &err) == OK && put_models(k, &err) == OK && put_deliveries(k, &err) == OK;
    if (!kept)
        fail(k, &err);
    k->open = false;
    if (store_commit(k->store, &err) != OK) {
        telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FAILED, k->rows);
        fail(k, &err);
        return;
    }
    telemetry_add(k->o.telemetry, TEL_STORE_COMMITS, 1);
    if (kept) {
        settle_pending(k);
        k->n_models = 0;
        k->n_deliveries = 0;
    }
    look_for_marks(k);
    prune(k, k->committed_ms);
    if (!k->marred && !k->prune_failed)
        recover(k);
}

/* What waits for a slot is of the entity that had it: while the store fails for so long that a slot
 * is given to another, it is lost, and counted. */
static void give_slot(struct storekeeper *k, const struct storekeeper_message *m)
{
    size_t kept = 0;

    if ((k->n_pending || k->n_models) && open_transaction(k))
        commit(k);
    for (size_t i = 0; i < k->n_pending; i++)
        if (k->pending[i].slot != m->slot)
            k->pending[kept++] = k->pending[i];
    telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FAILED, k->n_pending - kept);
    k->n_pending = kept;
    kept = 0;
    for (size_t i = 0; i < k->n_models; i++)
        if (k->models[i].slot != m->slot)
            k->models[kept++] = k->models[i];
    telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FAILED, k->n_models - kept);
    k->n_models = kept;
    k->kept[m->slot] = (struct kept){.schema = m->schema};
    memcpy(k->kept[m->slot].instance, m->instance, sizeof m->instance);
}

static void take(struct storekeeper *k, const struct storekeeper_message *m)
{
    struct err err;

    if (m->kind == KEEP_ENTITY) {
        give_slot(k, m);
        return;
    }
    /* A group's model is as many rows as there are entities in it, within one second. */
    if ((m->kind == KEEP_MODEL || m->kind == KEEP_LIVE) && k->n_models == MODELS_MAX &&
        open_transaction(k))
        commit(k);
    remember(k, m);
    if (!open_transaction(k)) {
        telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FAILED, m->kind == KEEP_FRAME);
        return;
    }
    if (m->kind == KEEP_STATE && put_state(k, m, &err) != OK)
        fail(k, &err);
    if (m->kind != KEEP_FRAME)
        return;
    if (put_frame(k, m, &err) == OK) {
        k->rows++;
        return;
    }
    telemetry_add(k->o.telemetry, TEL_DROPPED_STORE_FAILED, 1);
    fail(k, &err);
}

static void *run(void *arg)
{
    struct storekeeper *k = arg;

    pthread_setname_np(pthread_self(), "store");
    for (;;) {
        const int64_t left = k->committed_ms + COMMIT_EVERY_MS - clock_mono_ms();
        CLEANUP(mem_freep)
        struct storekeeper_message *m = queue_wait(k->queue, !k->open   ? -1
                                                             : left > 0 ? (int)left
                                                                        : 0);
        if (m)
            take(k, m);
        else if (!k->open)
            return NULL; /* closed and empty */
        /* What came together is committed together, but a line that is never empty cannot put a
         * commit off: all that is not committed is lost with the power. */
        if (k->open &&
            (!m || (left <= 0 && (queue_length(k->queue) == 0 || left <= -COMMIT_LATE_MS))))
            commit(k);
    }
}

enum rc storekeeper_new(const struct storekeeper_options *o, struct store *store,
                        struct storekeeper **ret, struct err *err)
{
    CLEANUP(mem_freep) struct storekeeper *k = mem_alloc(sizeof *k);

    if (!k)
        return err_set(err, E_NOMEM, "storekeeper: no memory");
    k->o = *o;
    if (queue_new(KEEP_QUEUE, &k->queue, err) != OK)
        return err->rc;
    (void)pthread_mutex_init(&k->marks_lock, NULL); /* of the default kind: cannot fail on Linux */
    k->store = store;
    k->committed_ms = clock_mono_ms() - COMMIT_EVERY_MS;
    *ret = TAKE(k);
    return OK;
}

struct queue *storekeeper_queue(struct storekeeper *k)
{
    return k->queue;
}

void storekeeper_tell_marks(struct storekeeper *k, const char *database, struct queue *shard)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->marks_lock);
    k->database = database;
    k->marks_to = shard;
    pthread_mutex_unlock(&k->marks_lock);
}

enum rc storekeeper_start(struct storekeeper *k, struct err *err)
{
    errno = pthread_create(&k->thread, NULL, run, k);
    if (errno)
        return err_set(err, E_IO, "store: thread: %m");
    k->started = true;
    return OK;
}

void storekeeper_stop(struct storekeeper *k)
{
    if (!k)
        return;
    atomic_store(&k->ending, true);
    queue_close(k->queue);
    if (k->started)
        pthread_join(k->thread, NULL);
    queue_free(k->queue, mem_free);
    store_close(k->store);
    (void)pthread_mutex_destroy(&k->marks_lock);
    mem_free(k);
}
