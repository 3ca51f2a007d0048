/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "daemon/announce.h"
#include "daemon/panel.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "data/telemetry.h"
#include "data/verdict.h"
#include "model/model.h"

/* trainer - the thread that learns beside the watching, at the lowest priority
 *
 * The first time it takes a dataset and gives the shard a model, or the dataset back with the
 * reason. Later it takes its material from the store, and its model goes to the shard only when
 * detect/promotion.h finds it no worse than the live one; the shard gets an answer in any case. A
 * model is saved before it is used, and the store's thread records it with its state and the
 * reason. Of entities that share a model it is all of them that are learned from and judged by.
 * Thread: start and stop from main. */
struct trainer;

struct shard_message;

struct trainer_job {             /* owns the dataset and the reply */
    struct shard_message *reply; /* made beforehand: the answer must not fail for want of memory */
    size_t slot;
    char instance[INSTANCE_MAX];
    char group[GROUP_NAME_MAX]; /* for which it is trained; "": for the one alone */
    char profile[96];
    const struct schema *schema;     /* lent: the profile's, lives as long as the daemon */
    struct dataset *dataset;         /* NULL: from the store, and what follows is set */
    struct threshold_spec threshold; /* in force when it was ordered */
    struct model *live;              /* owns a reference */
    uint64_t live_id;
    char reason[RETRAIN_REASON_MAX]; /* why it was ordered: "schedule", "drift: ..." */
    struct retrain_spec retrain;
    struct confirm_spec confirm;
    int64_t interval_ms, memory_ms; /* of ticks; of the rolling windows */
    uint64_t least_rows;
    /* Of a group: the entities whose past it is; NULL: the one alone. With a dataset, the others'
     * are in the reply's pool. */
    char (*member)[INSTANCE_MAX];
    size_t n_members;
};

/* What the provenance of a group's model begins with, in place of an instance. */
#define MODEL_OF_GROUP "group "

void trainer_job_free(void *job); /* NULL is fine; void * for queue_free */

struct trainer_options {
    struct learn_spec learn;
    const char *models_dir;      /* copied */
    const char *database;        /* lent */
    struct queue *store;         /* of struct storekeeper_message; lent */
    struct telemetry *telemetry; /* lent */
    struct announcer *announcer; /* lent */
};

MUST_CHECK enum rc trainer_new(const struct trainer_options *o, struct trainer **ret,
                               struct err *err);
struct queue *trainer_queue(struct trainer *t);
/* shard: where results go; lent. */
MUST_CHECK enum rc trainer_start(struct trainer *t, struct queue *shard, struct err *err);
void trainer_stop(struct trainer *t); /* takes no more, cancels what runs, waits; NULL is fine */
/* After everybody who pushes to its queue has stopped. NULL is fine. */
void trainer_free(struct trainer *t);
