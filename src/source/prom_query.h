/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "data/source_spec.h"
#include "source/prom_answer.h"

/* prom_query - questions to the HTTP API of a Prometheus server, or of one that speaks it
 * (VictoriaMetrics, Thanos, Mimir)
 *
 * One request a call, by POST, on one kept connection; no retries (source/prom_fill.h). A failure's
 * rc says what helps (source/prom_answer.h; an answer over PROM_BODY_MAX is E_LIMIT, no answer
 * E_IO); E_STATE with *stop set: stopped. Each message begins with the URL.
 * Servers that may answer from a part of their storage are asked to fail instead
 * (partial_response=false: Thanos; deny_partial_response=1: VictoriaMetrics); nocache=1 and
 * latency_offset keep VictoriaMetrics from moving the time asked for (older versions still repeat
 * the values of the last half minute in ranges: PROM_FRESH_MS). Unknown parameters are ignored.
 * Thread: a client belongs to its holder. */

enum {
    PROM_POINTS_MAX = 11000, /* of a series in one range: Prometheus refuses more (web/api/v1) */
    /* Ranges end no later than so long ago: VictoriaMetrics' -search.latencyOffset is 30 s, within
     * which values may be those of the point before; five more for clocks that differ. */
    PROM_FRESH_MS = 35000,
};

struct prom_client;

struct prom_client_options {
    const char *url;                  /* lent, like all below; may have a path */
    const char *label;                /* the entity's */
    const struct http_access *access; /* NULL: none needed */
    const atomic_bool *stop;          /* NULL, or: turns true when it is no longer wanted */
};

/* E_CONFIG: the URL is none. The caller owns *ret. */
MUST_CHECK enum rc prom_client_new(const struct prom_client_options *o, struct prom_client **ret,
                                   struct err *err);
void prom_client_free(struct prom_client *c); /* NULL is fine */
static inline void prom_client_freep(struct prom_client **c)
{
    prom_client_free(*c);
}

/* Times are Unix ms, inclusive; start_ms + k * step_ms are answered. The caller owns *ret. */
MUST_CHECK enum rc prom_query(struct prom_client *c, const char *promql, int64_t at_ms,
                              struct prom_answer *ret, struct err *err);
MUST_CHECK enum rc prom_query_range(struct prom_client *c, const char *promql, int64_t start_ms,
                                    int64_t end_ms, int64_t step_ms, struct prom_answer *ret,
                                    struct err *err);
/* The label's values on series that selector matches, with samples from start_ms to end_ms. */
MUST_CHECK enum rc prom_entities(struct prom_client *c, const char *selector, int64_t start_ms,
                                 int64_t end_ms, struct prom_names *ret, struct err *err);

/* What the last answer said about when to come again; -1: nothing. */
int64_t prom_retry_after_ms(const struct prom_client *c);
const char *prom_client_shown(const struct prom_client *c); /* the URL as messages name it */
uint64_t prom_requests(const struct prom_client *c);        /* made so far */
