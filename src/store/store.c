/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/lock.h"
#include "store/migrate.h"
#include "store/writer.h"

/* The oldest row of the table, over all entities: one seek an entity, not a scan. */
#define OLDEST(table)                                                                              \
    "SELECT id, (SELECT min(ts_ms) FROM " table " WHERE entity = id) AS least FROM entities"       \
    " WHERE least IS NOT NULL ORDER BY least LIMIT 1"
#define NTH(table)                                                                                 \
    "SELECT ts_ms FROM " table " WHERE entity = ?1 AND ts_ms < ?2 ORDER BY ts_ms LIMIT 1 OFFSET "  \
    "?3"
#define PRUNE(table) "DELETE FROM " table " WHERE entity = ?1 AND ts_ms < ?2"

/* Of this entity ?2 and kind ?3, and when. The outbox is short: it is walked, not the incidents. */
#define OWED(when)                                                                                 \
    "EXISTS (SELECT 1 FROM incidents i WHERE i.id = incident AND " when " AND kind = ?3"           \
    " AND entity = (SELECT id FROM entities WHERE instance = ?2))"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define MODELS_KEPT_NUMBER 32
#define MODELS_KEPT TEXT(MODELS_KEPT_NUMBER)
_Static_assert(MODELS_KEPT_NUMBER == STORE_MODELS_KEPT, "SQL and header agree");

static const char *const sql[ST_COUNT] = {
    [ST_FIND_ENTITY] = "SELECT id FROM entities WHERE instance = ?1",
    [ST_PUT_ENTITY] = "INSERT OR IGNORE INTO entities (id, instance) VALUES (?1, ?2)",
    [ST_PUT_SCHEMA] = "INSERT INTO schemas (hash, features) VALUES (?1, ?2)"
                      " ON CONFLICT (hash) DO UPDATE SET features = excluded.features"
                      " WHERE features <> excluded.features",
    [ST_FIND_SCHEMA] = "SELECT used_ms FROM schemas WHERE hash = ?1",
    [ST_USE_SCHEMA] = "UPDATE schemas SET used_ms = ?2 WHERE hash = ?1",
    [ST_PUT_FRAME] = "INSERT OR REPLACE INTO frames (entity, ts_ms, schema_hash, \"values\")"
                     " VALUES (?1, ?2, ?3, ?4)",
    [ST_PUT_SCORE] = "INSERT OR REPLACE INTO scores"
                     " (entity, ts_ms, model, score, threshold, confidence, anomalous, evidence)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    /* An update as well inserts what is not there: its first insert may have been rolled back. */
    [ST_PUT_INCIDENT] = "INSERT OR REPLACE INTO incidents"
                        " (id, entity, start_ms, peak_ms, end_ms, peak_score, threshold, causes,"
                        " kind, accepted, maintenance, tier)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [ST_PUT_WORDS] = "UPDATE incidents SET words = ?2 WHERE id = ?1",
    [ST_PUT_OUTBOX] = "INSERT INTO outbox (incident, receiver, state) VALUES (?1, ?2, 'due')"
                      " ON CONFLICT (incident, receiver) DO UPDATE SET state = 'due'",
    [ST_SENT_OUTBOX] = "UPDATE outbox SET state = 'sent', told_ms = ?5 WHERE receiver = ?1"
                       " AND " OWED("start_ms = ?4"),
    [ST_DROP_OUTBOX] = "DELETE FROM outbox WHERE receiver = ?1 AND " OWED("start_ms <= ?4"),
    [ST_KEEP_RECEIVERS] = "DELETE FROM outbox WHERE receiver NOT IN (SELECT value FROM"
                          " json_each(?1))",
    [ST_CLOSE_ORPHANS] = "UPDATE incidents SET end_ms = max(start_ms, peak_ms, ifnull((SELECT"
                         " max(ts_ms) FROM scores WHERE scores.entity = incidents.entity), 0))"
                         " WHERE end_ms IS NULL AND id < ?1",
    [ST_REJECT_CANDIDATES] = "UPDATE models SET state = 'rejected', reason ="
                             " 'tocsin ended before it was judged' WHERE state = 'candidate'",
    [ST_PUT_MODEL] = "INSERT INTO models (entity, created_ms, model_id, schema_hash, state_ms,"
                     " file, provenance, state, reason, figures)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                     " ON CONFLICT (entity, model_id) DO UPDATE SET state = excluded.state,"
                     " state_ms = excluded.state_ms, reason = excluded.reason,"
                     " figures = excluded.figures",
    [ST_SET_LIVE] = "UPDATE models SET state = 'live', state_ms = ?3, reason = ?4"
                    " WHERE entity = ?1 AND model_id = ?2 AND state <> 'live'",
    [ST_PUT_STATE] = "INSERT OR REPLACE INTO states (entity, kind, schema_hash, ts_ms, state)"
                     " VALUES (?1, ?2, ?3, ?4, ?5)",
    [ST_FIND_INCIDENT] = "SELECT id FROM incidents WHERE start_ms = ?3 AND entity = ?1"
                         " AND kind = ?2 ORDER BY id DESC LIMIT 1",
    [ST_NEXT_ENTITY] = "SELECT id FROM entities WHERE id > ?1 ORDER BY id LIMIT 1",
    [ST_OLDEST_FRAMES] = OLDEST("frames"),
    [ST_OLDEST_SCORES] = OLDEST("scores"),
    [ST_NTH_FRAME] = NTH("frames"),
    [ST_NTH_SCORE] = NTH("scores"),
    [ST_PRUNE_FRAMES] = PRUNE("frames"),
    [ST_PRUNE_SCORES] = PRUNE("scores"),
    [ST_PRUNE_MODELS] = "DELETE FROM models WHERE entity = ?1 AND id <> ifnull((SELECT max(id)"
                        " FROM models WHERE entity = ?1 AND state = 'live'), 0)"
                        " AND (created_ms < ?2 OR (state <> 'live' AND id NOT IN (SELECT id FROM"
                        " models WHERE entity = ?1 AND state <> 'live' ORDER BY id DESC"
                        " LIMIT " MODELS_KEPT ")))",
    [ST_FORGET_MODELS] = "DELETE FROM models WHERE entity = ?1",
    [ST_FORGET_STATES] = "DELETE FROM states WHERE entity = ?1",
    [ST_PRUNE_INCIDENTS] = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents"
                           " WHERE start_ms < ?1 AND end_ms < ?1 ORDER BY start_ms LIMIT ?2)",
    [ST_PRUNE_MARKS] = "DELETE FROM marks WHERE end_ms < ?1 AND NOT EXISTS (SELECT 1 FROM incidents"
                       " WHERE incidents.id = marks.incident)",
    [ST_UNUSED_SCHEMA] = "SELECT hash FROM schemas WHERE used_ms < ?1"
                         " AND NOT EXISTS (SELECT 1 FROM models WHERE schema_hash = hash)",
    [ST_DROP_SCHEMA] = "DELETE FROM schemas WHERE hash = ?1 AND used_ms < ?2",
};

/* What must be chosen before the first page is written. */
static const char *const birth = "PRAGMA page_size = 4096;"
                                 "PRAGMA auto_vacuum = INCREMENTAL;";

/* secure_delete would write every deleted row once more, as zeros (Debian builds it in). The
 * cache is small because a commit touches a few pages; the log is checkpointed by hand. */
static const char *const manners = "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA cache_size = -256;"
                                   "PRAGMA mmap_size = 0;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA secure_delete = OFF;"
                                   "PRAGMA cell_size_check = ON;"
                                   "PRAGMA wal_autocheckpoint = 0;";

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *s = arg;

    (void)db;
    (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

static enum rc use_wal(const struct conn *c, struct err *err)
{
    char pragma[64];
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &st, NULL) != SQLITE_OK)
        return conn_fail(c, "journal mode", err);
    const int code = sqlite3_step(st);
    const char *mode = code == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    enum rc rc = OK;
    if (code != SQLITE_ROW)
        rc = conn_fail(c, "write-ahead log", err);
    else if (!mode || strcmp(mode, "wal") != 0)
        rc = err_set(err, E_IO, "store '%s': a write-ahead log is not possible on this file system",
                     c->path);
    (void)sqlite3_finalize(st); /* repeats the step's error */
    if (rc != OK)
        return rc;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA journal_size_limit = %d", WAL_LIMIT_BYTES);
    return conn_exec(c, pragma, "settings", err);
}

static enum rc set_up(struct store *s, struct err *err)
{
    const struct conn *c = &s->c;
    int64_t version, top;
    enum rc rc;

    if ((rc = migrate_check(c, store_steps_count, &version, err)) != OK)
        return rc;
    if (version == 0 && (rc = conn_exec(c, birth, "settings", err)) != OK)
        return rc;
    if ((rc = conn_exec(c, manners, "settings", err)) != OK || (rc = use_wal(c, err)) != OK ||
        (rc = migrate_apply(c, store_steps, store_steps_count, version, err)) != OK)
        return rc;
    if ((rc = conn_number(c, "SELECT max(id) FROM entities", &top, err)) != OK)
        return rc;
    s->next_entity = top + 1;
    if ((rc = conn_number(c, "SELECT max(id) FROM incidents", &top, err)) != OK)
        return rc;
    s->next_incident = s->first_incident = top + 1;
    (void)sqlite3_wal_hook(c->db, on_commit, s);
    return OK;
}

static void store_closep(struct store **s)
{
    store_close(*s);
}

enum rc store_open(const char *path, struct store **ret, struct err *err)
{
    CLEANUP(store_closep) struct store *s = mem_alloc(sizeof *s);
    enum rc rc;

    if (!s)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    s->lock_fd = -1;
    s->busy_ms = CONN_BUSY_MS;
    s->checkpoint_at = CHECKPOINT_PAGES;
    s->size_cut_ms = INT64_MIN;
    if ((rc = lock_take(path, &s->lock_fd, err)) != OK ||
        (rc = conn_open(&s->c, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, sql, ST_COUNT,
                        err)) != OK ||
        (rc = set_up(s, err)) != OK)
        return rc;
    *ret = TAKE(s);
    return OK;
}

void store_close(struct store *s)
{
    struct err ignored; /* at the end there is nobody left to try again */

    if (!s)
        return;
    if (s->begun)
        (void)!store_commit(s, &ignored);
    if (s->wal_pages > 0) {
        /* So that the database file alone is whole. Best effort: a reader may be in the way, and
         * the log is as good. */
        (void)sqlite3_busy_timeout(s->c.db, 0);
        (void)sqlite3_wal_checkpoint_v2(s->c.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    said_clear(s);
    outbox_done(s);
    mem_free(s->said);
    mem_free(s->known);
    conn_close(&s->c);
    fd_closep(&s->lock_fd); /* after the database: then the next one may come */
    mem_free(s);
}

void store_set_busy_timeout(struct store *s, int ms)
{
    s->busy_ms = ms;
    (void)sqlite3_busy_timeout(s->c.db, ms);
}

enum rc store_ready(const struct store *s, struct err *err)
{
    if (s->begun && sqlite3_get_autocommit(s->c.db))
        return err_set(err, E_STATE,
                       "store '%s': the transaction was rolled back by an earlier failure",
                       s->c.path);
    return OK;
}

void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->c.db))
        (void)sqlite3_exec(s->c.db, "ROLLBACK", NULL, NULL, NULL); /* always ends it */
    s->begun = false;
    s->say_again = s->n_said > 0;
    for (size_t i = 0; i < s->n_known; i++)
        s->known[i].used_ms = INT64_MIN;
}

enum rc store_checkpoint(struct store *s, struct err *err)
{
    int in_log = 0, copied = 0;
    errno = 0;
    const int code =
        sqlite3_wal_checkpoint_v2(s->c.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);

    s->checkpoint_at = s->wal_pages + CHECKPOINT_PAGES / 4; /* not at each commit while it cannot */
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        return conn_fail(&s->c, "checkpoint", err);
    if (code == SQLITE_OK && copied == in_log)
        s->checkpoint_at = CHECKPOINT_PAGES; /* the log starts afresh once no reader is in it */
    return OK;
}

/* The log is as long as it may get: take rows again only when it can start afresh now. */
static enum rc restart_log(struct store *s, struct err *err)
{
    struct err why;

    (void)sqlite3_busy_timeout(s->c.db, 0); /* a long reader will not be gone in two seconds */
    errno = 0;
    const int code =
        sqlite3_wal_checkpoint_v2(s->c.db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    const enum rc rc = code == SQLITE_OK ? OK : conn_fail(&s->c, "checkpoint", &why);
    (void)sqlite3_busy_timeout(s->c.db, s->busy_ms);
    if (rc == OK) {
        s->wal_pages = 0;
        return OK;
    }
    if ((code & 0xff) != SQLITE_BUSY) {
        *err = why;
        return rc;
    }
    return err_set(err, E_STATE,
                   "store '%s': another process reads it without an end, so its write-ahead log "
                   "has grown to %d MB; rows are refused until that ends",
                   s->c.path, (int)((int64_t)s->wal_pages * PAGE_BYTES >> 20));
}

enum rc store_begin(struct store *s, struct err *err)
{
    enum rc rc;

    if (s->begun)
        return err_set(err, E_STATE, "store '%s': a transaction is open already", s->c.path);
    if (s->wal_pages >= WAL_PAGES_MAX && (rc = restart_log(s, err)) != OK)
        return rc;
    if ((rc = conn_exec(&s->c, "BEGIN IMMEDIATE", "begin", err)) != OK)
        return rc;
    s->begun = true;
    if ((rc = said_again(s, err)) != OK)
        store_rollback(s);
    return rc;
}

enum rc store_commit(struct store *s, struct err *err)
{
    enum rc rc;

    if (!s->begun)
        return err_set(err, E_STATE, "store '%s': no transaction is open", s->c.path);
    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_exec(&s->c, "COMMIT", "commit", err)) != OK) {
        store_rollback(s);
        return rc;
    }
    s->begun = false;
    said_clear(s);
    /* The rows are safe whatever becomes of the checkpoint: store_prune reports its failure. */
    if (s->wal_pages >= s->checkpoint_at && store_checkpoint(s, &s->trouble) == OK)
        s->trouble.rc = OK;
    return OK;
}
