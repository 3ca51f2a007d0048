/* SPDX-License-Identifier: Apache-2.0 */
#include "exposition.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct family {
    char name[128], type[32], unit[32];
    bool help, closed;
};

struct reader {
    enum exposition form;
    struct exposition_text *out;
    struct family families[FAMILIES_MAX];
    size_t n_families;
    size_t line;
    bool eof;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *r, const char *fmt, ...)
{
    char why[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    (void)snprintf(r->out->error, sizeof r->out->error, "line %zu: %s", r->line, why);
    return false;
}

static size_t name_length(const char *p)
{
    size_t n = 0;

    while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || p[n] == '_' ||
           (n && p[n] >= '0' && p[n] <= '9'))
        n++;
    return n;
}

static struct family *current(struct reader *r)
{
    return r->n_families ? &r->families[r->n_families - 1] : NULL;
}

static struct family *open_family(struct reader *r, const char *name, size_t n)
{
    struct family *last = current(r);

    if (last && strlen(last->name) == n && memcmp(last->name, name, n) == 0)
        return last;
    for (size_t i = 0; i < r->n_families; i++)
        if (strlen(r->families[i].name) == n && memcmp(r->families[i].name, name, n) == 0) {
            wrong(r, "family %.*s comes back", (int)n, name);
            return NULL;
        }
    if (r->n_families == FAMILIES_MAX || n >= sizeof last->name) {
        wrong(r, "too many families");
        return NULL;
    }
    struct family *f = &r->families[r->n_families++];
    memcpy(f->name, name, n);
    return f;
}

/* HELP: escapes are \\ and \n, and in OpenMetrics \" for a quote. */
static bool read_help(struct reader *r, const char *text, size_t n)
{
    const bool open = r->form == EXPOSITION_OPENMETRICS;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' && open)
            return wrong(r, "a bare quote in HELP");
        if (text[i] != '\\')
            continue;
        if (++i == n || !(text[i] == '\\' || text[i] == 'n' || (open && text[i] == '"')))
            return wrong(r, "an unknown escape in HELP");
    }
    return n > 0 || wrong(r, "an empty HELP");
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), t = strlen(tail);

    return n > t && strcmp(s + n - t, tail) == 0;
}

static bool read_comment(struct reader *r, const char *p, size_t n)
{
    char word[8], text[400];

    if (n == 5 && memcmp(p, "# EOF", 5) == 0 && r->form == EXPOSITION_OPENMETRICS) {
        r->eof = true;
        return true;
    }
    if (n < 8 || sscanf(p, "# %7s", word) != 1)
        return wrong(r, "a comment that is no metadata");
    const char *name = p + 3 + strlen(word);
    const size_t name_n = name_length(name);
    const char *rest = name + name_n + 1;
    if (name_n == 0 || name[name_n] != ' ' || rest > p + n)
        return wrong(r, "metadata without a name");
    const size_t rest_n = (size_t)(p + n - rest);
    struct family *f = open_family(r, name, name_n);
    if (!f)
        return false;
    if (f->closed)
        return wrong(r, "metadata of %s after its samples", f->name);
    (void)snprintf(text, sizeof text, "%.*s", (int)rest_n, rest);
    if (strcmp(word, "HELP") == 0) {
        f->help = true;
        return read_help(r, rest, rest_n);
    }
    if (strcmp(word, "TYPE") == 0) {
        (void)snprintf(f->type, sizeof f->type, "%.31s", text);
        const bool known = strcmp(text, "gauge") == 0 || strcmp(text, "counter") == 0 ||
                           (strcmp(text, "info") == 0 && r->form == EXPOSITION_OPENMETRICS);
        return known || wrong(r, "type %s", text);
    }
    if (strcmp(word, "UNIT") == 0 && r->form == EXPOSITION_OPENMETRICS) {
        char tail[64];
        (void)snprintf(tail, sizeof tail, "_%.60s", text);
        return ends_with(f->name, tail) || wrong(r, "%s does not end in its unit", f->name);
    }
    return wrong(r, "a comment that is no metadata");
}

/* {name="value",...}; returns what follows the brace. */
static const char *read_labels(struct reader *r, const char *p, struct series *s)
{
    const char *begin = p + 1;

    for (p = begin;;) {
        const size_t n = name_length(p);
        if (n == 0 || p[n] != '=' || p[n + 1] != '"') {
            wrong(r, "a malformed label");
            return NULL;
        }
        for (p += n + 2; *p != '"'; p++) {
            if (*p == '\n' || *p == '\0' ||
                (*p == '\\' && *++p != '\\' && *p != '"' && *p != 'n')) {
                wrong(r, "a malformed label value");
                return NULL;
            }
        }
        p++;
        if (*p == '}')
            break;
        if (*p++ != ',') {
            wrong(r, "no comma between labels");
            return NULL;
        }
    }
    if (!str_is_utf8((struct str){begin, (size_t)(p - begin)})) {
        wrong(r, "labels are not UTF-8");
        return NULL;
    }
    (void)snprintf(s->labels, sizeof s->labels, "%.*s", (int)(p - begin), begin);
    return p + 1;
}

static bool fits_family(struct reader *r, const struct family *f, const struct series *s)
{
    char full[160];
    const char *suffix = "";

    if (!f || !f->help || !f->type[0])
        return wrong(r, "%s comes before its HELP and TYPE", s->name);
    if (r->form == EXPOSITION_OPENMETRICS)
        suffix = strcmp(f->type, "counter") == 0 ? "_total"
                 : strcmp(f->type, "info") == 0  ? "_info"
                                                 : "";
    (void)snprintf(full, sizeof full, "%s%s", f->name, suffix);
    if (strcmp(full, s->name) != 0)
        return wrong(r, "%s stands in family %s", s->name, f->name);
    if (strcmp(f->type, "counter") == 0 && (!ends_with(s->name, "_total") || !(s->value >= 0)))
        return wrong(r, "%s is no counter", s->name);
    if (strcmp(f->type, "gauge") == 0 && ends_with(s->name, "_total"))
        return wrong(r, "%s is no gauge", s->name);
    return true;
}

static bool read_sample(struct reader *r, const char *p, size_t n)
{
    struct exposition_text *out = r->out;
    const char *end = p + n;

    if (out->n == SERIES_MAX)
        return wrong(r, "too many series");
    struct series *s = &out->v[out->n];
    memset(s, 0, sizeof *s);
    const size_t name_n = name_length(p);
    if (name_n == 0 || name_n >= sizeof s->name)
        return wrong(r, "no metric name");
    memcpy(s->name, p, name_n);
    p += name_n;
    if (*p == '{' && !(p = read_labels(r, p, s)))
        return false;
    if (*p != ' ' || !str_to_double((struct str){p + 1, (size_t)(end - p - 1)}, &s->value))
        return wrong(r, "no value");
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->v[i].name, s->name) == 0 && strcmp(out->v[i].labels, s->labels) == 0)
            return wrong(r, "%s{%s} comes twice", s->name, s->labels);
    struct family *f = current(r);
    if (!fits_family(r, f, s))
        return false;
    f->closed = true;
    out->n++;
    return true;
}

void exposition_read(const char *text, enum exposition form, struct exposition_text *ret)
{
    struct reader *r = calloc(1, sizeof *r);

    *ret = (struct exposition_text){.v = calloc(SERIES_MAX, sizeof *ret->v)};
    if (!r || !ret->v)
        abort();
    r->form = form;
    r->out = ret;
    for (bool good = true; good && *text;) {
        const char *end = strchr(text, '\n');
        r->line++;
        if (!end)
            good = wrong(r, "the last line has no end");
        else if (r->eof)
            good = wrong(r, "text after # EOF");
        else if (*text == '#')
            good = read_comment(r, text, (size_t)(end - text));
        else
            good = read_sample(r, text, (size_t)(end - text));
        text = end ? end + 1 : text;
    }
    if (!ret->error[0] && form == EXPOSITION_OPENMETRICS && !r->eof)
        wrong(r, "there is no # EOF");
    free(r);
}

void exposition_done(struct exposition_text *e)
{
    free(e->v);
    e->v = NULL;
}

const struct series *exposition_find(const struct exposition_text *e, const char *name,
                                     const char *labels)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->v[i].name, name) == 0 && strcmp(e->v[i].labels, labels) == 0)
            return &e->v[i];
    return NULL;
}

size_t exposition_count(const struct exposition_text *e, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += strcmp(e->v[i].name, name) == 0;
    return n;
}
