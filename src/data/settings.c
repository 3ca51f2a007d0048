/* SPDX-License-Identifier: Apache-2.0 */
#include "data/settings.h"

#include <string.h>

#include "base/hash.h"

void settings_learn_defaults(struct learn_spec *s)
{
    *s = (struct learn_spec){
        .for_ms = 10 * 60 * 1000,
        .validation = 0.25,
        .seed = 1,
        .scaling = SCALING_MINMAX,
        .hidden = ACT_RELU,
        .output = ACT_AUTO,
        .epochs = 0,
        .batch_size = 16,
        .patience = 20,
        .learning_rate = 1e-3,
        .feature_dropout = 0.1,
    };
}

static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

uint64_t settings_learn_hash(const struct learn_spec *s)
{
    /* Field by field: what lies between the fields of a struct is anything. */
    uint64_t v[11 + NET_LAYERS_MAX] = {bits_of(s->validation),
                                       s->seed,
                                       s->scaling,
                                       s->hidden,
                                       s->output,
                                       s->epochs,
                                       s->batch_size,
                                       s->patience,
                                       bits_of(s->learning_rate),
                                       bits_of(s->feature_dropout),
                                       s->n_layers};

    for (size_t i = 0; i < s->n_layers; i++)
        v[11 + i] = s->layers[i];
    return hash_bytes(v, sizeof v, 0);
}

void settings_retrain_defaults(struct retrain_spec *s)
{
    const int64_t hour = 3600 * 1000;

    /* Two weeks hold each day of the week twice: what comes once is told from what comes weekly. */
    *s = (struct retrain_spec){
        .every_ms = 24 * hour, .window_ms = 14 * 24 * hour, .quarantine_ms = hour};
}

const char *threshold_method_name(enum threshold_method m)
{
    static const char *const names[] = {[THRESHOLD_PERCENTILE] = "percentile",
                                        [THRESHOLD_SIGMA] = "sigma",
                                        [THRESHOLD_FIXED] = "fixed",
                                        [THRESHOLD_BUDGET] = "budget",
                                        [THRESHOLD_AUTO] = "auto",
                                        [THRESHOLD_STAGED] = "staged"};

    return names[m];
}

void settings_threshold_defaults(struct threshold_spec *s)
{
    *s = (struct threshold_spec){.method = THRESHOLD_STAGED, .value = 2};
}

bool settings_same_threshold(const struct threshold_spec *a, const struct threshold_spec *b)
{
    return a->method == b->method && a->value == b->value && a->observe == b->observe &&
           a->scope == b->scope;
}

struct threshold_spec settings_share(const struct threshold_spec *t, size_t n)
{
    struct threshold_spec ret = *t;

    if (!threshold_is_budget(t->method) || t->scope != SCOPE_FLEET || n < 2)
        return ret;
    ret.value = t->value / (double)n > BUDGET_LEAST ? t->value / (double)n : BUDGET_LEAST;
    ret.observe = t->observe / (double)n;
    return ret;
}

void settings_confirm_defaults(struct confirm_spec *s)
{
    *s = (struct confirm_spec){.k = 3, .of = 5};
}
