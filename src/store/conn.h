/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <assert.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* conn - one SQLite connection of the store: its path, its prepared statements, its errors
 *
 * Private to store/. Thread: its holder's; SQLite's own per-connection mutex is off.
 * Errors: E_IO with SQLite's words and the path, E_NOMEM when SQLite had no memory. */

enum {
    CONN_STATEMENTS_MAX = 48,
    CONN_BUSY_MS = 2000,     /* wait for a lock, such as a shell on the same file holds */
    CONN_TEXT_MAX = 1 << 20, /* bytes of one row or text, also in a file that others made */
};

struct conn {
    sqlite3 *db;
    char *path;
    const char *const *sql; /* [n_sql], prepared on first use and kept */
    size_t n_sql;
    sqlite3_stmt *st[CONN_STATEMENTS_MAX];
};

/* flags are SQLITE_OPEN_...; sql outlives c. On failure c needs no conn_close. */
MUST_CHECK enum rc conn_open(struct conn *c, const char *path, int flags, const char *const *sql,
                             size_t n_sql, struct err *err);
void conn_close(struct conn *c); /* an all-zero c is fine */

/* Record SQLite's last error on c as "store 'PATH': WHAT: words" and return its rc. Inline, so
 * that compilers and analyzers see that it is not OK (as err_set in base/err.h). */
enum rc conn_record(const struct conn *c, const char *what, struct err *err);
static inline enum rc conn_fail(const struct conn *c, const char *what, struct err *err)
{
    const enum rc rc = conn_record(c, what, err);

    assert(rc != OK);
    return rc;
}

/* Statements one after the other, rows ignored; `what` names the act in the error. */
MUST_CHECK enum rc conn_exec(const struct conn *c, const char *sql, const char *what,
                             struct err *err);
/* The first column of the only row, as "PRAGMA user_version" gives it; 0 when it is NULL. */
MUST_CHECK enum rc conn_number(const struct conn *c, const char *sql, int64_t *ret,
                               struct err *err);

/* Statement number i, reset and ready to bind. Lent until conn_close. */
MUST_CHECK enum rc conn_statement(struct conn *c, size_t i, sqlite3_stmt **ret, struct err *err);
/* Run a bound statement that gives no rows, then reset it; `what` names the act in the error. */
MUST_CHECK enum rc conn_run(const struct conn *c, sqlite3_stmt *st, const char *what,
                            struct err *err);

/* For CLEANUP: end the statement's read, so that it holds no snapshot of the database. */
static inline void conn_resetp(sqlite3_stmt **st)
{
    if (*st) {
        (void)sqlite3_reset(*st); /* repeats the step's error, which was reported */
        (void)sqlite3_clear_bindings(*st);
    }
}
