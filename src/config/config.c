/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/config_keys.h"
#include "config/expansion.h"
#include "config/peers.h"
#include "config/yaml.h"
#include "data/dataset.h"
#include "data/series.h"

enum { KNOWN_MAX = 64 };
enum { RETRAIN_LEAST_MS = 10000 }; /* training and judging take seconds */

/* Empty when neither variable helps; config_validate says so. */
static void default_data_dir(char out[CONFIG_TEXT_MAX])
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever changes the environment */
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = 0;

    out[0] = '\0';
    if (geteuid() == 0)
        n = snprintf(out, CONFIG_TEXT_MAX, "/var/lib/tocsin");
    else if (state && state[0] == '/') /* relative ones are to be ignored, says the standard */
        n = snprintf(out, CONFIG_TEXT_MAX, "%s/tocsin", state);
    else if (home && home[0] == '/')
        n = snprintf(out, CONFIG_TEXT_MAX, "%s/.local/state/tocsin", home);
    if (n >= CONFIG_TEXT_MAX)
        out[0] = '\0'; /* half a path is none */
}

void config_defaults(struct config *ret)
{
    *ret = (struct config){
        .listen = "127.0.0.1:8001",
        .profile = "node",
        .host = {.interval_ms = 1000, .procfs = "/proc", .sysfs = "/sys", .rootfs = "/"},
        .expire_ms = INT64_C(7) * 24 * 3600 * 1000,
        .retention = {.max_age_ms = INT64_C(30) * 24 * 3600 * 1000, .max_size_bytes = 1 << 30},
        .log = {.level = LOG_INFO, .format = LOG_LOGFMT},
    };
    default_data_dir(ret->data_dir);
    settings_learn_defaults(&ret->learn);
    settings_retrain_defaults(&ret->retrain);
    settings_threshold_defaults(&ret->threshold);
    settings_confirm_defaults(&ret->confirm);
}

/* -- one value against another -- */

/* Samples of which both parts, training and validation, get their least share (and one more, for
 * rounding). */
static int64_t rows_to_learn_from(double validation)
{
    const double train = ceil((TRAIN_ROWS_MIN + 1) / (1 - validation));

    /* A validation part too small for its least rows takes them from the training part. */
    return (int64_t)fmin(fmax(train, TRAIN_ROWS_MIN + VALIDATION_ROWS_MIN), 1e15);
}

/* The sentence, and in ret_paths the two keys that it is about. */
static enum rc contradiction(const struct config *c, const char *ret_paths[2], struct err *err)
{
    const int64_t rows = c->learn.for_ms / c->host.interval_ms;
    const int64_t enough = rows_to_learn_from(c->learn.validation);

    if (c->data_dir[0] == '\0') {
        ret_paths[0] = ret_paths[1] = "data_dir";
        return err_set(err, E_CONFIG,
                       "data_dir: expected a folder; none can be guessed, since neither "
                       "$XDG_STATE_HOME nor $HOME is an absolute path");
    }
    if (c->share[0] &&
        (!label_name_is_valid(str_of(c->share)) || str_starts(str_of(c->share), STR("__")))) {
        ret_paths[0] = ret_paths[1] = "model.share";
        return err_set(err, E_CONFIG,
                       "model.share: expected the name of a label such as role (none begins with "
                       "__), found '%.80s'",
                       c->share);
    }
    if (isnan(c->threshold.value)) {
        ret_paths[0] = ret_paths[1] = "threshold.method";
        return err_set(err, E_CONFIG,
                       "threshold.value: expected the threshold, since threshold.method is fixed");
    }
    if (c->threshold.observe > 0 && c->threshold.observe <= c->threshold.value) {
        ret_paths[0] = "threshold.observe";
        ret_paths[1] = "threshold.alarms";
        return err_set(err, E_CONFIG,
                       "threshold.observe: expected more often than threshold.alarms (%g a week), "
                       "found %g a week: it is the softer one",
                       c->threshold.value, c->threshold.observe);
    }
    if (c->confirm.k > c->confirm.of) {
        ret_paths[0] = "confirm.k";
        ret_paths[1] = "confirm.of";
        return err_set(err, E_CONFIG,
                       "confirm.k: expected at most confirm.of (%" PRIu32 "), found %" PRIu32,
                       c->confirm.of, c->confirm.k);
    }
    if (rows < enough) {
        ret_paths[0] = "learn.for";
        ret_paths[1] = "sources.host.interval";
        return err_set(err, E_CONFIG,
                       "learn.for: expected time for at least %" PRId64
                       " samples at sources.host.interval, found time for %" PRId64,
                       enough, rows);
    }
    if (rows > DATASET_ROWS_MAX) {
        ret_paths[0] = "learn.for";
        ret_paths[1] = "sources.host.interval";
        return err_set(err, E_CONFIG,
                       "learn.for: expected time for at most %d samples at sources.host.interval, "
                       "found time for %" PRId64,
                       DATASET_ROWS_MAX, rows);
    }
    if (c->retrain.every_ms != 0 && c->retrain.every_ms < RETRAIN_LEAST_MS) {
        ret_paths[0] = ret_paths[1] = "learn.retrain";
        return err_set(err, E_CONFIG,
                       "learn.retrain: expected 0 (never) or at least %ds, found %" PRId64 " ms",
                       RETRAIN_LEAST_MS / 1000, c->retrain.every_ms);
    }
    if (c->learn.scaling == SCALING_NONE) {
        ret_paths[0] = ret_paths[1] = "learn.scaling";
        return err_set(err, E_CONFIG,
                       "learn.scaling: expected minmax or quantile, found none: it is for data "
                       "that is in [0,1] already, which a machine's metrics are not");
    }
    return OK;
}

enum rc config_validate(const struct config *c, struct err *err)
{
    const char *paths[2];

    return contradiction(c, paths, err);
}

/* -- the file -- */

/* A list as the command line writes it: "14,8,4,8,14". */
static enum rc join_list(const struct yaml *y, const struct yaml_node *node, struct expansion *out,
                         struct err *err)
{
    if (node->kind != YAML_LIST)
        return yaml_fail(y, node, err,
                         "model.layers: expected a list such as [14, 8, 4, 8, 14], "
                         "found %s",
                         yaml_kind_name(node));
    if (node->n > NET_LAYERS_MAX)
        return yaml_fail(y, node, err, "model.layers: expected at most %d layers, found %zu",
                         NET_LAYERS_MAX, node->n);
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *v = &node->values[i];
        char word[24];
        uint64_t width;

        if (v->kind != YAML_SCALAR || !str_to_u64(v->scalar, &width))
            return yaml_fail(y, v, err, "model.layers: expected a width from 1 to %d",
                             NET_WIDTH_MAX);
        const int n = snprintf(word, sizeof word, "%s%" PRIu64, i ? "," : "", width);
        if (!expansion_add(out, word, (size_t)n)) /* NET_LAYERS_MAX numbers always fit */
            return yaml_fail(y, v, err, "model.layers: expected a shorter list");
    }
    return OK;
}

static enum rc load_value(const struct yaml *y, const struct yaml_node *node,
                          const struct config_key *k, struct config *c, struct err *err)
{
    struct expansion text = {0};
    char path[CONFIG_PATH_MAX];

    config_key_path(k, path);
    if (k->kind == CONFIG_LAYERS) {
        if (join_list(y, node, &text, err) != OK)
            return err->rc;
    } else if (node->kind != YAML_SCALAR) {
        return yaml_fail(y, node, err, "%s: expected a single value, found %s", path,
                         yaml_kind_name(node));
    } else if (yaml_is_null(node)) {
        return yaml_fail(y, node, err, "%s: expected a value, found nothing", path);
    } else if (expansion_expand(node->scalar, &text, err) != OK) {
        return err_wrap(err, "%s:%" PRIu32 ":%" PRIu32 ": %s", yaml_file(y), node->line,
                        node->column, path);
    }
    if (config_key_parse(k, (struct str){text.p, text.n}, c, err) != OK)
        return err_wrap(err, "%s:%" PRIu32 ":%" PRIu32, yaml_file(y), node->line, node->column);
    return OK;
}

/* The map of a section, or NULL when the file does not have it. */
static const struct yaml_node *find_section(const struct yaml *y, const char *section)
{
    const struct yaml_node *root = yaml_root(y);

    if (section[0] == '\0')
        return root;
    if (strcmp(section, "sources.host") != 0)
        return yaml_get(root, section);
    const struct yaml_node *sources = yaml_get(root, "sources");
    for (size_t i = 0; sources && sources->kind == YAML_LIST && i < sources->n; i++) {
        const struct yaml_node *host = yaml_get(&sources->values[i], "host");
        if (host)
            return host;
    }
    return NULL;
}

static const struct yaml_node *find_path(const struct yaml *y, const char *path)
{
    const struct config_key *k = config_key_find(str_of(path));
    const struct yaml_node *map = find_section(y, k->section);

    return map ? yaml_get(map, k->name) : NULL;
}

static enum rc check_section(const struct yaml *y, const char *section, struct err *err)
{
    const struct yaml_node *map = find_section(y, section);
    const char *known[KNOWN_MAX]; /* more than the table has rows, with the sections */
    size_t n = 0;

    if (!map || (yaml_is_null(map) && section[0]))
        return OK; /* "learn:" and nothing below says nothing */
    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].section, section) == 0)
            known[n++] = config_keys[i].name;
    if (section[0])
        return yaml_expect_keys(y, map, section, known, n, err);
    for (size_t i = 0; config_sections[i]; i++)
        if (!strchr(config_sections[i], '.'))
            known[n++] = config_sections[i];
    known[n++] = "sources";
    for (size_t i = 0; peers_sections[i]; i++)
        known[n++] = peers_sections[i];
    return yaml_expect_keys(y, map, "the configuration", known, n, err);
}

static enum rc check_contradictions(const struct yaml *y, const struct config *c, struct err *err)
{
    const char *paths[2];

    if (contradiction(c, paths, err) == OK)
        return OK;
    const struct yaml_node *at = find_path(y, paths[0]);
    if (!at)
        at = find_path(y, paths[1]);
    if (!at)
        at = yaml_root(y); /* not the file's fault, but it could help */
    return err_wrap(err, "%s:%" PRIu32 ":%" PRIu32, yaml_file(y), at->line, at->column);
}

static enum rc load_tree(const struct yaml *y, struct config *c, struct err *err)
{
    if (check_section(y, "", err) != OK || peers_check(y, err) != OK)
        return err->rc;
    for (size_t i = 0; config_sections[i]; i++)
        if (check_section(y, config_sections[i], err) != OK)
            return err->rc;
    /* a percentile says by itself that it is one: the default has none */
    if (find_path(y, "threshold.percentile") && !find_path(y, "threshold.method"))
        c->threshold = (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = 99.5};
    /* in the table's order: a threshold's method comes before its number */
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct yaml_node *map = find_section(y, config_keys[i].section);
        const struct yaml_node *v = map ? yaml_get(map, config_keys[i].name) : NULL;

        if (v && load_value(y, v, &config_keys[i], c, err) != OK)
            return err->rc;
    }
    return check_contradictions(y, c, err);
}

enum rc config_parse(struct str text, const char *file, struct config *ret, struct err *err)
{
    CLEANUP(yaml_freep) struct yaml *y = NULL;
    struct config c;

    config_defaults(&c);
    if (yaml_parse(text, file, &y, err) != OK || load_tree(y, &c, err) != OK) {
        if (err->rc == E_LIMIT || err->rc == E_PARSE)
            err->rc = E_CONFIG; /* whatever is wrong in the file, it is the configuration */
        return err->rc;
    }
    *ret = c;
    return OK;
}

enum rc config_load(const char *path, struct config *ret, struct err *err)
{
    CLEANUP(mem_freep) char *text = NULL;
    size_t n;

    if (file_read(path, YAML_BYTES_MAX, &text, &n, err) != OK)
        return err->rc;
    return config_parse((struct str){text, n}, path, ret, err);
}

void config_tell_place(const char *path, const char *key, struct err *err)
{
    CLEANUP(mem_freep) char *text = NULL;
    CLEANUP(yaml_freep) struct yaml *y = NULL;
    struct err unread; /* the error that there is says more */
    size_t n;

    if (file_read(path, YAML_BYTES_MAX, &text, &n, &unread) != OK ||
        yaml_parse((struct str){text, n}, path, &y, &unread) != OK)
        return;
    const struct yaml_node *at = find_path(y, key);
    if (at)
        (void)err_wrap(err, "%s:%" PRIu32 ":%" PRIu32 ": %s", path, at->line, at->column, key);
}

enum rc config_set(struct config *c, const char *key, const char *value, const char *where,
                   struct err *err)
{
    const struct config_key *k = config_key_find(str_of(key));

    if (strcmp(key, "threshold") == 0) {
        const struct threshold_spec before = c->threshold;
        if (config_parse_threshold(value, &c->threshold, err) != OK)
            return err_wrap(err, "%s", where);
        if (c->threshold.method == before.method) { /* another number of the same method */
            c->threshold.observe = before.observe;
            c->threshold.scope = before.scope;
        }
        return OK;
    }
    if (!k)
        return err_set(err, E_CONFIG, "%s: there is no key '%s'", where, key);
    if (config_key_parse(k, str_of(value), c, err) != OK)
        return err_wrap(err, "%s", where);
    return OK;
}

/* -- and back -- */

void config_format(const struct config *c, const char *key, struct buf *out)
{
    const struct config_key *k = config_key_find(str_of(key));

    assert(k);
    config_key_format(k, c, out);
}

static void print_key(const struct config_key *k, const struct config *c, int indent,
                      struct buf *out)
{
    enum { HELP_COLUMN = 34 };
    const size_t start = out->n;

    buf_printf(out, "%*s%s: ", indent, "", k->name);
    config_key_format(k, c, out);
    const size_t width = out->n - start;
    buf_printf(out, "%*s # %s\n", width < HELP_COLUMN ? (int)(HELP_COLUMN - width) : 0, "",
               k->help);
}

void config_print(const struct config *c, const struct peers *p, struct buf *out)
{
    const char *section = "";

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *k = &config_keys[i];
        const bool of_host = strcmp(k->section, "sources.host") == 0;
        const bool begins = strcmp(k->section, section) != 0;

        if (!config_key_applies(k, c))
            continue;
        section = k->section;
        if (begins && of_host) {
            buf_puts(out, "sources:\n");
            if (p)
                peers_print_sources(p, out);
            if (!p || p->host)
                buf_puts(out, "  - host:\n");
        } else if (begins) {
            buf_printf(out, "%s:\n", section);
        }
        if (!of_host || !p || p->host)
            print_key(k, c, of_host ? 6 : section[0] ? 2 : 0, out);
    }
    if (p)
        peers_print_receivers(p, out);
}
