/* SPDX-License-Identifier: Apache-2.0 */
#include "data/schema.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *z)
{
    if (!is_letter(*z))
        return false;
    for (z++; *z; z++)
        if (!is_letter(*z) && !(*z >= '0' && *z <= '9') && *z != '.' && *z != ':' && *z != '-')
            return false;
    return true;
}

static enum rc check_feature(const struct feature *f, size_t i, struct err *err)
{
    if (!memchr(f->name, '\0', sizeof f->name) || !is_name(f->name))
        return err_set(err, E_PARSE,
                       "feature %zu: '%.*s' is no name: expected a letter or '_', then letters, "
                       "digits or any of '_.:-', at most %d bytes",
                       i + 1, FEATURE_NAME_MAX - 1, f->name, FEATURE_NAME_MAX - 1);
    if (!memchr(f->unit, '\0', sizeof f->unit) || !memchr(f->group, '\0', sizeof f->group))
        return err_set(err, E_PARSE, "feature '%s': unit and group have at most %d bytes", f->name,
                       FEATURE_UNIT_MAX - 1);
    return OK;
}

/* Names with their NULs in order: no two lists give the same bytes. */
static uint64_t hash_of(const struct schema *s)
{
    uint64_t h = s->n;

    if (s->definition)
        h = hash_bytes(&s->definition, sizeof s->definition, h);

    for (size_t i = 0; i < s->n; i++)
        h = hash_bytes(s->f[i].name, strlen(s->f[i].name) + 1, h);
    return h;
}

enum rc schema_new(const struct feature *f, size_t n, struct schema **ret, struct err *err)
{
    if (n == 0 || n > SCHEMA_FEATURES_MAX)
        return err_set(err, E_LIMIT, "schema: %zu features, expected 1 to %d", n,
                       SCHEMA_FEATURES_MAX);
    for (size_t i = 0; i < n; i++) {
        const enum rc rc = check_feature(&f[i], i, err);
        if (rc)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (strcmp(f[i].name, f[j].name) == 0)
                return err_set(err, E_PARSE, "feature '%s' comes twice, as number %zu and %zu",
                               f[i].name, j + 1, i + 1);
    }
    struct schema *s = mem_alloc(sizeof *s + n * sizeof *f);
    if (!s)
        return err_set(err, E_NOMEM, "schema: no memory for %zu features", n);
    s->n = n;
    memcpy(s->f, f, n * sizeof *f);
    s->hash = hash_of(s);
    *ret = s;
    return OK;
}

void schema_define(struct schema *s, uint64_t definition)
{
    s->definition = definition;
    s->hash = hash_of(s);
}

struct schema *schema_copy(const struct schema *s)
{
    const size_t bytes = sizeof *s + s->n * sizeof *s->f;
    struct schema *copy = mem_alloc(bytes);

    if (copy)
        memcpy(copy, s, bytes);
    return copy;
}

void schema_free(struct schema *s)
{
    mem_free(s);
}

int schema_find(const struct schema *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(name, str_of(s->f[i].name)))
            return (int)i;
    return -1;
}

enum rc schema_match(const struct schema *a, const struct schema *b, struct err *err)
{
    const size_t n = a->n < b->n ? a->n : b->n;

    for (size_t i = 0; i < n; i++)
        if (strcmp(a->f[i].name, b->f[i].name) != 0)
            return err_set(err, E_STATE, "feature %zu: expected '%s', found '%s'", i + 1,
                           a->f[i].name, b->f[i].name);
    if (a->n > b->n)
        return err_set(err, E_STATE, "expected %zu features, found %zu: '%s' is missing", a->n,
                       b->n, a->f[n].name);
    if (a->n < b->n)
        return err_set(err, E_STATE, "expected %zu features, found %zu: '%s' is not expected", a->n,
                       b->n, b->f[n].name);
    return OK;
}
