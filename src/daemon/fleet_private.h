/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/fleet.h"

/* What the files of the fleet share: fleet.c is which entities there are, fleet_door.c what sources
 * hand on. Thread: any; what is below `lock` in struct fleet is read and written with it held. */

enum {
    SOURCES_MAX = 256,
    TABLE_SIZE = 2 * SHARD_ENTITIES_MAX, /* a power of two, at most half full */
    SILENT_INTERVALS = 4,                /* without a tick for so long, an entity is stale, */
    SILENT_LEAST_MS = 10000,             /* and never sooner than this: a second may be lost */
};
static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0, "the table is looked through by a mask");

struct source {
    struct fleet *fleet;
    struct fleet_source s;
};

struct member {
    char *instance; /* NULL: this slot is free */
    struct source *source;
    bool leaving, stale;
    bool unfit;     /* its group's name is none, which was said */
    uint64_t group; /* a hash of the name that the shard was told; 0: none */
    int64_t heard_mono_ms;
    int64_t last_ms; /* of its last frame, as an earlier run left it, then of what was handed on */
    int64_t set_back_ms; /* by how much its times lag behind a clock that was never set back */
};

struct fleet {
    struct fleet_options o;
    struct model_shelf *shelf;       /* NULL: no model is shared */
    atomic_bool closed;              /* nobody new comes in */
    pthread_mutex_t lock;            /* of what follows */
    struct threshold_spec threshold; /* in force: the configuration may be read again */
    struct confirm_spec confirm;
    size_t n_sources;
    struct source source[SOURCES_MAX];
    size_t n; /* slots ever used are below it */
    size_t n_free;
    uint32_t free[SHARD_ENTITIES_MAX]; /* slots to be used again */
    uint32_t table[TABLE_SIZE]; /* slot + 1 by hash of the instance, linear probing; 0: none */
    struct member member[SHARD_ENTITIES_MAX];
};

/* The entity of this source by its name, made when it is not there. OK: the lock is held, and the
 * entity keeps its slot until it is let go. E_LIMIT, E_CONFIG, E_NOMEM: it is not held. */
MUST_CHECK enum rc fleet_reach(struct source *s, const char *instance, struct member **ret,
                               struct err *err);
/* Said once; when the line is full, the next sweep says it. The lock is held. */
void fleet_tell_stale(struct fleet *f, struct member *m, int64_t ts_ms, const char *why);
/* fleet_door.c: the intake of a source. */
void fleet_door(struct source *s, struct intake *ret);
