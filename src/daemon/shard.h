/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "daemon/announce.h"
#include "daemon/entity.h"
#include "data/telemetry.h"

/* shard - the thread that owns entities: takes ticks and models, gives verdicts to the board, rows
 * to the store's thread and work to the trainer
 *
 * Thread: entities are added before shard_start; from then on everything goes by its queue. */
struct shard;

enum shard_message_kind {
    SHARD_TICK,            /* snapshot, clocks */
    SHARD_MODEL,           /* model, model_id: trained, watch with it */
    SHARD_TRAINING_FAILED, /* dataset comes back, why */
    SHARD_UNCHANGED,       /* learning anew ended, and the model stays */
    SHARD_RETRAIN,         /* learn anew; why.msg says for what reason */
    SHARD_SETTINGS,        /* confirm, threshold, retrain: the configuration was read again */
};

struct shard_message { /* owns what it points to */
    enum shard_message_kind kind;
    size_t slot;
    struct snapshot *snapshot;
    struct continuity_clocks clocks;
    struct model *model;
    uint64_t model_id;
    bool by_operator;   /* the model: not the trainer's answer */
    uint64_t judged_by; /* the live model that it was found no worse than; 0: the first one */
    struct dataset *dataset;
    struct err why;
    struct confirm_spec confirm;
    struct threshold_spec threshold;
    struct retrain_spec retrain;
};

void shard_message_free(void *m); /* NULL is fine; void * for queue_free */
static inline void shard_message_freep(struct shard_message **m)
{
    shard_message_free(*m);
}

struct shard_options {
    struct board *board; /* lent, all of them, until shard_stop */
    struct telemetry *telemetry;
    struct queue *trainer; /* of struct trainer_job */
    struct queue *store;   /* of struct storekeeper_message */
    struct announcer *announcer;
    struct threshold_spec threshold; /* until SHARD_SETTINGS brings others */
    struct confirm_spec confirm;
    struct retrain_spec retrain;
};

MUST_CHECK enum rc shard_new(const struct shard_options *o, struct shard **ret, struct err *err);
/* Takes e. trained_ms: when it was trained last, by an earlier run (0: never). *ret_slot numbers it
 * in messages; the storekeeper and the board use the same number. */
MUST_CHECK enum rc shard_add(struct shard *s, struct entity *e, int64_t trained_ms,
                             size_t *ret_slot, struct err *err);
struct queue *shard_queue(struct shard *s);
MUST_CHECK enum rc shard_start(struct shard *s, struct err *err);
/* Takes no more messages, works off those it has, ends the thread, closes open incidents and frees
 * all. NULL is fine. */
void shard_stop(struct shard *s);
