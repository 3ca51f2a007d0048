/* SPDX-License-Identifier: Apache-2.0 */
#include "data/settings.h"

void settings_learn_defaults(struct learn_spec *s)
{
    *s = (struct learn_spec){
        .for_ms = 10 * 60 * 1000,
        .validation = 0.25,
        .seed = 1,
        .scaling = SCALING_MINMAX,
        .hidden = ACT_RELU,
        .output = ACT_SIGMOID,
        .epochs = 0,
        .batch_size = 16,
        .patience = 20,
        .learning_rate = 1e-3,
        .feature_dropout = 0.1,
    };
}

/* Field by field: what lies between the fields is anything. */
bool settings_learn_equal(const struct learn_spec *a, const struct learn_spec *b)
{
    if (a->n_layers != b->n_layers)
        return false;
    for (size_t i = 0; i < a->n_layers; i++)
        if (a->layers[i] != b->layers[i])
            return false;
    return a->for_ms == b->for_ms && a->validation == b->validation && a->seed == b->seed &&
           a->scaling == b->scaling && a->hidden == b->hidden && a->output == b->output &&
           a->epochs == b->epochs && a->batch_size == b->batch_size && a->patience == b->patience &&
           a->learning_rate == b->learning_rate && a->feature_dropout == b->feature_dropout;
}

void settings_threshold_defaults(struct threshold_spec *s)
{
    *s = (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = 99.5};
}

void settings_confirm_defaults(struct confirm_spec *s)
{
    *s = (struct confirm_spec){.k = 3, .of = 5};
}
