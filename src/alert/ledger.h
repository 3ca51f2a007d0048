/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "alert/alert.h"

/* ledger - what one receiver has still to be told of, and when
 *
 * One entry an (instance, kind), so that it is bounded by what can ring at once: news of an
 * incident take the place of older news. An entry is due at once when its incident opens or closes,
 * and again each resend; an update within an incident is due LEDGER_UPDATE_MS after the last send.
 * An incident that is over is told again each resend until LEDGER_OVER_MS have passed (a receiver
 * that restarts between taking it and acting on it), then forgotten whether it was taken or not.
 * Time is a parameter: monotonic ms, now_ms. Thread: its holder's; alertmanager.c has a lock.
 * Source: Prometheus rules/alerting.go (needsSending, resolvedRetention). */

enum {
    LEDGER_MAX = 32768,         /* entries: 16,384 entities, each with both kinds at once */
    LEDGER_BATCH = 64,          /* alerts of a request (Prometheus: notifier, maxBatchSize) */
    LEDGER_UPDATE_MS = 10000,   /* a score that climbs each second is no news each second */
    LEDGER_OVER_MS = 15 * 60000 /* Prometheus: resolvedRetention */
};

struct ledger;

MUST_CHECK enum rc ledger_new(int64_t resend_ms, struct ledger **ret, struct err *err);
void ledger_free(struct ledger *l); /* NULL is fine */
static inline void ledger_freep(struct ledger **l)
{
    ledger_free(*l);
}

/* Takes a copy of a; now_ms > 0. An incident that began before the one that is known is ignored.
 * E_LIMIT when LEDGER_MAX entries ring already, E_NOMEM: nothing has changed. */
MUST_CHECK enum rc ledger_take(struct ledger *l, const struct alert *a, int64_t now_ms,
                               struct err *err);
/* The same of an earlier run's alert, which is over as far as that run's store knows. It is due a
 * resend later: who goes on with the incident (a slow change outlives a restart) says so by then,
 * and no end is told in between. */
MUST_CHECK enum rc ledger_recall(struct ledger *l, const struct alert *a, int64_t now_ms,
                                 struct err *err);
size_t ledger_length(const struct ledger *l);
/* When the next entry is due or to be forgotten, at least now_ms; -1: never. */
int64_t ledger_next_ms(const struct ledger *l, int64_t now_ms);

/* A due entry that was lent for a request. */
struct ledger_loan {
    size_t at; /* where it was */
    uint64_t id, version;
    struct alert alert;
};
/* Up to n entries that are due, into out[n]; how many. They stay due until ledger_settle. */
size_t ledger_due(const struct ledger *l, int64_t now_ms, struct ledger_loan *out, size_t n);

enum ledger_news {
    LEDGER_NOTHING, /* the receiver knew, or other news came meanwhile */
    LEDGER_RINGS,   /* it has taken the incident's beginning, for the first time */
    LEDGER_OVER,    /* it has taken its end, for the first time */
};
/* The loan was taken by the receiver, or (taken false) refused for good: told again at the next
 * resend. An entry that changed meanwhile stays due. */
enum ledger_news ledger_settle(struct ledger *l, const struct ledger_loan *loan, bool taken,
                               int64_t now_ms);

/* Forgets one entry whose incident was over for long enough; false: there is none.
 * *ret_taken: the receiver had taken its end. */
bool ledger_forget(struct ledger *l, int64_t now_ms, struct alert *ret, bool *ret_taken);
