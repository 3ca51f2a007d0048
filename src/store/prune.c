/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "store/writer.h"

/* The work of one call, so that the store thread is never away for long. */
enum {
    PRUNE_ROWS = STORE_PRUNE_ROWS, /* of an entity's frames, and as many scores */
    PRUNE_ENTITIES = 256,
    PRUNE_INCIDENTS = 100,
    PRUNE_SCHEMAS = 16,
    VACUUM_PAGES = 256,
    VACUUM_SLACK_PAGES = 128, /* free pages worth keeping: the next rows go there */
};

struct size {
    uint64_t live_bytes; /* pages in use and the log */
    uint64_t file_bytes; /* what the files take */
    int64_t free_pages;
};

static enum rc file_size(const char *path, const char *suffix, uint64_t *ret, struct err *err)
{
    const size_t n = strlen(path) + strlen(suffix) + 1;
    CLEANUP(mem_freep) char *name = mem_alloc(n);
    struct stat st;

    if (!name)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    (void)snprintf(name, n, "%s%s", path, suffix);
    if (stat(name, &st) == 0)
        *ret = (uint64_t)st.st_size;
    else if (errno == ENOENT)
        *ret = 0;
    else
        return err_set(err, E_IO, "store '%s': %m", name);
    return OK;
}

static enum rc measure(const struct store *s, struct size *ret, struct err *err)
{
    uint64_t database, log;
    int64_t page, pages, unused;
    enum rc rc;

    if ((rc = conn_number(&s->c, "PRAGMA page_size", &page, err)) != OK ||
        (rc = conn_number(&s->c, "PRAGMA page_count", &pages, err)) != OK ||
        (rc = conn_number(&s->c, "PRAGMA freelist_count", &unused, err)) != OK ||
        (rc = file_size(s->c.path, "", &database, err)) != OK ||
        (rc = file_size(s->c.path, "-wal", &log, err)) != OK)
        return rc;
    /* A log that a reader keeps from shrinking does not get smaller by deleting rows. */
    const uint64_t log_counted = log < WAL_LIMIT_BYTES ? log : WAL_LIMIT_BYTES;
    ret->live_bytes = (uint64_t)(pages - unused) * (uint64_t)page + log_counted;
    ret->file_bytes = database + log;
    ret->free_pages = unused;
    return OK;
}

static enum rc vacuum(const struct store *s, struct err *err)
{
    char pragma[64];

    (void)snprintf(pragma, sizeof pragma, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    return conn_exec(&s->c, pragma, "vacuum", err);
}

/* Give free pages back to the file system, and the log with them unless a reader is in it. */
static enum rc shrink(struct store *s, const struct size *size, struct err *err)
{
    enum rc rc;

    if (size->free_pages > 0 && (rc = vacuum(s, err)) != OK)
        return rc;
    (void)sqlite3_busy_timeout(s->c.db, 0);
    errno = 0;
    const int code =
        sqlite3_wal_checkpoint_v2(s->c.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    rc = code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY ? OK
                                                           : conn_fail(&s->c, "checkpoint", err);
    (void)sqlite3_busy_timeout(s->c.db, s->busy_ms);
    return rc;
}

/* One row of one or two numbers; false in *ret_found when there is none. */
static enum rc query(struct store *s, enum statement which, const int64_t *bind, int n_bind,
                     int64_t *a, int64_t *b, bool *ret_found, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&s->c, which, &st, err);

    if (rc != OK)
        return rc;
    for (int i = 0; i < n_bind; i++)
        if (sqlite3_bind_int64(st, i + 1, bind[i]) != SQLITE_OK)
            return conn_fail(&s->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(&s->c, "prune", err);
    *ret_found = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        *a = sqlite3_column_int64(st, 0);
        if (b)
            *b = sqlite3_column_int64(st, 1);
    }
    return OK;
}

/* Run a DELETE of at most two numbers and add its rows to *deleted. */
static enum rc run_delete(struct store *s, enum statement which, int64_t a, int64_t b,
                          uint64_t *deleted, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc = conn_statement(&s->c, which, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, a) ||
        (sqlite3_bind_parameter_count(st) > 1 && sqlite3_bind_int64(st, 2, b)))
        return conn_fail(&s->c, "bind", err);
    if ((rc = conn_run(&s->c, st, "prune", err)) == OK)
        *deleted += (uint64_t)sqlite3_changes(s->c.db);
    return rc;
}

/* Delete the entity's rows before cut_ms, PRUNE_ROWS of them at most; *ret_more when some stay. */
static enum rc delete_rows(struct store *s, enum statement nth, enum statement prune,
                           int64_t entity, int64_t cut_ms, uint64_t *deleted, bool *ret_more,
                           struct err *err)
{
    int64_t last_ms = 0;
    bool found = false;
    const enum rc rc =
        query(s, nth, (int64_t[]){entity, cut_ms, PRUNE_ROWS - 1}, 3, &last_ms, NULL, &found, err);

    if (rc != OK)
        return rc;
    if (found)
        *ret_more = true;
    return run_delete(s, prune, entity, found ? last_ms + 1 : cut_ms, deleted, err);
}

/* A new round that makes room begins at the entity with the oldest row, and cuts there so that
 * about PRUNE_ROWS of its rows go: never all that a small entity has. */
static enum rc start_size_round(struct store *s, struct err *err)
{
    int64_t entity, oldest_ms, last_ms;
    enum statement nth = ST_NTH_FRAME;
    bool found = false;
    enum rc rc = query(s, ST_OLDEST_FRAMES, NULL, 0, &entity, &oldest_ms, &found, err);

    if (rc == OK && !found) {
        nth = ST_NTH_SCORE;
        rc = query(s, ST_OLDEST_SCORES, NULL, 0, &entity, &oldest_ms, &found, err);
    }
    if (rc != OK || !found)
        return rc;
    last_ms = oldest_ms;
    found = false;
    for (int64_t rows = PRUNE_ROWS; rows > 1 && !found && rc == OK; rows /= 10)
        rc =
            query(s, nth, (int64_t[]){entity, INT64_MAX, rows - 1}, 3, &last_ms, NULL, &found, err);
    if (rc != OK)
        return rc;
    s->prune_entity = entity - 1;
    s->size_cut_ms = last_ms < INT64_MAX ? last_ms + 1 : last_ms;
    return OK;
}

/* Frames before the oldest one are gone, so are those of a schema that was last used before it. */
static enum rc drop_unused_schemas(struct store *s, uint64_t *deleted, struct err *err)
{
    int64_t hash[PRUNE_SCHEMAS], entity, oldest_ms = INT64_MAX;
    size_t n = 0;
    bool found;
    sqlite3_stmt *st;
    int code;
    enum rc rc = query(s, ST_OLDEST_FRAMES, NULL, 0, &entity, &oldest_ms, &found, err);

    if (rc != OK || (rc = conn_statement(&s->c, ST_UNUSED_SCHEMA, &st, err)) != OK)
        return rc;
    const int64_t bound_ms =
        oldest_ms > INT64_MIN + SCHEMA_USED_STEP_MS ? oldest_ms - SCHEMA_USED_STEP_MS : INT64_MIN;
    if (sqlite3_bind_int64(st, 1, bound_ms))
        return conn_fail(&s->c, "bind", err);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && n < PRUNE_SCHEMAS) {
        hash[n] = sqlite3_column_int64(st, 0);
        bool known = false; /* by this process: its next frame may be of it */
        for (size_t i = 0; i < s->n_known; i++)
            known = known || s->known[i].hash == (uint64_t)hash[n];
        n += !known;
    }
    rc = code == SQLITE_ROW || code == SQLITE_DONE ? OK : conn_fail(&s->c, "prune", err);
    conn_resetp(&st);
    for (size_t i = 0; i < n && rc == OK; i++)
        rc = run_delete(s, ST_DROP_SCHEMA, hash[i], bound_ms, deleted, err);
    return rc;
}

static enum rc visit(struct store *s, int64_t entity, int64_t cut_ms, uint64_t *deleted,
                     bool *ret_more, struct err *err)
{
    enum rc rc;

    *ret_more = false;
    if ((rc = delete_rows(s, ST_NTH_FRAME, ST_PRUNE_FRAMES, entity, cut_ms, deleted, ret_more,
                          err)) != OK ||
        (rc = delete_rows(s, ST_NTH_SCORE, ST_PRUNE_SCORES, entity, cut_ms, deleted, ret_more,
                          err)) != OK)
        return rc;
    return run_delete(s, ST_PRUNE_MODELS, entity, cut_ms, deleted, err);
}

/* Go on with the round over the entities, within one call's bounds. */
static enum rc prune_some(struct store *s, int64_t cut_ms, uint64_t *deleted, struct err *err)
{
    const uint64_t before = *deleted;
    enum rc rc = run_delete(s, ST_PRUNE_INCIDENTS, cut_ms, PRUNE_INCIDENTS, deleted, err);

    if (rc == OK)
        rc = run_delete(s, ST_PRUNE_MARKS, cut_ms, 0, deleted, err);
    for (int i = 0; rc == OK && i < PRUNE_ENTITIES && *deleted - before < PRUNE_ROWS; i++) {
        int64_t entity = 0;
        bool found = false, more;
        rc = query(s, ST_NEXT_ENTITY, &s->prune_entity, 1, &entity, NULL, &found, err);
        if (rc != OK)
            return rc;
        if (!found) { /* the round is over */
            s->prune_entity = 0;
            s->size_cut_ms = INT64_MIN;
            return drop_unused_schemas(s, deleted, err);
        }
        rc = visit(s, entity, cut_ms, deleted, &more, err);
        if (more)
            break; /* the next call goes on here */
        s->prune_entity = entity;
    }
    return rc;
}

static enum rc delete_old(struct store *s, int64_t age_cut_ms, bool too_large, uint64_t *deleted,
                          struct err *err)
{
    enum rc rc;

    if (!too_large)
        s->size_cut_ms = INT64_MIN;
    else if (s->size_cut_ms == INT64_MIN && (rc = start_size_round(s, err)) != OK)
        return rc;
    if ((rc = store_begin(s, err)) != OK)
        return rc;
    rc = prune_some(s, age_cut_ms > s->size_cut_ms ? age_cut_ms : s->size_cut_ms, deleted, err);
    if (rc != OK) {
        store_rollback(s);
        return rc;
    }
    return store_commit(s, err);
}

enum rc store_prune(struct store *s, int64_t now_ms, int64_t max_age_ms, uint64_t max_bytes,
                    uint64_t *ret_deleted, struct err *err)
{
    struct size size;
    int64_t age_cut_ms;
    uint64_t deleted = 0;
    enum rc rc;

    *ret_deleted = 0;
    if (s->begun)
        return err_set(err, E_STATE, "store '%s': a transaction is open already", s->c.path);
    if (__builtin_sub_overflow(now_ms, max_age_ms, &age_cut_ms))
        age_cut_ms = INT64_MIN;
    if ((rc = measure(s, &size, err)) != OK)
        return rc;
    if (size.file_bytes > max_bytes &&
        ((rc = shrink(s, &size, err)) != OK || (rc = measure(s, &size, err)) != OK))
        return rc;
    if ((rc = delete_old(s, age_cut_ms, size.live_bytes > max_bytes, &deleted, err)) != OK)
        return rc;
    *ret_deleted = deleted; /* whatever fails now, they are gone */
    if (size.free_pages > VACUUM_SLACK_PAGES && (rc = vacuum(s, err)) != OK)
        return rc;
    if (s->trouble.rc != OK) { /* of a commit's checkpoint: is it over? */
        if ((rc = store_checkpoint(s, err)) != OK)
            return rc;
        s->trouble.rc = OK;
    }
    return OK;
}

/* One transaction's part: the models, and some frames. */
static enum rc forget_some(struct store *s, int64_t entity, bool *ret_more, struct err *err)
{
    uint64_t deleted = 0;
    enum rc rc;

    *ret_more = false;
    if ((rc = store_begin(s, err)) != OK)
        return rc;
    if ((rc = run_delete(s, ST_FORGET_MODELS, entity, 0, &deleted, err)) != OK ||
        (rc = run_delete(s, ST_FORGET_STATES, entity, 0, &deleted, err)) != OK ||
        (rc = delete_rows(s, ST_NTH_FRAME, ST_PRUNE_FRAMES, entity, INT64_MAX, &deleted, ret_more,
                          err)) != OK) {
        store_rollback(s);
        return rc;
    }
    return store_commit(s, err);
}

static enum rc forget(struct store *s, int64_t entity, struct err *err)
{
    bool more = true;
    enum rc rc = OK;

    while (more && rc == OK) /* in parts, or the log would grow by all that goes */
        rc = forget_some(s, entity, &more, err);
    return rc;
}

static enum rc forget_all(struct store *s, struct err *err)
{
    int64_t entity = 0;
    bool found = true;
    enum rc rc = OK;

    while (rc == OK && found) {
        const int64_t after = entity;
        rc = query(s, ST_NEXT_ENTITY, &after, 1, &entity, NULL, &found, err);
        if (rc == OK && found)
            rc = forget(s, entity, err);
    }
    return rc;
}

enum rc store_forget(struct store *s, const char *instance, struct err *err)
{
    if (s->begun)
        return err_set(err, E_STATE, "store '%s': a transaction is open already", s->c.path);
    if (!instance)
        return forget_all(s, err);
    int64_t entity = said_entity(s, instance);
    if (entity == 0 && store_find_entity(s, instance, &entity, err) != OK)
        return err->rc;
    return forget(s, entity, err);
}
