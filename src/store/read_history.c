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
