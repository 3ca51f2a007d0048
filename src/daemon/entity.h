/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/aging.h"
#include "data/dataset.h"
#include "data/series.h"
#include "data/settings.h"
#include "data/verdict.h"
#include "detect/continuity.h"
#include "detect/presence.h"
#include "detect/watch.h"
#include "feature/profile.h"
#include "model/model.h"
#include "serve/board.h"

/* entity - one watched thing's line, from a tick's samples to its incident
 *
 *   snapshot -> features -> derived -> [learning: dataset] -> [watching: verdict -> incident]
 *
 * No threads, no clock, no I/O: the shard drives it, a test can drive a day through it.
 * Thread: the shard's that owns it. */
struct entity;

struct entity_options {
    const char *instance;
    const struct profile *profile; /* lent; outlives the entity */
    int64_t interval_ms;
    uint64_t wanted_rows; /* frames to learn from */
    struct confirm_spec confirm;
    bool remote; /* who asks for its ticks may miss some: that says nothing of the machine */
};

/* What one tick came to. Pointers are valid until the next call on the entity. */
struct entity_step {
    enum continuity_kind continuity;
    int64_t continuity_ms;
    const float *frame; /* [schema->n], or NULL while windows fill after a start or a gap */
    bool scored;
    struct verdict verdict; /* when scored */
    enum watch_event event;
    struct incident incident; /* unless WATCH_QUIET */
    bool training_due;        /* enough was learned: entity_take_training gives it */
    struct aging_step aging;  /* quiet without a frame */
    bool presence_changed;    /* some feature went absent, froze, or came back */
    bool day_shifted;         /* entity_day_shift_ms is another than before */
    bool refuted;             /* more incidents than are credible: the threshold went up */
};

MUST_CHECK enum rc entity_new(const struct entity_options *o, struct entity **ret, struct err *err);
void entity_free(struct entity *e); /* NULL is fine */
static inline void entity_freep(struct entity **e)
{
    entity_free(*e);
}

/* Take one tick. E_STATE when it is out of order, E_LIMIT or E_NOMEM: the tick is dropped whole
 * and *ret says only what continuity found. */
MUST_CHECK enum rc entity_tick(struct entity *e, const struct snapshot *s,
                               const struct continuity_clocks *clocks, struct entity_step *ret,
                               struct err *err);

/* The same with base features that a server evaluated: base[n], n = profile_base_count. E_STATE
 * also for another n. */
MUST_CHECK enum rc entity_frame(struct entity *e, int64_t ts_ms, const double *base, size_t n,
                                struct entity_step *ret, struct err *err);
/* Its past is coming: until entity_caught_up, a learning entity only gathers, and one that watches
 * judges nothing. */
void entity_gather(struct entity *e);
bool entity_caught_up(struct entity *e); /* true: enough was learned, a training is due */

/* Nothing can be heard of it since ts_ms; why, in a few words. Until its next tick or frame. */
void entity_set_stale(struct entity *e, int64_t ts_ms, const char *why);
bool entity_is_stale(const struct entity *e);

/* How much sooner its day comes than the model learned it (detect/daylight.h); 0 without one. */
int64_t entity_day_shift_ms(const struct entity *e);
/* In force for a whole frame, as it follows the scores; NaN without a model. */
float entity_threshold(const struct entity *e);
/* Of its last frame, of an earlier run too; 0: none. */
int64_t entity_last_ms(const struct entity *e);
void entity_set_last(struct entity *e, int64_t ts_ms); /* as the store has it */
/* The ticks from now on are of a maintenance, or no longer: no clock learns from them (aging.h),
 * and the line is held (detect/line.h). */
void entity_hold(struct entity *e, bool held);

/* A frame of the past, from the store: learning goes on where a restart cut it off. Times rise. */
MUST_CHECK enum rc entity_recall(struct entity *e, int64_t ts_ms, const float *frame,
                                 struct err *err);

/* A verdict of the past, from the store, by w, which begins as a new watch: the promise and the
 * threshold that follows it go on where they were. Watching only. */
void entity_recall_verdict(struct entity *e, struct watch *w, const struct verdict *v,
                           bool after_gap);
/* The same of one that an earlier model gave: it counts for the promise alone. */
void entity_count_verdict(struct entity *e, struct watch *w, const struct verdict *v,
                          bool after_gap);

/* A frame of an earlier run: scores go on as if nothing had stopped, where the time between is
 * short enough (model/departure.h); of an entity that learns, the first ones do. Times rise.
 * E_NOMEM. */
MUST_CHECK enum rc entity_warm(struct entity *e, int64_t ts_ms, const float *frame,
                               struct err *err);
/* One of the last day, before those: it says how much sooner the day comes, no more. */
void entity_warm_day(struct entity *e, int64_t ts_ms, const float *frame);

/* Hands over what was learned; the entity waits in PHASE_TRAINING. */
struct dataset *entity_take_training(struct entity *e);
/* Training failed: takes the dataset back and learns a quarter more before the next try. */
void entity_training_failed(struct entity *e, struct dataset *d);

/* Watch with this model from now on; takes a new reference. After learning, windows fill anew,
 * since training itself used this machine; while watching they are kept, and an open incident stays
 * open. E_STATE when the model is of another schema. */
MUST_CHECK enum rc entity_set_model(struct entity *e, struct model *m, uint64_t model_id,
                                    struct err *err);
void entity_set_confirm(struct entity *e, struct confirm_spec confirm);

const char *entity_instance(const struct entity *e);
/* The group that it is in (model.share), for its view; "": none. */
void entity_set_group(struct entity *e, const char *name);
/* Its model is one that an operator made live for it alone: no example for others. */
void entity_set_chosen(struct entity *e, bool chosen);
bool entity_is_chosen(const struct entity *e);
/* It has frames to learn from, and all that are coming of its past. */
bool entity_can_train(const struct entity *e);
bool entity_is_gathering(const struct entity *e); /* it learns, and more of its past is coming */
/* The watching ends: WATCH_CLOSED and the incident when one was open, else WATCH_QUIET. */
enum watch_event entity_end(struct entity *e, struct incident *ret);
/* The slow change that is open, or false. It outlives the watching: a restart goes on with it. */
bool entity_slow(const struct entity *e, struct slow_change *ret);
/* An operator took it for the new normal: WATCH_CLOSED, or quiet where none is open. */
enum watch_event entity_accept_slow(struct entity *e, int64_t ts_ms, struct slow_change *ret);

/* What the reference for slow changes knows, to be stored; and taken again by the next run, which
 * then recalls the frames from reference_resume_ms on. Takes r. */
const struct reference *entity_reference(const struct entity *e);
void entity_take_reference(struct entity *e, struct reference *r);
void entity_recall_slow(struct entity *e, int64_t ts_ms, const float *frame, bool learnable);

enum phase entity_phase(const struct entity *e);
const struct schema *entity_schema(const struct entity *e);
const struct model *entity_model(const struct entity *e); /* NULL while learning */
struct model *entity_model_ref(const struct entity *e);   /* the same, with a new reference */
uint64_t entity_model_id(const struct entity *e);
enum presence_state entity_presence(const struct entity *e, size_t feature); /* watching only */
const struct profile *entity_profile(const struct entity *e);
int64_t entity_interval_ms(const struct entity *e);
void entity_progress(const struct entity *e, uint64_t *ret_rows, uint64_t *ret_wanted);

/* The published picture of it. */
void entity_view(const struct entity *e, struct entity_view *ret);
