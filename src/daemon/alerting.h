/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "alert/alertmanager.h"
#include "base/err.h"
#include "base/queue.h"
#include "daemon/announce.h"
#include "store/store.h"

/* alerting - ties the receivers of alerts to the daemon: their outbox in the store, their troubles
 * in the log
 *
 * Thread: main, before the other threads start. */

struct alerting_options {
    const struct alertmanager_spec *alertmanager; /* lent until alertmanager_stop; NULL: nobody */
    const char *page;                             /* "http://web1:8001", lent too */
    struct telemetry *telemetry;
    struct queue *store; /* of struct storekeeper_message */
    struct announcer *announcer;
};

struct alerting { /* lives at least as long as the receivers */
    struct queue *store;
    struct telemetry *telemetry;
    struct announcer *announcer;
};

/* Makes the receivers, says to the store to whom incidents are owed from now on, and brings back
 * what an earlier run owed: after store_close_orphans all of that is over, so it is ended there.
 * database: the store's path. *ret is NULL when nobody is told (the outbox is emptied then). The
 * errors of alertmanager_new and of the store. */
MUST_CHECK enum rc alerting_open(struct alerting *a, const struct alerting_options *o,
                                 struct store *store, const char *database,
                                 struct alertmanager **ret, struct err *err);
