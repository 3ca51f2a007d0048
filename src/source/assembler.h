/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/intake.h"
#include "data/series.h"

/* assembler - samples of many series, as they are pushed, become ticks of entities
 *
 * Time is cut into cells of interval_ms, for each entity of its own: its first sample lies in the
 * middle of a cell, so that jitter moves none over an edge. Of each series a cell keeps the newest
 * sample. A cell becomes a tick, at the time of its newest sample, when every series that lives has
 * a sample in it and none is new; or when nothing came for it for 6 s. Ticks are handed on in
 * order, and only by their samples' times: a sender that catches up feeds the past.
 * - A series lives from its first sample until it is marked stale, or has had none for 5 minutes
 *   (Prometheus's lookback). While it lives, its last value stands in ticks in which it has none.
 * - A sample no newer than the entity's last tick is late: not taken, unless the very same sample
 *   was taken before, or it marks an end. One of another value at a time that its series has
 * already conflicts: not taken. Any other order is taken. One that comes after its cell went, but
 * is newer than the tick, counts for the next cell.
 * - When all series of an entity were marked stale, or it has been silent for four intervals (then
 *   no rate can be computed), intake->stale says so.
 * - An entity of which nothing came for an hour is forgotten, with its series.
 * Memory: bounded by cell_bytes_max for cells, by SERIES_MAX for series of an entity.
 * Thread: its holder's; wall_ms is Unix time, mono_ms a clock that does not jump. */

enum {
    ASSEMBLER_ENTITIES_MAX = 1 << 16,
    ASSEMBLER_CELLS_MAX = 512, /* open at once, of one entity */
    /* Prometheus sends what it has of a shard after batch_send_deadline (5 s), and tries again
     * within max_backoff (5 s); and a second for the way. */
    ASSEMBLER_SETTLE_MS = 6000,
    /* A call hands on so many at most: each may be of a new entity, which takes up to a millisecond
     * to make, and meanwhile whoever holds the assembler is waited for. */
    ASSEMBLER_POLL_TICKS = 256,
    ASSEMBLER_LOOKBACK_MS = 5 * 60 * 1000,
    ASSEMBLER_EXPIRE_MS = 60 * 60 * 1000,
    /* As Prometheus's receiver (storage/remote/write_handler.go, maxAheadTime). */
    ASSEMBLER_AHEAD_MS = 10 * 60 * 1000,
};

struct assembler;

struct assembler_options {
    const struct intake *intake; /* lent */
    int64_t interval_ms;
    size_t cell_bytes_max; /* of all open cells */
};

MUST_CHECK enum rc assembler_new(const struct assembler_options *o, struct assembler **ret,
                                 struct err *err);
void assembler_free(struct assembler *a); /* drops what is open; NULL is fine */

/* The number of the entity of this name, made at first sight. E_CONFIG: no name for an entity
 * (empty, too long, no UTF-8). E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc assembler_entity(struct assembler *a, struct str instance, uint32_t *ret,
                                    struct err *err);
/* The number of a series of an entity, as series_set_intern; good while the entity's generation is
 * the same: its series are counted anew when most of them have ended, and its number is another
 * entity's when it was forgotten. */
MUST_CHECK enum rc assembler_series(struct assembler *a, uint32_t entity, struct str name,
                                    const struct label *labels, size_t n_labels,
                                    enum metric_type type, uint32_t *ret, struct err *err);
/* The entity is like others (intake->group), which is said before its next tick; "": this series
 * does not tell. */
void assembler_set_group(struct assembler *a, uint32_t entity, struct str name);
uint8_t assembler_generation(const struct assembler *a, uint32_t entity);

struct assembler_cell;

struct assembler_sample {
    uint32_t entity, series;
    int64_t ts_ms;
    double value;                /* series_is_stale: the series ended */
    struct assembler_cell *cell; /* the assembler's own; NULL before */
};

struct assembler_result { /* samples */
    size_t taken;
    size_t late, conflicting; /* see above */
    size_t future;            /* more than ASSEMBLER_AHEAD_MS past wall_ms */
    size_t refused;           /* the intake takes no such entity */
};

/* Take v[n], in any order. E_LIMIT (what was taken before waits for the intake, or there is no room
 * for cells), E_NOMEM: nothing was taken, the sender is to come again. v is scratch. */
MUST_CHECK enum rc assembler_take(struct assembler *a, struct assembler_sample *v, size_t n,
                                  int64_t wall_ms, int64_t mono_ms, struct assembler_result *ret,
                                  struct err *err);

/* Time passes: to be called about each second. True: more is due than ASSEMBLER_POLL_TICKS; call
 * again soon. */
bool assembler_poll(struct assembler *a, int64_t wall_ms, int64_t mono_ms);
/* Hand on all that is open, as far as the intake takes it: before assembler_free. */
void assembler_flush(struct assembler *a);

/* Forget the entities of which nothing came for an hour. */
void assembler_expire(struct assembler *a, int64_t mono_ms);

size_t assembler_entities(const struct assembler *a);
size_t assembler_cell_bytes(const struct assembler *a); /* of open cells, now */
