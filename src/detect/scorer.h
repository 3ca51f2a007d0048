/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "data/verdict.h"
#include "model/model.h"

/* scorer - one entity's frames to verdicts: scores (model/departure.h), threshold, ranked causes
 *
 * A frame's evidence is a mean over the features that are present, so with fewer of them each
 * weighs more, and less is known. The threshold stands for a whole frame: for one that lacks
 * features it is raised by (features learned) / (those of them present), so that the sum of errors
 * that rings stays the same. Of the score, to which what is missing now and then is lent
 * (model/smooth.h), that asks for more. A fixed threshold stays as the user gave it. Causal: a
 * verdict uses nothing later than its own frame. Thread: its holder's. */
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
/* A frame of the past, which is not judged anew: what comes is, as if s had been there. */
void scorer_warm(struct scorer *s, int64_t ts_ms, const float *frame);
/* What is watched of a verdict of this model, in units of a whole frame's threshold; of absent
 * features, those that were never learned are taken to be the first. */
float scorer_watched(const struct scorer *s, const struct verdict *v);
/* Another threshold of a whole frame than the model's. */
void scorer_set_threshold(struct scorer *s, float threshold);
void scorer_clear(struct scorer *s); /* forget the past, as departure_clear does: after a gap */
/* From now on the season is looked up at the hour that it is (detect/daylight.h); else at that of
 * the clock. E_NOMEM. */
MUST_CHECK enum rc scorer_follow_day(struct scorer *s, struct err *err);
/* What `from`, of another model of the same features, knows of its day becomes s's, as does the
 * hour; from follows none any more. */
void scorer_take_day(struct scorer *s, struct scorer *from);
/* A frame of the last day, in order of time: it says what hour it is, and is not scored. */
void scorer_recall_day(struct scorer *s, int64_t ts_ms, const float *frame);
/* How much sooner the day comes than it was learned: an hour, 0 or an hour less. */
int64_t scorer_day_shift_ms(const struct scorer *s);
/* Causes are ranked as if s had been there all the time that `from` was; its model is the same but
 * for the threshold. */
void scorer_remember(struct scorer *s, const struct scorer *from);

/* What each feature is to the frame pushed last: ret[schema->n], in the schema's order. The parts
 * sum to the frame's evidence, and are 0 where that is NaN. */
struct scorer_part {
    float value;    /* natural units; NaN when it was missing */
    float expected; /* as in a cause (data/verdict.h) */
    float part;     /* of the evidence, in its unit */
    float cause;    /* how much it is a cause (model/news.h), of all in one unit; 0 when restored */
};
void scorer_parts(const struct scorer *s, struct scorer_part *ret);

/* The evidence that the frame pushed last would have had if the features with restored[i] set, of
 * those present, had been as the model expects them from the others: they are hidden from it, its
 * answer takes their place, they have not changed, and the whole is scored. With that evidence at
 * the threshold or under it, the frame is not anomalous, whatever came before it. ret[schema->n] as
 * above, with the values that took their place. The threshold is that of the verdict; what comes
 * next is not touched. */
float scorer_restored(struct scorer *s, const uint8_t *restored, struct scorer_part *ret);
