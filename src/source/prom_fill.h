/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/http_backoff.h"
#include "source/prom_grid.h"
#include "source/prom_query.h"

/* prom_fill - all features of all entities from a server, over a span or at an instant
 *
 * A span is asked for piece by piece: as many instants as the grid has cells for and a server
 * answers at once (PROM_POINTS_MAX), feature by feature; then its frames are handed on, an entity's
 * in the order of time. A query that is too much for the server is cut in half until it is not, and
 * those after it of that feature as well. One that fails for a while is tried again after a wait.
 * A feature that the server cannot evaluate is missing there, and said; one that is too much even
 * at one instant is missing in the whole span.
 * Thread: its holder's, which also gets the calls. */

/* Ready-made queries, each with one element an entity (feature/profile_by.h). */
struct prom_features {
    size_t n;
    const char *const *names, *const *promql; /* [n] */
    /* How many seconds ago an entity's newest sample was, one element an entity, and from when on
     * there is no frame: servers give the last value of a gauge for minutes after its machine went,
     * where nothing marked it as stale. NULL: not asked. */
    const char *age;
    int64_t age_most_ms;
};

/* Of a grid for them: each feature, and the age. */
size_t prom_features_columns(const struct prom_features *f);
/* The frame of an entity at an instant of the grid's span, or NULL: no value, or none that is young
 * enough. */
const double *prom_features_frame(const struct prom_features *f, const struct prom_grid *g,
                                  size_t entity, size_t point);

struct prom_fill {
    struct prom_client *client; /* lent, like all here */
    const struct prom_features *features;
    struct prom_grid *grid; /* of prom_features_columns */
    int64_t step_ms;
    unsigned tries; /* of one query, at least 1: then its failure is the fill's */
    struct http_backoff backoff;

    void *arg; /* the first argument of each */
    /* Waits so long, or until it is to stop: false. */
    bool (*wait)(void *arg, int64_t ms);
    /* A frame base[n]; not OK ends the fill with it. */
    enum rc (*row)(void *arg, size_t entity, int64_t ts_ms, const double *base, struct err *err);
    /* How much of the span is done. May be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t of);
    /* What went otherwise than it should: a query to be tried again, a feature that is missing, a
     * server's warning. cause: the same for what is the same matter, whatever numbers the sentence
     * has. May be NULL. */
    void (*said)(void *arg, uint64_t cause, enum rc rc, const char *sentence);

    int64_t next_ms;                               /* all frames before it were handed on */
    uint64_t retries, halvings, missing, warnings; /* counted */
};

/* Instants from_ms + k * step_ms up to to_ms, of the grid's entities. E_STATE: it was to stop;
 * E_IO, E_PARSE: the server failed `tries` times; E_CONFIG: it refuses; what row says. */
MUST_CHECK enum rc prom_fill_span(struct prom_fill *f, int64_t from_ms, int64_t to_ms,
                                  struct err *err);

/* One instant into the grid, which names the entities that are new; frames are for the caller to
 * take. One try. */
MUST_CHECK enum rc prom_fill_instant(struct prom_fill *f, int64_t at_ms, struct err *err);
