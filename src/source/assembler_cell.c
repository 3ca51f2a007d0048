/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/assembler_private.h"

static const struct point no_point = {.ts_ms = NO_TIME};

void watched_init(struct watched *e, struct str name)
{
    *e = (struct watched){
        .used = true, .generation = e->generation, .tick_ms = NO_TIME, .closed = INT64_MIN};
    (void)snprintf(e->name, sizeof e->name, "%.*s", (int)name.n, name.p);
}

static size_t cell_bytes(const struct assembler_cell *c)
{
    return sizeof *c + c->n * sizeof *c->points;
}

static void cell_free(struct assembler_cell *c, size_t *bytes)
{
    *bytes -= cell_bytes(c);
    mem_free(c->points);
    mem_free(c);
}

void watched_done(struct watched *e, size_t *bytes)
{
    for (size_t i = 0; i < e->n_cells; i++)
        cell_free(e->cells[i], bytes);
    mem_free(e->cells);
    mem_free(e->last);
    snapshot_free(e->pending);
    series_set_unref(e->set);
    *e = (struct watched){.generation = (uint8_t)(e->generation + 1)};
}

static struct assembler_cell *cell_new(size_t n)
{
    CLEANUP(mem_freep) struct assembler_cell *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->points = mem_array(n, sizeof *c->points);
    if (!c->points)
        return NULL;
    c->n = n;
    c->newest_ms = NO_TIME;
    for (size_t i = 0; i < n; i++)
        c->points[i].ts_ms = NO_TIME;
    return TAKE(c);
}

/* Series that came since the cell was made. */
static bool cell_grow(struct assembler_cell *c, size_t n, size_t *bytes)
{
    if (n <= c->n)
        return true;
    struct point *points = mem_grow(c->points, n, sizeof *points);
    if (!points)
        return false;
    c->points = points;
    *bytes += (n - c->n) * sizeof *points;
    for (; c->n < n; c->n++)
        c->points[c->n].ts_ms = NO_TIME;
    return true;
}

/* The first place whose cell has this number or a higher one. */
static size_t find(const struct watched *e, int64_t number)
{
    size_t low = 0, high = e->n_cells;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (e->cells[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t number_of(struct watched *e, int64_t interval_ms, int64_t ts_ms)
{
    if (!e->anchored) {
        e->anchored = true;
        e->phase_ms = ts_ms - interval_ms / 2;
    }
    const int64_t away = ts_ms - e->phase_ms;
    const int64_t number = away / interval_ms - (away % interval_ms < 0);

    return number > e->closed ? number : e->closed + 1;
}

enum rc watched_cell(struct watched *e, int64_t interval_ms, int64_t ts_ms, int64_t mono_ms,
                     size_t *bytes, size_t bytes_max, struct assembler_cell **ret, struct err *err)
{
    const size_t n = e->n_last;
    const int64_t number = number_of(e, interval_ms, ts_ms);
    const size_t at = find(e, number);

    if (at < e->n_cells && e->cells[at]->number == number) {
        if (!cell_grow(e->cells[at], n, bytes))
            return err_set(err, E_NOMEM, "no memory for samples of '%s'", e->name);
        *ret = e->cells[at];
        return OK;
    }
    if (e->n_cells == ASSEMBLER_CELLS_MAX || *bytes > bytes_max)
        return err_set(err, E_LIMIT, "too many samples of '%s' wait for others of their time",
                       e->name);
    if (e->n_cells == e->cells_capacity) {
        const size_t capacity = e->cells_capacity ? 2 * e->cells_capacity : 2;
        struct assembler_cell **cells = mem_grow(e->cells, capacity, sizeof(void *));
        if (!cells)
            return err_set(err, E_NOMEM, "no memory for samples of '%s'", e->name);
        e->cells = cells;
        e->cells_capacity = capacity;
    }
    struct assembler_cell *c = cell_new(n);
    if (!c)
        return err_set(err, E_NOMEM, "no memory for samples of '%s'", e->name);
    c->number = number;
    c->start_ms = e->phase_ms + number * interval_ms;
    c->heard_ms = mono_ms;
    *bytes += cell_bytes(c);
    memmove(e->cells + at + 1, e->cells + at, (e->n_cells - at) * sizeof(void *));
    e->cells[at] = c;
    e->n_cells++;
    *ret = c;
    return OK;
}

void watched_drop_empty(struct watched *e, size_t *bytes)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->n_cells; i++) {
        if (e->cells[i]->n_present)
            e->cells[kept++] = e->cells[i];
        else
            cell_free(e->cells[i], bytes);
    }
    e->n_cells = kept;
}

bool watched_is_complete(const struct watched *e)
{
    const struct assembler_cell *c = e->cells[0];

    if (c->n_present < e->n_live)
        return false;
    for (size_t i = 0; i < e->n_last; i++) {
        const struct point *p = i < c->n ? &c->points[i] : &no_point;
        const bool lives = e->last[i].ts_ms != NO_TIME, present = p->ts_ms != NO_TIME;
        const bool ends = present && series_is_stale(p->value);
        if (!ends && (lives != present || (present && p->ts_ms < c->start_ms)))
            return false;
    }
    return true;
}

/* What a tick at ts_ms says of one series, whose newest sample is kept. */
static double say(struct point *last, const struct point *p, int64_t ts_ms)
{
    if (p->ts_ms != NO_TIME)
        *last = *p;
    const bool ended = last->ts_ms == NO_TIME || series_is_stale(last->value) ||
                       ts_ms - last->ts_ms > ASSEMBLER_LOOKBACK_MS;
    if (ended)
        *last = (struct point){NO_TIME, series_stale()};
    return last->value;
}

enum rc watched_close(struct watched *e, size_t *bytes, struct snapshot **ret, struct err *err)
{
    struct assembler_cell *c = e->cells[0];
    CLEANUP(snapshot_freep) struct snapshot *s = snapshot_new(e->set, c->newest_ms);

    if (!s)
        return err_set(err, E_NOMEM, "no memory for a tick of '%s'", e->name);
    e->n_live = 0;
    for (size_t i = 0; i < e->n_last; i++) {
        s->v[i] = say(&e->last[i], i < c->n ? &c->points[i] : &no_point, c->newest_ms);
        e->n_live += e->last[i].ts_ms != NO_TIME;
    }
    e->tick_ms = c->newest_ms;
    e->closed = c->number;
    cell_free(c, bytes);
    e->n_cells--;
    memmove(e->cells, e->cells + 1, e->n_cells * sizeof(void *));
    *ret = e->n_live ? TAKE(s) : NULL;
    return OK;
}
