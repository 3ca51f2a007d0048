/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "data/settings.h"
#include "data/verdict.h"
#include "detect/budget.h"
#include "detect/scorer.h"
#include "detect/silence.h"
#include "detect/watch.h"
#include "model/departure.h"
#include "model/model.h"

/* line - one entity's frames to incidents: the model in force, its scorer and the watch
 *
 * What a live entity (daemon/entity.h) and a replay of stored frames have in common: both judge
 * here, so that a replay rings when the daemon would.
 * Pure: time comes with the frame. Thread: its holder's. */

/* The last frames: all that a score knows of, so that a new model goes on where the old one was. */
struct line_past {
    size_t n, head; /* frames there; the place of the next */
    int64_t ts_ms[DEPARTURE_MEMORY];
    size_t features;
    float *X; /* [DEPARTURE_MEMORY][features]; NULL until line_note or line_set_model */
};

struct line {
    struct model *model;   /* NULL until line_set_model */
    struct scorer *scorer; /* of it */
    struct silence *silence;
    struct watch watch;
    struct budget *budget; /* of the model: its promise, and the threshold that follows */
    struct line_past past;
    int64_t interval_ms; /* of frames; 0: not known, only time that goes back is a gap */
};

struct line_step {
    struct verdict verdict;
    enum watch_event event;
    struct incident incident; /* unless WATCH_QUIET */
    bool day_shifted;         /* line_day_shift_ms is another than before */
    bool refuted;             /* more incidents than are credible: the threshold went up */
};

/* interval_ms: of the frames to come, whatever that of the model's was; 0 when not known. */
void line_init(struct line *l, struct confirm_spec confirm, int64_t interval_ms);
void line_done(struct line *l); /* a zeroed one is fine */

/* A frame of this schema to learn from: nothing judges it; it is the past of the frames that the
 * first model judges. Over a gap as line_push. E_NOMEM. */
MUST_CHECK enum rc line_note(struct line *l, const struct schema *frames, int64_t ts_ms,
                             const float *frame, struct err *err);

/* Judge frames of this schema with m from now on; takes a new reference. Its scorer is shown the
 * past first, so that scores are as if it had been there all the time, and where but the threshold
 * is another, what stood before is no news to it (model/news.h); the promise of alarms goes
 * on where m promises the same (its threshold is m's own again), else it begins anew; the softer
 * tier is the model's; an open incident stays open. E_STATE when m has other features; E_NOMEM;
 * then nothing changed. */
MUST_CHECK enum rc line_set_model(struct line *l, const struct schema *frames, struct model *m,
                                  struct err *err);

/* How much sooner the day comes than the model learned it (detect/daylight.h); 0 without one. */
int64_t line_day_shift_ms(const struct line *l);
/* A frame of the last day that an earlier run judged, before those of line_recall: it says how much
 * sooner the day comes, no more. Needs a model. */
void line_recall_day(struct line *l, int64_t ts_ms, const float *frame);

/* No incident is open that somebody is paged for: what comes is an example of normal. */
bool line_is_quiet(const struct line *l);

/* Needs a model. When an incident opens, and at each new peak of it, the causes that would silence
 * it are marked. After a gap (departure_is_gap, by its own interval) it forgets, as by line_forget;
 * where frames always come so late, after the first alone. */
void line_push(struct line *l, int64_t ts_ms, const float *frame, struct line_step *ret);

/* A verdict of the past, from the store, by w, which begins as a new watch: the promise and the
 * threshold that follows it go on where they were. Needs a model. */
void line_recall_verdict(struct line *l, struct watch *w, const struct verdict *v, bool after_gap);
/* The same of an earlier model's: it counts for the promise, and moves no threshold. */
void line_count_verdict(struct line *l, struct watch *w, const struct verdict *v, bool after_gap);
/* A frame that an earlier run judged: the past to go on from, nobody hears of it. Needs a model;
 * DEPARTURE_MEMORY of them are as good as all. Over a gap as line_push. */
void line_recall(struct line *l, int64_t ts_ms, const float *frame);

/* What comes is of maintenance, or no longer: it is judged, and neither counts for the promise nor
 * moves the threshold; what opens is marked (detect/watch.h). */
void line_hold(struct line *l, bool held);

/* What came before the clock or the machine jumped must not stand beside what comes after it. An
 * open incident stays open. */
void line_forget(struct line *l);
