/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "data/intake.h"
#include "data/source_spec.h"
#include "source/prom_fill.h"

/* prometheus - the source that lets a Prometheus server evaluate a profile's base features
 *
 * At the start it learns which entities there are and asks for their past (spec.backfill_ms, or
 * what is missing since the entity's last frame), hands it on in the order of time and says
 * caught_up; from then on it asks for each instant of a grid of interval_ms, a little late
 * (PROMETHEUS_LATE_*: samples must have come in), so that an instant's values are those that its
 * history will have. While the server cannot be asked, all entities are stale with the reason; when
 * it is back, what was missed is asked for. An entity without any value is stale, and forgotten
 * here after an hour. An entity that comes later begins with the present.
 *
 * One step for history and present, the interval: derived features are differences between frames.
 * Memory: a piece of history of all entities at a time, 64 MiB of values at most (prom_grid.h), and
 * an answer (prom_answer.h), which go when the present is reached. Measured with 52 features, 20
 * machines and 6 hours at 15 s: 32 MB at the peak, 21 MB after; 7 days: 83 MB at the peak.
 * Thread: its own ("prometheus"), which makes all calls of intake and hooks; start and stop from
 * main, prometheus_stats from any. */

enum {
    /* An instant is asked for so long after it, clamped to the interval: Node Exporter answers in
     * tens of ms, a loaded one in a second or two, and what is sent by remote write comes a second
     * or two later still. */
    PROMETHEUS_LATE_LEAST_MS = 2000,
    PROMETHEUS_LATE_MOST_MS = 5000,
};

struct prometheus_source;

struct prometheus_hooks {
    void *arg;         /* the first argument of each; each may be NULL */
    const char *share; /* the label of `up` that says which entities are alike (intake->group);
                          NULL: nobody asks */
    /* How much of the past was asked for, of the span in hand: what comes in meanwhile, or is left
     * after the server was away, is another one, shorter. */
    void (*progress)(void *arg, uint64_t done, uint64_t of);
    /* A sentence for the log; of each cause one, until the server was away and is back. rc OK: all
     * is well again, or a warning of the server. */
    void (*said)(void *arg, enum rc rc, const char *sentence);
    /* The time of the entity's newest frame from an earlier run; 0: none. */
    int64_t (*last_ms)(void *arg, const char *instance);
};

struct prometheus_stats {
    uint64_t requests, failures; /* failures: of rounds, each ended by one request */
    uint64_t retries, halvings, missing, warnings;
    uint64_t frames, refused; /* handed on; not taken by the intake */
    uint64_t entities;        /* of now */
    bool up;                  /* the last round worked */
    bool caught_up;           /* the past is done */
};

/* spec, features and what intake and hooks refer to are lent until prometheus_stop. E_CONFIG,
 * E_NOMEM, E_IO (thread). */
MUST_CHECK enum rc prometheus_start(const struct prometheus_spec *spec,
                                    const struct prom_features *features,
                                    const struct intake *intake,
                                    const struct prometheus_hooks *hooks,
                                    struct prometheus_source **ret, struct err *err);
void prometheus_stop(struct prometheus_source *s); /* waits: a second at most; NULL is fine */
void prometheus_stats(struct prometheus_source *s, struct prometheus_stats *ret);
