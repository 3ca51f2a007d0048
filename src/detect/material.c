/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/material.h"

#include <stdlib.h>

#include "base/mem.h"

struct span {
    int64_t from_ms, to_ms;
};

struct spans {
    struct span *v;
    size_t n, room;
};

struct material {
    struct material_margins margins;
    struct spans barred, allowed, incidents;
};

enum rc material_new(struct material_margins margins, struct material **ret, struct err *err)
{
    struct material *m = mem_alloc(sizeof *m);

    if (!m)
        return err_set(err, E_NOMEM, "material: no memory");
    m->margins = margins;
    *ret = m;
    return OK;
}

void material_free(struct material *m)
{
    if (!m)
        return;
    mem_free(m->barred.v);
    mem_free(m->allowed.v);
    mem_free(m->incidents.v);
    mem_free(m);
}

static enum rc add(struct spans *s, int64_t from_ms, int64_t to_ms, struct err *err)
{
    if (to_ms < from_ms)
        return OK;
    if (s->n == MATERIAL_SPANS_MAX)
        return err_set(err, E_LIMIT, "material: more than %d stretches of one kind",
                       MATERIAL_SPANS_MAX);
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 16;
        struct span *v = mem_grow(s->v, room, sizeof *v);
        if (!v)
            return err_set(err, E_NOMEM, "material: no memory");
        s->v = v;
        s->room = room;
    }
    s->v[s->n++] = (struct span){from_ms, to_ms};
    return OK;
}

enum rc material_bar(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    return add(&m->barred, from_ms, to_ms, err);
}

enum rc material_allow(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    return add(&m->allowed, from_ms, to_ms, err);
}

enum rc material_incident(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    if (__builtin_sub_overflow(from_ms, m->margins.before_ms, &from_ms))
        from_ms = INT64_MIN;
    if (__builtin_add_overflow(to_ms, m->margins.after_ms, &to_ms))
        to_ms = INT64_MAX;
    return add(&m->incidents, from_ms, to_ms, err);
}

static int by_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

/* Sorted and apart, so that one search finds the only span that could hold a moment. */
static void settle(struct spans *s)
{
    size_t kept = 0;

    if (s->n == 0)
        return;
    qsort(s->v, s->n, sizeof *s->v, by_start);
    for (size_t i = 1; i < s->n; i++) {
        if (s->v[i].from_ms > s->v[kept].to_ms)
            s->v[++kept] = s->v[i];
        else if (s->v[i].to_ms > s->v[kept].to_ms)
            s->v[kept].to_ms = s->v[i].to_ms;
    }
    s->n = kept + 1;
}

void material_settle(struct material *m)
{
    settle(&m->barred);
    settle(&m->allowed);
    settle(&m->incidents);
}

static bool holds(const struct spans *s, int64_t ts_ms)
{
    size_t low = 0, high = s->n;

    while (low < high) { /* the first span that begins after ts_ms */
        const size_t middle = low + (high - low) / 2;
        if (s->v[middle].from_ms <= ts_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && ts_ms <= s->v[low - 1].to_ms;
}

bool material_takes(const struct material *m, int64_t ts_ms)
{
    if (holds(&m->barred, ts_ms))
        return false;
    return !holds(&m->incidents, ts_ms) || holds(&m->allowed, ts_ms);
}

int64_t material_quarantine_ms(int64_t first_ms, int64_t now_ms, int64_t quarantine_ms)
{
    const int64_t share = now_ms > first_ms ? (now_ms - first_ms) / MATERIAL_SHORT : 0;

    return quarantine_ms < share ? quarantine_ms : share;
}
