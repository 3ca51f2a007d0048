/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "alert/alert.h"
#include "alert/postable.h"
#include "data/source_spec.h"
#include "data/telemetry.h"

/* receiver - one Alertmanager of a cluster: a thread of its own with what it has still to be told
 *
 * One that is down or slow holds up neither the others nor who tells: news goes into a ledger
 * (ledger.h) under a lock that is held for one copy, the thread sends from there. No answer, a
 * redirect, 401, 403, 429 and 5xx: again after 1 s, 2 s, ... 30 s, with jitter, or when Retry-After
 * says. 400, 413 and 422: the batch is halved until the alert that is refused stands alone; that
 * one waits for its next resend, and after several in a row all wait. Thread: new, start and free
 * from one thread; tell from any. */
struct receiver;

/* Called by the thread of a receiver: only to put a message somewhere. Each may be NULL. */
struct alert_listener {
    void *arg;
    /* Receiver number `receiver` has taken the incident's beginning, or (over) its end, or its end
     * was never taken and is given up: nothing more is owed to it. Once each. */
    void (*told)(void *arg, size_t receiver, const struct alert *a, bool over);
    /* A sentence when sending fails, said once until it works again: then "". One of an alert that
     * is refused, once. */
    void (*trouble)(void *arg, const char *receiver, const char *why);
};

struct receiver_options {
    const char *url;          /* "http://am1:9093", a path may follow; copied */
    const char *name;         /* of the receiver, copied */
    size_t receiver;          /* its number */
    struct postable postable; /* what it points to is lent until receiver_free */
    struct telemetry *telemetry;
    struct alert_listener listener;
    uint64_t seed; /* of the jitter */
};

MUST_CHECK enum rc receiver_new(const struct receiver_options *o, struct receiver **ret,
                                struct err *err);
MUST_CHECK enum rc receiver_start(struct receiver *r, struct err *err);
/* Never waits. What cannot be kept is counted as dropped. */
void receiver_tell(struct receiver *r, const struct alert *a);
/* Before the start: ledger_recall. */
void receiver_recall(struct receiver *r, const struct alert *a);
const char *receiver_name(const struct receiver *r);

/* Ask it to end: what it is doing is given up, then what is due is sent once. No request begins
 * after RECEIVER_GOODBYE_MS, and none takes longer. Does not wait. */
enum { RECEIVER_GOODBYE_MS = 2000 };
void receiver_end(struct receiver *r);
/* Waits for its end; also without receiver_start. NULL is fine. */
void receiver_free(struct receiver *r);
