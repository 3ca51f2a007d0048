/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "data/verdict.h"
#include "model/model.h"

/* scorer - one entity's frames to verdicts: fills gaps, asks the model, ranks the causes
 *
 * The score is a mean over the features that are present, so with fewer of them each weighs more,
 * and less is known. The threshold stands for a whole frame: for one that lacks features it is
 * raised by (features learned) / (those of them present), so that the sum of errors that rings
 * stays the same. A fixed threshold stays as the user gave it.
 * Causal: a verdict uses nothing later than its own frame. Thread: its holder's. */
struct scorer;

/* Takes a new reference on m. */
MUST_CHECK enum rc scorer_new(struct model *m, struct scorer **ret, struct err *err);
void scorer_free(struct scorer *s); /* NULL is fine */
static inline void scorer_freep(struct scorer **s)
{
    scorer_free(*s);
}

/* frame[schema->n], natural units, NaN = missing. A frame with nothing present gives a NaN score
 * that is not anomalous. */
void scorer_push(struct scorer *s, int64_t ts_ms, const float *frame, struct verdict *ret);
void scorer_clear(struct scorer *s); /* forget the past: after a gap */
