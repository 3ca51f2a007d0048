/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv_columns.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "source/csv_reader.h"

enum { NOWHERE = -1, TIME = -2, FIRST_ROWS = 1024 };

/* A table in the making, and where each field of a line goes. */
struct maker {
    struct csv_reader *r;
    const char *const *names;
    size_t n;                /* names */
    int *goes_to;            /* [fields]: index of a name, TIME or NOWHERE */
    size_t fields, capacity; /* capacity in rows */
    struct csv_columns t;
};

static void maker_done(struct maker *m)
{
    mem_free(m->goes_to);
    csv_columns_done(&m->t);
}

void csv_columns_done(struct csv_columns *c)
{
    mem_free(c->ts_ms);
    for (size_t i = 0; i < CSV_COLUMNS_MAX; i++)
        mem_free(c->v[i]);
    *c = (struct csv_columns){0};
}

/* Where a column of this name goes. */
static int place_of(const struct maker *m, struct str name, bool first)
{
    if (str_eq(name, STR("timestamp")))
        return TIME;
    for (size_t i = 0; i < m->n; i++)
        if (m->names[i][0] == '\0' ? first : str_eq(name, str_of(m->names[i])))
            return (int)i;
    return NOWHERE;
}

static enum rc parse_header(struct maker *m, struct err *err)
{
    bool any = false, seen[CSV_COLUMNS_MAX] = {false}, seen_time = false, first = true;

    if (csv_reader_line(m->r, &any, err) != OK)
        return err->rc;
    if (!any) {
        m->r->line = 1;
        return csv_reader_fail(m->r, E_PARSE, err, "expected a header, found an empty file");
    }
    m->goes_to = mem_array(csv_reader_count(m->r->text), sizeof *m->goes_to);
    if (!m->goes_to)
        return err_set(err, E_NOMEM, "%s: no memory for its columns", m->r->file);
    while (m->r->more) {
        struct str name;
        if (csv_reader_field(m->r, &name, err) != OK)
            return err->rc;
        const int to = place_of(m, name, first);
        bool *here = to == TIME ? &seen_time : to >= 0 ? &seen[to] : NULL;
        if (here && *here)
            return csv_reader_fail(m->r, E_PARSE, err, "expected one column '%.*s%s', found two",
                                   csv_quoted(name), name.p, csv_ellipsis(name));
        if (here)
            *here = true;
        first = first && to == TIME;
        m->goes_to[m->fields++] = to;
    }
    return OK;
}

static enum rc grow(struct maker *m, struct err *err)
{
    const size_t rows = m->capacity ? 2 * m->capacity : FIRST_ROWS;

    if (m->capacity >= CSV_COLUMNS_ROWS_MAX)
        return csv_reader_fail(m->r, E_LIMIT, err, "expected at most %d rows, found more",
                               CSV_COLUMNS_ROWS_MAX);
    for (size_t f = 0; f < m->fields; f++) {
        const int to = m->goes_to[f];
        if (to == NOWHERE)
            continue;
        void *p = to == TIME ? mem_grow(m->t.ts_ms, rows, sizeof *m->t.ts_ms)
                             : mem_grow(m->t.v[to], rows, sizeof *m->t.v[to]);
        if (!p)
            return err_set(err, E_NOMEM, "%s: no memory for %zu rows", m->r->file, rows);
        if (to == TIME)
            m->t.ts_ms = p;
        else
            m->t.v[to] = p;
    }
    m->capacity = rows;
    return OK;
}

static enum rc parse_field(struct maker *m, int to, struct str s, struct err *err)
{
    const size_t row = m->t.rows;
    enum csv_time form;

    if (to == NOWHERE)
        return OK;
    if (to >= 0) {
        const char *name = m->names[to][0] ? m->names[to] : "the first";
        if (csv_reader_number(m->r, s, name, &m->t.v[to][row], err) != OK)
            return err->rc;
        if (isinf(m->t.v[to][row]))
            return csv_reader_fail(m->r, E_PARSE, err,
                                   "column '%s': expected a finite number, NaN or nothing, found "
                                   "'%.*s%s'",
                                   name, csv_quoted(s), s.p, csv_ellipsis(s));
        return OK;
    }
    if (csv_reader_time(m->r, s, &m->t.ts_ms[row], &form, err) != OK)
        return err->rc;
    if (row > 0 && m->t.ts_ms[row] <= m->t.ts_ms[row - 1])
        return csv_reader_fail(m->r, E_PARSE, err,
                               "expected a time after the row before, found '%.*s%s'",
                               csv_quoted(s), s.p, csv_ellipsis(s));
    return OK;
}

static enum rc parse_row(struct maker *m, struct err *err)
{
    size_t n = 0;

    if (m->t.rows == m->capacity && grow(m, err) != OK)
        return err->rc;
    for (; m->r->more; n++) {
        struct str s;
        if (csv_reader_field(m->r, &s, err) != OK)
            return err->rc;
        if (n < m->fields && parse_field(m, m->goes_to[n], s, err) != OK)
            return err->rc;
    }
    if (n != m->fields)
        return csv_reader_fail(m->r, E_PARSE, err,
                               "expected %zu fields as in the header, found %zu", m->fields, n);
    m->t.rows++;
    return OK;
}

static enum rc parse(struct csv_reader *r, const char *const *names, size_t n,
                     struct csv_columns *ret, struct err *err)
{
    CLEANUP(maker_done) struct maker m = {.r = r, .names = names, .n = n};
    bool any = true;

    assert(n <= CSV_COLUMNS_MAX);
    if (parse_header(&m, err) != OK || grow(&m, err) != OK)
        return err->rc;
    for (;;) {
        if (csv_reader_row(r, &any, err) != OK)
            return err->rc;
        if (!any)
            break;
        if (parse_row(&m, err) != OK)
            return err->rc;
    }
    *ret = m.t;
    m.t = (struct csv_columns){0};
    return OK;
}

enum rc csv_columns_parse(const char *p, size_t bytes, const char *file, const char *const *names,
                          size_t n, struct csv_columns *ret, struct err *err)
{
    struct csv_reader r;

    if (csv_reader_bytes(&r, p, bytes, file, err) != OK)
        return err->rc;
    return parse(&r, names, n, ret, err);
}

enum rc csv_columns_read(const char *path, const char *const *names, size_t n,
                         struct csv_columns *ret, struct err *err)
{
    CLEANUP(csv_reader_done) struct csv_reader r;

    if (csv_reader_open(&r, path, err) != OK)
        return err->rc;
    return parse(&r, names, n, ret, err);
}
