/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "store/reader.h"
#include "store/store.h"

/* The one entity whose name follows after; *ret_any false: there is none. A row at a time, so that
 * no snapshot is held while fn runs: entities are few. */
static enum rc load_history(struct conn *c, const char *after, char **ret_instance,
                            struct store_history *ret, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    enum rc rc;

    *ret_instance = NULL;
    if ((rc = conn_statement(c, RD_HISTORIES, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, after, -1, SQLITE_STATIC))
        return conn_fail(c, "bind", err);
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return OK;
    if (code != SQLITE_ROW)
        return conn_fail(c, "read entities", err);
    const char *name = (const char *)sqlite3_column_text(st, 0);
    *ret_instance = mem_strndup(name ? name : "", (size_t)sqlite3_column_bytes(st, 0));
    if (!*ret_instance)
        return err_set(err, E_NOMEM, "store '%s': out of memory", c->path);
    const bool any = sqlite3_column_type(st, 1) != SQLITE_NULL;
    *ret = (struct store_history){.instance = *ret_instance,
                                  .first_ms = any ? sqlite3_column_int64(st, 1) : 1,
                                  .last_ms = any ? sqlite3_column_int64(st, 2) : 0};
    return OK;
}

enum rc store_read_histories(struct store_reader *r, store_history_fn *fn, void *arg,
                             struct err *err)
{
    CLEANUP(mem_freep) char *before = NULL;

    for (;;) {
        struct store_history row;
        char *name;
        const enum rc rc = load_history(&r->c, before ? before : "", &name, &row, err);
        if (rc != OK)
            return rc;
        mem_free(before);
        before = name;
        if (!name || !fn(arg, &row))
            return OK;
    }
}

enum rc store_other_frames(struct store_reader *r, const char *instance, uint64_t schema_hash,
                           int64_t from_ms, int64_t to_ms, uint64_t *ret_n, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    enum rc rc;

    if ((rc = conn_statement(&r->c, RD_OTHERS, &st, err)) != OK ||
        (rc = reader_bind(&r->c, st, instance, from_ms, to_ms, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 4, (int64_t)schema_hash) || sqlite3_step(st) != SQLITE_ROW)
        return conn_fail(&r->c, "count frames", err);
    *ret_n = (uint64_t)sqlite3_column_int64(st, 0);
    return OK;
}

enum rc store_read_state(struct store_reader *r, const char *instance, const char *kind,
                         uint64_t schema_hash, struct buf *out, int64_t *ret_ts_ms, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&r->c, RD_STATE, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC) ||
        sqlite3_bind_text(st, 2, kind, -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 3, (int64_t)schema_hash))
        return conn_fail(&r->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return err_set(err, E_STATE, "store '%s': no state '%s' of '%s' yet", r->c.path, kind,
                       instance);
    if (code != SQLITE_ROW)
        return conn_fail(&r->c, "read a state", err);
    const void *p = sqlite3_column_blob(st, 0);
    const size_t n = (size_t)sqlite3_column_bytes(st, 0);
    if (n > STORE_STATE_MAX)
        return err_set(err, E_LIMIT, "store '%s': a state '%s' of %zu bytes; at most %d are read",
                       r->c.path, kind, n, STORE_STATE_MAX);
    if (p)
        buf_add(out, p, n);
    if (out->failed)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    *ret_ts_ms = sqlite3_column_int64(st, 1);
    return OK;
}
