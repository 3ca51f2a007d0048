/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* settings - what a user may choose about learning and judging, as plain values
 *
 * Filled by config/ or from the command line, consumed by model/ and detect/. Thread: values. */

enum { NET_LAYERS_MAX = 16, NET_WIDTH_MAX = 4096 };

/* Fewer rows than these say nothing: they are refused. */
enum { TRAIN_ROWS_MIN = 16, VALIDATION_ROWS_MIN = 4 };

enum scaling {
    SCALING_MINMAX,   /* least and largest training value to 0 and 1 */
    SCALING_QUANTILE, /* the 1 % and 99 % quantiles instead: robust against outliers */
    SCALING_NONE,     /* values stand as they are: for data that somebody already scaled to [0,1] */
};

enum activation {
    ACT_LINEAR,
    ACT_RELU,
    ACT_SIGMOID,
    ACT_TANH,
    /* A setting of the output layer, of no network: sigmoid where the data is known to lie in [0,1]
     * (SCALING_NONE), else linear, since live values leave their training range. */
    ACT_AUTO,
};

enum threshold_method {
    THRESHOLD_PERCENTILE, /* of the validation scores */
    THRESHOLD_SIGMA,      /* their mean + k standard deviations */
    THRESHOLD_FIXED,      /* a number that the user gives; the classic one is 0.1998 */
    THRESHOLD_BUDGET,     /* at which so many incidents a week open on normal data */
    THRESHOLD_AUTO,       /* sigma 3 where the validation scores are normal, else a percentile */
    THRESHOLD_STAGED,     /* a percentile while the history is short, then a budget */
};

const char *threshold_method_name(enum threshold_method m); /* "percentile", ... */
/* It asks for so many alarms in a time. */
static inline bool threshold_is_budget(enum threshold_method m)
{
    return m == THRESHOLD_BUDGET || m == THRESHOLD_STAGED;
}

/* Whose a budget of alarms is: each entity's, or of all that are watched together. */
enum threshold_scope { SCOPE_ENTITY, SCOPE_FLEET };

struct confirm_spec {
    uint32_t k, of; /* an incident opens when k of the last `of` verdicts are anomalous */
};

enum { CONFIRM_OF_MAX = 64 };

/* Alarms a week that a budget may be of: one in twenty years to one a second. */
#define BUDGET_LEAST 0.001
#define BUDGET_MOST 604800.0

struct threshold_spec {
    enum threshold_method method;
    double value; /* percentile in (0,100), k, the threshold itself, alarms a week (budget, staged);
                     auto: none */
    struct confirm_spec confirm; /* what the alarms of a budget are confirmed by */
    /* of a budget: a softer one, whose incidents are observed and none pages for; 0: none */
    double observe;
    enum threshold_scope scope; /* of both */
};

/* The same is asked for; whatever confirms it. */
bool settings_same_threshold(const struct threshold_spec *a, const struct threshold_spec *b);
/* The part of a fleet's budget that one of n entities has, within BUDGET_LEAST; others as they are.
 * An even split: nobody knows which of them will ring. */
struct threshold_spec settings_share(const struct threshold_spec *t, size_t n);

struct learn_spec {
    int64_t for_ms;    /* learning time of a live source */
    double validation; /* the last part of the data, 0 < v < 1, held back */
    uint64_t seed;
    enum scaling scaling;
    /* Widths of the hidden layers, n_layers = 0: derived from the input's width n. The output layer
     * is never among them: one of width n always follows, even where the last given is n wide. */
    uint32_t layers[NET_LAYERS_MAX];
    size_t n_layers;
    enum activation hidden, output;
    uint32_t epochs; /* at most; 0 = by the number of rows (train_epochs in model/train.h) */
    uint32_t batch_size;
    uint32_t patience; /* epochs without a better validation error; 0 = never stop early */
    double learning_rate;
    double feature_dropout; /* chance that a feature is hidden from the input in training */
};

struct retrain_spec {
    int64_t every_ms;      /* 0: never on schedule */
    int64_t window_ms;     /* how far back the material reaches */
    int64_t quarantine_ms; /* how long a frame must have passed without an incident */
};

/* The defaults that `tocsin check --print` shows. */
void settings_learn_defaults(struct learn_spec *s);
/* Equal settings, equal hashes; without the learning time, which says nothing of the model. */
uint64_t settings_learn_hash(const struct learn_spec *s);
void settings_retrain_defaults(struct retrain_spec *s);
void settings_threshold_defaults(struct threshold_spec *s);
void settings_confirm_defaults(struct confirm_spec *s);
