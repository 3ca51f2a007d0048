/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/range.h"

/* history - the recent samples of some series, in rings
 *
 * All series share the ticks' timestamps. A series lives in the class of the longest window that
 * is asked of it, so one that only an instant vector reads keeps one sample. Rings are sized
 * for the expected interval; when ticks come faster, they grow, so a window is never cut short. All
 * classes together have at most HISTORY_CELLS_MAX places.
 * Thread: its holder's. */

enum {
    HISTORY_CELLS_MAX = 1 << 25, /* samples of one entity: 256 MB */
    HISTORY_CLASSES_MAX = 64,    /* different windows */
};

struct history_class {
    int64_t window_ms;
    size_t depth; /* a power of two */
    size_t n, capacity;
    double *cells; /* [capacity][depth] */
};

struct history {
    size_t cells;     /* of all classes: the sum of capacity * depth */
    uint64_t n_ticks; /* since the last clear; the newest is n_ticks - 1 */
    size_t depth;     /* of ts; a power of two, no less than any class's */
    int64_t *ts;
    size_t n_classes;
    struct history_class classes[HISTORY_CLASSES_MAX];
};

/* Samples kept of a series: a power of two that holds a closed window at this interval. */
size_t history_depth(int64_t window_ms, int64_t interval_ms);

/* windows_ms[n]: one class each. E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc history_init(struct history *h, const int64_t *windows_ms, size_t n,
                                int64_t interval_ms, struct err *err);
void history_done(struct history *h);  /* a zeroed history is fine */
void history_clear(struct history *h); /* forget the ticks, keep the series */

/* Room for one more series in a class, its samples all stale; *ret_index is its place there. */
MUST_CHECK enum rc history_add(struct history *h, size_t class, size_t *ret_index, struct err *err);
void history_drop(struct history *h, size_t class, size_t n); /* the last n added */

/* Make sure that a tick at ts_ms overwrites nothing that a window ending there still needs. */
MUST_CHECK enum rc history_reserve(struct history *h, int64_t ts_ms, struct err *err);
/* Start the tick; history_put must follow for every series of every class. */
void history_tick(struct history *h, int64_t ts_ms);

static inline void history_put(struct history *h, size_t class, size_t index, double v)
{
    const struct history_class *c = &h->classes[class];
    c->cells[index * c->depth + ((h->n_ticks - 1) & (c->depth - 1))] = v;
}

static inline double history_newest(const struct history *h, size_t class, size_t index)
{
    const struct history_class *c = &h->classes[class];
    return c->cells[index * c->depth + ((h->n_ticks - 1) & (c->depth - 1))];
}

/* The window [end_ms - range_ms, end_ms], still without a series: that is history_series. */
void history_window(const struct history *h, int64_t range_ms, int64_t end_ms,
                    struct range_window *ret);
static inline void history_series(const struct history *h, size_t class, size_t index,
                                  struct range_window *w)
{
    const struct history_class *c = &h->classes[class];
    w->v = c->cells + index * c->depth;
    w->v_mask = c->depth - 1;
}
