/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_grid.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct prom_grid {
    size_t n_features;
    char **names; /* [n] */
    size_t n, room;
    uint32_t *slots; /* [n_slots]: number + 1 of an entity, 0 = free; at most half are taken */
    size_t n_slots;
    int64_t start_ms, step_ms;
    size_t points, begun; /* begun: entities when the span began or grew */
    double *v;            /* [begun][points][n_features] */
    uint8_t *seen;        /* [begun][points]: values of the feature in hand, up to 2 */
    size_t v_room, seen_room, feature;
};

enum rc prom_grid_new(size_t n_features, struct prom_grid **ret, struct err *err)
{
    struct prom_grid *g = mem_alloc(sizeof *g);

    if (!g)
        return err_set(err, E_NOMEM, "no memory for frames of %zu features", n_features);
    g->n_features = n_features;
    g->feature = SIZE_MAX;
    *ret = g;
    return OK;
}

void prom_grid_free(struct prom_grid *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        mem_free(g->names[i]);
    mem_free(g->names);
    mem_free(g->slots);
    mem_free(g->v);
    mem_free(g->seen);
    mem_free(g);
}

static size_t home_of(const struct prom_grid *g, const char *name)
{
    return (size_t)hash_bytes(name, strlen(name), 0) & (g->n_slots - 1);
}

/* Where name is, or the free slot where it would be. */
static size_t slot_of(const struct prom_grid *g, const char *name)
{
    size_t at = home_of(g, name);

    while (g->slots[at] && strcmp(g->names[g->slots[at] - 1], name) != 0)
        at = (at + 1) & (g->n_slots - 1);
    return at;
}

static bool index_all(struct prom_grid *g, size_t n_slots)
{
    uint32_t *slots = mem_array(n_slots, sizeof *slots);

    if (!slots)
        return false;
    mem_free(g->slots);
    g->slots = slots;
    g->n_slots = n_slots;
    for (size_t i = 0; i < g->n; i++)
        slots[slot_of(g, g->names[i])] = (uint32_t)i + 1;
    return true;
}

/* Free a slot; those behind it that a search would no longer reach move up (Knuth, TAOCP 3, 6.4 R).
 */
static void free_slot(struct prom_grid *g, size_t hole)
{
    const size_t mask = g->n_slots - 1;

    for (size_t at = (hole + 1) & mask; g->slots[at]; at = (at + 1) & mask) {
        const size_t home = home_of(g, g->names[g->slots[at] - 1]);
        if (((at - home) & mask) >= ((at - hole) & mask)) { /* its home is not after the hole */
            g->slots[hole] = g->slots[at];
            hole = at;
        }
    }
    g->slots[hole] = 0;
}

static bool make_room(struct prom_grid *g)
{
    if (g->n == g->room) {
        const size_t room = g->room ? 2 * g->room : 16;
        char **names = mem_grow(g->names, room, sizeof *names);
        if (!names)
            return false;
        g->names = names;
        g->room = room;
    }
    return 2 * (g->n + 1) <= g->n_slots || index_all(g, g->n_slots ? 2 * g->n_slots : 64);
}

/* So many that one instant of them has its place. */
static size_t entities_max(const struct prom_grid *g)
{
    const size_t by_cells = PROM_GRID_CELLS_MAX / (g->n_features ? g->n_features : 1);

    return by_cells < PROM_GRID_SERIES_MAX ? by_cells : PROM_GRID_SERIES_MAX;
}

int64_t prom_grid_entity(struct prom_grid *g, const char *name, bool make)
{
    if (g->n_slots) {
        const uint32_t found = g->slots[slot_of(g, name)];
        if (found)
            return (int64_t)found - 1;
    }
    if (!make || g->n >= entities_max(g) || !make_room(g))
        return -1;
    char *copy = mem_strndup(name, strlen(name));
    if (!copy)
        return -1;
    g->slots[slot_of(g, name)] = (uint32_t)g->n + 1;
    g->names[g->n] = copy;
    return (int64_t)g->n++;
}

size_t prom_grid_entities(const struct prom_grid *g)
{
    return g->n;
}

const char *prom_grid_name(const struct prom_grid *g, size_t entity)
{
    assert(entity < g->n);
    return g->names[entity];
}

void prom_grid_drop(struct prom_grid *g, size_t entity)
{
    assert(entity < g->n);
    const size_t last = g->n - 1;
    free_slot(g, slot_of(g, g->names[entity]));
    if (entity != last)
        g->slots[slot_of(g, g->names[last])] = (uint32_t)entity + 1;
    mem_free(g->names[entity]);
    g->names[entity] = g->names[last];
    g->n = last;
    g->begun = 0;
}

size_t prom_grid_points_max(const struct prom_grid *g)
{
    const size_t n = g->n ? g->n : 1;
    const size_t by_answer = PROM_GRID_SERIES_MAX / n;
    const size_t by_cells = PROM_GRID_CELLS_MAX / (n * (g->n_features ? g->n_features : 1));
    const size_t most = by_answer < by_cells ? by_answer : by_cells;

    return most ? most : 1;
}

/* Cells for all entities of now; those of entities that came since the last call become NaN. */
static enum rc cover(struct prom_grid *g, struct err *err)
{
    const size_t rows = g->n * g->points, cells = rows * g->n_features;

    if (g->n > PROM_GRID_SERIES_MAX / g->points || cells > PROM_GRID_CELLS_MAX)
        return err_set(err, E_LIMIT, "%zu machines at %zu times are too many at once", g->n,
                       g->points);
    if (cells > g->v_room) {
        double *v = mem_grow(g->v, cells, sizeof *v);
        if (!v)
            return err_set(err, E_NOMEM, "no memory for %zu values", cells);
        g->v = v;
        g->v_room = cells;
    }
    if (rows > g->seen_room) {
        uint8_t *seen = mem_grow(g->seen, rows, sizeof *seen);
        if (!seen)
            return err_set(err, E_NOMEM, "no memory for %zu values", rows);
        g->seen = seen;
        g->seen_room = rows;
    }
    for (size_t i = g->begun * g->points; i < rows; i++)
        g->seen[i] = 0;
    for (size_t i = g->begun * g->points * g->n_features; i < cells; i++)
        g->v[i] = (double)NAN;
    g->begun = g->n;
    return OK;
}

enum rc prom_grid_begin(struct prom_grid *g, int64_t start_ms, int64_t step_ms, size_t points,
                        struct err *err)
{
    assert(points >= 1 && step_ms >= 1);
    g->start_ms = start_ms;
    g->step_ms = step_ms;
    g->points = points;
    g->begun = 0;
    g->feature = SIZE_MAX;
    if (g->n * points * g->n_features < g->v_room / 4) { /* history is done: its memory goes back */
        mem_free(g->v);
        mem_free(g->seen);
        g->v = NULL;
        g->seen = NULL;
        g->v_room = g->seen_room = 0;
    }
    return cover(g, err);
}

/* The instant's number, or -1: none of the span. */
static int64_t point_of(const struct prom_grid *g, int64_t ts_ms)
{
    if (g->points == 1) /* an instant query's answer: servers may give the time of the sample */
        return 0;
    const int64_t off = ts_ms - g->start_ms;
    if (off < 0 || off % g->step_ms != 0 || off / g->step_ms >= (int64_t)g->points)
        return -1;
    return off / g->step_ms;
}

static void put(struct prom_grid *g, size_t entity, size_t point, double v)
{
    uint8_t *seen = &g->seen[entity * g->points + point];
    double *cell = &g->v[(entity * g->points + point) * g->n_features + g->feature];

    *cell = *seen == 0 && fabs(v) <= (double)FLT_MAX ? v : (double)NAN;
    if (*seen < 2)
        ++*seen;
}

enum rc prom_grid_add(struct prom_grid *g, size_t feature, const struct prom_answer *a, bool make,
                      struct err *err)
{
    assert(feature < g->n_features);
    if (make) {
        for (size_t i = 0; i < a->n_series; i++)
            (void)prom_grid_entity(g, a->series[i].entity, true); /* too many: passed over */
        if (cover(g, err) != OK)
            return err->rc;
    }
    if (!g->seen || !g->v)
        return OK; /* nobody is in the grid */
    if (g->feature != feature) {
        memset(g->seen, 0, g->begun * g->points);
        g->feature = feature;
    }
    for (size_t i = 0; i < a->n_series; i++) {
        const struct prom_series *s = &a->series[i];
        const int64_t entity = prom_grid_entity(g, s->entity, false);
        if (entity < 0 || (size_t)entity >= g->begun) /* not of those that the span began with */
            continue;
        for (size_t k = s->first; k < s->first + s->n; k++) {
            const int64_t point = point_of(g, a->ts_ms[k]);
            if (point >= 0)
                put(g, (size_t)entity, (size_t)point, a->v[k]);
        }
    }
    return OK;
}

const double *prom_grid_row(const struct prom_grid *g, size_t entity, size_t point)
{
    assert(point < g->points);
    if (entity >= g->begun)
        return NULL;
    const double *row = &g->v[(entity * g->points + point) * g->n_features];
    for (size_t i = 0; i < g->n_features; i++)
        if (!isnan(row[i]))
            return row;
    return NULL;
}
