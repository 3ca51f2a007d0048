/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/marks.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct mark {
    enum store_mark_kind kind;
    int64_t start_ms, end_ms;
    char instance[INSTANCE_MAX]; /* "": all */
};

struct marks {
    size_t n, room;
    struct mark *v;
};

void marks_free(struct marks *m)
{
    if (!m)
        return;
    mem_free(m->v);
    mem_free(m);
}

struct reading {
    struct marks *marks;
    int64_t from_ms;
    enum rc rc;
    struct err *err;
};

static bool on_mark(void *arg, const struct store_mark *row)
{
    struct reading *r = arg;
    struct marks *m = r->marks;

    if (row->end_ms < r->from_ms && row->kind != STORE_MARK_ACCEPTED)
        return true;
    if (m->n == MARKS_MAX) {
        r->rc = err_set(r->err, E_LIMIT, "more than %d marks; `tocsin mark --delete`", MARKS_MAX);
        return false;
    }
    if (m->n == m->room) {
        const size_t room = m->room ? 2 * m->room : 8;
        struct mark *v = mem_grow(m->v, room, sizeof *v);
        if (!v) {
            r->rc = err_set(r->err, E_NOMEM, "marks: no memory");
            return false;
        }
        m->v = v;
        m->room = room;
    }
    struct mark *to = &m->v[m->n++];
    *to = (struct mark){.kind = row->kind, .start_ms = row->start_ms, .end_ms = row->end_ms};
    (void)snprintf(to->instance, sizeof to->instance, "%s", row->instance);
    return true;
}

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

enum rc marks_read(const char *database, int64_t from_ms, struct marks **ret, struct err *err)
{
    CLEANUP(store_reader_closep) struct store_reader *reader = NULL;
    CLEANUP(marks_freep) struct marks *m = mem_alloc(sizeof *m);

    if (!m)
        return err_set(err, E_NOMEM, "marks: no memory");
    struct reading r = {.marks = m, .from_ms = from_ms, .err = err};
    if (store_reader_open(database, &reader, err) != OK ||
        store_read_marks(reader, NULL, on_mark, &r, err) != OK)
        return err->rc;
    if (r.rc != OK)
        return r.rc;
    *ret = TAKE(m);
    return OK;
}

static bool concerns(const struct mark *m, const char *instance)
{
    return m->instance[0] == '\0' || strcmp(m->instance, instance) == 0;
}

bool marks_say(const struct marks *m, enum store_mark_kind kind, const char *instance,
               int64_t from_ms, int64_t to_ms)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (m->v[i].kind == kind && from_ms <= m->v[i].end_ms && to_ms >= m->v[i].start_ms &&
            concerns(&m->v[i], instance))
            return true;
    return false;
}

bool marks_hold(const struct marks *m, const char *instance, int64_t ts_ms)
{
    return marks_say(m, STORE_MARK_MAINTENANCE, instance, ts_ms, ts_ms);
}

bool marks_accept(const struct marks *m, const char *instance, int64_t start_ms)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (m->v[i].kind == STORE_MARK_ACCEPTED && m->v[i].start_ms == start_ms &&
            concerns(&m->v[i], instance))
            return true;
    return false;
}
