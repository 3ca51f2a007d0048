/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "model/model.h"

/* lesson - one model from the frames of one entity, or of several like ones (model.share)
 *
 * Of several, each one's frames are cut in time into a part to train on and the last part, held
 * back, and both parts are pooled (data/pool.h): so the threshold is of what all of them do later.
 * A feature may stand still for as long as it did in any of them. Thread: the trainer's. */

/* v[n], n >= 1, in time order each; rows_max: of both pools together. As model_train otherwise. */
MUST_CHECK enum rc lesson_train(const struct dataset *const *v, size_t n, size_t rows_max,
                                const struct schema *schema, const struct learn_spec *spec,
                                const struct threshold_spec *threshold,
                                const struct model_provenance *provenance,
                                model_progress_fn *progress, void *arg, struct model **ret,
                                struct err *err);

/* A feature of m, which nobody else has yet, may stand still for longest[schema->n] frames, or
 * longer where m knows that already; never over the rows in which it was seen, which a model file
 * holds to: such a one is never frozen. */
void lesson_allow_stillness(struct model *m, const uint64_t *longest);

/* The earliest and the latest time in v[n], and their rows together; with 0 rows the times are 0.
 */
void lesson_span(const struct dataset *const *v, size_t n, int64_t *ret_first_ms,
                 int64_t *ret_last_ms, size_t *ret_rows);
