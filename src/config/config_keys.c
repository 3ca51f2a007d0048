/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_keys.h"

#include <stdio.h>

static const char *const scaling_words[] = {
    [SCALING_MINMAX] = "minmax", [SCALING_QUANTILE] = "quantile", [SCALING_NONE] = "none", NULL};
static const char *const hidden_words[] = {[ACT_LINEAR] = "linear",
                                           [ACT_RELU] = "relu",
                                           [ACT_SIGMOID] = "sigmoid",
                                           [ACT_TANH] = "tanh",
                                           NULL};
static const char *const output_words[] = {
    [ACT_LINEAR] = "linear", [ACT_RELU] = "relu", [ACT_SIGMOID] = "sigmoid",
    [ACT_TANH] = "tanh",     [ACT_AUTO] = "auto", NULL};
static const char *const method_words[] = {[THRESHOLD_PERCENTILE] = "percentile",
                                           [THRESHOLD_SIGMA] = "sigma",
                                           [THRESHOLD_FIXED] = "fixed",
                                           [THRESHOLD_BUDGET] = "budget",
                                           [THRESHOLD_AUTO] = "auto",
                                           [THRESHOLD_STAGED] = "staged",
                                           NULL};
static const char *const scope_words[] = {[SCOPE_ENTITY] = "entity", [SCOPE_FLEET] = "fleet", NULL};
static const char *const level_words[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", NULL};
static const char *const format_words[] = {[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json", NULL};

const char *const config_sections[] = {"sources.host", "learn",     "model", "threshold",
                                       "confirm",      "retention", "log",   NULL};

#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define YEAR (365 * 24 * HOUR)
#define MEBIBYTE 1048576.0

#define MEMBER(m) .offset = offsetof(struct config, m), .size = sizeof(((struct config *)0)->m)

const struct config_key config_keys[] = {
    {"", "listen", CONFIG_ADDRESS, MEMBER(listen),
     .help = "address and port of /metrics, /predict and the API"},
    {"", "data_dir", CONFIG_PATH, MEMBER(data_dir),
     .help = "folder of the database and the models"},
    {"", "profile", CONFIG_PATH, MEMBER(profile),
     .help = "the feature set: node, classic, or the path of a YAML file"},
    {"", "expire", CONFIG_DURATION, MEMBER(expire_ms), .least = MINUTE, .most = 10 * YEAR,
     .help = "an entity that nothing was heard of for so long is forgotten"},
    {"sources.host", "interval", CONFIG_DURATION, MEMBER(host.interval_ms), .least = 100,
     .most = HOUR, .help = "time between two samples"},
    {"sources.host", "instance", CONFIG_TEXT, MEMBER(host.instance),
     .help = "label of this machine; \"\" = its node name"},
    {"sources.host", "procfs", CONFIG_PATH, MEMBER(host.procfs), .help = "where /proc is mounted"},
    {"sources.host", "sysfs", CONFIG_PATH, MEMBER(host.sysfs), .help = "where /sys is mounted"},
    {"sources.host", "rootfs", CONFIG_PATH, MEMBER(host.rootfs),
     .help = "prefix of mount points when the machine is mounted below one"},
    {"learn", "for", CONFIG_DURATION, MEMBER(learn.for_ms), .least = SECOND, .most = YEAR,
     .help = "how long to learn before watching"},
    {"learn", "validation", CONFIG_REAL, MEMBER(learn.validation), .least = 0, .most = 1,
     .open = true, .help = "last part of the data, held back to judge the model"},
    {"learn", "seed", CONFIG_SEED, MEMBER(learn.seed), .help = "same data and seed, same model"},
    {"learn", "scaling", CONFIG_CHOICE, MEMBER(learn.scaling), .words = scaling_words,
     .help =
         "minmax; quantile: robust against outliers; none: already 0 to 1 (tocsin train alone)"},
    {"learn", "retrain", CONFIG_DURATION, MEMBER(retrain.every_ms), .least = 0, .most = YEAR,
     .help = "how often to learn anew while watching; 0s = never"},
    {"learn", "window", CONFIG_DURATION, MEMBER(retrain.window_ms), .least = MINUTE,
     .most = 10 * YEAR, .help = "how far back that looks"},
    {"learn", "quarantine", CONFIG_DURATION, MEMBER(retrain.quarantine_ms), .least = 0,
     .most = YEAR, .help = "a frame is used once this has passed without an incident"},
    {"model", "share", CONFIG_TEXT, MEMBER(share),
     .help = "entities with one value of this label share a model; \"\" = each has its own"},
    {"model", "layers", CONFIG_LAYERS, MEMBER(learn),
     .help = "widths of the hidden layers, as [14, 8, 4, 8, 14]; [] = from the number of features"},
    {"model", "hidden", CONFIG_CHOICE, MEMBER(learn.hidden), .words = hidden_words,
     .help = "activation of hidden layers: relu, sigmoid, tanh, linear"},
    {"model", "output", CONFIG_CHOICE, MEMBER(learn.output), .words = output_words,
     .help =
         "activation of the last layer: auto (sigmoid where learn.scaling is none, else linear), "
         "sigmoid, linear, tanh, relu"},
    {"model", "epochs", CONFIG_COUNT, MEMBER(learn.epochs), .least = 0, .most = 100000,
     .help = "passes over the data, at most; 0 = 100, and more where rows are few"},
    {"model", "batch_size", CONFIG_COUNT, MEMBER(learn.batch_size), .least = 1, .most = 65536,
     .help = "rows a step"},
    {"model", "patience", CONFIG_COUNT, MEMBER(learn.patience), .least = 0, .most = 100000,
     .help = "epochs without progress before training stops; 0 = never"},
    {"model", "learning_rate", CONFIG_REAL, MEMBER(learn.learning_rate), .least = 0, .most = 1,
     .open = true, .help = "step of Adam"},
    {"model", "feature_dropout", CONFIG_REAL, MEMBER(learn.feature_dropout), .least = 0,
     .most = 0.9, .help = "chance that training hides a feature from the model"},
    {"threshold", "method", CONFIG_CHOICE, MEMBER(threshold.method), .words = method_words,
     .help = "staged (a percentile while the history is short, then a budget), budget (alarms in a "
             "time), percentile, sigma (mean + k deviations), fixed, auto"},
    {"threshold", "alarms", CONFIG_RATE, MEMBER(threshold.value), .least = BUDGET_LEAST,
     .most = BUDGET_MOST, .method = THRESHOLD_BUDGET,
     .help = "false ones at most, as 2 per week; per hour, day, week or month"},
    {"threshold", "observe", CONFIG_RATE, MEMBER(threshold.observe), .least = 0,
     .most = BUDGET_MOST, .method = THRESHOLD_BUDGET,
     .help = "a softer budget: incidents recorded and drawn, no page; 0 per week = none"},
    {"threshold", "scope", CONFIG_CHOICE, MEMBER(threshold.scope), .words = scope_words,
     .method = THRESHOLD_BUDGET,
     .help = "entity: so many of each; fleet: of all that are watched together"},
    {"threshold", "percentile", CONFIG_LEVEL, MEMBER(threshold.value), .least = 0, .most = 100,
     .open = true, .method = THRESHOLD_PERCENTILE, .help = "of the scores of held-back data"},
    {"threshold", "k", CONFIG_LEVEL, MEMBER(threshold.value), .least = 0, .most = 1000,
     .open = true, .method = THRESHOLD_SIGMA, .help = "standard deviations above the mean error"},
    {"threshold", "value", CONFIG_LEVEL, MEMBER(threshold.value), .least = 0, .most = 1e30,
     .open = true, .method = THRESHOLD_FIXED, .help = "the threshold itself"},
    {"confirm", "k", CONFIG_COUNT, MEMBER(confirm.k), .least = 1, .most = CONFIRM_OF_MAX,
     .help = "an incident opens when k scores of the last ..."},
    {"confirm", "of", CONFIG_COUNT, MEMBER(confirm.of), .least = 1, .most = CONFIRM_OF_MAX,
     .help = "... `of` are over the threshold"},
    {"retention", "age", CONFIG_DURATION, MEMBER(retention.max_age_ms), .least = MINUTE,
     .most = 100 * YEAR, .help = "frames and scores older than this are deleted"},
    {"retention", "size", CONFIG_SIZE, MEMBER(retention.max_size_bytes), .least = MEBIBYTE,
     .most = 1125899906842624.0, .help = "the database stays below this: the oldest rows go first"},
    {"log", "level", CONFIG_CHOICE, MEMBER(log.level), .words = level_words,
     .help = "debug, info, warn, error"},
    {"log", "format", CONFIG_CHOICE, MEMBER(log.format), .words = format_words,
     .help = "logfmt, json"},
};
const size_t config_n_keys = sizeof config_keys / sizeof *config_keys;

void config_key_path(const struct config_key *k, char out[CONFIG_PATH_MAX])
{
    (void)snprintf(out, CONFIG_PATH_MAX, "%s%s%s", k->section, k->section[0] ? "." : "", k->name);
}

const struct config_key *config_key_find(struct str path)
{
    char known[CONFIG_PATH_MAX];

    for (size_t i = 0; i < config_n_keys; i++) {
        config_key_path(&config_keys[i], known);
        if (str_eq(path, str_of(known)))
            return &config_keys[i];
    }
    return NULL;
}

bool config_key_applies(const struct config_key *k, const struct config *c)
{
    const bool some = k->kind == CONFIG_LEVEL || k->kind == CONFIG_RATE || k->words == scope_words;

    return !some || k->method == c->threshold.method ||
           (k->method == THRESHOLD_BUDGET && threshold_is_budget(c->threshold.method));
}
