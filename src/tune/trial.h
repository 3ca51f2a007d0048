/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "model/model.h"
#include "tune/judge.h"
#include "tune/search.h"

/* trial - one execution: train with some settings, then judge
 *
 * Thread: any number at once; all that it is given is only read. */

struct trial_material {
    const struct dataset *fit; /* to learn from; the judge has rows that are not among these */
    const struct schema *schema;
    const struct judge *judge;
};

/* E_STATE when progress cancels; else as model_train and judge_model. */
MUST_CHECK enum rc trial_run(const struct trial_material *t, const struct learn_spec *spec,
                             model_progress_fn *progress, void *arg, struct search_result *ret,
                             struct err *err);
