/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/trial.h"

#include "base/cleanup.h"

enum rc trial_run(const struct trial_material *t, const struct learn_spec *spec,
                  model_progress_fn *progress, void *arg, struct search_result *ret,
                  struct err *err)
{
    CLEANUP(model_unrefp) struct model *m = NULL;
    const struct model_provenance nobody = {0};
    struct threshold_spec threshold;
    double objective;

    settings_threshold_defaults(&threshold); /* of no consequence: scores are ranked */
    enum rc rc =
        model_train(t->fit, NULL, t->schema, spec, &threshold, &nobody, progress, arg, &m, err);
    if (rc == OK)
        rc = judge_model(t->judge, m, &objective, err);
    if (rc == OK)
        *ret = (struct search_result){
            .objective = objective, .held_out = m->stats.validation_mse, .epochs = m->stats.epochs};
    return rc;
}
