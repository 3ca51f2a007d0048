/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/writer.h"

static void libc_freep(char **p) /* jansson's texts come from malloc */
{
    free(*p);
}

static void forget_receivers(struct store *s)
{
    for (size_t i = 0; i < s->n_receivers; i++)
        mem_free(s->receivers[i]);
    mem_free(s->receivers);
    s->receivers = NULL;
    s->n_receivers = 0;
}

void outbox_done(struct store *s)
{
    forget_receivers(s);
}

static enum rc remember_receivers(struct store *s, const char *const *names, size_t n,
                                  struct err *err)
{
    forget_receivers(s);
    s->receivers = mem_array(n, sizeof *s->receivers);
    for (; s->receivers && s->n_receivers < n; s->n_receivers++) {
        s->receivers[s->n_receivers] =
            mem_strndup(names[s->n_receivers], strlen(names[s->n_receivers]));
        if (!s->receivers[s->n_receivers])
            break;
    }
    if (!s->receivers || s->n_receivers < n) {
        forget_receivers(s);
        return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
    }
    return OK;
}

enum rc store_set_receivers(struct store *s, const char *const *names, size_t n, struct err *err)
{
    CLEANUP(json_decrefp) json_t *list = json_array();
    CLEANUP(libc_freep) char *text = NULL;
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = remember_receivers(s, names, n, err)) != OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(names[i])) != 0)
            return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
    text = json_dumps(list, JSON_COMPACT);
    if (!text)
        return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_KEEP_RECEIVERS, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, text, -1, SQLITE_TRANSIENT))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "receivers", err);
}

enum rc outbox_put(struct store *s, int64_t incident, struct err *err)
{
    for (size_t i = 0; i < s->n_receivers; i++) {
        sqlite3_stmt *st;
        enum rc rc = conn_statement(&s->c, ST_PUT_OUTBOX, &st, err);
        if (rc != OK)
            return rc;
        if (sqlite3_bind_int64(st, 1, incident) ||
            sqlite3_bind_text(st, 2, s->receivers[i], -1, SQLITE_STATIC))
            return conn_fail(&s->c, "bind", err);
        if ((rc = conn_run(&s->c, st, "outbox", err)) != OK)
            return rc;
    }
    return OK;
}

static enum rc run(struct store *s, enum statement which, const struct store_delivery *d,
                   int64_t start_ms, struct err *err)
{
    sqlite3_stmt *st;
    const enum rc rc = conn_statement(&s->c, which, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, s->receivers[d->receiver], -1, SQLITE_STATIC) ||
        sqlite3_bind_text(st, 2, d->instance, -1, SQLITE_STATIC) ||
        sqlite3_bind_text(st, 3, store_incident_kind_name(d->kind), -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 4, start_ms) ||
        (sqlite3_bind_parameter_count(st) > 4 && sqlite3_bind_int64(st, 5, d->told_ms)))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "delivery", err);
}

enum rc store_put_delivery(struct store *s, const struct store_delivery *d, struct err *err)
{
    enum rc rc = store_ready(s, err);

    assert(d->receiver < s->n_receivers);
    if (rc != OK)
        return rc;
    if (d->over) /* what began before it is no news any more either */
        return run(s, ST_DROP_OUTBOX, d, d->start_ms, err);
    if ((rc = run(s, ST_DROP_OUTBOX, d, d->start_ms - 1, err)) != OK)
        return rc;
    return run(s, ST_SENT_OUTBOX, d, d->start_ms, err);
}
