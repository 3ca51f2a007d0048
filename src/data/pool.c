/* SPDX-License-Identifier: Apache-2.0 */
#include "data/pool.h"

#include <assert.h>

#include "base/cleanup.h"
#include "base/mem.h"

static const int64_t DAY_MS = 24 * 3600 * 1000;

/* What is put together, and how much of it. */
struct plan {
    const struct dataset *const *v;
    size_t n;      /* datasets that take part: */
    double stride; /* every so-manieth of v */
    size_t rows_max;
    size_t quota; /* rows of one entity in a slice */
    int64_t first_ms, last_ms, slice_ms, interval_ms;
};

/* How far each entity is. */
struct cursor {
    size_t next;  /* the first row that was not looked at */
    size_t taken; /* in this slice */
};

static const struct dataset *at(const struct plan *p, size_t i)
{
    return p->v[(size_t)((double)i * p->stride)];
}

static int64_t next_midnight(int64_t ts_ms)
{
    const int64_t into = ts_ms % DAY_MS;

    return ts_ms - into + (into < 0 ? 0 : DAY_MS);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The span of time of those that take part, and the slices: one, without a quota, where all of it
 * has room. */
static void measure(struct plan *p)
{
    size_t longest = 0, rows = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct dataset *d = at(p, i);
        if (d->rows == 0)
            continue;
        const int64_t first = d->ts_ms[0], last = d->ts_ms[d->rows - 1];
        p->first_ms = rows == 0 || first < p->first_ms ? first : p->first_ms;
        p->last_ms = rows == 0 || last > p->last_ms ? last : p->last_ms;
        if (d->rows > longest)
            p->interval_ms = dataset_interval_ms(d);
        longest = d->rows > longest ? d->rows : longest;
        rows += d->rows;
    }
    const size_t of_each = p->rows_max / p->n;
    const size_t fit = (longest < of_each ? longest : of_each) / POOL_RUN;
    const size_t slices = rows <= p->rows_max || fit == 0 ? 1 : fit;
    p->slice_ms = (p->last_ms - p->first_ms) / (int64_t)slices + 1;
    p->quota = rows <= p->rows_max ? SIZE_MAX : of_each / slices;
    if (p->quota == 0)
        p->quota = 1;
}

static struct plan make_plan(const struct dataset *const *v, size_t n, size_t rows_max)
{
    const size_t most = rows_max > POOL_RUN ? rows_max / POOL_RUN : 1;
    struct plan p = {.v = v, .n = n, .stride = 1, .rows_max = rows_max, .last_ms = -1};

    if (n > most) {
        p.n = most;
        p.stride = (double)n / (double)most;
    }
    measure(&p);
    return p;
}

/* A row of one entity at ts_ms would seem to follow the last row, which is another one's. */
static bool seems_to_follow(const struct plan *p, const struct dataset *to, int64_t ts_ms)
{
    const int64_t since_ms = to->rows ? ts_ms - to->ts_ms[to->rows - 1] : -1;

    return since_ms >= 0 && since_ms <= POOL_GAP * p->interval_ms;
}

/* Up to end_ms, of one entity. */
static enum rc take_run(const struct plan *p, const struct dataset *d, int64_t end_ms,
                        struct cursor *c, struct dataset *to, struct err *err)
{
    bool begun = p->n == 1;

    for (; c->next < d->rows && d->ts_ms[c->next] < end_ms; c->next++) {
        const int64_t ts_ms = d->ts_ms[c->next];
        if (c->taken >= p->quota || to->rows >= p->rows_max ||
            (!begun && seems_to_follow(p, to, ts_ms)))
            continue;
        if (dataset_append_run(to, ts_ms, d->X + c->next * d->n, err) != OK)
            return err->rc;
        begun = true;
        c->taken++;
    }
    return OK;
}

/* Slice by slice, each in parts that end at midnight. */
static enum rc walk(const struct plan *p, struct cursor *c, struct dataset *to, struct err *err)
{
    int64_t slice_end = p->first_ms + p->slice_ms;

    for (int64_t from = p->first_ms; from <= p->last_ms;) {
        const int64_t end = lesser(slice_end, next_midnight(from));
        for (size_t i = 0; i < p->n; i++)
            if (take_run(p, at(p, i), end, &c[i], to, err) != OK)
                return err->rc;
        from = end;
        if (end < slice_end)
            continue;
        slice_end += p->slice_ms;
        for (size_t i = 0; i < p->n; i++)
            c[i].taken = 0;
    }
    return OK;
}

enum rc pool_datasets(const struct dataset *const *v, size_t n, size_t rows_max,
                      struct dataset **ret, struct err *err)
{
    assert(n > 0 && rows_max > 0);
    const struct plan p = make_plan(v, n, rows_max);
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    CLEANUP(mem_freep) struct cursor *c = mem_array(p.n, sizeof *c);

    if (!c)
        return err_set(err, E_NOMEM, "no memory for the frames of %zu entities", n);
    if (dataset_new(v[0]->n, &d, err) != OK || walk(&p, c, d, err) != OK)
        return err->rc;
    *ret = TAKE(d);
    return OK;
}
