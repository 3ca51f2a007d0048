/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "store/reader.h"
#include "store/store.h"

/* A row at a time, so that no snapshot is held while fn runs: what is owed is little. */
struct owed {
    int64_t incident; /* with receiver: the key of the row */
    char *receiver, *instance, *causes;
    struct store_incident row;
};

static void owed_done(struct owed *o)
{
    mem_free(o->receiver);
    mem_free(o->instance);
    mem_free(o->causes);
    *o = (struct owed){0};
}

static char *copy(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);

    return mem_strndup(text ? text : "", (size_t)sqlite3_column_bytes(st, column));
}

/* The first row after (incident, receiver); *ret_any false: there is none. */
static enum rc load(struct conn *c, int64_t incident, const char *receiver, struct owed *ret,
                    bool *ret_any, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(c, RD_OUTBOX, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, incident) ||
        sqlite3_bind_text(st, 2, receiver, -1, SQLITE_STATIC))
        return conn_fail(c, "bind", err);
    const int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read outbox", err);
    *ret_any = code == SQLITE_ROW;
    if (!*ret_any)
        return OK;
    *ret = (struct owed){.incident = sqlite3_column_int64(st, 0),
                         .receiver = copy(st, 9),
                         .instance = copy(st, 6),
                         .causes = copy(st, 7)};
    if (!ret->receiver || !ret->instance || !ret->causes)
        return err_set(err, E_NOMEM, "store '%s': out of memory", c->path);
    ret->row = (struct store_incident){.kind = sqlite3_column_int(st, 8) ? INCIDENT_SLOW
                                                                         : INCIDENT_DEPARTURE,
                                       .id = ret->incident,
                                       .start_ms = sqlite3_column_int64(st, 1),
                                       .peak_ms = sqlite3_column_int64(st, 2),
                                       .end_ms = sqlite3_column_int64(st, 3),
                                       .peak_score = reader_float(st, 4),
                                       .threshold = reader_float(st, 5),
                                       .instance = ret->instance,
                                       .causes_json = ret->causes};
    return OK;
}

enum rc store_read_outbox(struct store_reader *r, store_outbox_fn *fn, void *arg, struct err *err)
{
    CLEANUP(owed_done) struct owed at = {0};
    bool any = true;

    for (;;) {
        CLEANUP(owed_done) struct owed next = {0};
        const enum rc rc =
            load(&r->c, at.incident, at.receiver ? at.receiver : "", &next, &any, err);
        if (rc != OK)
            return rc;
        if (!any || !fn(arg, next.receiver, &next.row))
            return OK;
        owed_done(&at);
        at = next;
        next = (struct owed){0};
    }
}
