/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdbool.h>

#include "daemon/shard.h"

/* What the files of the shard share: shard.c is its thread and its messages, shard_tell.c what is
 * told and kept of an entity, shard_learn.c what is ordered of the trainer and taken from it.
 *
 * Thread: the shard's own. */

/* Entities that share a model: of like features, interval and value of the label model.share. */
struct shard_group {
    char name[GROUP_NAME_MAX];
    uint64_t schema_hash;
    int64_t interval_ms;
    size_t n;      /* entities in it */
    size_t turn;   /* whose past a training looks at: others each time */
    bool training; /* the trainer has not answered yet */
    bool unsaved;  /* its model has no file: no row may speak of it */
    bool drifted;  /* a drift of one of them ordered a training, then: */
    int64_t drift_mono_ms;
    struct model *model; /* NULL: none yet */
    uint64_t model_id;
};

struct shard_slot {
    struct entity *entity; /* NULL: nobody has this slot */
    size_t group;          /* its number, from 1; 0: it has a model of its own */
    char *joins;           /* the group that it joins once the trainer has answered; NULL: none */
    bool leaving;          /* gone, as soon as the trainer has answered */
    size_t board_slot;
    enum presence_state *told; /* [schema->n] what was said of each feature */
    unsigned told_tenth;       /* of its learning */
    enum rc dropped;           /* why ticks are being dropped: said once, until it passes */
    bool retraining;           /* the trainer has not answered yet */
    bool owed;                 /* a training that was ordered when the trainer's queue was full */
    int64_t grown_ms;          /* the history at the last training for its growth */
    bool drifted;              /* a drift ordered a training, then: */
    int64_t drift_mono_ms;
    int64_t kept_ms; /* reference_resume_ms of the reference's state that was stored last */
    struct continuity_clocks now;        /* of the last tick */
    int64_t trained_ms, trained_mono_ms; /* when it was trained last, whatever came of it: before
                                          * the first tick by the wall's clock, then monotonic */
};

struct shard {
    struct shard_options o;
    struct queue *queue;
    pthread_t thread;
    bool started;
    void (*release)(void *arg, size_t slot);
    void *release_arg;
    struct marks *marks;  /* NULL until the first are told */
    size_t n, n_watching; /* slots ever used are below it; entities that have a model */
    struct shard_slot slot[SHARD_ENTITIES_MAX];
    size_t n_groups; /* numbers ever used */
    struct shard_group *groups;
    struct entity_view view; /* scratch */
};

/* shard.c: an entity comes; takes m->entity unless there is no room for it, which is said. */
void shard_add(struct shard *s, struct shard_message *m);

/* shard_tell.c: to the board, the store, the log and the counters */
void shard_publish(struct shard *s, struct shard_slot *slot);
void shard_keep_frame(struct shard *s, size_t at, int64_t ts_ms, const struct entity_step *step);
/* The store's live model is the one in use, in the order in which models came to be. */
void shard_keep_live(struct shard *s, size_t at);
/* The same of a model that another entity of its group was trained with. */
void shard_keep_model(struct shard *s, size_t at, const char *reason);
/* It watches with another model from now on. */
void shard_tell_watching(struct shard *s, size_t at);
/* What others keep of it beside us (config: write); ended: no more will come. */
void shard_write_score(struct shard *s, size_t at, const struct verdict *v, bool ended);
/* Which of the two a staged threshold is now. */
void shard_tell_threshold(struct shard *s, const struct entity *e);
void shard_tell_discontinuity(struct shard *s, const struct entity *e,
                              const struct entity_step *step);
void shard_tell_learning(struct shard *s, struct shard_slot *slot);
void shard_tell_presence(struct shard *s, struct shard_slot *slot);
void shard_tell_day(struct shard *s, const struct entity *e); /* it comes at another hour */
/* It rang more often than is credible: its threshold went up. */
void shard_tell_refuted(struct shard *s, const struct entity *e);
void shard_tell_incident(struct shard *s, size_t at, const struct entity_step *step);
void shard_tell_slow(struct shard *s, size_t at, enum watch_event event,
                     const struct slow_change *slow);
/* An earlier run's slow change is open: the store closed it with everything that a crash may have
 * left, and hears of it again. */
void shard_tell_slow_goes_on(struct shard *s, size_t at);
/* The reference's state to the store: now, or once an hour has ended (at a minute of the slot's
 * own, so that the states of a fleet are not written in one second). */
void shard_keep_reference(struct shard *s, size_t at, int64_t ts_ms, bool now);
void shard_tell_dropped(struct shard *s, struct shard_slot *slot, const struct err *err);

/* shard_learn.c: what was learned goes to the trainer; when that cannot be, learning goes on */
void shard_order_training(struct shard *s, size_t at);
/* Learn anew beside the watching, from what the store has: the entry for whoever has a reason. */
void shard_order_retraining(struct shard *s, size_t at, const char *reason);
/* The model no longer fits what it is shown: learn anew, at most once a day. */
void shard_follow_drift(struct shard *s, size_t at, const struct aging_step *step);
void shard_follow_schedule(struct shard *s, size_t at, const struct continuity_clocks *now);
void shard_take_model(struct shard *s, struct shard_message *m);
void shard_take_failure(struct shard *s, struct shard_message *m);
/* The threshold may have been set anew while the model was trained or restored. */
MUST_CHECK enum rc shard_apply_threshold(struct shard *s, size_t at, struct err *err);
/* More or fewer entities are watched: the part of a fleet's budget that this one has is another. */
void shard_follow_fleet(struct shard *s, size_t at);
void shard_count_watching(struct shard *s);

/* shard_group.c: entities that share a model; no group is no error */
struct shard_group *shard_group_of(const struct shard *s, size_t at); /* NULL: none */
/* The one whose model it watches with; NULL: its model is its own, as an operator's choice is. */
struct shard_group *shard_group_shared(const struct shard *s, size_t at);
void shard_join_group(struct shard *s, size_t at, const char *name); /* "": none any more */
void shard_leave_group(struct shard *s, size_t at);
struct trainer_job;
/* Into the job, which is about `at`: what the others in its group have learned from so far; or who
 * they are, once they watch. False: no memory. Then nothing was taken. */
bool shard_pool_group(struct shard *s, size_t at, struct trainer_job *job);
bool shard_list_group(struct shard *s, size_t at, struct trainer_job *job);
/* All of them learn on with what was taken of them. */
void shard_unpool(struct shard *s, struct pool *pool);
/* Some of the group is still being told of its past: it is waited for. */
bool shard_group_gathers(const struct shard *s, size_t at);
void shard_take_group_model(struct shard *s, struct shard_message *m);
/* The trainer has answered, whatever came of it. */
void shard_end_group_training(struct shard *s, const struct shard_message *m);
/* It is not trained any more: what waited for that is done. */
void shard_end_waiting(struct shard *s, size_t at);
/* The trainer has not answered yet: it must not find another entity in the slot. */
bool shard_is_trained(const struct shard_slot *slot);
