/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/intake.h"
#include "data/series.h"
#include "data/source_spec.h"

/* scrape - asks exporters for their metrics, as Prometheus does (scrape_config)
 *
 * One thread for all jobs and targets, with libcurl's multi interface: connections are kept. Each
 * target has its own phase in the interval, by a hash of its address and labels, so that thousands
 * do not come at once and every restart finds the same times.
 * A scrape that works is one tick of the entity that the target's label `instance` names, at the
 * time that it began. One that fails (no answer in time, a status but 200, a body that is too long
 * or malformed) is intake->stale with the reason: never zeros. A target that files name no more is
 * stale as "no longer a target". Within a job, the instance must be the target's own: of two
 * targets with the same, the second is left out, with a sentence.
 *
 * Thread: one opens and closes; intake and say are called by the scraper's own thread, but for the
 * sentences of scrape_open. The view is for any thread.
 * Source: prometheus/prometheus 2.42, scrape/scrape.go and scrape/target.go. */

enum {
    SCRAPE_TARGETS_MAX = 65536, /* of all jobs */
    SCRAPE_JOBS_MAX = 1024,
    SCRAPE_BODY_DEFAULT = 64 << 20, /* bytes, where the spec says 0 */
    SCRAPE_FILES_EVERY_MS = 5000,   /* files of targets are looked at */
    SCRAPE_REDIRECTS_MAX = 10,      /* as Go's client follows */
    SCRAPE_ALIGN_MS = 2,            /* Prometheus's ScrapeTimestampTolerance */
};

/* One job: its settings, where its ticks go, and what of a target's series is wanted (NULL: all;
 * see exposition.h). All lent, until scrape_close. */
struct scrape_job {
    const struct scrape_spec *spec;
    const struct intake *intake;
    bool (*wants)(void *arg, struct str name, const struct label *labels, size_t n_labels);
    void *wants_arg;
};

struct scrape_options {
    const struct scrape_job *jobs; /* copied */
    size_t n_jobs;
    void (*say)(void *arg, const char *sentence); /* for a log; NULL is fine */
    void *say_arg;
};

struct scrape;

/* What scrape_open would say of this job: its settings, its targets but for those of files. Asks
 * nobody. E_CONFIG with the job's name in front; E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc scrape_check(const struct scrape_spec *spec, struct err *err);

/* Checks the settings and the targets of `targets`, and starts the thread. E_CONFIG with the job's
 * name in front; E_NOMEM, E_IO. */
MUST_CHECK enum rc scrape_open(const struct scrape_options *options, struct scrape **ret,
                               struct err *err);
/* Requests under way are given up. NULL is fine. */
void scrape_close(struct scrape *s);

/* What became of a target, for an API and for metrics. */
struct scrape_target_view {
    const char *job, *instance, *url;
    bool asked;        /* an answer came, or failed, at least once */
    bool up;           /* the last scrape worked */
    int64_t last_ms;   /* of the last scrape, Unix milliseconds */
    double duration_s; /* of the last scrape */
    uint64_t scrapes;  /* so far */
    uint64_t failures; /* of them */
    uint64_t dropped;  /* ticks that were not taken: the line was full, or it cannot be an entity */
    size_t samples;    /* of the last good body */
    size_t taken;      /* of them, into the snapshot */
    const char *error; /* of the last scrape, "" */
};

struct scrape_view {
    size_t n;
    struct scrape_target_view *v; /* by job, then by instance */
    uint64_t late; /* scrapes that were left out because the one before was still under way */
};

/* A copy of this moment; scrape_view_free. NULL: no memory. */
struct scrape_view *scrape_targets_view(struct scrape *s);
void scrape_view_free(struct scrape_view *v); /* NULL is fine */
