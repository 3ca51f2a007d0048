/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "detect/promotion.h"
#include "model/departure.h"
#include "model/model.h"

/* retrain - the material to learn anew from, and to judge the result by, read from the store
 *
 * What an entity did in the window, less what detect/material.h refuses: incidents (unless an
 * operator marked them normal, or they are too many to be believed), maintenance, marked anomalies,
 * and the quarantine. Of a day with too many incidents a candidate is asked only for those that an
 * operator confirmed: most of the others are false alarms, and nobody knows which.
 * Memory is bounded: RETRAIN_ROWS_MAX frames to learn from; those to judge by are read one after
 * the other. docs/learning.md has the whole of it. Thread: the trainer's. */

enum {
    /* A quarter of these, which is what validation takes, fills the scores that a model keeps
     * (MODEL_SCORES_MAX). 52 features of so many rows are 3.4 MB; training takes twice as much. */
    RETRAIN_ROWS_MAX = 16384,
    /* Thinned evenly in time, but in runs of neighbours, so that what changes from one frame to the
     * next is learned as it is. */
    RETRAIN_RUN = 32,
    RETRAIN_QUIET_MAX = 131072,  /* quiet frames to judge by, the newest: a day and a half of
                                  * seconds */
    RETRAIN_INCIDENTS_MAX = 64,  /* incidents to judge by: the confirmed, then the newest */
    RETRAIN_INCIDENT_MAX = 1024, /* frames of each */
    RETRAIN_LEAD = DEPARTURE_MEMORY + 16, /* frames before each: all that a score knows of, and some
                                           * that are lost or skipped */
    RETRAIN_REASON_MAX = 160,
};

struct retrain_question {
    const char *database, *instance;
    const struct schema *schema;
    int64_t now_ms, interval_ms;
    int64_t memory_ms; /* of the rolling windows: the margin after an incident */
    double per_week;   /* incidents that a budget allows; 0: none is promised */
    struct retrain_spec spec;
    struct confirm_spec confirm;
    uint64_t least_rows, rows_max; /* to learn from; at most RETRAIN_ROWS_MAX */
    const atomic_bool *stopping;   /* cuts all short: E_STATE */
};

struct retrain;

/* Lends all of q. Opens a reader of its own. E_IO, E_STATE, E_NOMEM. */
MUST_CHECK enum rc retrain_open(const struct retrain_question *q, struct retrain **ret,
                                struct err *err);
void retrain_close(struct retrain *r); /* NULL is fine */
static inline void retrain_closep(struct retrain **r)
{
    retrain_close(*r);
}

/* E_STATE when there are fewer than least_rows frames to learn from. */
MUST_CHECK enum rc retrain_gather(struct retrain *r, struct dataset **ret, struct err *err);
/* ret_longest[schema->n]: the longest stretch of frames without change (scaler.longest_still) among
 * the newest RETRAIN_QUIET_MAX, all of them: in thinned rows no stretch is longer than a run, and
 * what often stands still would be called frozen (detect/presence.h). */
MUST_CHECK enum rc retrain_stillness(struct retrain *r, uint64_t *ret_longest, struct err *err);
MUST_CHECK enum rc retrain_rehearse(struct retrain *r, struct model *live, struct model *candidate,
                                    struct promotion_figures *ret, struct err *err);
/* Incidents that were too many to be believed, and are learned from. */
size_t retrain_disbelieved(const struct retrain *r);
/* Removes files of models that have no row. False: the store is behind, or it failed, which is in
 * the log; `live_id` must be in it. */
bool retrain_sweep(struct retrain *r, const char *models_dir, uint64_t live_id);
