/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "daemon/marks.h"
#include "data/schema.h"
#include "data/verdict.h"
#include "detect/replay.h"
#include "store/store.h"

/* replay_result - what a replay came to: pages, days, and what was recorded live
 *
 * Days are those of UTC, so that the same history gives the same bytes wherever it is replayed.
 * Thread: its holder's. */

enum { REPLAY_PAGES_MAX = 10000 }; /* kept to be listed; more are counted */
enum { REPLAY_DAY_MS = 24 * 3600 * 1000 };

struct replay_page {
    struct incident incident;
    bool open;                          /* when the replay ended */
    bool in_sample;                     /* in frames that its model had learned from */
    bool recorded;                      /* an incident was recorded at that time */
    bool marked_anomaly, marked_normal; /* an operator said so of some of its time */
};

struct replay_day {
    int64_t day; /* since 1970 */
    uint64_t pages, recorded;
    int64_t watched_ms;
};

struct replay_recorded {
    int64_t start_ms, end_ms; /* end INT64_MAX while open */
};

struct replay_count { /* of all, and of what no model had seen */
    uint64_t pages;
    int64_t watched_ms;
};

struct replay_result {
    struct replay_page *page;
    size_t n_pages;
    uint64_t pages_unlisted;
    struct replay_page last; /* the newest page, listed or not */
    bool listed;             /* it is */
    bool list_observed;      /* asked for; else those of the softer tier are counted alone */
    uint64_t observed;
    uint64_t held;                          /* incidents in maintenance: listed, none to page for */
    uint64_t marked_anomaly, marked_normal; /* pages, of those listed */
    struct replay_day *day;
    size_t n_days;
    struct replay_recorded *recorded; /* oldest first */
    size_t n_recorded;
    uint64_t recorded_replayed; /* of them, those that a page stands for */
    struct replay_count all, unseen;
    uint64_t in_sample_frames;
};

void replay_result_done(struct replay_result *r); /* a zeroed one is fine */

/* A frame was judged; in_sample: by a model that had learned from it. E_NOMEM. */
MUST_CHECK enum rc replay_result_add(struct replay_result *r, const struct replay_step *step,
                                     bool in_sample, struct err *err);
/* The replay ended; open: with an incident, which is closed at in->end_ms. */
void replay_result_end(struct replay_result *r, bool open, const struct incident *in);

/* Incidents that were recorded live, newest first as the store gives them; after the end. */
MUST_CHECK enum rc replay_result_recorded(struct replay_result *r, struct store_reader *reader,
                                          const char *instance, int64_t from_ms, int64_t to_ms,
                                          struct err *err);

/* What operators said of the listed pages; after the end. */
void replay_result_marked(struct replay_result *r, const struct marks *marks, const char *instance);

/* Pages a week, with the exact interval of 95 %; NaN for no time. */
void replay_rate(const struct replay_count *c, double *ret, double *ret_low, double *ret_high);
