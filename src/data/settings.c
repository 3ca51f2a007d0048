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

void settings_threshold_defaults(struct threshold_spec *s)
{
    *s = (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = 99.5};
}

void settings_confirm_defaults(struct confirm_spec *s)
{
    *s = (struct confirm_spec){.k = 3, .of = 5};
}
