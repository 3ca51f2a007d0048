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
#include "data/targets.h"
#include "data/telemetry.h"

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
    const char
        *share; /* the label of a target that says whom it is like (intake->group); or NULL */
};

struct scrape_options {
    const struct scrape_job *jobs; /* copied */
    size_t n_jobs;
    void (*say)(void *arg, const char *sentence); /* for a log; NULL is fine */
    void *say_arg;
    struct telemetry *telemetry; /* lent */
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

/* A copy of this moment. NULL: no memory. */
struct target_list *scrape_targets(struct scrape *s);
