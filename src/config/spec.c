/* SPDX-License-Identifier: Apache-2.0 */
#include "config/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/expansion.h"
#include "config/text.h"
#include "data/series.h"
#include "data/source_spec.h"

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "configuration: no memory");
}

enum rc spec_text(char **at, const char *text, struct err *err)
{
    char *copy = mem_strndup(text, strlen(text));

    if (!copy)
        return no_memory(err);
    mem_free(*at);
    *at = copy;
    return OK;
}

/* A scalar with the environment put in; messages name its place and key. */
static enum rc scalar(const struct yaml *y, const struct yaml_node *node, const char *what,
                      const char *key, struct expansion *out, struct err *err)
{
    if (node->kind != YAML_SCALAR)
        return yaml_fail(y, node, err, "%s.%s: expected a single value, found %s", what, key,
                         yaml_kind_name(node));
    if (yaml_is_null(node))
        return yaml_fail(y, node, err, "%s.%s: expected a value, found nothing", what, key);
    if (expansion_expand(node->scalar, out, err) != OK)
        return err_wrap(err, "%s:%" PRIu32 ":%" PRIu32 ": %s.%s", yaml_file(y), node->line,
                        node->column, what, key);
    if (!text_is_plain((struct str){out->p, out->n}))
        return yaml_fail(y, node, err, "%s.%s: expected UTF-8 text without control characters",
                         what, key);
    return OK;
}

static bool is_url(const char *s)
{
    for (const char *c = s; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return (strncmp(s, "http://", 7) == 0 && s[7]) || (strncmp(s, "https://", 8) == 0 && s[8]);
}

static bool has_user(const char *url)
{
    const char *const host = strchr(url, ':') + 3; /* is_url: past "://" */

    return memchr(host, '@', strcspn(host, "/?#"));
}

static enum rc load_text(const struct yaml *y, const struct yaml_node *node, const char *what,
                         const struct spec_key *k, enum spec_kind kind, char **at, struct err *err)
{
    struct expansion v = {0};

    if (scalar(y, node, what, k->name, &v, err) != OK)
        return err->rc;
    if (v.n == 0)
        return yaml_fail(y, node, err, "%s.%s: expected a value, found nothing", what, k->name);
    if (kind == SPEC_URL && !is_url(v.p))
        return yaml_fail(y, node, err,
                         "%s.%s: expected a URL such as http://localhost:9090, found '%.80s'", what,
                         k->name, k->secret || strchr(v.p, '@') ? "…" : v.p);
    if (kind == SPEC_URL && has_user(v.p))
        return yaml_fail(y, node, err,
                         "%s.%s: the URL has a user and password in it; give them by their own "
                         "settings",
                         what, k->name);
    if (kind == SPEC_PATH && v.p[0] == '~')
        return yaml_fail(y, node, err,
                         "%s.%s: expected a path; '~' is not expanded here, ${HOME} is", what,
                         k->name);
    return spec_text(at, v.p, err);
}

static enum rc load_number(const struct yaml *y, const struct yaml_node *node, const char *what,
                           const struct spec_key *k, void *at, struct err *err)
{
    struct expansion v = {0};
    int64_t ms = 0;
    uint64_t bytes = 0;

    if (scalar(y, node, what, k->name, &v, err) != OK)
        return err->rc;
    const struct str s = {v.p, v.n};
    if (k->kind == SPEC_BOOL) {
        const bool yes = str_eq(s, STR("true"));
        if (!yes && !str_eq(s, STR("false")))
            return yaml_fail(y, node, err, "%s.%s: expected true or false, found '%.40s'", what,
                             k->name, v.p);
        *(bool *)at = yes;
        return OK;
    }
    const bool duration = k->kind == SPEC_DURATION;
    const bool read = duration ? str_to_duration_ms(s, &ms) : str_to_size_bytes(s, &bytes);
    const double value = duration ? (double)ms : (double)bytes;
    if (!read || value < k->least || value > k->most)
        return yaml_fail(y, node, err, "%s.%s: expected %s from %.15g to %.15g %s, found '%.40s'",
                         what, k->name, duration ? "a time such as 15s" : "a size such as 16MiB",
                         duration ? k->least / 1000 : k->least, duration ? k->most / 1000 : k->most,
                         duration ? "seconds" : "bytes", v.p);
    if (duration)
        *(int64_t *)at = ms;
    else
        *(uint64_t *)at = bytes;
    return OK;
}

static void list_done(struct text_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->v[i]);
    mem_free(l->v);
    *l = (struct text_list){0};
}

static enum rc load_list(const struct yaml *y, const struct yaml_node *node, const char *what,
                         const struct spec_key *k, struct text_list *at, struct err *err)
{
    if (node->kind != YAML_LIST)
        return yaml_fail(y, node, err, "%s.%s: expected a list, found %s", what, k->name,
                         yaml_kind_name(node));
    if (node->n > SPEC_LIST_MAX)
        return yaml_fail(y, node, err, "%s.%s: expected at most %d entries, found %zu", what,
                         k->name, SPEC_LIST_MAX, node->n);
    list_done(at);
    at->v = mem_array(node->n, sizeof *at->v);
    if (!at->v)
        return no_memory(err);
    for (size_t i = 0; i < node->n; i++) {
        if (load_text(y, &node->values[i], what, k, k->kind == SPEC_URLS ? SPEC_URL : SPEC_TEXT,
                      &at->v[at->n], err) != OK)
            return err->rc;
        at->n++;
    }
    return OK;
}

static enum rc load_labels(const struct yaml *y, const struct yaml_node *node, const char *what,
                           const struct spec_key *k, struct label_text **at, size_t *n,
                           struct err *err)
{
    if (node->kind != YAML_MAP)
        return yaml_fail(y, node, err, "%s.%s: expected a map of labels, found %s", what, k->name,
                         yaml_kind_name(node));
    if (*at)
        return yaml_fail(y, node, err, "%s.%s: comes twice", what, k->name);
    *at = mem_array(node->n ? node->n : 1, sizeof **at);
    if (!*at)
        return no_memory(err);
    for (size_t i = 0; i < node->n; i++) {
        struct label_text *l = &(*at)[*n];
        if (!label_name_is_valid(node->keys[i].scalar))
            return yaml_fail(y, &node->keys[i], err,
                             "%s.%s: expected the name of a label (letters, digits, _), "
                             "found '%.40s'",
                             what, k->name, node->keys[i].scalar.p);
        ++*n;
        if (spec_text(&l->name, node->keys[i].scalar.p, err) != OK ||
            load_text(y, &node->values[i], what, k, SPEC_TEXT, &l->value, err) != OK)
            return err->rc;
    }
    return OK;
}

static enum rc load_key(const struct yaml *y, const struct yaml_node *node, const char *what,
                        const struct spec_key *k, char *base, struct err *err)
{
    void *at = base + k->offset;

    switch (k->kind) {
    case SPEC_TEXT:
    case SPEC_URL:
    case SPEC_PATH:
        return load_text(y, node, what, k, k->kind, at, err);
    case SPEC_DURATION:
    case SPEC_SIZE:
    case SPEC_BOOL:
        return load_number(y, node, what, k, at, err);
    case SPEC_LIST:
    case SPEC_URLS:
        return load_list(y, node, what, k, at, err);
    case SPEC_LABELS:
        return load_labels(y, node, what, k, at, (size_t *)(void *)(base + k->n_offset), err);
    case SPEC_SECTION: {
        char path[CONFIG_TEXT_MAX];
        (void)snprintf(path, sizeof path, "%s.%s", what, k->name);
        return spec_load(y, node, path, k->keys, at, err);
    }
    }
    return OK;
}

enum rc spec_load(const struct yaml *y, const struct yaml_node *map, const char *what,
                  const struct spec_key *keys, void *at, struct err *err)
{
    enum { KEYS_MAX = 32 };
    const char *known[KEYS_MAX]; /* more than any table has */
    size_t n = 0;

    for (const struct spec_key *k = keys; k->name; k++)
        known[n++] = k->name;
    if (!yaml_is_null(map) && yaml_expect_keys(y, map, what, known, n, err) != OK)
        return err->rc;
    for (const struct spec_key *k = keys; k->name; k++) {
        const struct yaml_node *v = yaml_is_null(map) ? NULL : yaml_get(map, k->name);
        if (!v && k->required)
            return yaml_fail(y, map, err, "%s: expected %s (%s)", what, k->name, k->help);
        if (v && load_key(y, v, what, k, at, err) != OK)
            return err->rc;
    }
    return OK;
}

void spec_done(const struct spec_key *keys, void *at)
{
    for (const struct spec_key *k = keys; k->name; k++) {
        void *p = (char *)at + k->offset;
        if (k->kind == SPEC_TEXT || k->kind == SPEC_URL || k->kind == SPEC_PATH) {
            mem_free(*(char **)p);
            *(char **)p = NULL;
        } else if (k->kind == SPEC_LIST || k->kind == SPEC_URLS) {
            list_done(p);
        } else if (k->kind == SPEC_SECTION) {
            spec_done(k->keys, p);
        } else if (k->kind == SPEC_LABELS) {
            struct label_text **labels = p;
            size_t *n = (size_t *)(void *)((char *)at + k->n_offset);
            for (size_t i = 0; i < *n; i++) {
                mem_free((*labels)[i].name);
                mem_free((*labels)[i].value);
            }
            mem_free(*labels);
            *labels = NULL;
            *n = 0;
        }
    }
}

/* Is anything of a section set? What is not, is not printed. */
static bool is_set(const struct spec_key *k, const void *at)
{
    const void *p = (const char *)at + k->offset;

    switch (k->kind) {
    case SPEC_TEXT:
    case SPEC_URL:
    case SPEC_PATH:
        return *(char *const *)p != NULL;
    case SPEC_LIST:
    case SPEC_URLS:
        return ((const struct text_list *)p)->n > 0;
    case SPEC_LABELS:
        return *(struct label_text *const *)p != NULL;
    case SPEC_BOOL:
        return *(const bool *)p;
    case SPEC_DURATION:
    case SPEC_SIZE:
        return true;
    case SPEC_SECTION:
        for (const struct spec_key *below = k->keys; below->name; below++)
            if (is_set(below, p))
                return true;
        return false;
    }
    return false;
}

static void print_value(const struct spec_key *k, const void *at, int indent, struct buf *out)
{
    const void *p = (const char *)at + k->offset;
    char duration[STR_DURATION_MAX];

    switch (k->kind) {
    case SPEC_TEXT:
    case SPEC_URL:
    case SPEC_PATH:
        text_format(k->secret ? "<secret>" : *(char *const *)p, out);
        break;
    case SPEC_DURATION:
        str_from_duration_ms(*(const int64_t *)p, duration);
        buf_puts(out, duration);
        break;
    case SPEC_SIZE:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)p);
        break;
    case SPEC_BOOL:
        buf_puts(out, *(const bool *)p ? "true" : "false");
        break;
    case SPEC_LIST:
    case SPEC_URLS: {
        const struct text_list *l = p;
        for (size_t i = 0; i < l->n; i++) {
            buf_puts(out, i ? ", " : "[");
            text_format(l->v[i], out);
        }
        buf_puts(out, "]");
        break;
    }
    case SPEC_LABELS: {
        const struct label_text *l = *(struct label_text *const *)p;
        const size_t n = *(const size_t *)(const void *)((const char *)at + k->n_offset);
        buf_puts(out, "{");
        for (size_t i = 0; i < n; i++) {
            buf_printf(out, "%s%s: ", i ? ", " : "", l[i].name);
            text_format(l[i].value, out);
        }
        buf_puts(out, "}");
        break;
    }
    case SPEC_SECTION:
        buf_puts(out, "\n");
        spec_print(k->keys, p, indent + 2, out);
        break;
    }
}

void spec_print(const struct spec_key *keys, const void *at, int indent, struct buf *out)
{
    for (const struct spec_key *k = keys; k->name; k++) {
        if (!is_set(k, at))
            continue;
        buf_printf(out, "%*s%s: ", indent, "", k->name);
        print_value(k, at, indent, out);
        if (k->kind != SPEC_SECTION)
            buf_puts(out, "\n");
    }
}
