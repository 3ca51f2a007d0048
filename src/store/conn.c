/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum rc conn_record(const struct conn *c, const char *what, struct err *err)
{
    const int code = sqlite3_extended_errcode(c->db) & 0xff;
    /* SQLite forgets the errno of a failed write, so the callers clear errno before they run. */
    const int system = sqlite3_system_errno(c->db) ? sqlite3_system_errno(c->db) : errno;

    if (code == SQLITE_NOMEM)
        return err_set(err, E_NOMEM, "store '%s': %s: out of memory", c->path, what);
    /* The system's words (quota, permission) say more than "disk I/O error" alone. */
    if (system && (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)) {
        errno = system;
        return err_set(err, E_IO, "store '%s': %s: %s: %m", c->path, what, sqlite3_errmsg(c->db));
    }
    return err_set(err, E_IO, "store '%s': %s: %s", c->path, what, sqlite3_errmsg(c->db));
}

/* SQLite gives a meaning to "", ":memory:" and "file:..."; with a folder in front it has none. */
static char *plain_path(const char *path)
{
    const size_t n = strlen(path) + sizeof "./";
    char *p = mem_alloc(n);

    if (p)
        (void)snprintf(p, n, "%s%s", path[0] == '/' ? "" : "./", path);
    return p;
}

static enum rc open_db(struct conn *c, int flags, struct err *err)
{
    errno = 0;
    if (sqlite3_open_v2(c->path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return c->db ? conn_fail(c, "open", err)
                     : err_set(err, E_NOMEM, "store '%s': out of memory", c->path);
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, CONN_BUSY_MS);
    (void)sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, CONN_TEXT_MAX);
    /* A file that somebody else wrote must not run code of its own choice. */
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return OK;
}

enum rc conn_open(struct conn *c, const char *path, int flags, const char *const *sql, size_t n_sql,
                  struct err *err)
{
    assert(n_sql <= CONN_STATEMENTS_MAX);
    *c = (struct conn){.sql = sql, .n_sql = n_sql, .path = plain_path(path)};
    if (!c->path)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    const enum rc rc = open_db(c, flags, err);
    if (rc != OK)
        conn_close(c);
    return rc;
}

void conn_close(struct conn *c)
{
    for (size_t i = 0; i < c->n_sql; i++)
        (void)sqlite3_finalize(c->st[i]);
    (void)sqlite3_close(c->db); /* fails only for statements that are left: there are none */
    mem_free(c->path);
    *c = (struct conn){0};
}

enum rc conn_exec(const struct conn *c, const char *sql, const char *what, struct err *err)
{
    errno = 0;
    if (sqlite3_exec(c->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return conn_fail(c, what, err);
    return OK;
}

static void finalizep(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}

enum rc conn_number(const struct conn *c, const char *sql, int64_t *ret, struct err *err)
{
    CLEANUP(finalizep) sqlite3_stmt *st = NULL;

    errno = 0;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        return conn_fail(c, sql, err);
    *ret = sqlite3_column_int64(st, 0);
    return OK;
}

enum rc conn_statement(struct conn *c, size_t i, sqlite3_stmt **ret, struct err *err)
{
    assert(i < c->n_sql);
    if (!c->st[i] && sqlite3_prepare_v3(c->db, c->sql[i], -1, SQLITE_PREPARE_PERSISTENT, &c->st[i],
                                        NULL) != SQLITE_OK)
        return conn_fail(c, "prepare", err);
    conn_resetp(&c->st[i]);
    errno = 0; /* for conn_fail, if the caller steps it */
    *ret = c->st[i];
    return OK;
}

enum rc conn_run(const struct conn *c, sqlite3_stmt *st, const char *what, struct err *err)
{
    errno = 0;
    const int code = sqlite3_step(st);
    const enum rc rc = code == SQLITE_DONE ? OK : conn_fail(c, what, err);

    conn_resetp(&st);
    return rc;
}
