/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a file: JSON by jansson, YAML by config/yaml. */
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "config/yaml.h"
#include "data/series.h"
#include "source/file_sd.h"

static void group_done(struct file_sd_group *g)
{
    for (size_t i = 0; i < g->targets.n; i++)
        mem_free(g->targets.v[i]);
    for (size_t i = 0; i < g->n_labels; i++) {
        mem_free(g->labels[i].name);
        mem_free(g->labels[i].value);
    }
    mem_free(g->targets.v);
    mem_free(g->labels);
}

void file_sd_list_done(struct file_sd_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        group_done(&l->v[i]);
    mem_free(l->v);
    *l = (struct file_sd_list){0};
}

static enum rc no_memory(const char *file, struct err *err)
{
    return err_set(err, E_NOMEM, "%s: no memory for its targets", file);
}

/* Room for n of each; counts stay 0 until they are filled. */
static bool make_room(struct file_sd_group *g, size_t targets, size_t labels)
{
    g->targets.v = mem_array(targets + 1, sizeof *g->targets.v);
    g->labels = mem_array(labels + 1, sizeof *g->labels);
    return g->targets.v && g->labels;
}

static bool add_target(struct file_sd_group *g, struct str s)
{
    char *copy = mem_strndup(s.p, s.n);
    if (copy)
        g->targets.v[g->targets.n++] = copy;
    return copy != NULL;
}

static bool add_label(struct file_sd_group *g, struct str name, struct str value)
{
    struct label_text *l = &g->labels[g->n_labels++]; /* zeroed: half of one is freed as well */
    l->name = mem_strndup(name.p, name.n);
    l->value = mem_strndup(value.p, value.n);
    return l->name && l->value;
}

static bool has_nul(const char *p, size_t n)
{
    return n > 0 && memchr(p, '\0', n);
}

/* -- JSON -- */

static enum rc json_targets(const char *file, size_t at, const json_t *list,
                            struct file_sd_group *g, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        if (!json_is_string(t) || has_nul(json_string_value(t), json_string_length(t)))
            return err_set(err, E_PARSE, "%s: group %zu: expected texts as targets", file, at + 1);
        if (!add_target(g, (struct str){json_string_value(t), json_string_length(t)}))
            return no_memory(file, err);
    }
    return OK;
}

static enum rc json_labels(const char *file, size_t at, json_t *map, struct file_sd_group *g,
                           struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(map, name, value)
    {
        if (!label_name_is_valid(str_of(name)))
            return err_set(err, E_PARSE, "%s: group %zu: '%.64s' cannot be the name of a label",
                           file, at + 1, name);
        if (!json_is_string(value) || has_nul(json_string_value(value), json_string_length(value)))
            return err_set(err, E_PARSE, "%s: group %zu: label '%.64s': expected a text", file,
                           at + 1, name);
        if (!add_label(g, str_of(name),
                       (struct str){json_string_value(value), json_string_length(value)}))
            return no_memory(file, err);
    }
    return OK;
}

static enum rc json_group(const char *file, size_t at, json_t *group, struct file_sd_group *g,
                          struct err *err)
{
    json_t *targets = json_object_get(group, "targets"), *labels = json_object_get(group, "labels");
    const char *key;
    json_t *ignored;

    if (!json_is_object(group))
        return err_set(err, E_PARSE, "%s: group %zu: expected {\"targets\": [...]}", file, at + 1);
    json_object_foreach(group, key, ignored)
    {
        if (strcmp(key, "targets") != 0 && strcmp(key, "labels") != 0)
            return err_set(err, E_PARSE, "%s: group %zu has no key '%.64s'; known: targets, labels",
                           file, at + 1, key);
    }
    if ((targets && !json_is_array(targets) && !json_is_null(targets)) ||
        (labels && !json_is_object(labels) && !json_is_null(labels)))
        return err_set(err, E_PARSE, "%s: group %zu: expected a list of targets, a map of labels",
                       file, at + 1);
    if (json_array_size(targets) > FILE_SD_TARGETS_MAX ||
        json_object_size(labels) > FILE_SD_LABELS_MAX)
        return err_set(err, E_LIMIT, "%s: group %zu: more than %d targets or %d labels", file,
                       at + 1, FILE_SD_TARGETS_MAX, FILE_SD_LABELS_MAX);
    if (!make_room(g, json_array_size(targets), json_object_size(labels)))
        return no_memory(file, err);
    if (json_targets(file, at, targets, g, err) != OK)
        return err->rc;
    return json_is_object(labels) ? json_labels(file, at, labels, g, err) : OK;
}

static enum rc parse_json(struct str text, const char *file, struct file_sd_list *list,
                          struct err *err)
{
    json_error_t where;
    CLEANUP(json_decrefp) json_t *j = NULL;

    if (text.n > FILE_SD_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: %zu bytes; a file of targets has at most %d", file,
                       text.n, FILE_SD_BYTES_MAX);
    j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!j)
        return err_set(err, E_PARSE, "%s:%d:%d: %s", file, where.line, where.column, where.text);
    if (!json_is_array(j))
        return err_set(err, E_PARSE, "%s: expected a list of groups", file);
    list->v = mem_array(json_array_size(j) + 1, sizeof *list->v);
    if (!list->v)
        return no_memory(file, err);
    while (list->n < json_array_size(j)) {
        const size_t at = list->n++;
        if (json_group(file, at, json_array_get(j, at), &list->v[at], err) != OK)
            return err->rc;
    }
    return OK;
}

/* -- YAML -- */

static enum rc yaml_targets(const struct yaml *y, const struct yaml_node *list,
                            struct file_sd_group *g, struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *t = &list->values[i];
        if (t->kind != YAML_SCALAR)
            return yaml_fail(y, t, err, "expected a text as target");
        if (!add_target(g, t->scalar))
            return no_memory(yaml_file(y), err);
    }
    return OK;
}

static enum rc yaml_labels(const struct yaml *y, const struct yaml_node *map,
                           struct file_sd_group *g, struct err *err)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *name = &map->keys[i], *value = &map->values[i];
        if (!label_name_is_valid(name->scalar))
            return yaml_fail(y, name, err, "'%.64s' cannot be the name of a label", name->scalar.p);
        if (value->kind != YAML_SCALAR)
            return yaml_fail(y, value, err, "label '%.64s': expected a text", name->scalar.p);
        if (!add_label(g, name->scalar, value->scalar))
            return no_memory(yaml_file(y), err);
    }
    return OK;
}

static bool is_nothing(const struct yaml_node *node)
{
    return !node || (node->kind == YAML_SCALAR && node->scalar.n == 0 && !node->quoted);
}

static enum rc yaml_group(const struct yaml *y, const struct yaml_node *group,
                          struct file_sd_group *g, struct err *err)
{
    static const char *const known[] = {"targets", "labels"};

    if (yaml_expect_keys(y, group, "a group of targets", known, 2, err) != OK)
        return err->rc;
    const struct yaml_node *targets = yaml_get(group, "targets"),
                           *labels = yaml_get(group, "labels");
    if (is_nothing(targets))
        targets = NULL;
    if (is_nothing(labels))
        labels = NULL;
    if (targets && targets->kind != YAML_LIST)
        return yaml_fail(y, targets, err, "targets: expected a list");
    if (labels && labels->kind != YAML_MAP)
        return yaml_fail(y, labels, err, "labels: expected a map (name: value)");
    if (labels && labels->n > FILE_SD_LABELS_MAX)
        return yaml_fail(y, labels, err, "labels: more than %d", FILE_SD_LABELS_MAX);
    if (!make_room(g, targets ? targets->n : 0, labels ? labels->n : 0))
        return no_memory(yaml_file(y), err);
    if ((targets && yaml_targets(y, targets, g, err) != OK) ||
        (labels && yaml_labels(y, labels, g, err) != OK))
        return err->rc;
    return OK;
}

static enum rc parse_yaml(struct str text, const char *file, struct file_sd_list *list,
                          struct err *err)
{
    CLEANUP(yaml_freep) struct yaml *y = NULL;

    if (yaml_parse(text, file, &y, err) != OK)
        return err->rc;
    const struct yaml_node *root = yaml_root(y);
    if (root->kind == YAML_MAP && root->n == 0)
        return OK; /* an empty file */
    if (root->kind != YAML_LIST)
        return yaml_fail(y, root, err, "expected a list of groups (- targets: [...])");
    list->v = mem_array(root->n + 1, sizeof *list->v);
    if (!list->v)
        return no_memory(file, err);
    while (list->n < root->n) {
        const size_t at = list->n++;
        if (yaml_group(y, &root->values[at], &list->v[at], err) != OK)
            return err->rc;
    }
    return OK;
}

enum rc file_sd_parse(struct str text, const char *file, struct file_sd_list *ret, struct err *err)
{
    const size_t n = strlen(file);
    struct file_sd_list list = {0};

    const bool json = n >= 5 && strcasecmp(file + n - 5, ".json") == 0;
    const enum rc rc =
        json ? parse_json(text, file, &list, err) : parse_yaml(text, file, &list, err);
    if (rc != OK) {
        file_sd_list_done(&list);
        return rc;
    }
    *ret = list;
    return OK;
}
