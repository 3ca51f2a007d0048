/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/history.h"

#include <assert.h>

#include "base/mem.h"
#include "data/series.h"

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "evaluator: no memory for samples");
}

static enum rc too_many(struct err *err)
{
    return err_set(err, E_LIMIT, "evaluator: the windows hold over %d samples", HISTORY_CELLS_MAX);
}

/* A closed window holds window / interval + 1 ticks, and one more where they jitter. */
size_t history_depth(int64_t window_ms, int64_t interval_ms)
{
    size_t depth = 1;

    if (window_ms > 0)
        while (depth < (uint64_t)(window_ms / interval_ms) + 2)
            depth *= 2;
    return depth;
}

enum rc history_init(struct history *h, const int64_t *windows_ms, size_t n, int64_t interval_ms,
                     struct err *err)
{
    assert(interval_ms > 0);
    *h = (struct history){.depth = 1};
    if (n > HISTORY_CLASSES_MAX)
        return err_set(err, E_LIMIT, "evaluator: over %d different ranges", HISTORY_CLASSES_MAX);
    for (size_t i = 0; i < n; i++) {
        const size_t depth = history_depth(windows_ms[i], interval_ms);
        if (depth > HISTORY_CELLS_MAX)
            return too_many(err);
        h->classes[i] = (struct history_class){.window_ms = windows_ms[i], .depth = depth};
        if (depth > h->depth)
            h->depth = depth;
    }
    h->n_classes = n;
    h->ts = mem_array(h->depth, sizeof *h->ts);
    return h->ts ? OK : no_memory(err);
}

void history_done(struct history *h)
{
    for (size_t i = 0; i < h->n_classes; i++)
        mem_free(h->classes[i].cells);
    mem_free(h->ts);
    *h = (struct history){0};
}

void history_clear(struct history *h)
{
    h->n_ticks = 0;
    for (size_t i = 0; i < h->n_classes; i++) {
        const struct history_class *c = &h->classes[i];
        for (size_t k = 0; k < c->n * c->depth; k++)
            c->cells[k] = series_stale();
    }
}

enum rc history_add(struct history *h, size_t class, size_t *ret_index, struct err *err)
{
    struct history_class *c = &h->classes[class];

    assert(class < h->n_classes);
    if (c->n == c->capacity) {
        const size_t wanted = c->capacity ? c->capacity : c->depth > 4096 ? 1 : 8;
        const size_t possible = (HISTORY_CELLS_MAX - h->cells) / c->depth;
        const size_t capacity = c->capacity + (wanted < possible ? wanted : possible);
        if (capacity == c->capacity)
            return too_many(err);
        double *cells = mem_grow(c->cells, capacity * c->depth, sizeof *cells);
        if (!cells)
            return no_memory(err);
        h->cells += (capacity - c->capacity) * c->depth;
        c->cells = cells;
        c->capacity = capacity;
    }
    for (size_t k = 0; k < c->depth; k++)
        c->cells[c->n * c->depth + k] = series_stale();
    *ret_index = c->n++;
    return OK;
}

void history_drop(struct history *h, size_t class, size_t n)
{
    assert(h->classes[class].n >= n);
    h->classes[class].n -= n;
}

/* Twice the depth of h->ts; every tick keeps its number, so each moves to its new place. */
static enum rc grow_ts(struct history *h, struct err *err)
{
    if (h->depth > HISTORY_CELLS_MAX / 2)
        return too_many(err);
    int64_t *ts = mem_array(2 * h->depth, sizeof *ts);
    if (!ts)
        return no_memory(err);
    for (uint64_t t = h->n_ticks > h->depth ? h->n_ticks - h->depth : 0; t < h->n_ticks; t++)
        ts[t & (2 * h->depth - 1)] = h->ts[t & (h->depth - 1)];
    mem_free(h->ts);
    h->ts = ts;
    h->depth *= 2;
    return OK;
}

static enum rc grow_class(struct history *h, struct history_class *c, struct err *err)
{
    const size_t depth = 2 * c->depth;

    if (c->depth > HISTORY_CELLS_MAX / 2 || c->capacity * c->depth > HISTORY_CELLS_MAX - h->cells)
        return too_many(err);
    if (h->depth < depth && grow_ts(h, err) != OK)
        return err->rc;
    double *cells = mem_array(c->capacity * depth, sizeof *cells);
    if (!cells)
        return no_memory(err);
    for (size_t i = 0; i < c->n; i++) {
        double *to = cells + i * depth;
        const double *from = c->cells + i * c->depth;
        for (size_t k = 0; k < depth; k++)
            to[k] = series_stale();
        for (uint64_t t = h->n_ticks > c->depth ? h->n_ticks - c->depth : 0; t < h->n_ticks; t++)
            to[t & (depth - 1)] = from[t & (c->depth - 1)];
    }
    mem_free(c->cells);
    h->cells += c->capacity * c->depth;
    c->cells = cells;
    c->depth = depth;
    return OK;
}

enum rc history_reserve(struct history *h, int64_t ts_ms, struct err *err)
{
    for (size_t i = 0; i < h->n_classes; i++) {
        struct history_class *c = &h->classes[i];
        if (c->window_ms == 0 || h->n_ticks < c->depth)
            continue;
        const uint64_t oldest = h->n_ticks - c->depth; /* its place is the new tick's */
        if (h->ts[oldest & (h->depth - 1)] >= ts_ms - c->window_ms && grow_class(h, c, err) != OK)
            return err->rc;
    }
    return OK;
}

void history_tick(struct history *h, int64_t ts_ms)
{
    h->ts[h->n_ticks++ & (h->depth - 1)] = ts_ms;
}

void history_window(const struct history *h, int64_t range_ms, int64_t end_ms,
                    struct range_window *ret)
{
    const int64_t start_ms = end_ms - range_ms;
    uint64_t low = h->n_ticks > h->depth ? h->n_ticks - h->depth : 0, high = h->n_ticks;

    while (low < high) { /* the first tick at or after start_ms */
        const uint64_t middle = low + (high - low) / 2;
        if (h->ts[middle & (h->depth - 1)] < start_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = (struct range_window){.ts = h->ts,
                                 .ts_mask = h->depth - 1,
                                 .first = low,
                                 .end = h->n_ticks,
                                 .start_ms = start_ms,
                                 .end_ms = end_ms};
}
