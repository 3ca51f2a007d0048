/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/material.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

struct span {
    int64_t from_ms, to_ms;
    double loudness; /* of an incident */
};

struct spans {
    struct span *v;
    size_t n, room;
};

struct material {
    struct material_margins margins;
    struct spans barred, allowed, incidents;
    double least; /* loudness that is believed */
    size_t disbelieved;
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

static enum rc add(struct spans *s, struct span one, struct err *err)
{
    if (one.to_ms < one.from_ms)
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
    s->v[s->n++] = one;
    return OK;
}

enum rc material_bar(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    return add(&m->barred, (struct span){.from_ms = from_ms, .to_ms = to_ms}, err);
}

enum rc material_allow(struct material *m, int64_t from_ms, int64_t to_ms, struct err *err)
{
    return add(&m->allowed, (struct span){.from_ms = from_ms, .to_ms = to_ms}, err);
}

enum rc material_incident(struct material *m, int64_t from_ms, int64_t to_ms, double loudness,
                          struct err *err)
{
    if (isnan(loudness))
        loudness = MATERIAL_CONFIRMED;
    return add(&m->incidents, (struct span){from_ms, to_ms, loudness}, err);
}

static int loudest_first(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->loudness < y->loudness) - (x->loudness > y->loudness);
}

/* Keeps the incidents that are believed. */
static void believe(struct material *m, size_t most)
{
    struct spans *s = &m->incidents;
    size_t n = 0;

    m->least = -MATERIAL_CONFIRMED;
    m->disbelieved = 0;
    if (s->n == 0)
        return;
    qsort(s->v, s->n, sizeof *s->v, loudest_first);
    while (n < s->n && !isfinite(s->v[n].loudness))
        n++;
    if (most >= s->n - n)
        return;
    n += most;
    m->least = n ? s->v[n - 1].loudness : MATERIAL_CONFIRMED;
    while (n < s->n && s->v[n].loudness >= m->least)
        n++;
    m->disbelieved = s->n - n;
    s->n = n;
}

static void widen(struct span *s, int64_t before_ms, int64_t after_ms)
{
    if (__builtin_sub_overflow(s->from_ms, before_ms, &s->from_ms))
        s->from_ms = INT64_MIN;
    if (__builtin_add_overflow(s->to_ms, after_ms, &s->to_ms))
        s->to_ms = INT64_MAX;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
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

void material_settle(struct material *m, size_t most)
{
    const struct material_margins *const by = &m->margins;

    believe(m, most);
    const int64_t n = (int64_t)m->incidents.n;
    const int64_t each_ms = by->all_ms && n ? by->all_ms / n : INT64_MAX;
    for (int64_t i = 0; i < n; i++)
        widen(&m->incidents.v[i], lesser(by->before_ms, each_ms), lesser(by->after_ms, each_ms));
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

bool material_believes(const struct material *m, double loudness)
{
    return isnan(loudness) || loudness >= m->least;
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
