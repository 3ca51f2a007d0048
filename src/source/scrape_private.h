/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "http/http_access.h"
#include "source/exposition.h"
#include "source/file_sd.h"
#include "source/scrape.h"

/* Between scrape*.c: a target, a transfer, the table of targets. Thread: the scraper's. */

enum { SCRAPE_WHY_MAX = 256 };

struct scrape_transfer;

struct scrape_target {
    size_t job; /* in jobs */
    char *url;
    char *instance;
    struct label *labels; /* of its series: job, instance and those of the file; by name */
    size_t n_labels;
    char *text; /* of the labels */
    int64_t interval_ms, timeout_ms;
    uint64_t hash; /* of all that makes it another target */

    int64_t due_mono_ms;              /* when it is asked next */
    int64_t due_wall_ms;              /* the same as a time stamp, before clocks shift */
    bool told;                        /* why none is, was said */
    struct scrape_transfer *transfer; /* under way, or NULL */
    struct exposition_layout *layout; /* from the first answer on */

    /* Under the board's lock: what the view shows. */
    struct target_view shown; /* job, instance, url and error are not set */
    char error[SCRAPE_WHY_MAX];

    bool replaced; /* while the table is set: see its events */
};

/* A target of the job at that address, with the labels of its group; those that start with "__"
 * are settings (__scheme__, __metrics_path__, __param_NAME, __scrape_interval__,
 * __scrape_timeout__) or nothing. E_CONFIG, E_NOMEM. */
MUST_CHECK enum rc scrape_target_new(const struct scrape_job *jobs, size_t job, const char *address,
                                     const struct label_text *labels, size_t n_labels,
                                     struct scrape_target **ret, struct err *err);
void scrape_target_free(struct scrape_target *t); /* NULL is fine */
/* Its next time after this one, by its phase. */
void scrape_target_plan(struct scrape_target *t, int64_t wall_ms, int64_t mono_ms);

/* -- the targets that jobs and files name -- */

struct scrape_listing {
    const struct scrape_job *jobs;
    struct file_sd *const *files; /* by job; NULL where it has none */
    size_t n_jobs;
    /* A target of a file that cannot be one: it is left out, the others are not to blame. */
    void (*wrong)(void *arg, size_t job, const char *sentence);
    void *arg;
};

/* All of them, job by job; the caller owns *ret_v and what is in it. E_CONFIG: one of the
 * configuration's own is wrong. E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc scrape_list(const struct scrape_listing *l, struct scrape_target ***ret_v,
                               size_t *ret_n, struct err *err);

/* -- the table: all targets, by job and instance, and which is due next -- */

struct scrape_table {
    struct scrape_target **v;    /* by job and instance */
    struct scrape_target **heap; /* the same, the one that is due first in front */
    size_t n;
};

void scrape_table_done(struct scrape_table *t);

struct scrape_table_events {
    void *arg;
    void (*twice)(void *arg, const struct scrape_target *t); /* its instance is another one's */
    void (*come)(void *arg, struct scrape_target *t);        /* new: to be planned */
    /* Before it is freed; replaced: another one has its instance now. */
    void (*gone)(void *arg, struct scrape_target *t, bool replaced);
};
/* Takes v[n], in any order. Those that are in t already (same hash) are freed and the old ones
 * stay; of two with the same job and instance the first stays. `lock` is held while t changes.
 * E_NOMEM leaves t as it was. */
MUST_CHECK enum rc scrape_table_set(struct scrape_table *t, struct scrape_target **v, size_t n,
                                    pthread_mutex_t *lock, const struct scrape_table_events *events,
                                    struct err *err);
/* The first of the heap has another time now. */
void scrape_table_sift(struct scrape_table *t);

/* -- transfers -- */

struct scrape_transfer {
    CURL *curl;
    struct scrape_target *target;
    struct http_held held;
    struct curl_slist *headers;
    struct buf body;
    char why[CURL_ERROR_SIZE];
    int64_t wall_ms; /* when it began, aligned: the time of its samples */
    uint64_t start_ns;
    struct scrape_transfer *next; /* of those that are free */
};

MUST_CHECK enum rc scrape_transfer_new(struct scrape_transfer **ret, struct err *err);
void scrape_transfer_free(struct scrape_transfer *t); /* NULL is fine */
/* Ready to be added to a multi handle. E_CONFIG, E_IO, E_NOMEM. */
MUST_CHECK enum rc scrape_transfer_set(struct scrape_transfer *t, struct scrape_target *target,
                                       const struct scrape_spec *spec, struct err *err);
/* What came of it, once libcurl says that it is over: OK with a body of that format, or why not. */
MUST_CHECK enum rc scrape_transfer_result(struct scrape_transfer *t, CURLcode code,
                                          enum exposition_format *ret_format, struct err *err);
/* Back to what it was when new, with its memory kept up to a limit. */
void scrape_transfer_clear(struct scrape_transfer *t);

/* -- the board -- */

struct scrape_board {
    pthread_mutex_t lock; /* held for a copy, or for a change of what is shown */
    const struct scrape_job *jobs;
    const struct scrape_table *table;
    struct telemetry *telemetry;
};

struct target_list *scrape_board_view(struct scrape_board *b);

/* How a scrape ended. */
struct scrape_outcome {
    bool up, dropped;
    int64_t wall_ms;
    double duration_s;
    size_t samples, taken;
    const char *error; /* "" */
};
void scrape_board_put(struct scrape_board *b, struct scrape_target *t,
                      const struct scrape_outcome *o);
