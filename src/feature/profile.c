/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/profile.h"

#include <assert.h>
#include <float.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/yaml.h"
#include "feature/builtin.h"
#include "feature/expr.h"
#include "feature/profile_plan.h"
#include "feature/windows.h"

struct profile {
    char name[FEATURE_NAME_MAX];
    size_t n_base;
    int64_t interval_ms;
    struct schema *schema;
    struct plan plan;
    uint32_t *roots; /* [n_base] */
    char **promql;   /* [n_base] */
    struct derive_program derived;
};

/* A profile in the making. */
struct loader {
    const struct yaml *yaml;
    int64_t interval_ms, rate_interval_ms;
    struct profile *profile;
    struct feature *features; /* [n] */
    size_t n;
    uint64_t definition; /* hash of what was read so far; see data/schema.h */
    struct err *err;
};

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "profile: no memory");
}

/* A short text under key, or "" when it is not there and not required. */
static enum rc short_text(struct loader *l, const struct yaml_node *map, const char *key, char *out,
                          size_t size)
{
    const struct yaml_node *v = yaml_get(map, key);

    out[0] = '\0';
    if (!v)
        return OK;
    if (v->kind != YAML_SCALAR)
        return yaml_fail(l->yaml, v, l->err, "%s: expected a text, found a %s", key,
                         v->kind == YAML_MAP ? "map" : "list");
    if (v->scalar.n >= size)
        return yaml_fail(l->yaml, v, l->err, "%s: has %zu bytes, at most %zu are taken", key,
                         v->scalar.n, size - 1);
    memcpy(out, v->scalar.p, v->scalar.n);
    out[v->scalar.n] = '\0';
    return OK;
}

static bool name_is_valid(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

    if (!name[0] || !strchr(first, name[0]))
        return false;
    for (size_t i = 1; name[i]; i++)
        if (!strchr(first, name[i]) && !strchr("0123456789.:-", name[i]))
            return false;
    return true;
}

static enum rc read_name(struct loader *l, const struct yaml_node *map, struct feature *f)
{
    const struct yaml_node *v = yaml_get(map, "name");

    if (!v)
        return yaml_fail(l->yaml, map, l->err, "this feature has no name");
    if (short_text(l, map, "name", f->name, sizeof f->name) != OK)
        return l->err->rc;
    if (!name_is_valid(f->name))
        return yaml_fail(l->yaml, v, l->err,
                         "name: expected a letter, then letters, digits and _ . : -, found '%s'",
                         f->name);
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->features[i].name, f->name) == 0)
            return yaml_fail(l->yaml, v, l->err, "feature '%s' is there twice", f->name);
    return OK;
}

static const char *shown(const struct yaml_node *v)
{
    return v->kind == YAML_SCALAR ? v->scalar.p : v->kind == YAML_LIST ? "a list" : "a map";
}

static enum rc read_resolution(struct loader *l, const struct yaml_node *map, struct feature *f)
{
    const struct yaml_node *v = yaml_get(map, "resolution");
    double resolution = 0;

    if (!v)
        return OK;
    if (v->kind != YAML_SCALAR || !str_to_double(v->scalar, &resolution) ||
        !(resolution >= 0 && resolution <= (double)FLT_MAX))
        return yaml_fail(
            l->yaml, v, l->err,
            "resolution: expected a number of at least 0 in the feature's unit, found '%.40s'",
            shown(v));
    f->resolution = (float)resolution;
    return OK;
}

static enum rc read_weight(struct loader *l, const struct yaml_node *map, struct feature *f)
{
    const struct yaml_node *v = yaml_get(map, "weight");

    if (!v)
        return OK;
    f->weightless = v->kind == YAML_SCALAR && str_eq(v->scalar, STR("0"));
    if (!f->weightless && !(v->kind == YAML_SCALAR && str_eq(v->scalar, STR("1"))))
        return yaml_fail(l->yaml, v, l->err, "weight: expected 0 or 1");
    return OK;
}

/* What base and derived features have in common; *ret_expr is the expression's node. */
static enum rc read_feature(struct loader *l, const struct yaml_node *map, struct feature *f,
                            const struct yaml_node **ret_expr)
{
    static const char *const keys[] = {"name",       "expr",   "unit", "group",
                                       "resolution", "weight", "help"};

    *f = (struct feature){0};
    if (map->kind != YAML_MAP)
        return yaml_fail(l->yaml, map, l->err, "expected a map such as {name: ..., expr: ...}");
    if (yaml_expect_keys(l->yaml, map, "a feature", keys, sizeof keys / sizeof keys[0], l->err) !=
            OK ||
        read_name(l, map, f) != OK || short_text(l, map, "unit", f->unit, sizeof f->unit) != OK ||
        short_text(l, map, "group", f->group, sizeof f->group) != OK ||
        read_resolution(l, map, f) != OK || read_weight(l, map, f) != OK)
        return l->err->rc;
    const struct yaml_node *help = yaml_get(map, "help");
    if (help && help->kind != YAML_SCALAR)
        return yaml_fail(l->yaml, help, l->err, "help: expected a text");
    const struct yaml_node *expr = yaml_get(map, "expr");
    if (!expr || expr->kind != YAML_SCALAR || expr->scalar.n == 0)
        return yaml_fail(l->yaml, expr ? expr : map, l->err,
                         "feature '%s' has no expression (expr)", f->name);
    l->definition = hash_bytes(expr->scalar.p, expr->scalar.n, l->definition);
    l->definition = hash_bytes(&f->resolution, sizeof f->resolution, l->definition);
    l->definition = hash_bytes(&f->weightless, sizeof f->weightless, l->definition);
    *ret_expr = expr;
    return OK;
}

/* The expression's own sentence ("column 7: ...") behind the scalar's place in the file. */
static enum rc expression_fails(struct loader *l, const struct yaml_node *expr, const char *name)
{
    char sentence[ERR_MSG_MAX];

    if (l->err->rc == E_NOMEM)
        return E_NOMEM;
    memcpy(sentence, l->err->msg, sizeof sentence);
    return yaml_fail(l->yaml, expr, l->err, "expression of '%s', %s", name, sentence);
}

static enum rc load_base(struct loader *l, const struct yaml_node *map)
{
    struct profile *p = l->profile;
    struct feature *f = &l->features[l->n];
    const struct yaml_node *expr;
    struct buf text;

    if (read_feature(l, map, f, &expr) != OK)
        return l->err->rc;
    if (expr_compile(expr->scalar, l->rate_interval_ms, &p->plan, &p->roots[l->n], l->err) != OK)
        return expression_fails(l, expr, f->name);
    buf_init(&text, 8 * EXPR_BYTES_MAX);
    if (expr_promql(expr->scalar, l->rate_interval_ms, &text, l->err) != OK) {
        buf_done(&text);
        return l->err->rc;
    }
    p->promql[l->n] = buf_take(&text);
    if (!p->promql[l->n])
        return no_memory(l->err);
    l->n++;
    p->n_base++;
    return OK;
}

static enum rc load_derived(struct loader *l, const struct yaml_node *map)
{
    struct feature *f = &l->features[l->n];
    const struct yaml_node *expr;

    if (read_feature(l, map, f, &expr) != OK)
        return l->err->rc;
    if (derive_program_add(&l->profile->derived, expr->scalar, l->features, l->n, l->err) != OK)
        return expression_fails(l, expr, f->name);
    l->n++;
    return OK;
}

static enum rc load_list(struct loader *l, const struct yaml_node *root, const char *key,
                         enum rc (*load)(struct loader *, const struct yaml_node *))
{
    const struct yaml_node *list = yaml_get(root, key);

    if (!list)
        return OK;
    if (list->kind != YAML_LIST)
        return yaml_fail(l->yaml, list, l->err, "%s: expected a list of features", key);
    for (size_t i = 0; i < list->n; i++)
        if (load(l, &list->values[i]) != OK)
            return l->err->rc;
    return OK;
}

/* Count the features before anything is made for them. */
static enum rc make_room(struct loader *l, const struct yaml_node *root)
{
    const struct yaml_node *base = yaml_get(root, "features"), *derived = yaml_get(root, "derive");
    const size_t n_base = base && base->kind == YAML_LIST ? base->n : 0;
    const size_t n = n_base + (derived && derived->kind == YAML_LIST ? derived->n : 0);
    struct profile *p = l->profile;

    if (base && base->kind != YAML_LIST)
        return yaml_fail(l->yaml, base, l->err, "features: expected a list of features");
    if (n_base == 0)
        return yaml_fail(l->yaml, base ? base : root, l->err, "a profile needs features");
    if (n > SCHEMA_FEATURES_MAX)
        return yaml_fail(l->yaml, root, l->err, "%zu features, at most %d are taken", n,
                         SCHEMA_FEATURES_MAX);
    l->features = mem_array(n, sizeof *l->features);
    p->roots = mem_array(n_base, sizeof *p->roots);
    p->promql = mem_array(n_base, sizeof *p->promql);
    return l->features && p->roots && p->promql ? OK : no_memory(l->err);
}

static enum rc read_timezone(struct loader *l, const struct yaml_node *root)
{
    const struct yaml_node *v = yaml_get(root, "timezone");

    if (!v)
        return OK;
    l->profile->derived.utc = v->kind == YAML_SCALAR && str_eq(v->scalar, STR("UTC"));
    if (!l->profile->derived.utc && !(v->kind == YAML_SCALAR && str_eq(v->scalar, STR("local"))))
        return yaml_fail(l->yaml, v, l->err, "timezone: expected 'local' or 'UTC', found '%.40s'",
                         shown(v));
    return OK;
}

static enum rc check_windows(struct loader *l, const struct yaml_node *root)
{
    struct err why = {0};

    if (windows_check(&l->profile->plan, l->interval_ms, &why) == OK)
        return OK;
    return yaml_fail(l->yaml, root, l->err, "%s", why.msg);
}

static bool has_weight(const struct loader *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->features[i].weightless)
            return true;
    return false;
}

static enum rc load(struct loader *l)
{
    static const char *const keys[] = {"name", "help", "timezone", "features", "derive"};
    const struct yaml_node *root = yaml_root(l->yaml);
    struct profile *p = l->profile;

    if (root->kind != YAML_MAP)
        return yaml_fail(l->yaml, root, l->err, "expected a map with name, features and derive");
    if (yaml_expect_keys(l->yaml, root, "the profile", keys, sizeof keys / sizeof keys[0],
                         l->err) != OK ||
        short_text(l, root, "name", p->name, sizeof p->name) != OK ||
        read_timezone(l, root) != OK || make_room(l, root) != OK)
        return l->err->rc;
    if (!name_is_valid(p->name))
        return yaml_fail(l->yaml, root, l->err,
                         "name: expected the profile's name (a letter, then letters, digits and "
                         "_ . : -), found '%s'",
                         p->name);
    if (load_list(l, root, "features", load_base) != OK ||
        load_list(l, root, "derive", load_derived) != OK)
        return l->err->rc;
    if (check_windows(l, root) != OK)
        return l->err->rc;
    if (!has_weight(l))
        return yaml_fail(l->yaml, root, l->err, "a profile needs a feature whose weight is not 0");
    if (schema_new(l->features, l->n, &p->schema, l->err) != OK)
        return l->err->rc;
    l->definition = hash_bytes(&p->derived.utc, sizeof p->derived.utc, l->definition);
    schema_define(p->schema, l->definition ? l->definition : 1); /* 0 means none */
    return OK;
}

enum rc profile_parse(struct str text, const char *file, int64_t interval_ms, struct profile **ret,
                      struct err *err)
{
    assert(interval_ms > 0);
    if (text.n > PROFILE_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: %zu bytes, a profile has at most %d", file, text.n,
                       PROFILE_BYTES_MAX);
    CLEANUP(yaml_freep) struct yaml *yaml = NULL;
    if (yaml_parse(text, file, &yaml, err) != OK)
        return err->rc;
    CLEANUP(profile_freep) struct profile *p = mem_alloc(sizeof *p);
    if (!p)
        return no_memory(err);
    p->interval_ms = interval_ms;
    struct loader l = {.yaml = yaml,
                       .interval_ms = interval_ms,
                       .rate_interval_ms = expr_rate_interval_ms(interval_ms),
                       .profile = p,
                       .definition = (uint64_t)interval_ms, /* windows and steps hang on it */
                       .err = err};
    const enum rc rc = load(&l);
    mem_free(l.features);
    if (rc == OK)
        *ret = TAKE(p);
    return rc;
}

static bool ends_with(struct str s, struct str tail)
{
    return s.n >= tail.n && str_eq((struct str){s.p + s.n - tail.n, tail.n}, tail);
}

static enum rc unknown_profile(const char *name, struct err *err)
{
    enum { NAMES_MAX = 8 };
    const char *names[NAMES_MAX];
    size_t n = 0;

    for (; n < builtin_profiles_n && n < NAMES_MAX; n++)
        names[n] = builtin_profiles[n].name;
    const int near = str_nearest(str_of(name), names, n);
    if (near >= 0)
        return err_set(err, E_CONFIG, "unknown profile '%s'; did you mean '%s'?", name,
                       names[near]);
    return err_set(err, E_CONFIG,
                   "unknown profile '%s': expected node, classic or the path of a YAML file", name);
}

enum rc profile_load(const char *name, int64_t interval_ms, struct profile **ret, struct err *err)
{
    CLEANUP(mem_freep) char *bytes = NULL;
    struct str text = {0};

    for (size_t i = 0; i < builtin_profiles_n; i++) {
        const struct builtin_profile *b = &builtin_profiles[i];
        if (strcmp(b->name, name) == 0)
            return profile_parse((struct str){b->text, b->n}, b->file, interval_ms, ret, err);
    }
    if (!strchr(name, '/') && !ends_with(str_of(name), STR(".yml")) &&
        !ends_with(str_of(name), STR(".yaml")))
        return unknown_profile(name, err);
    if (file_read(name, PROFILE_BYTES_MAX, &bytes, &text.n, err) != OK)
        return err->rc;
    text.p = bytes;
    return profile_parse(text, name, interval_ms, ret, err);
}

void profile_free(struct profile *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_base; i++)
        mem_free(p->promql[i]);
    mem_free(p->promql);
    mem_free(p->roots);
    plan_done(&p->plan);
    derive_program_done(&p->derived);
    schema_free(p->schema);
    mem_free(p);
}

const char *profile_name(const struct profile *p)
{
    return p->name;
}

const struct schema *profile_schema(const struct profile *p)
{
    return p->schema;
}

size_t profile_base_count(const struct profile *p)
{
    return p->n_base;
}

const char *profile_promql(const struct profile *p, size_t i)
{
    assert(i < p->n_base);
    return p->promql[i];
}

bool profile_wants(const struct profile *p, const struct series *s)
{
    for (size_t i = 0; i < p->plan.n_selectors; i++)
        if (plan_selector_matches(&p->plan.selectors[i], s))
            return true;
    return false;
}

int64_t profile_interval_ms(const struct profile *p)
{
    return p->interval_ms;
}

int64_t profile_window_ms(const struct profile *p)
{
    int64_t longest = 0;

    for (size_t i = 0; i < p->plan.n_selectors; i++)
        if (p->plan.selectors[i].range_ms > longest)
            longest = p->plan.selectors[i].range_ms;
    return longest;
}

const struct plan *profile_plan(const struct profile *p)
{
    return &p->plan;
}

const uint32_t *profile_roots(const struct profile *p)
{
    return p->roots;
}

const struct derive_program *profile_derived(const struct profile *p)
{
    return &p->derived;
}
