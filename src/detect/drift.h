/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "model/model.h"

/* drift - does the model still fit? A test on its error and one on each of its inputs
 *
 * Each hour a channel (the score, and every feature that was learned) has one level
 * (detect/hours.h). It is put on a scale where 0 is the learned median and 1 the edge of what was
 * learned, u:
 *   score:   (log level - log median) / max(log q90 - log median, log 1.5) of the calibration
 *            scores in the model; upwards alone;
 *   feature: (level - median) / max(edge - median, resolution), the edge being that of the
 *            scaler's range on the side of the level; both sides.
 * Evidence is Page's one-sided cumulative sum (Biometrika 41, 1954) of what lies over the edge:
 *   g = max(0, g + min(u, DRIFT_FAR) - 1), a finding once g passes drift_limit.
 * So an hour at the edge says nothing, a daily peak that was learned is forgotten in the hours
 * after it, and hours that hang together need no formula: what they do together was in the range
 * that was learned. The limit grows with the logarithm of the number of channels, since a
 * cumulative sum passes a level g by chance with exp(-c g): that is Bonferroni's bound.
 * docs/drift.md has the false-alarm rates and delays that were measured.
 *
 * Feed it what the training gate lets through, and nothing else: no frame of an incident, of a
 * maintenance, of a gap. Bounded memory (drift_bytes), causal, pure. Thread: its holder's. */

enum drift_kind { DRIFT_ERROR, DRIFT_INPUT };

struct drift_finding {
    enum drift_kind kind;
    uint16_t feature; /* of DRIFT_INPUT */
    int64_t since_ms; /* when the evidence began to grow */
    int64_t ts_ms;    /* when it passed the limit */
    float level;      /* typical since then: natural units, or the score */
    float learned;    /* the model's own median of the same */
    float edge;       /* the edge of what was learned, on that side */
};

struct drift;

/* Takes what it needs out of m and keeps no reference. E_NOMEM. */
MUST_CHECK enum rc drift_new(const struct model *m, struct drift **ret, struct err *err);
void drift_free(struct drift *d); /* NULL is fine */
static inline void drift_freep(struct drift **d)
{
    drift_free(*d);
}
size_t drift_bytes(size_t n_features);

/* One gated frame and its score (verdict.score; NaN is skipped). frame is what the scaler was
 * fitted on: natural units, NaN = missing (less the season, where a model takes one off before it
 * scales). True when a channel's evidence passed the limit with the hour that this frame ended:
 * *ret is the strongest of those. A channel is told once, and again only after its evidence was
 * gone; while an input that was told still has evidence, others that join it are the same drift and
 * not told. */
bool drift_push(struct drift *d, int64_t ts_ms, const float *frame, float score,
                struct drift_finding *ret);

/* The greatest evidence of any channel as a share of the limit: 1 and more is a finding. */
float drift_evidence(const struct drift *d);

enum { DRIFT_TEXT_MAX = 256 };
/* "error drifted: score 3.1 times the calibration's median for 6h",
 * "input drifted: memory_used 9.20 % where 4.10 % (at most 5.00 %) was learned, for 8h". */
void drift_describe(const struct drift_finding *f, const struct schema *schema,
                    char out[DRIFT_TEXT_MAX]);
