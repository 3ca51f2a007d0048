/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "source/prom_answer.h"

/* prom_grid - the answers to a profile's queries over a span, put together as frames
 *
 * Cells are V[entities][points][features]. An entity is in the grid when it was named before its
 * answers come: what an answer says of others is passed over.
 * Memory: at most PROM_GRID_CELLS_MAX cells, kept for the next span unless that is far smaller.
 * Thread: its holder's. */

enum {
    PROM_GRID_CELLS_MAX = 8 << 20, /* 64 MiB of doubles */
    PROM_GRID_SERIES_MAX = 100000, /* entities, and entities times points: an answer of so many
                                      points is some 4 MiB of JSON, 30 MiB as a tree */
};

struct prom_grid;

MUST_CHECK enum rc prom_grid_new(size_t n_features, struct prom_grid **ret, struct err *err);
void prom_grid_free(struct prom_grid *g); /* NULL is fine */
static inline void prom_grid_freep(struct prom_grid **g)
{
    prom_grid_free(*g);
}

/* The number of the entity with this name, made if make is set; -1: there is none (and with make:
 * there are too many for the cells, or no memory). Numbers stay until an entity is dropped. */
int64_t prom_grid_entity(struct prom_grid *g, const char *name, bool make);
size_t prom_grid_entities(const struct prom_grid *g);
const char *prom_grid_name(const struct prom_grid *g, size_t entity);
/* The last entity takes the number of the dropped one. Between spans. */
void prom_grid_drop(struct prom_grid *g, size_t entity);

/* Instants that a span may have with the entities of now: at least 1. */
size_t prom_grid_points_max(const struct prom_grid *g);

/* A span of points instants from start_ms on: all cells are NaN. E_LIMIT over the limits, E_NOMEM.
 */
MUST_CHECK enum rc prom_grid_begin(struct prom_grid *g, int64_t start_ms, int64_t step_ms,
                                   size_t points, struct err *err);
/* A feature's values; the next call with it adds to them (another piece of the span). An entity
 * with two values at an instant has none there: NaN, like a value that is not finite as a float32
 * (feature/evaluator.h). With make, entities that are new are named (in a span of one instant). */
MUST_CHECK enum rc prom_grid_add(struct prom_grid *g, size_t feature, const struct prom_answer *a,
                                 bool make, struct err *err);
/* The frame base[n_features] of an entity at an instant of the span; NULL where it has no value at
 * all. */
const double *prom_grid_row(const struct prom_grid *g, size_t entity, size_t point);
