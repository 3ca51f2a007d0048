/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "model/model.h"

/* judge - how well a model would detect, without labels
 *
 * The objective is the mean average precision (area under the precision-recall curve, by steps) of
 * the model's scores on copies of rows that it has not seen, disturbed in known places
 * (tune/disturb.h) by several sizes. The copies depend on the rows and the seed alone, so every
 * model is asked the same questions. In (0, 1]; random scores get the share of disturbed rows.
 * Thread: immutable once made, so many threads may ask one. */
struct judge;

/* rows: lent for the judge's life. E_NOMEM; E_STATE for rows that cannot be disturbed. */
MUST_CHECK enum rc judge_new(const struct dataset *rows, uint64_t seed, struct judge **ret,
                             struct err *err);
void judge_free(struct judge *j); /* NULL is fine */
static inline void judge_freep(struct judge **j)
{
    judge_free(*j);
}
/* E_NOMEM. */
MUST_CHECK enum rc judge_model(const struct judge *j, struct model *m, double *ret_objective,
                               struct err *err);

/* Average precision of n scores, of which the wanted ones are to be found; equal scores stand
 * together, NaN behind all others. NaN when none is wanted. Reorders v. */
struct judge_score {
    float score;
    bool wanted;
};
double judge_precision(struct judge_score *v, size_t n);
