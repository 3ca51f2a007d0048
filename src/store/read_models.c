/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "data/verdict.h"
#include "store/reader.h"

/* As in read.c: rows are copied a chunk at a time, and fn runs while no statement does. */
enum { MODELS_A_CHUNK = 16, MARKS_A_CHUNK = 64 };

static const char *const state_names[] = {[STORE_MODEL_LIVE] = "live",
                                          [STORE_MODEL_CANDIDATE] = "candidate",
                                          [STORE_MODEL_REJECTED] = "rejected",
                                          [STORE_MODEL_RETIRED] = "retired"};
static const char *const kind_names[] = {[STORE_MARK_ANOMALY] = "anomaly",
                                         [STORE_MARK_NORMAL] = "normal",
                                         [STORE_MARK_MAINTENANCE] = "maintenance",
                                         [STORE_MARK_ACCEPTED] = "accepted"};

const char *store_model_state_name(enum store_model_state state)
{
    return state_names[state];
}

const char *store_mark_kind_name(enum store_mark_kind kind)
{
    return kind_names[kind];
}

/* The place of a column's word in names, or E_PARSE: somebody else wrote it. */
static enum rc find_word(const struct conn *c, sqlite3_stmt *st, int column,
                         const char *const *names, size_t n, size_t *ret, struct err *err)
{
    const char *word = (const char *)sqlite3_column_text(st, column);

    for (size_t i = 0; word && i < n; i++) {
        if (strcmp(word, names[i]) == 0) {
            *ret = i;
            return OK;
        }
    }
    return err_set(err, E_PARSE, "store '%s': the %s '%.40s' is not known", c->path,
                   sqlite3_column_name(st, column), word ? word : "");
}

static enum rc copy_text(const struct conn *c, sqlite3_stmt *st, int column, char *out, size_t size,
                         struct err *err)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    const size_t n = (size_t)sqlite3_column_bytes(st, column);

    if (n >= size)
        return err_set(err, E_LIMIT, "store '%s': a %s has %zu bytes, at most %zu fit", c->path,
                       sqlite3_column_name(st, column), n, size - 1);
    if (text)
        memcpy(out, text, n);
    out[n] = '\0';
    return OK;
}

struct model_copy {
    struct store_model_row row;
    char instance[INSTANCE_MAX];
};

static enum rc copy_model(const struct conn *c, sqlite3_stmt *st, struct model_copy *ret,
                          struct err *err)
{
    struct store_model *m = &ret->row.model;
    size_t state = 0;
    enum rc rc;

    ret->row.id = sqlite3_column_int64(st, 0);
    m->created_ms = sqlite3_column_int64(st, 2);
    m->model_id = (uint64_t)sqlite3_column_int64(st, 3);
    m->schema_hash = (uint64_t)sqlite3_column_int64(st, 4);
    m->state_ms = sqlite3_column_int64(st, 6);
    if ((rc = copy_text(c, st, 1, ret->instance, sizeof ret->instance, err)) != OK ||
        (rc = find_word(c, st, 5, state_names, sizeof state_names / sizeof state_names[0], &state,
                        err)) != OK ||
        (rc = copy_text(c, st, 7, m->file, sizeof m->file, err)) != OK ||
        (rc = copy_text(c, st, 8, m->provenance, sizeof m->provenance, err)) != OK ||
        (rc = copy_text(c, st, 9, m->reason, sizeof m->reason, err)) != OK ||
        (rc = copy_text(c, st, 10, m->figures, sizeof m->figures, err)) != OK)
        return rc;
    m->state = (enum store_model_state)state;
    return OK;
}

/* ?1 the instance (NULL: any), ?2 a number. */
static enum rc begin(struct conn *c, enum statement which, const char *instance, int64_t number,
                     sqlite3_stmt **ret, struct err *err)
{
    const enum rc rc = conn_statement(c, which, ret, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_text(*ret, 1, instance, -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(*ret, 2, number))
        return conn_fail(c, "bind", err);
    return OK;
}

enum rc store_read_model(struct store_reader *r, const char *instance, uint64_t schema_hash,
                         struct store_model *ret, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    struct model_copy m = {0};
    enum rc rc;

    if ((rc = begin(&r->c, RD_MODEL, instance, (int64_t)schema_hash, &st, err)) != OK)
        return rc;
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return err_set(err, E_STATE, "store '%s': no model of '%s' with this schema yet", r->c.path,
                       instance);
    if (code != SQLITE_ROW)
        return conn_fail(&r->c, "read model", err);
    if ((rc = copy_model(&r->c, st, &m, err)) != OK)
        return rc;
    *ret = m.row.model;
    return OK;
}

static enum rc load_models(struct conn *c, const char *instance, int64_t before,
                           struct model_copy *rows, size_t *ret_n, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    size_t n = 0;
    int code = SQLITE_ROW;
    enum rc rc;

    if ((rc = begin(c, instance ? RD_MODELS_OF : RD_MODELS, instance, before, &st, err)) != OK)
        return rc;
    for (; n < MODELS_A_CHUNK && (code = sqlite3_step(st)) == SQLITE_ROW; n++)
        if ((rc = copy_model(c, st, &rows[n], err)) != OK)
            return rc;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read models", err);
    *ret_n = n;
    return OK;
}

enum rc store_read_models(struct store_reader *r, const char *instance, store_model_fn *fn,
                          void *arg, struct err *err)
{
    CLEANUP(mem_freep) struct model_copy *rows = mem_array(MODELS_A_CHUNK, sizeof *rows);
    int64_t before = INT64_MAX;
    size_t n = MODELS_A_CHUNK;

    if (!rows)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    while (n == MODELS_A_CHUNK) {
        const enum rc rc = load_models(&r->c, instance, before, rows, &n, err);
        if (rc != OK)
            return rc;
        for (size_t i = 0; i < n; i++) {
            rows[i].row.instance = rows[i].instance;
            if (!fn(arg, &rows[i].row))
                return OK;
            before = rows[i].row.id;
        }
    }
    return OK;
}

struct mark_copy {
    struct store_mark mark;
    char instance[INSTANCE_MAX];
};

static enum rc load_marks(struct conn *c, const char *instance, int64_t after,
                          struct mark_copy *rows, size_t *ret_n, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    size_t n = 0, kind = 0;
    int code = SQLITE_ROW;
    enum rc rc;

    if ((rc = begin(c, RD_MARKS, instance, after, &st, err)) != OK)
        return rc;
    for (; n < MARKS_A_CHUNK && (code = sqlite3_step(st)) == SQLITE_ROW; n++) {
        if ((rc = find_word(c, st, 1, kind_names, sizeof kind_names / sizeof kind_names[0], &kind,
                            err)) != OK ||
            (rc = copy_text(c, st, 6, rows[n].instance, sizeof rows[n].instance, err)) != OK)
            return rc;
        rows[n].mark = (struct store_mark){.id = sqlite3_column_int64(st, 0),
                                           .kind = (enum store_mark_kind)kind,
                                           .incident = sqlite3_column_int64(st, 2),
                                           .start_ms = sqlite3_column_int64(st, 3),
                                           .end_ms = sqlite3_column_int64(st, 4),
                                           .made_ms = sqlite3_column_int64(st, 5),
                                           .instance = rows[n].instance};
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read marks", err);
    *ret_n = n;
    return OK;
}

enum rc store_read_marks(struct store_reader *r, const char *instance, store_mark_fn *fn, void *arg,
                         struct err *err)
{
    CLEANUP(mem_freep) struct mark_copy *rows = mem_array(MARKS_A_CHUNK, sizeof *rows);
    int64_t after = INT64_MIN;
    size_t n = MARKS_A_CHUNK;

    if (!rows)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    while (n == MARKS_A_CHUNK) {
        const enum rc rc = load_marks(&r->c, instance, after, rows, &n, err);
        if (rc != OK)
            return rc;
        for (size_t i = 0; i < n; i++) {
            if (!fn(arg, &rows[i].mark))
                return OK;
            after = rows[i].mark.id;
        }
    }
    return OK;
}
