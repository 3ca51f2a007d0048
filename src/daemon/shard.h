/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "daemon/announce.h"
#include "daemon/entity.h"
#include "daemon/marks.h"
#include "data/telemetry.h"

/* shard - the thread that owns entities: takes ticks and models, gives verdicts to the board, rows
 * to the store's thread and work to the trainer
 *
 * Thread: everything goes by its queue. */
struct shard;

enum shard_message_kind {
    SHARD_ADD,             /* entity, trained_ms: it has this slot from now on */
    SHARD_TICK,            /* snapshot, clocks */
    SHARD_FRAME,           /* ts_ms, base: a server evaluated it */
    SHARD_GATHER,          /* its past is coming: no training yet, */
    SHARD_CAUGHT_UP,       /* now it may */
    SHARD_STALE,           /* ts_ms, why.msg: nothing is heard of it */
    SHARD_GROUP,           /* why.msg: it shares the model of this group from now on; "": none */
    SHARD_REMOVE,          /* the entity goes; its slot is given back (shard_on_release) */
    SHARD_MODEL,           /* model, model_id: trained, watch with it */
    SHARD_TRAINING_FAILED, /* dataset comes back, why */
    SHARD_UNCHANGED,       /* learning anew ended, and the model stays */
    SHARD_RETRAIN,         /* learn anew; why.msg says for what reason */
    SHARD_MARKS,    /* marks: what operators said by now, in place of what they said before */
    SHARD_SETTINGS, /* confirm, threshold, retrain: the configuration was read again */
};

/* What those of a group have learned from, beside the one that the message is about. */
struct pooled {
    size_t slot;
    struct dataset *dataset;
};
struct pool {
    size_t n;
    struct pooled *v;
};

struct shard_message { /* owns what it points to */
    enum shard_message_kind kind;
    size_t slot;
    struct entity *entity;
    int64_t trained_ms; /* when it was trained last, by an earlier run (0: never) */
    struct snapshot *snapshot;
    struct continuity_clocks clocks;
    int64_t ts_ms;
    struct model *model;
    uint64_t model_id;
    bool by_operator;   /* the model: not the trainer's answer */
    uint64_t judged_by; /* the live model that it was found no worse than; 0: the first one */
    struct dataset *dataset;
    size_t group;     /* an answer: for all of this group, by its number; 0: for the one alone */
    struct pool pool; /* their datasets: given back where it is of no use; `dataset` then too */
    bool unsaved;     /* the model has no file: no row may speak of it */
    struct err why;
    struct confirm_spec confirm;
    struct threshold_spec threshold;
    struct retrain_spec retrain;
    struct marks *marks;
    size_t n_base;
    double base[]; /* [n_base] */
};

/* Zeroed but for kind, slot and base. NULL: no memory. */
struct shard_message *shard_message_new(enum shard_message_kind kind, size_t slot,
                                        const double *base, size_t n_base);
void shard_message_free(void *m); /* NULL is fine; void * for queue_free */
static inline void shard_message_freep(struct shard_message **m)
{
    shard_message_free(*m);
}

struct alertmanager;

struct shard_options {
    struct board *board; /* lent, all of them, until shard_stop */
    struct telemetry *telemetry;
    struct queue *trainer; /* of struct trainer_job */
    struct queue *store;   /* of struct storekeeper_message */
    struct announcer *announcer;
    struct alertmanager *alertmanager; /* may be NULL */
    struct score_writer *writer;       /* may be NULL */
    struct threshold_spec threshold;   /* until SHARD_SETTINGS brings others */
    struct confirm_spec confirm;
    struct retrain_spec retrain;
};

MUST_CHECK enum rc shard_new(const struct shard_options *o, struct shard **ret, struct err *err);
/* Before shard_start. fn is called by the shard's thread once nothing speaks of a slot any more. */
void shard_on_release(struct shard *s, void (*fn)(void *arg, size_t slot), void *arg);
/* Slots are below this. */
enum { SHARD_ENTITIES_MAX = BOARD_ENTITIES_MAX };
enum { SHARD_QUEUE = 4096 }; /* messages: the ticks of a fleet may come all at once */
struct queue *shard_queue(struct shard *s);
/* Before shard_start: works off what is in the queue, so that entities of the start are there when
 * the first reader looks. Thread: the caller's. */
void shard_settle(struct shard *s);
MUST_CHECK enum rc shard_start(struct shard *s, struct err *err);
/* Takes no more messages, works off those it has, ends the thread, closes open incidents (but not
 * slow ones, which the next run goes on with) and frees all. NULL is fine. */
void shard_stop(struct shard *s);
