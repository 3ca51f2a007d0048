/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "alert/alert.h"
#include "alert/receiver.h"
#include "data/source_spec.h"
#include "data/telemetry.h"

/* alertmanager - incidents to every member of an Alertmanager cluster
 *
 * Each gets each alert, as Prometheus does it: which of them notifies, they settle among
 * themselves. While an incident is open its alert is told again each resend, with an end four
 * resends ahead; at its close, with its end. At least once over restarts: the store's outbox has
 * what a receiver has not taken to its end, and alertmanager_recall brings it back. Sources:
 * Alertmanager's api/v2/openapi.yaml; Prometheus rules/alerting.go and notifier. Thread: new,
 * recall, start and stop from one thread; tell from any. */
struct alertmanager;

enum { ALERTMANAGER_MEMBERS_MAX = 16 };

struct alertmanager_options {
    const struct alertmanager_spec *spec; /* lent until alertmanager_stop */
    const char *page;            /* where tocsin's page is when spec has no external_url; lent */
    struct telemetry *telemetry; /* lent */
    struct alert_listener listener;
    uint64_t seed; /* of the jitter after failures */
};

/* E_CONFIG names the setting that cannot be used: a URL, a label. Nothing is sent yet. */
MUST_CHECK enum rc alertmanager_new(const struct alertmanager_options *o, struct alertmanager **ret,
                                    struct err *err);
/* The names of the receivers, one a member, by the numbers that the listener is given: what the
 * store's outbox calls them. Lent. */
const char *const *alertmanager_receivers(const struct alertmanager *am, size_t *ret_n);
/* Before the start: an earlier run's alert that this receiver has still to hear of, a resend from
 * now if nobody goes on with its incident. A receiver that is no more is ignored. */
void alertmanager_recall(struct alertmanager *am, const char *receiver, const struct alert *a);
MUST_CHECK enum rc alertmanager_start(struct alertmanager *am, struct err *err);
/* An incident opened, changed or closed; words: what a slow change is, else "". Never waits. am may
 * be NULL. */
void alertmanager_tell(struct alertmanager *am, const char *instance, const struct schema *schema,
                       const struct incident *in, const char *words);
/* Sends once what is due (receiver_end), ends the threads and frees all: against receivers that do
 * not answer it takes some three seconds. NULL is fine. */
void alertmanager_stop(struct alertmanager *am);
