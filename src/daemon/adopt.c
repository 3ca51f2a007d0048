/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/adopt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/model_files.h"

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

struct lookup {
    uint64_t model_id;
    bool replaced;
};

static bool on_row(void *arg, const struct store_model_row *row)
{
    struct lookup *l = arg;

    if (row->model.model_id != l->model_id)
        return true;
    l->replaced =
        row->model.state == STORE_MODEL_RETIRED || row->model.state == STORE_MODEL_REJECTED;
    return false;
}

enum rc adopt_look(const struct adopt_question *q, struct model **ret, struct store_model *ret_row,
                   struct err *err)
{
    CLEANUP(store_reader_closep) struct store_reader *r = NULL;
    struct lookup l = {.model_id = q->in_use, .replaced = q->in_use == 0};

    *ret = NULL;
    if (store_reader_open(q->database, &r, err) != OK)
        return err->rc;
    if (store_read_model(r, q->instance, q->schema_hash, ret_row, err) != OK)
        return err->rc == E_STATE ? OK : err->rc; /* there is none */
    if (q->in_use && store_read_models(r, q->instance, on_row, &l, err) != OK)
        return err->rc;
    if (!l.replaced || ret_row->model_id == q->in_use)
        return OK;
    return model_files_load(q->models_dir, ret_row->file, ret, err);
}

struct listed {
    char instance[INSTANCE_MAX];
    size_t slot;
    uint64_t schema_hash;
};

struct listing {
    struct listed *v;
    size_t n, capacity;
    bool full; /* no memory for more */
};

static void list_entity(void *arg, const char *instance, size_t slot, const struct profile *p)
{
    struct listing *l = arg;

    if (l->n == l->capacity) {
        struct listed *more = mem_grow(l->v, 2 * l->capacity + 16, sizeof *more);
        l->full = !more;
        if (!more)
            return;
        l->v = more;
        l->capacity = 2 * l->capacity + 16;
    }
    struct listed *at = &l->v[l->n++];
    (void)snprintf(at->instance, sizeof at->instance, "%s", instance);
    at->slot = slot;
    at->schema_hash = profile_schema(p)->hash;
}

static enum rc adopt(const struct listed *e, const struct board *b, struct queue *shard,
                     const char *database, const char *models_dir, struct err *err)
{
    CLEANUP(mem_freep) struct entity_view *view = mem_alloc(sizeof *view);
    CLEANUP(shard_message_freep)
    struct shard_message *m = shard_message_new(SHARD_MODEL, e->slot, NULL, 0);
    struct store_model row;
    char id[24];

    if (!view || !m)
        return err_set(err, E_NOMEM, "models: no memory");
    if (!board_find(b, e->instance, view) || view->phase == PHASE_TRAINING)
        return OK;
    const struct adopt_question q = {database, models_dir, e->instance, e->schema_hash,
                                     view->model_id};
    if (adopt_look(&q, &m->model, &row, err) != OK)
        return err->rc;
    if (!m->model)
        return OK;
    m->model_id = row.model_id;
    m->by_operator = true;
    if (!queue_push(shard, m))
        return err_set(err, E_LIMIT, "the queue is full; send SIGHUP again");
    m = NULL; /* the shard's now */
    (void)snprintf(id, sizeof id, "%016" PRIx64, row.model_id);
    log_event(LOG_INFO, "an operator changed the live model", "instance", e->instance, "model", id,
              "reason", row.reason, NULL);
    return OK;
}

void adopt_all(struct fleet *f, const struct board *b, struct queue *shard, const char *database,
               const char *models_dir)
{
    struct listing l = {0};
    struct err err;

    fleet_each(f, list_entity, &l);
    for (size_t i = 0; i < l.n; i++)
        if (adopt(&l.v[i], b, shard, database, models_dir, &err) != OK)
            log_event(LOG_ERROR, "the model in use stays", "instance", l.v[i].instance, "err",
                      err.msg, NULL);
    if (l.full)
        log_event(LOG_ERROR, "models in use stay: no memory", NULL);
    mem_free(l.v);
}
