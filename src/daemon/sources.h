/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "config/peers.h"
#include "daemon/announce.h"
#include "daemon/fleet.h"
#include "data/push.h"
#include "data/targets.h"
#include "data/telemetry.h"

/* sources - everything that is watched beside this machine: each source of the configuration with
 * the profile for its interval and its door to the fleet
 *
 * Thread: open, start and stop from main; the sources have threads of their own. */
struct sources;

struct sources_options {
    const struct peers *peers; /* lent, all of them, until sources_free */
    const char *profile;
    struct fleet *fleet;
    struct telemetry *telemetry;
    struct announcer *announcer;
    const char *share; /* the label of entities that share a model; NULL: none do */
};

/* Checks all of it; nothing is asked or received yet. E_CONFIG names the source. */
MUST_CHECK enum rc sources_open(const struct sources_options *o, struct sources **ret,
                                struct err *err);
/* Who takes what is pushed; take NULL: nobody. */
void sources_receiver(struct sources *s, struct push_receiver *ret);
/* Who tells what became of those that are scraped; list NULL: nobody is. Until sources_free. */
void sources_lister(struct sources *s, struct target_lister *ret);
MUST_CHECK enum rc sources_start(struct sources *s, struct err *err);
void sources_stop(struct sources *s); /* nothing is handed to the fleet any more; NULL is fine */
void sources_free(struct sources *s); /* after the shard, which has profiles of it; NULL is fine */
