/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* prom_answer - what a Prometheus server's HTTP API answered, as points of entities
 *
 * Taken: {"status": "success", "data": {"resultType": "vector" | "matrix", "result": [...]}} with
 * each element's value of one label as the entity; elements without it, without values (native
 * histograms) or with a name over PROM_ENTITY_MAX bytes are left out and counted. A failure's rc
 * says what helps:
 *   E_LIMIT   the query asks for too much, or took too long: ask for less
 *   E_IO      the server is busy, starting, or answers in part: ask again later
 *   E_STATE   it cannot evaluate this query on its data
 *   E_CONFIG  it refuses it: wrong query, credentials, address
 *   E_PARSE   no answer of such a server;  E_NOMEM
 * Source: prometheus.io/docs/prometheus/latest/querying/api (formats, errorType);
 * VictoriaMetrics, lib/httpserver and app/vmselect (errorType is the status as text, isPartial).
 * Thread: any. */

enum {
    PROM_ENTITY_MAX = 255,   /* bytes of a name: a DNS name has at most 253 */
    PROM_WARNING_MAX = 200,  /* bytes that are kept of a warning */
    PROM_BODY_MAX = 8 << 20, /* bytes of an answer: as a JSON tree some 20 times as much */
};

struct prom_series {
    char *entity;
    size_t first, n; /* its points */
};

struct prom_answer {
    struct prom_series *series;
    size_t n_series, n_points;
    int64_t *ts_ms; /* [n_points] */
    double *v;      /* [n_points]; NaN and infinities as they came */
    size_t unnamed; /* elements left out */
    size_t n_warnings;
    char warning[PROM_WARNING_MAX]; /* the first, or "" */
};

/* status: HTTP's. label: the entity's. The caller owns *ret (prom_answer_done). */
MUST_CHECK enum rc prom_answer_parse(struct str body, long status, const char *label,
                                     struct prom_answer *ret, struct err *err);
void prom_answer_done(struct prom_answer *a); /* a zeroed one is fine */

/* The same of /api/v1/label/NAME/values: {"status": "success", "data": ["a", "b"]}. */
struct prom_names {
    size_t n;
    char **v;
};
MUST_CHECK enum rc prom_names_parse(struct str body, long status, struct prom_names *ret,
                                    struct err *err);
void prom_names_done(struct prom_names *n); /* a zeroed one is fine */
