/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/source_spec.h"
#include "data/verdict.h"

/* write_encoder - scores as the body of a remote write: prometheus.WriteRequest of 1.0, in Snappy's
 * block format
 *
 * Three series an entity, named as in /metrics: anomaly_score, anomaly_threshold,
 * anomaly_detected, with the label instance and those of the settings, sorted as the specification
 * asks. 1.0, since every store takes it.
 * Thread: its holder's. Source: prometheus.io/docs/specs/prw, remote_write_spec. */

struct written_score {
    char instance[INSTANCE_MAX];
    int64_t ts_ms;
    double score, threshold; /* score NaN: nothing could be scored */
    bool detected;
    bool ended; /* no more will come of this entity: its series are marked stale */
};

enum { WRITTEN_SERIES = 3, WRITE_LABELS_MAX = 32, WRITE_LABELS_TEXT_MAX = 8192 };

struct write_encoder;

/* spec: its labels are lent. E_CONFIG: a label that has no name or value, is set twice, or is one
 * of ours; E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc write_encoder_new(const struct write_spec *spec, struct write_encoder **ret,
                                     struct err *err);
void write_encoder_free(struct write_encoder *e); /* NULL is fine */
static inline void write_encoder_freep(struct write_encoder **e)
{
    write_encoder_free(*e);
}

/* v[n] in order of time into *out, which is cleared before. E_NOMEM. */
MUST_CHECK enum rc write_encoder_format(struct write_encoder *e, const struct written_score *v,
                                        size_t n, struct buf *out, struct err *err);
