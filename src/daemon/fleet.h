/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/announce.h"
#include "daemon/shard.h"
#include "data/intake.h"
#include "data/settings.h"
#include "feature/profile.h"

/* fleet - which entities there are, and the door at which sources hand on their ticks
 *
 * An entity is made when it is first heard of: what an earlier run left of it is restored, then it
 * goes to the shard and the store's thread under one slot number. One that is silent is stale, and
 * forgotten after `expire_ms`. Thread: any; one lock, never held while a database is read. */
struct fleet;

struct fleet_options {
    struct shard *shard; /* lent, all of them, until fleet_free */
    struct queue *store; /* of struct storekeeper_message */
    struct announcer *announcer;
    struct telemetry *telemetry;
    const char *database, *models_dir;
    struct threshold_spec threshold;
    struct confirm_spec confirm;
    struct learn_spec learn;
    int64_t expire_ms;
    bool share; /* entities may have one model together */
};

/* What one configured source makes its entities with. */
struct fleet_source {
    const struct profile *profile; /* lent, until fleet_free */
    int64_t interval_ms;
    bool stays;     /* its entities are never forgotten: this machine */
    bool our_clock; /* times of ticks are of this machine's clock, which may be set back */
};

MUST_CHECK enum rc fleet_new(const struct fleet_options *o, struct fleet **ret, struct err *err);
void fleet_free(struct fleet *f); /* after all sources and the shard; NULL is fine */

/* The door for a source; ret->arg is the fleet's, valid until fleet_free. E_NOMEM, E_LIMIT. */
MUST_CHECK enum rc fleet_intake(struct fleet *f, const struct fleet_source *s, struct intake *ret,
                                struct err *err);

/* The slot of this entity, made when it is not there yet. E_LIMIT: queues are full, try again;
 * E_CONFIG: its name, or there are too many; E_NOMEM. */
MUST_CHECK enum rc fleet_add(const struct intake *source, const char *instance, size_t *ret_slot,
                             struct err *err);

/* No entity is made from now on (E_LIMIT): to restore one takes time, and all is ending. */
void fleet_close(struct fleet *f); /* NULL is fine */
/* What entities are made with from now on; those that there are hear it from the shard. */
void fleet_settings(struct fleet *f, const struct threshold_spec *threshold,
                    struct confirm_spec confirm);

/* Each entity: its slot and profile. fn must not call the fleet. */
void fleet_each(struct fleet *f,
                void (*fn)(void *arg, const char *instance, size_t slot, const struct profile *p),
                void *arg);

/* Each entity learns anew (SIGUSR1). False when the line was full for some. */
bool fleet_retrain(struct fleet *f, const char *reason);

/* Now and then: who is silent is told stale, who has been for long is forgotten. */
void fleet_sweep(struct fleet *f, int64_t wall_ms, int64_t mono_ms);
