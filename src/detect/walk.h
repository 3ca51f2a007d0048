/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "data/verdict.h"
#include "model/model.h"

/* walk - walk-forward training: models of the past alone, for judging what came after
 *
 * Frames are noted as they pass, and incidents as they open and close. The first model is due once
 * there are enough frames, the next when the history has doubled since, and one each period at the
 * latest; each learns from normal frames up to that time, so that no frame is judged by a model
 * that has seen it or what followed. It goes as a daemon does that learns anew on schedule: what it
 * learns from is what detect/material.h takes, and the newest frames wait as long as an incident
 * may have gone unheard (quarantine). The first model takes all there is.
 * Bounded: at most rows_max frames are held. Where the window has more, every other run of
 * WALK_RUN neighbours goes, again and again, so that what stays is spread evenly over time and what
 * changes from one frame to the next is learned as it is.
 * Pure and deterministic. Thread: its holder's. */
enum { WALK_RUN = 32 };

struct walk;

struct walk_options {
    const struct schema *schema; /* lent; outlives the walk */
    struct learn_spec learn;
    struct threshold_spec threshold;
    uint64_t first_rows; /* frames before the first model, >= 1 */
    uint64_t rows_max;   /* frames to learn from, at most; >= first_rows */
    int64_t period_ms;   /* between two models, > 0; INT64_MAX: the first is the only one */
    int64_t window_ms;   /* how far back a later model looks */
    int64_t quarantine_ms;
    int64_t memory_ms;   /* of the rolling windows and the confirmation: after an incident */
    const char *profile; /* for provenance; lent, copied into models */
};

MUST_CHECK enum rc walk_new(const struct walk_options *o, struct walk **ret, struct err *err);
void walk_free(struct walk *w); /* NULL is fine */
static inline void walk_freep(struct walk **w)
{
    walk_free(*w);
}

/* Before the frame of ts_ms is judged: is a model due? */
bool walk_is_due(const struct walk *w, int64_t ts_ms);
/* That model, of one reference; when the next is due is said above. Where training fails the old
 * model goes on, and the first is tried again with a quarter more frames, as a daemon does: *ret is
 * NULL then and walk_refused says why. E_NOMEM; E_LIMIT for more incidents than detect/material.h
 * holds. progress as in model_train. */
MUST_CHECK enum rc walk_train(struct walk *w, int64_t ts_ms, model_progress_fn *progress, void *arg,
                              struct model **ret, struct err *err);
const char *walk_refused(const struct walk *w); /* the last reason; "" when there was none */
uint64_t walk_models(const struct walk *w);     /* trained so far */

/* After it was judged. */
MUST_CHECK enum rc walk_note(struct walk *w, int64_t ts_ms, const float *frame, struct err *err);
/* One that pages opened, or, end_ms > 0, the one that did has closed. */
MUST_CHECK enum rc walk_incident(struct walk *w, const struct incident *in, struct err *err);
