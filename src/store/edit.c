/* SPDX-License-Identifier: Apache-2.0 */
#include "store/edit.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/conn.h"
#include "store/lock.h"
#include "store/migrate.h"

enum { RETRY_US = 2000 }; /* the daemon's pauses between transactions may be a tenth of a second */

enum edit_statement {
    ED_FIND_ENTITY,
    ED_FIND_INCIDENT,
    ED_IS_OPEN_SLOW,
    ED_PUT_MARK,
    ED_DROP_MARK,
    ED_FIND_MODEL,
    ED_FIND_LIVE,
    ED_SET_MODEL,
    ED_COUNT
};

static const char *const sql[ED_COUNT] = {
    [ED_FIND_ENTITY] = "SELECT id FROM entities WHERE instance = ?1",
    [ED_FIND_INCIDENT] = "SELECT entity, start_ms, max(start_ms, peak_ms, ifnull(end_ms, 0))"
                         " FROM incidents WHERE id = ?1",
    [ED_IS_OPEN_SLOW] = "SELECT kind = 'slow', end_ms IS NULL FROM incidents WHERE id = ?1",
    [ED_PUT_MARK] = "INSERT INTO marks (entity, kind, incident, start_ms, end_ms, made_ms)"
                    " VALUES (nullif(?1, 0), ?2, nullif(?3, 0), ?4, ?5, ?6)",
    [ED_DROP_MARK] = "DELETE FROM marks WHERE id = ?1",
    [ED_FIND_MODEL] = "SELECT entity, schema_hash FROM models WHERE id = ?1",
    [ED_FIND_LIVE] = "SELECT l.id, l.schema_hash FROM models m JOIN models l ON l.entity = m.entity"
                     " WHERE m.id = ?1 AND l.state = 'live'"
                     " ORDER BY l.schema_hash = m.schema_hash DESC, l.id DESC LIMIT 1",
    [ED_SET_MODEL] = "UPDATE models SET state = ?2, state_ms = ?3, reason = ?4 WHERE id = ?1",
};

struct store_editor {
    struct conn c;
};

static int on_busy(void *arg, int tries)
{
    (void)arg;
    if ((int64_t)tries * RETRY_US >= (int64_t)EDIT_WAIT_MS * 1000)
        return 0;
    usleep(RETRY_US);
    return 1;
}

enum rc store_editor_open(const char *path, struct store_editor **ret, struct err *err)
{
    CLEANUP(store_editor_closep) struct store_editor *e = mem_alloc(sizeof *e);
    enum rc rc;

    if (!e)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    if ((rc = conn_open(&e->c, path, SQLITE_OPEN_READWRITE, sql, ED_COUNT, err)) != OK)
        return rc;
    (void)sqlite3_busy_handler(e->c.db, on_busy, NULL);
    if ((rc = migrate_expect_current(&e->c, err)) != OK)
        return rc;
    *ret = TAKE(e);
    return OK;
}

void store_editor_close(struct store_editor *e)
{
    if (!e)
        return;
    conn_close(&e->c);
    mem_free(e);
}

/* Two numbers of the row of a statement with one number bound; false: no row. */
static enum rc find(struct store_editor *e, enum edit_statement which, int64_t number, int64_t *a,
                    int64_t *b, int64_t *c, bool *ret_found, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&e->c, which, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, number))
        return conn_fail(&e->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(&e->c, "read", err);
    *ret_found = code == SQLITE_ROW;
    *a = sqlite3_column_int64(st, 0);
    *b = sqlite3_column_int64(st, 1);
    if (c)
        *c = sqlite3_column_int64(st, 2);
    return OK;
}

static enum rc find_entity(struct store_editor *e, const char *instance, int64_t *ret,
                           struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&e->c, ED_FIND_ENTITY, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC))
        return conn_fail(&e->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return err_set(err, E_STATE, "store '%s': no entity is called '%s'", e->c.path, instance);
    if (code != SQLITE_ROW)
        return conn_fail(&e->c, "entity", err);
    *ret = sqlite3_column_int64(st, 0);
    return OK;
}

/* One act in a transaction of its own. */
typedef enum rc act_fn(struct store_editor *e, void *arg, struct err *err);

static enum rc transact(struct store_editor *e, act_fn *act, void *arg, struct err *err)
{
    enum rc rc = conn_exec(&e->c, "BEGIN IMMEDIATE", "begin", err);

    if (rc != OK)
        return rc;
    if ((rc = act(e, arg, err)) == OK)
        rc = conn_exec(&e->c, "COMMIT", "commit", err);
    if (rc != OK && !sqlite3_get_autocommit(e->c.db))
        (void)sqlite3_exec(e->c.db, "ROLLBACK", NULL, NULL, NULL); /* always ends it */
    return rc;
}

struct mark_act {
    const struct store_mark *mark;
    int64_t id;
};

/* What was accepted must be going on: it is the present that becomes what is expected. */
static enum rc check_accepted(struct store_editor *e, const struct store_mark *m, struct err *err)
{
    int64_t slow = 0, open = 0;
    bool found = false;

    if (m->kind != STORE_MARK_ACCEPTED)
        return OK;
    const enum rc rc = find(e, ED_IS_OPEN_SLOW, m->incident, &slow, &open, NULL, &found, err);
    if (rc != OK)
        return rc;
    if (found && !slow)
        return err_set(err, E_STATE,
                       "incident %" PRId64 " is one of the score: expected a slow change to accept",
                       m->incident);
    if (found && !open)
        return err_set(err, E_STATE, "incident %" PRId64 " is over: there is nothing to accept",
                       m->incident);
    return OK; /* no such incident: said by put_mark */
}

static enum rc put_mark(struct store_editor *e, void *arg, struct err *err)
{
    struct mark_act *a = arg;
    const struct store_mark *m = a->mark;
    int64_t entity = 0, start_ms = m->start_ms, end_ms = m->end_ms;
    bool found = true;
    sqlite3_stmt *st;
    enum rc rc = OK;

    if (m->incident)
        rc = find(e, ED_FIND_INCIDENT, m->incident, &entity, &start_ms, &end_ms, &found, err);
    else if (m->instance[0])
        rc = find_entity(e, m->instance, &entity, err);
    if (rc != OK)
        return rc;
    if (!found)
        return err_set(err, E_STATE, "store '%s': there is no incident %" PRId64, e->c.path,
                       m->incident);
    if ((rc = check_accepted(e, m, err)) != OK ||
        (rc = conn_statement(&e->c, ED_PUT_MARK, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, entity) ||
        sqlite3_bind_text(st, 2, store_mark_kind_name(m->kind), -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 3, m->incident) || sqlite3_bind_int64(st, 4, start_ms) ||
        sqlite3_bind_int64(st, 5, end_ms) || sqlite3_bind_int64(st, 6, m->made_ms))
        return conn_fail(&e->c, "bind", err);
    rc = conn_run(&e->c, st, "mark", err);
    a->id = sqlite3_last_insert_rowid(e->c.db);
    return rc;
}

enum rc store_edit_mark(struct store_editor *e, const struct store_mark *mark, int64_t *ret_id,
                        struct err *err)
{
    struct mark_act act = {mark, 0};
    const enum rc rc = transact(e, put_mark, &act, err);

    if (rc == OK)
        *ret_id = act.id;
    return rc;
}

static enum rc drop_mark(struct store_editor *e, void *arg, struct err *err)
{
    const int64_t id = *(const int64_t *)arg;
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = conn_statement(&e->c, ED_DROP_MARK, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, id))
        return conn_fail(&e->c, "bind", err);
    if ((rc = conn_run(&e->c, st, "mark", err)) == OK && sqlite3_changes(e->c.db) == 0)
        return err_set(err, E_STATE, "store '%s': there is no mark %" PRId64, e->c.path, id);
    return rc;
}

enum rc store_edit_unmark(struct store_editor *e, int64_t id, struct err *err)
{
    return transact(e, drop_mark, &id, err);
}

struct live_act {
    int64_t id, now_ms;
    const char *reason, *reason_then;
    enum store_model_state then;
};

static enum rc set_model(struct store_editor *e, int64_t id, enum store_model_state state,
                         int64_t now_ms, const char *reason, struct err *err)
{
    sqlite3_stmt *st;
    const enum rc rc = conn_statement(&e->c, ED_SET_MODEL, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, id) ||
        sqlite3_bind_text(st, 2, store_model_state_name(state), -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 3, now_ms) || sqlite3_bind_text(st, 4, reason, -1, SQLITE_STATIC))
        return conn_fail(&e->c, "bind", err);
    return conn_run(&e->c, st, "model", err);
}

static enum rc set_live(struct store_editor *e, void *arg, struct err *err)
{
    const struct live_act *a = arg;
    int64_t entity, hash, live_id, live_hash;
    bool found, any;
    enum rc rc;

    if ((rc = find(e, ED_FIND_MODEL, a->id, &entity, &hash, NULL, &found, err)) != OK)
        return rc;
    if (!found)
        return err_set(err, E_STATE, "store '%s': there is no model %" PRId64, e->c.path, a->id);
    if ((rc = find(e, ED_FIND_LIVE, a->id, &live_id, &live_hash, NULL, &any, err)) != OK)
        return rc;
    if (any && live_id == a->id)
        return err_set(err, E_STATE, "model %" PRId64 " is live already", a->id);
    if (any && live_hash != hash)
        return err_set(err, E_STATE,
                       "model %" PRId64 " is of other features than the live model %" PRId64
                       ": the daemon could not use it",
                       a->id, live_id);
    if (any && (rc = set_model(e, live_id, a->then, a->now_ms, a->reason_then, err)) != OK)
        return rc;
    return set_model(e, a->id, STORE_MODEL_LIVE, a->now_ms, a->reason, err);
}

enum rc store_edit_live(struct store_editor *e, int64_t id, int64_t now_ms, const char *reason,
                        enum store_model_state then, const char *reason_then, struct err *err)
{
    struct live_act act = {id, now_ms, reason, reason_then, then};

    return transact(e, set_live, &act, err);
}

enum rc store_holder(const char *path, int64_t *ret_pid, bool *ret_held, struct err *err)
{
    return lock_holder(path, ret_pid, ret_held, err);
}
