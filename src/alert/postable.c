/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/postable.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

enum {
    RESEND_DEFAULT_MS = 60000, /* Prometheus: --rules.alert.resend-delay */
    TEXT_MAX = 16 << 10,       /* of an annotation */
};

static bool is_letter(char c) /* whatever the locale */
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_name(const char *z)
{
    for (size_t i = 0; z[i]; i++)
        if (!is_letter(z[i]) && !(i > 0 && is_digit(z[i])))
            return false;
    return z[0] != '\0';
}

static bool is_own(const char *name)
{
    return strcmp(name, "alertname") == 0 || strcmp(name, "instance") == 0 ||
           strcmp(name, "kind") == 0;
}

enum rc postable_check(const struct alertmanager_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->n_labels; i++) {
        const struct label_text *l = &spec->labels[i];
        if (!is_label_name(l->name))
            return err_set(err, E_CONFIG,
                           "label '%.100s': expected letters, digits and '_', not a digit first",
                           l->name);
        if (is_own(l->name))
            return err_set(err, E_CONFIG, "label '%s' is tocsin's own: choose another name",
                           l->name);
        if (!l->value || !l->value[0] || !str_is_utf8(str_of(l->value)))
            return err_set(err, E_CONFIG, "label '%s': expected a value in UTF-8", l->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(spec->labels[k].name, l->name) == 0)
                return err_set(err, E_CONFIG, "label '%s' comes twice", l->name);
    }
    if (spec->resend_ms < 0)
        return err_set(err, E_CONFIG, "resend: expected a duration such as 1m");
    return OK;
}

int64_t postable_resend_ms(const struct alertmanager_spec *spec)
{
    return spec->resend_ms > 0 ? spec->resend_ms : RESEND_DEFAULT_MS;
}

static json_t *labels(const struct postable *p, const struct alert *a)
{
    const char *severity = a->kind == INCIDENT_SLOW ? "info" : "warning";
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s}", "alertname", "TocsinAnomaly", "instance", a->instance,
                  "kind", store_incident_kind_name(a->kind), "severity", severity);

    for (size_t i = 0; o && i < p->spec->n_labels; i++)
        if (json_object_set_new(o, p->spec->labels[i].name,
                                json_string(p->spec->labels[i].value)) != 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

typedef void text_fn(const struct alert *a, struct buf *out);

static json_t *text(text_fn *fn, const struct alert *a)
{
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, TEXT_MAX);
    fn(a, &b);
    return b.failed ? NULL : json_stringn(b.n ? b.p : "", b.n);
}

static json_t *number(float v)
{
    char z[32];

    (void)snprintf(z, sizeof z, "%.4g", (double)v);
    return json_string(z);
}

static json_t *annotations(const struct alert *a)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "summary", text(alert_summarize, a),
                     "description", text(alert_describe, a), "causes", text(alert_list_causes, a),
                     "score", number(a->score), "threshold", number(a->threshold));
}

static void add_escaped(struct buf *out, const char *z)
{
    for (; *z; z++) {
        if (is_letter(*z) || is_digit(*z) || strchr("-.~", *z))
            buf_add(out, z, 1);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*z);
    }
}

/* The page, and on it the entity. */
static json_t *generator(const struct postable *p, const struct alert *a)
{
    const char *base = p->spec->external_url ? p->spec->external_url : p->page;
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, TEXT_MAX);
    buf_puts(&b, base);
    if (!b.n || b.p[b.n - 1] != '/')
        buf_puts(&b, "/");
    buf_puts(&b, "?instance=");
    add_escaped(&b, a->instance);
    return b.failed ? NULL : json_stringn(b.p, b.n);
}

static json_t *time_of(int64_t ms)
{
    char z[STR_RFC3339_MAX];

    str_from_rfc3339_ms(ms, z);
    return json_string(z);
}

static int to_buf(const char *p, size_t n, void *arg)
{
    buf_add(arg, p, n);
    return 0;
}

void postable_add(const struct postable *p, const struct alert *a, int64_t ts_ms, bool first,
                  struct buf *out)
{
    /* Clocks differ: an alert that begins in the future, or ends before it began, is refused. */
    const int64_t start_ms = a->start_ms < ts_ms ? a->start_ms : ts_ms;
    int64_t end_ms = ts_ms + POSTABLE_VALID_RESENDS * postable_resend_ms(p->spec);

    if (a->end_ms) {
        end_ms = a->end_ms < ts_ms ? a->end_ms : ts_ms;
        end_ms = end_ms > start_ms ? end_ms : start_ms;
    }
    CLEANUP(json_decrefp)
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o}", "labels", labels(p, a), "annotations",
                          annotations(a), "startsAt", time_of(start_ms), "endsAt", time_of(end_ms),
                          "generatorURL", generator(p, a));
    buf_puts(out, first ? "[" : ",");
    if (!o || json_dump_callback(o, to_buf, out, JSON_COMPACT) != 0)
        out->failed = true;
}
