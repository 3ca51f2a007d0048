/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/schema.h"
#include "data/verdict.h"
#include "store/store.h"

/* alert - an incident as people are told of it: with the names and units of its causes
 *
 * A plain value that outlives the schema. Texts are UTF-8: what is not was made so. An alert is
 * told by (instance, kind): of two incidents of both the one that began later is meant. Times are
 * Unix ms. Thread: any. */

struct alert_cause {
    char feature[FEATURE_NAME_MAX], unit[FEATURE_UNIT_MAX];
    float value, expected; /* in unit; NaN: missing */
    float share;           /* of all causes, 0..1 */
    bool restore;          /* see data/verdict.h */
};

struct alert {
    char instance[INSTANCE_MAX];
    enum incident_kind kind;
    int64_t start_ms;
    int64_t end_ms; /* 0 while open */
    float score, threshold;
    size_t n_causes;
    struct alert_cause causes[CAUSES_MAX]; /* largest first */
    char words[INCIDENT_WORDS_MAX];        /* of a slow change: what it is; else "" */
};

void alert_of_incident(const char *instance, const struct schema *schema, const struct incident *in,
                       const char *words, struct alert *ret);
/* E_PARSE when the causes in the database are not what store/encode.h writes, E_NOMEM. */
MUST_CHECK enum rc alert_of_stored(const struct store_incident *row, struct alert *ret,
                                   struct err *err);

/* "web1: anomaly, score 31.1 over the threshold 6.42, mostly cpu_busy_ratio" */
void alert_summarize(const struct alert *a, struct buf *out);
/* Sentences: each cause with value, expected value and unit; what would have silenced it. */
void alert_describe(const struct alert *a, struct buf *out);
/* "cpu_busy_ratio, load1_per_core" */
void alert_list_causes(const struct alert *a, struct buf *out);
