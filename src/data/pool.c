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
    size_t rows_max, rows, longest;
    int64_t first_ms, last_ms, interval_ms;
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

static struct plan make_plan(const struct dataset *const *v, size_t n, size_t rows_max)
{
    const size_t most = rows_max > POOL_RUN ? rows_max / POOL_RUN : 1;
    struct plan p = {.v = v, .n = n, .stride = 1, .rows_max = rows_max, .last_ms = -1};

    if (n > most) {
        p.n = most;
        p.stride = (double)n / (double)most;
    }
    for (size_t i = 0; i < p.n; i++) {
        const struct dataset *d = at(&p, i);
        if (d->rows == 0)
            continue;
        const int64_t first = d->ts_ms[0], last = d->ts_ms[d->rows - 1];
        p.first_ms = p.rows == 0 || first < p.first_ms ? first : p.first_ms;
        p.last_ms = p.rows == 0 || last > p.last_ms ? last : p.last_ms;
        if (d->rows > p.longest)
            p.interval_ms = dataset_interval_ms(d);
        p.longest = d->rows > p.longest ? d->rows : p.longest;
        p.rows += d->rows;
    }
    return p;
}

/* A row of one entity at ts_ms would seem to follow the last row, which is another one's. */
static bool seems_to_follow(const struct plan *p, const struct dataset *to, int64_t ts_ms)
{
    const int64_t since_ms = to->rows ? ts_ms - to->ts_ms[to->rows - 1] : -1;

    return since_ms >= 0 && since_ms <= POOL_GAP * p->interval_ms;
}

/* Of one entity the rows from `from` on, at most quota of them, under end_ms. *ret_next: the first
 * that was not looked at. */
static enum rc take_run(const struct plan *p, const struct dataset *d, size_t from, size_t quota,
                        int64_t end_ms, size_t *ret_next, struct dataset *to, struct err *err)
{
    size_t r = from, taken = 0;

    for (; r < d->rows && d->ts_ms[r] < end_ms && taken < quota && to->rows < p->rows_max; r++) {
        if (p->n > 1 && taken == 0 && seems_to_follow(p, to, d->ts_ms[r]))
            continue;
        if (dataset_append_run(to, d->ts_ms[r], d->X + r * d->n, err) != OK)
            return err->rc;
        taken++;
    }
    *ret_next = r;
    return OK;
}

/* All rows, day by day. */
static enum rc take_all(const struct plan *p, size_t *next, struct dataset *to, struct err *err)
{
    for (int64_t from = p->first_ms; from <= p->last_ms; from = next_midnight(from))
        for (size_t i = 0; i < p->n; i++)
            if (take_run(p, at(p, i), next[i], SIZE_MAX, next_midnight(from), &next[i], to, err) !=
                OK)
                return err->rc;
    return OK;
}

/* Runs, slice by slice of each entity's rows. In a slice each one's run begins a little later than
 * the one's before, so that together they see all of it, and time goes forward. */
static enum rc take_runs(const struct plan *p, size_t *next, struct dataset *to, struct err *err)
{
    const size_t of_each = p->rows_max / p->n;
    const size_t fit = (p->longest < of_each ? p->longest : of_each) / POOL_RUN;
    const size_t slices = fit > 0 ? fit : 1;
    const size_t quota = of_each / slices > 0 ? of_each / slices : 1;

    for (size_t s = 0; s < slices; s++)
        for (size_t i = 0; i < p->n; i++) {
            const struct dataset *d = at(p, i);
            const double part = ((double)s + (double)i / (double)p->n) / (double)slices;
            const size_t last = d->rows > quota ? d->rows - quota : 0;
            size_t from = (size_t)((double)d->rows * part);
            from = from < last ? from : last;
            from = from > next[i] ? from : next[i];
            if (from >= d->rows)
                continue;
            const int64_t end_ms = next_midnight(d->ts_ms[from]); /* days stand together */
            if (take_run(p, d, from, quota, end_ms, &next[i], to, err) != OK)
                return err->rc;
        }
    return OK;
}

enum rc pool_datasets(const struct dataset *const *v, size_t n, size_t rows_max,
                      struct dataset **ret, struct err *err)
{
    assert(n > 0 && rows_max > 0);
    const struct plan p = make_plan(v, n, rows_max);
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    CLEANUP(mem_freep) size_t *next = mem_array(p.n, sizeof *next); /* not looked at yet */

    if (!next)
        return err_set(err, E_NOMEM, "no memory for the frames of %zu entities", n);
    if (dataset_new(v[0]->n, &d, err) != OK)
        return err->rc;
    if ((p.rows <= rows_max ? take_all(&p, next, d, err) : take_runs(&p, next, d, err)) != OK)
        return err->rc;
    *ret = TAKE(d);
    return OK;
}
