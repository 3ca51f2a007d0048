/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/alerting.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/storekeeper.h"

/* In a receiver's thread: what it has taken is no longer owed to it. */
static void on_told(void *arg, size_t receiver, const struct alert *alert, bool over)
{
    const struct alerting *a = arg;
    struct storekeeper_message *m = storekeeper_message_new(KEEP_DELIVERY, 0, NULL, 0);

    if (m) {
        m->delivery = (struct store_delivery){.receiver = receiver,
                                              .kind = alert->kind,
                                              .start_ms = alert->start_ms,
                                              .over = over,
                                              .told_ms = clock_wall_ms()};
        (void)snprintf(m->delivery.instance, sizeof m->delivery.instance, "%s", alert->instance);
    }
    if (m && queue_push(a->store, m))
        return;
    telemetry_add(a->telemetry, m ? TEL_DROPPED_STORE_FULL : TEL_DROPPED_NO_MEMORY, 1);
    mem_free(m);
}

static void on_trouble(void *arg, const char *receiver, const char *why)
{
    const struct alerting *a = arg;

    announce_break(a->announcer);
    if (why[0])
        log_event(LOG_WARN, "alerts are not taken; they are sent again until they are", "receiver",
                  receiver, "err", why, NULL);
    else
        log_event(LOG_INFO, "alerts are taken again", "receiver", receiver, NULL);
}

static bool recall(void *arg, const char *receiver, const struct store_incident *row)
{
    struct alertmanager *am = arg;
    struct alert alert;
    struct err err;

    if (alert_of_stored(row, &alert, &err) == OK)
        alertmanager_recall(am, receiver, &alert);
    else
        log_event(LOG_WARN, "an earlier run's alert is not ended", "err", err.msg, NULL);
    return true;
}

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

static void alertmanager_stopp(struct alertmanager **am)
{
    alertmanager_stop(*am);
}

enum rc alerting_open(struct alerting *a, const struct alerting_options *o, struct store *store,
                      const char *database, struct alertmanager **ret, struct err *err)
{
    CLEANUP(alertmanager_stopp) struct alertmanager *am = NULL;
    CLEANUP(store_reader_closep) struct store_reader *r = NULL;
    const struct alertmanager_options options = {
        .spec = o->alertmanager,
        .page = o->page,
        .telemetry = o->telemetry,
        .listener = {.arg = a, .told = on_told, .trouble = on_trouble},
        .seed = (uint64_t)clock_wall_ms()};
    size_t n = 0;

    *a = (struct alerting){o->store, o->telemetry, o->announcer};
    if (o->alertmanager && alertmanager_new(&options, &am, err) != OK)
        return err->rc;
    const char *const *names = am ? alertmanager_receivers(am, &n) : NULL;
    if (store_set_receivers(store, names, n, err) != OK)
        return err->rc;
    if (am &&
        (store_reader_open(database, &r, err) != OK || store_read_outbox(r, recall, am, err) != OK))
        return err->rc;
    *ret = TAKE(am);
    return OK;
}
