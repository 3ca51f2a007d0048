/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/conn.h"
#include "store/store.h"

/* writer - the inside of struct store, shared by store.c, put.c, said.c and prune.c
 *
 * Private to store/ and its tests. Thread: the store thread's. */

enum statement {
    ST_FIND_ENTITY,
    ST_PUT_ENTITY,
    ST_PUT_SCHEMA,
    ST_FIND_SCHEMA,
    ST_USE_SCHEMA,
    ST_PUT_FRAME,
    ST_PUT_SCORE,
    ST_PUT_INCIDENT,
    ST_PUT_WORDS,
    ST_PUT_OUTBOX,
    ST_SENT_OUTBOX,
    ST_DROP_OUTBOX,
    ST_KEEP_RECEIVERS,
    ST_CLOSE_ORPHANS,
    ST_REJECT_CANDIDATES,
    ST_PUT_MODEL,
    ST_SET_LIVE,
    ST_PUT_STATE,
    ST_FIND_INCIDENT,
    ST_NEXT_ENTITY,
    ST_OLDEST_FRAMES,
    ST_OLDEST_SCORES,
    ST_NTH_FRAME,
    ST_NTH_SCORE,
    ST_PRUNE_FRAMES,
    ST_PRUNE_SCORES,
    ST_PRUNE_MODELS,
    ST_FORGET_MODELS,
    ST_FORGET_STATES,
    ST_PRUNE_INCIDENTS,
    ST_PRUNE_MARKS,
    ST_UNUSED_SCHEMA,
    ST_DROP_SCHEMA,
    ST_COUNT
};

enum {
    CHECKPOINT_PAGES = 512,    /* pages in the write-ahead log that make a checkpoint due: 2 MB */
    WAL_LIMIT_BYTES = 4 << 20, /* the log's file is cut to this when it starts afresh */
    WAL_PAGES_MAX = 64 << 8,   /* 64 MB of pages: past that no row is taken */
    PAGE_BYTES = 4096,
    SCHEMA_USED_STEP_MS = 3600000, /* how far schemas.used_ms may lag */
};

/* A row that the caller puts once and counts on from then: an entity, a schema, a model. When its
 * transaction is rolled back (disk full), it is put again in the next one. */
struct said {
    enum statement st; /* ?1.. are the numbers, then the texts */
    size_t n_numbers, n_texts;
    int64_t number[5];
    char *text[5]; /* owned */
};

struct known_schema { /* put or used by this process: never pruned */
    uint64_t hash;
    int64_t used_ms; /* what the table says; INT64_MIN: not known */
};

struct store {
    struct conn c;
    int lock_fd;
    int busy_ms;
    bool begun;
    int64_t data_version;               /* at the last look for others' commits; 0: none yet */
    int64_t next_entity, next_incident; /* never go back, so a number never means two things */
    int64_t first_incident;             /* of this process */

    struct said *said; /* [n_said], not committed yet */
    size_t n_said, room_said;
    bool say_again; /* their transaction was rolled back */
    struct known_schema *known;
    size_t n_known, room_known;

    size_t n_receivers; /* to whom each incident is owed */
    char **receivers;

    int wal_pages;      /* in the log after the last commit */
    int checkpoint_at;  /* wal_pages that make the next attempt due */
    struct err trouble; /* of the last checkpoint; rc OK: none */

    int64_t prune_entity; /* the last one visited; 0: a round begins */
    int64_t size_cut_ms;  /* of the round that makes room; INT64_MIN: none */
};

/* put.c */
/* The number of an entity, or 0. */
MUST_CHECK enum rc store_find_entity(struct store *s, const char *instance, int64_t *ret_id,
                                     struct err *err);

/* store.c */
/* Before a put: E_STATE when the open transaction is gone already. */
MUST_CHECK enum rc store_ready(const struct store *s, struct err *err);
void store_rollback(struct store *s); /* end the open transaction without its rows */
/* Copy what the log holds into the database. A reader that is in the way is no error. */
MUST_CHECK enum rc store_checkpoint(struct store *s, struct err *err);

/* outbox.c */
/* The incident is owed to each receiver, in the transaction that is open. */
MUST_CHECK enum rc outbox_put(struct store *s, int64_t incident, struct err *err);
void outbox_done(struct store *s);

/* said.c */
/* Put the row now, and remember it until a commit. Takes what is in said->text, also on failure. */
MUST_CHECK enum rc said_put(struct store *s, struct said *said, struct err *err);
MUST_CHECK enum rc said_again(struct store *s, struct err *err); /* within the next transaction */
void said_clear(struct store *s);                                /* all are committed */
/* The number of an entity that is said and not committed, or 0. */
int64_t said_entity(const struct store *s, const char *instance);
