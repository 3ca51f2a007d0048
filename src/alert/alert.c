/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "data/units.h"

enum { CAUSES_TOLD = 5 }; /* a message on a telephone: what comes after has a small share */

static void copy_text(char *out, size_t size, const char *z)
{
    (void)snprintf(out, size, "%s", z);
    if (!str_is_utf8(str_of(out))) /* also a letter that was cut */
        str_make_printable(out);
}

void alert_of_incident(const char *instance, const struct schema *schema, const struct incident *in,
                       const char *words, struct alert *ret)
{
    *ret = (struct alert){.kind = in->kind,
                          .start_ms = in->start_ms,
                          .end_ms = in->end_ms,
                          .score = in->peak_score,
                          .threshold = in->threshold};
    copy_text(ret->instance, sizeof ret->instance, instance);
    copy_text(ret->words, sizeof ret->words, words);
    for (size_t i = 0; i < in->n_causes && i < CAUSES_MAX; i++) {
        const struct cause *c = &in->causes[i];
        if (c->feature >= schema->n)
            continue;
        struct alert_cause *to = &ret->causes[ret->n_causes++];
        copy_text(to->feature, sizeof to->feature, schema->f[c->feature].name);
        copy_text(to->unit, sizeof to->unit, schema->f[c->feature].unit);
        to->value = c->value;
        to->expected = c->expected;
        to->share = c->share;
        to->restore = c->restore;
    }
}

/* null is what JSON has for NaN. */
static bool read_float(const json_t *o, const char *key, float *ret)
{
    const json_t *v = json_object_get(o, key);

    *ret = json_is_number(v) ? (float)json_number_value(v) : NAN;
    return json_is_number(v) || json_is_null(v);
}

static bool read_cause(const json_t *o, struct alert_cause *ret)
{
    const char *feature = json_string_value(json_object_get(o, "feature"));
    const char *unit = json_string_value(json_object_get(o, "unit"));

    if (!feature || !unit || !read_float(o, "value", &ret->value) ||
        !read_float(o, "expected", &ret->expected) || !read_float(o, "share", &ret->share))
        return false;
    copy_text(ret->feature, sizeof ret->feature, feature);
    copy_text(ret->unit, sizeof ret->unit, unit);
    ret->restore = json_is_true(json_object_get(o, "restore")); /* an older tocsin wrote none */
    return true;
}

enum rc alert_of_stored(const struct store_incident *row, struct alert *ret, struct err *err)
{
    struct alert a = {.kind = row->kind,
                      .start_ms = row->start_ms,
                      .end_ms = row->end_ms,
                      .score = row->peak_score,
                      .threshold = row->threshold};
    json_error_t where;
    CLEANUP(json_decrefp) json_t *list = json_loads(row->causes_json, 0, &where);

    if (!json_is_array(list))
        return err_set(err, E_PARSE, "incident %lld: its causes are no JSON array",
                       (long long)row->id);
    copy_text(a.instance, sizeof a.instance, row->instance);
    copy_text(a.words, sizeof a.words, row->words ? row->words : "");
    for (size_t i = 0; i < json_array_size(list) && i < CAUSES_MAX; i++)
        if (!read_cause(json_array_get(list, i), &a.causes[a.n_causes++]))
            return err_set(err, E_PARSE, "incident %lld: its cause %zu is damaged",
                           (long long)row->id, i + 1);
    *ret = a;
    return OK;
}

static const char *what(const struct alert *a)
{
    return a->kind == INCIDENT_SLOW ? "slow change" : "anomaly";
}

/* The score of a slow change is a share of its limit. */
static void add_score(const struct alert *a, struct buf *out)
{
    if (a->kind == INCIDENT_SLOW)
        buf_printf(out, "%.3g times the limit", (double)a->score);
    else
        buf_printf(out, "score %.4g over the threshold %.4g", (double)a->score,
                   (double)a->threshold);
}

void alert_summarize(const struct alert *a, struct buf *out)
{
    buf_printf(out, "%s: %s, ", a->instance, what(a));
    add_score(a, out);
    if (a->n_causes)
        buf_printf(out, ", mostly %s", a->causes[0].feature);
}

static void add_cause(const struct alert_cause *c, struct buf *out)
{
    char value[UNITS_MAX], expected[UNITS_MAX];

    units_format((double)c->value, c->unit, value);
    units_format((double)c->expected, c->unit, expected);
    buf_printf(out, "%s %s, expected %s", c->feature, value, expected);
    if (isfinite(c->share) && c->share > 0)
        buf_printf(out, " (%.0f %%)", 100 * (double)c->share);
}

/* " With cpu_busy_ratio and load1 as expected it would not have rung." */
static void add_restored(const struct alert *a, struct buf *out)
{
    size_t n = 0, told = 0;

    for (size_t i = 0; i < a->n_causes; i++)
        n += a->causes[i].restore;
    for (size_t i = 0; i < a->n_causes && n; i++) {
        if (!a->causes[i].restore)
            continue;
        buf_puts(out, told == 0 ? " With " : told == n - 1 ? " and " : ", ");
        buf_puts(out, a->causes[i].feature);
        told++;
    }
    if (n)
        buf_puts(out, " as expected it would not have rung.");
}

/* What the slow change is, without saying again that it is one. */
static void add_words(const struct alert *a, struct buf *out)
{
    static const char said[] = "slow change: ";
    const size_t n = strncmp(a->words, said, sizeof said - 1) == 0 ? sizeof said - 1 : 0;

    if (a->words[0])
        buf_printf(out, " %s.", a->words + n);
}

void alert_describe(const struct alert *a, struct buf *out)
{
    char since[STR_RFC3339_MAX];
    const size_t n = a->n_causes < CAUSES_TOLD ? a->n_causes : CAUSES_TOLD;

    str_from_rfc3339_ms(a->start_ms, since);
    buf_printf(out, "%s since %s: at most ", a->kind == INCIDENT_SLOW ? "Slow change" : "Anomaly",
               since);
    add_score(a, out);
    buf_puts(out, ".");
    add_words(a, out);
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "; " : " Causes: ");
        add_cause(&a->causes[i], out);
    }
    if (n)
        buf_puts(out, ".");
    add_restored(a, out);
}

void alert_list_causes(const struct alert *a, struct buf *out)
{
    for (size_t i = 0; i < a->n_causes; i++)
        buf_printf(out, "%s%s", i ? ", " : "", a->causes[i].feature);
}
