/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "config/peers.h"

/* wiring - the whole daemon: builds every stage from a configuration, joins them by queues, runs
 * until SIGTERM or SIGINT; at SIGHUP reads the configuration again and takes the model that an
 * operator made the live one, at SIGUSR1 learns anew
 *
 *   collector --ticks--> shard --rows--> storekeeper          (one thread each)
 *                        |   ^ models
 *                        v   |
 *                       trainer             board <--- HTTP server
 *
 * Thread: main. */

struct daemon_options {
    struct config config;
    const struct peers *peers; /* lent */
    /* Reads the configuration again, as the command line asked at the start; arg is the verb's. */
    enum rc (*reload)(void *arg, struct config *ret, struct peers **ret_peers, struct err *err);
    void *arg;
    bool relearn;  /* forget the model and the frames learned from */
    bool terminal; /* stderr is one: when it goes, so does the daemon */
    bool pretty;   /* see announce.h */
};

/* Returns when told to stop. Signals SIGTERM, SIGINT, SIGHUP, SIGUSR1 are blocked and waited for
 * here; the SIGHUP of a terminal that closes stops it. */
MUST_CHECK enum rc daemon_run(const struct daemon_options *o, struct err *err);
