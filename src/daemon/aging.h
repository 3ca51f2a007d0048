/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/drift.h"
#include "detect/reference.h"
#include "model/model.h"

/* aging - an entity's slow clocks: does the model in force still fit (detect/drift.h), and is the
 * machine what it was when it was learned (detect/reference.h)?
 *
 * A new model starts drift anew; the reference goes on, whatever is learned. Pure: time comes with
 * the frame. Thread: its holder's. */
struct aging {
    struct reference *reference;
    struct drift *drift; /* NULL until aging_set_model */
    float *scratch;      /* [n] */
};

struct aging_step {
    enum watch_event event;  /* of the reference */
    struct slow_change slow; /* unless WATCH_QUIET; its incident is INCIDENT_SLOW */
    bool drifted;
    struct drift_finding drift; /* when drifted */
};

MUST_CHECK enum rc aging_init(struct aging *a, const struct schema *schema, struct err *err);
void aging_done(struct aging *a); /* a zeroed one is fine */
/* Nothing changed unless OK. E_NOMEM. */
MUST_CHECK enum rc aging_set_model(struct aging *a, const struct model *m, struct err *err);

/* Takes r, which an earlier run had learned (same schema), in place of the one there is. */
void aging_take_reference(struct aging *a, struct reference *r);
/* An operator took what is open for the new normal: WATCH_CLOSED, or quiet where nothing is. */
enum watch_event aging_accept(struct aging *a, int64_t ts_ms, struct slow_change *ret);
/* A frame of the past for the reference alone: it goes on where its state was written. */
void aging_recall(struct aging *a, int64_t ts_ms, const float *frame, bool learnable);

/* A frame, judged by m with this score (m NULL, score NaN: not judged), whose day comes so much
 * sooner than m learned it (detect/daylight.h). learnable: no incident of the score is open. */
void aging_push(struct aging *a, const struct model *m, int64_t ts_ms, int64_t day_shift_ms,
                const float *frame, float score, bool learnable, struct aging_step *ret);

/* The slow change that is open, or false. */
bool aging_slow(const struct aging *a, struct slow_change *ret);
float aging_drift_evidence(const struct aging *a); /* NaN without a model */
