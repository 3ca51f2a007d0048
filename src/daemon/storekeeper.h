/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "data/schema.h"
#include "data/telemetry.h"
#include "data/verdict.h"
#include "serve/board.h"
#include "store/store.h"

/* storekeeper - the store's thread: rows of the last second in one transaction
 *
 * When the store fails (disk full), rows of that second are lost and counted, watching goes on,
 * the trouble stands on the board until a commit works again. Incidents are kept and tried again;
 * a state is not, since the next one says the same and more. A slow incident may have been opened
 * by an earlier run: it is found in the store by its start.
 * Thread: start and stop from main; the struct store is its own from storekeeper_start on. */
struct storekeeper;

enum storekeeper_kind {
    KEEP_ENTITY,   /* instance, schema: the slot is this entity's from now on */
    KEEP_FRAME,    /* frame, and verdict when scored */
    KEEP_INCIDENT, /* opened, updated or closed: the whole incident, told by its start */
    KEEP_MODEL,    /* model: a new one, or another state of one */
    KEEP_LIVE,     /* model_id, ts_ms: is in use from now on */
    KEEP_STATE,    /* bytes, of kind REFERENCE_STATE */
    KEEP_DELIVERY, /* delivery: a receiver of alerts has taken an incident */
    KEEP_RETENTION,
};

/* What a part of the daemon knows and the last frames do not tell: its name in the store. */
#define REFERENCE_STATE "reference"

struct storekeeper_message {
    enum storekeeper_kind kind;
    size_t slot;
    char instance[INSTANCE_MAX];
    const struct schema *schema; /* lent, until the storekeeper stops */
    int64_t ts_ms;
    bool scored;
    uint64_t model_id;
    struct verdict verdict;
    struct incident incident;
    struct store_model model;
    struct store_delivery delivery;
    int64_t max_age_ms;
    uint64_t max_size_bytes;
    size_t n, n_bytes;
    float frame[]; /* [n]; of a state, its bytes; of an incident, its words with a NUL */
};

/* Zeroed but for n; mem_free. NULL: no memory. */
struct storekeeper_message *storekeeper_message_new(enum storekeeper_kind kind, size_t slot,
                                                    const float *frame, size_t n);
/* A KEEP_INCIDENT with its words, "" for none. */
struct storekeeper_message *storekeeper_incident_new(size_t slot, const struct incident *in,
                                                     const char *words);
/* A KEEP_STATE with a copy of p[n]. */
struct storekeeper_message *storekeeper_state_new(size_t slot, int64_t ts_ms, const void *p,
                                                  size_t n);

struct storekeeper_options {
    struct board *board;         /* lent */
    struct telemetry *telemetry; /* lent */
    int64_t max_age_ms;
    uint64_t max_size_bytes;
};

/* Takes store on success. */
MUST_CHECK enum rc storekeeper_new(const struct storekeeper_options *o, struct store *store,
                                   struct storekeeper **ret, struct err *err);
struct queue *storekeeper_queue(struct storekeeper *k);
/* From now on, what operators mark in the database (daemon/marks.h) goes to this shard's queue
 * within a second or two, and once at the beginning. Both are lent until shard NULL ends it, which
 * must be before that queue goes. Any thread; k NULL is fine. */
void storekeeper_tell_marks(struct storekeeper *k, const char *database, struct queue *shard);
MUST_CHECK enum rc storekeeper_start(struct storekeeper *k, struct err *err);
void storekeeper_stop(
    struct storekeeper *k); /* commits what came, closes the store; NULL is fine */
