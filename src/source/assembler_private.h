/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <string.h>

#include "data/verdict.h"
#include "source/assembler.h"

/* assembler_private - what the assembler's files share: one entity with its open cells */

/* No time: of a point, that there is no sample; of a series, that it does not live. */
#define NO_TIME INT64_MIN

struct point {
    int64_t ts_ms;
    double value;
};

/* To the bit: markers and other NaN are told apart, and 0 from -0. */
static inline bool same_value(double a, double b)
{
    uint64_t x, y;

    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

struct assembler_cell {
    int64_t number;
    int64_t start_ms;  /* older samples in it came after their own cell went */
    bool has_own;      /* and some is not such a one */
    int64_t heard_ms;  /* mono: when something came for it last */
    int64_t newest_ms; /* time of its newest sample */
    size_t n_present;
    size_t n; /* points */
    struct point *points;
};

struct watched { /* an entity */
    bool used;
    bool refused; /* the intake takes it not; asked again later */
    bool silent;  /* intake->stale was told */
    bool touched; /* in assembler.touched */
    bool anchored;
    bool grouped; /* its group was told, since it was silent last */
    uint8_t generation;
    char name[INSTANCE_MAX];
    char group[GROUP_NAME_MAX + 1]; /* "": it is like nobody; one byte more than is taken */
    struct series_set *set;
    struct point *last; /* [n_last]: the newest sample that went into a tick, of each series */
    size_t n_last, n_live;
    int64_t phase_ms;                         /* where cell 0 begins */
    int64_t tick_ms;                          /* the last tick's time, or NO_TIME */
    int64_t closed;                           /* the number of the last cell that went */
    int64_t heard_ms, refused_ms, renewed_ms; /* mono */
    struct assembler_cell **cells;            /* [n_cells] by number */
    size_t n_cells, cells_capacity;
    struct snapshot *pending; /* a tick that the intake had no room for */
};

/* assembler_cell.c. All keep *bytes, the size of all open cells, up to date. */

void watched_init(struct watched *e, struct str name);
void watched_done(struct watched *e, size_t *bytes); /* the generation goes on */

/* The cell for a sample at ts_ms, made when there is none. E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc watched_cell(struct watched *e, int64_t interval_ms, int64_t ts_ms,
                                int64_t mono_ms, size_t *bytes, size_t bytes_max,
                                struct assembler_cell **ret, struct err *err);
/* Cells that were made and got no sample. */
void watched_drop_empty(struct watched *e, size_t *bytes);
/* The first cell has a sample of its own time of every series that lives, or the mark of its end,
 * and none that is new. */
bool watched_is_complete(const struct watched *e);

/* The first cell as a tick; it is gone then. *ret NULL: every series has ended. E_NOMEM: it stays.
 */
MUST_CHECK enum rc watched_close(struct watched *e, size_t *bytes, struct snapshot **ret,
                                 struct err *err);
