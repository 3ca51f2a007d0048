/* SPDX-License-Identifier: Apache-2.0 */
#include "store/encode.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

static void json_freep(json_t **j)
{
    json_decref(*j);
}

static void libc_freep(char **p) /* jansson's texts come from malloc */
{
    free(*p);
}

/* The double whose short decimal form is the float's: 0.1, not 0.10000000149011612. */
static double short_double(float v)
{
    char text[32];
    double d = (double)v;

    for (int digits = 6; digits <= 9; digits++) { /* 9 are always enough for float32 */
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (str_to_double(str_of(text), &d) && (float)d == v)
            return d;
    }
    return (double)v;
}

static json_t *number(float v)
{
    return isfinite(v) ? json_real(short_double(v)) : json_null();
}

static enum rc check_texts(const struct feature *f, struct err *err)
{
    if (!str_is_utf8(str_of(f->name)) || !str_is_utf8(str_of(f->unit)) ||
        !str_is_utf8(str_of(f->group)))
        return err_set(err, E_PARSE, "store: feature '%s': its unit or group is not UTF-8",
                       f->name);
    return OK;
}

static enum rc dump(const json_t *list, char **ret, struct err *err)
{
    CLEANUP(libc_freep)
    char *text = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *own = text ? mem_strndup(text, strlen(text)) : NULL;

    if (!own)
        return err_set(err, E_NOMEM, "store: no memory for a JSON text");
    *ret = own;
    return OK;
}

enum rc encode_features(const struct schema *schema, char **ret, struct err *err)
{
    CLEANUP(json_freep) json_t *list = json_array();

    for (size_t i = 0; i < schema->n; i++) {
        const struct feature *f = &schema->f[i];
        const enum rc rc = check_texts(f, err);
        if (rc != OK)
            return rc;
        json_t *row = json_pack("{s:s, s:s, s:s, s:o}", "name", f->name, "unit", f->unit, "group",
                                f->group, "resolution", number(f->resolution));
        if (json_array_append_new(list, row) != 0) /* takes row, also when it fails */
            return err_set(err, E_NOMEM, "store: no memory for the schema's text");
    }
    return dump(list, ret, err);
}

enum rc encode_causes(const struct schema *schema, const struct cause *causes, size_t n, char **ret,
                      struct err *err)
{
    CLEANUP(json_freep) json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct cause *c = &causes[i];
        if (c->feature >= schema->n)
            return err_set(err, E_LIMIT, "store: a cause is feature %u of a schema of %zu",
                           c->feature, schema->n);
        const struct feature *f = &schema->f[c->feature];
        const enum rc rc = check_texts(f, err);
        if (rc != OK)
            return rc;
        json_t *row =
            json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b}", "feature", f->name, "group", f->group,
                      "unit", f->unit, "value", number(c->value), "expected", number(c->expected),
                      "share", number(c->share), "restore", c->restore);
        if (json_array_append_new(list, row) != 0)
            return err_set(err, E_NOMEM, "store: no memory for the causes' text");
    }
    return dump(list, ret, err);
}
