/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/material.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

struct span {
    int64_t from_ms, to_ms;
};

struct spans {
    struct span *v;
    size_t n, room;
};

/* An incident that nobody spoke of. */
struct heard {
    int64_t from_ms, to_ms, day;
    float loudness;
    bool doubted; /* its day has more than are credible */
    bool believed;
};

struct material {
    struct material_margins margins;
    struct spans barred, allowed, refused; /* the last: incidents, with their margins */
    struct heard *heard;                   /* by day and loudness once settled */
    size_t n_heard, room_heard, disbelieved;
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
    mem_free(m->refused.v);
    mem_free(m->heard);
    mem_free(m);
}

static enum rc too_many(struct err *err)
{
    return err_set(err, E_LIMIT, "material: more than %d stretches of one kind",
                   MATERIAL_SPANS_MAX);
}

static enum rc add(struct spans *s, int64_t from_ms, int64_t to_ms, struct err *err)
{
    if (to_ms < from_ms)
        return OK;
    if (s->n == MATERIAL_SPANS_MAX)
        return too_many(err);
    struct span *v = mem_make_room(s->v, s->n, &s->room, sizeof *v);
    if (!v)
        return err_set(err, E_NOMEM, "material: no memory");
    s->v = v;
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

static enum rc refuse(struct material *m, int64_t from_ms, int64_t to_ms, int64_t before_ms,
                      struct err *err)
{
    if (__builtin_sub_overflow(from_ms, before_ms, &from_ms))
        from_ms = INT64_MIN;
    if (__builtin_add_overflow(to_ms, m->margins.after_ms, &to_ms))
        to_ms = INT64_MAX;
    return add(&m->refused, from_ms, to_ms, err);
}

enum rc material_confirm(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    return refuse(m, from_ms, to_ms, m->margins.before_ms, err);
}

static int64_t day_of(int64_t ts_ms)
{
    const int64_t day_ms = 24 * INT64_C(3600) * 1000;

    return ts_ms / day_ms - (ts_ms % day_ms < 0);
}

enum rc material_incident(struct material *m, int64_t from_ms, int64_t to_ms, float loudness,
                          struct err *err)
{
    if (m->n_heard == MATERIAL_SPANS_MAX)
        return too_many(err);
    struct heard *v = mem_make_room(m->heard, m->n_heard, &m->room_heard, sizeof *v);
    if (!v)
        return err_set(err, E_NOMEM, "material: no memory");
    m->heard = v;
    m->heard[m->n_heard++] = (struct heard){.from_ms = from_ms,
                                            .to_ms = to_ms,
                                            .day = day_of(from_ms),
                                            .loudness = isnan(loudness) ? 0 : loudness};
    return OK;
}

static int by_day_and_loudness(const void *a, const void *b)
{
    const struct heard *x = a, *y = b;

    if (x->day != y->day)
        return (x->day > y->day) - (x->day < y->day);
    return (x->loudness < y->loudness) - (x->loudness > y->loudness);
}

/* Those of one day, h[n] by loudness; how many of them are believed. */
static size_t believe(struct heard *h, size_t n, size_t a_day)
{
    size_t believed = n;

    if (n > a_day) {
        believed = a_day;
        while (believed < n && believed > 0 && h[believed].loudness > 0 &&
               h[believed].loudness == h[believed - 1].loudness)
            believed++; /* those that are as loud */
    }
    for (size_t i = 0; i < n; i++) {
        h[i].doubted = n > a_day;
        h[i].believed = i < believed;
    }
    return believed;
}

/* Whom to believe; how many. */
static size_t judge(struct material *m, size_t a_day)
{
    size_t all = 0;

    if (m->n_heard)
        qsort(m->heard, m->n_heard, sizeof *m->heard, by_day_and_loudness);
    for (size_t from = 0, to; from < m->n_heard; from = to) {
        for (to = from + 1; to < m->n_heard && m->heard[to].day == m->heard[from].day; to++)
            ;
        const size_t believed = believe(&m->heard[from], to - from, a_day);
        all += believed;
    }
    m->disbelieved = m->n_heard - all;
    return all;
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

enum rc material_settle(struct material *m, size_t a_day, struct err *err)
{
    const int64_t all_ms = m->margins.before_all_ms;
    const int64_t believed = (int64_t)judge(m, a_day);
    int64_t before_ms = m->margins.before_ms;

    if (believed && all_ms && all_ms / believed < before_ms)
        before_ms = all_ms / believed;
    for (size_t i = 0; i < m->n_heard; i++) {
        const struct heard *h = &m->heard[i];
        if (h->believed && refuse(m, h->from_ms, h->to_ms, before_ms, err) != OK)
            return err->rc;
    }
    settle(&m->barred);
    settle(&m->allowed);
    settle(&m->refused);
    return OK;
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
    return !holds(&m->refused, ts_ms) || holds(&m->allowed, ts_ms);
}

bool material_doubts(const struct material *m, int64_t start_ms)
{
    const int64_t day = day_of(start_ms);
    size_t low = 0, high = m->n_heard;

    while (low < high) { /* the first of that day */
        const size_t middle = low + (high - low) / 2;
        if (m->heard[middle].day < day)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n_heard && m->heard[low].day == day && m->heard[low].doubted;
}

size_t material_disbelieved(const struct material *m)
{
    return m->disbelieved;
}

int64_t material_quarantine_ms(int64_t first_ms, int64_t now_ms, int64_t quarantine_ms)
{
    const int64_t share = now_ms > first_ms ? (now_ms - first_ms) / MATERIAL_SHORT : 0;

    return quarantine_ms < share ? quarantine_ms : share;
}
