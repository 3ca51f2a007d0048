/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../works.h"

#include "base/mem.h"
#include "store/store.h"

/* fixture - a folder of its own for each test, a schema of N features, an open store */

enum { N = 5 };

struct fixture {
    char folder[64], path[96], wal[112];
    struct schema *schema;
    struct store *store;
};

static inline int set_up(void **state)
{
    static struct fixture x;
    static struct feature f[N] = {{"cpu", "percent", "cpu", 0.5f, false},
                                  {"memory", "bytes", "memory", 4096, false},
                                  {"disk.read", "bytes/s", "disk", 0, false},
                                  {"net:in", "bytes/s", "network", 0, false},
                                  {"load", "", "", 0.1f, false}};
    struct err err;

    memset(&x, 0, sizeof x);
    snprintf(x.folder, sizeof x.folder, "%s", "/tmp/tocsin-store-XXXXXX");
    if (!mkdtemp(x.folder))
        return 1;
    snprintf(x.path, sizeof x.path, "%s/t.db", x.folder);
    snprintf(x.wal, sizeof x.wal, "%s-wal", x.path);
    *state = &x;
    return schema_new(f, N, &x.schema, &err) != OK || store_open(x.path, &x.store, &err) != OK;
}

static inline int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
    struct fixture *x = *state;
    char name[128];

    mem_fail_at(0);
    store_close(x->store);
    schema_free(x->schema);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", x->path, suffixes[i]);
        (void)unlink(name); /* most are not there */
    }
    return rmdir(x->folder);
}

/* As after a crash and a restart, but for the write-ahead log. */
static inline void reopen(struct fixture *x)
{
    store_close(x->store);
    x->store = NULL;
    WORKS(store_open(x->path, &x->store, E));
}

static inline void fill(float frame[N], int64_t ts_ms)
{
    for (int i = 0; i < N; i++)
        frame[i] = (float)(ts_ms % 100003) + (float)i / 8;
}

/* A frame and a score, in the transaction that is open or one of their own. */
static inline enum rc put_tick(struct fixture *x, int64_t entity, int64_t ts_ms, struct err *err)
{
    float frame[N];
    const struct verdict v = {.ts_ms = ts_ms, .score = 0.25f, .threshold = 0.5f, .confidence = 1};

    fill(frame, ts_ms);
    const enum rc rc = store_put_frame(x->store, entity, ts_ms, x->schema->hash, frame, N, err);
    return rc == OK ? store_put_score(x->store, entity, 7, &v, err) : rc;
}

/* Ticks first, first + step, ... in one transaction. */
static inline void put_ticks(struct fixture *x, int64_t entity, int64_t first_ms, int64_t step_ms,
                             size_t n)
{
    WORKS(store_begin(x->store, E));
    for (size_t i = 0; i < n; i++)
        WORKS(put_tick(x, entity, first_ms + (int64_t)i * step_ms, E));
    WORKS(store_commit(x->store, E));
}

static inline int64_t new_entity(struct fixture *x, const char *instance)
{
    int64_t id = 0;

    WORKS(store_put_schema(x->store, x->schema, E));
    WORKS(store_entity(x->store, instance, &id, E));
    return id;
}

/* A number from the database, asked on a connection of its own as the sqlite3 shell does. */
static inline int64_t ask(const struct fixture *x, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_open_v2(x->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

/* The same for a statement that changes something. */
static inline void change(const char *path, const char *sql)
{
    sqlite3 *db;
    char *words = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK)
        fail_msg("%s: %s", sql, words);
    sqlite3_close(db);
}

/* No file may grow past `bytes`: what a full disk does, without one. */
static inline void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct seen {             /* what a read gave */
    size_t rows, stop_at; /* 0: all */
    int64_t first_ms, last_ms;
    bool ascending;
};

static inline bool see(struct seen *s, int64_t ts_ms)
{
    if (s->rows == 0) {
        s->first_ms = ts_ms;
        s->ascending = true;
    } else if (ts_ms <= s->last_ms) {
        s->ascending = false;
    }
    s->last_ms = ts_ms;
    s->rows++;
    return s->rows != s->stop_at;
}

static inline bool see_score(void *arg, const struct store_score *row)
{
    return see(arg, row->ts_ms);
}

static inline bool see_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    float want[N];

    fill(want, ts_ms);
    assert_int_equal(n, N);
    assert_memory_equal(frame, want, sizeof want);
    return see(arg, ts_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
