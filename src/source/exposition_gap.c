/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between samples: blank lines, comments, and the TYPE lines among them. */
#include <string.h>

#include "source/exposition_lex.h"

static const struct {
    const char *name;
    enum expo_kind kind;
    bool openmetrics, text;
} kinds[] = {
    {"counter", EXPO_COUNTER, true, true},       {"gauge", EXPO_GAUGE, true, true},
    {"histogram", EXPO_HISTOGRAM, true, true},   {"summary", EXPO_SUMMARY, true, true},
    {"untyped", EXPO_UNTYPED, false, true},      {"unknown", EXPO_UNTYPED, true, false},
    {"gaugehistogram", EXPO_GAUGE, true, false}, {"info", EXPO_GAUGE, true, false},
    {"stateset", EXPO_GAUGE, true, false},
};

static enum rc set_family(const struct expo_lex *x, struct expo_family *f, struct str name,
                          struct str type, struct err *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!(x->openmetrics ? kinds[i].openmetrics : kinds[i].text) ||
            !str_eq(type, str_of(kinds[i].name)))
            continue;
        f->said = true;
        f->kind = name.n <= sizeof f->name ? kinds[i].kind : EXPO_UNTYPED;
        f->n = name.n <= sizeof f->name ? name.n : 0;
        memcpy(f->name, name.p, f->n);
        return OK;
    }
    return expo_lex_fail(x, type.p,
                         x->openmetrics ? "counter, gauge, histogram, gaugehistogram, summary, "
                                          "info, stateset or unknown"
                                        : "counter, gauge, histogram, summary or untyped",
                         err);
}

enum metric_type expo_family_type(const struct expo_family *f, struct str name)
{
    if (f->kind == EXPO_UNTYPED || !str_starts(name, (struct str){f->name, f->n}))
        return METRIC_UNTYPED;
    const struct str suffix = {name.p + f->n, name.n - f->n};
    if (str_eq(suffix, STR("_created")))
        return METRIC_GAUGE;
    const bool sums = str_eq(suffix, STR("_sum")) || str_eq(suffix, STR("_count"));
    const bool bucket = str_eq(suffix, STR("_bucket"));
    switch (f->kind) {
    case EXPO_COUNTER:
        return suffix.n == 0 || str_eq(suffix, STR("_total")) ? METRIC_COUNTER : METRIC_UNTYPED;
    case EXPO_GAUGE:
        return suffix.n == 0 || str_eq(suffix, STR("_info")) || bucket ||
                       str_eq(suffix, STR("_gsum")) || str_eq(suffix, STR("_gcount"))
                   ? METRIC_GAUGE
                   : METRIC_UNTYPED;
    case EXPO_HISTOGRAM:
        return sums || bucket ? METRIC_COUNTER : METRIC_UNTYPED;
    case EXPO_SUMMARY:
        return sums ? METRIC_COUNTER : suffix.n == 0 ? METRIC_GAUGE : METRIC_UNTYPED;
    case EXPO_UNTYPED:
        break;
    }
    return METRIC_UNTYPED;
}

/* The name at x->p, which a HELP, TYPE or UNIT is about. */
static enum rc meta_name(struct expo_lex *x, struct str *ret, struct err *err)
{
    const char *from = x->p;

    if (x->p == x->end || !expo_is_name_start(*x->p))
        return expo_lex_fail(x, x->p, "the name of a metric", err);
    while (x->p < x->end && expo_is_name_byte(*x->p))
        x->p++;
    *ret = (struct str){from, (size_t)(x->p - from)};
    return OK;
}

/* What follows it up to `end`: the first byte is taken for the one that separates, whatever it
 * is. */
static struct str meta_text(const char *from, const char *end)
{
    return end - from > 1 ? (struct str){from + 1, (size_t)(end - from - 1)} : (struct str){end, 0};
}

static enum rc check_help(const struct expo_lex *x, struct str text, struct err *err)
{
    return expo_is_utf8(text) ? OK : expo_lex_fail(x, text.p, "a text in UTF-8", err);
}

/* At '#'. HELP and TYPE are checked, any other comment is nobody's business. */
static enum rc text_comment(struct expo_lex *x, struct expo_family *f, struct err *err)
{
    const char *end = expo_line_end(x);
    struct str name = {"", 0};
    bool help = false, type = false;

    x->p++;
    if (x->p < end && expo_is_blank(*x->p)) {
        expo_skip_blanks(x);
        help = expo_take(x, "HELP ") || expo_take(x, "HELP\t");
        type = !help && (expo_take(x, "TYPE ") || expo_take(x, "TYPE\t"));
    }
    if (help || type) {
        expo_skip_blanks(x);
        if (meta_name(x, &name, err) != OK)
            return err->rc;
        const char *from = x->p;
        expo_skip_blanks(x);
        const struct str text = meta_text(x->p == end ? end : from, end);
        if ((help ? check_help(x, text, err) : set_family(x, f, name, text, err)) != OK)
            return err->rc;
    }
    x->p = end < x->end ? end + 1 : end;
    return OK;
}

static enum rc text_gap(struct expo_lex *x, struct expo_family *f, bool *ret_more, struct err *err)
{
    for (;;) {
        const char *line = x->p;
        expo_skip_blanks(x);
        if (x->p == x->end) {
            *ret_more = false;
            return OK;
        }
        if (*x->p == '\n') {
            x->p++;
        } else if (*x->p == '#') {
            if (text_comment(x, f, err) != OK)
                return err->rc;
        } else if (expo_is_name_start(*x->p) && x->p == line) {
            *ret_more = true;
            return OK;
        } else {
            return expo_lex_fail(x, line, "a line that starts with a name or '#'", err);
        }
    }
}

static enum rc check_unit(const struct expo_lex *x, struct str name, struct str unit,
                          struct err *err)
{
    if (unit.n == 0)
        return OK;
    if (name.n > unit.n && name.p[name.n - unit.n - 1] == '_' &&
        str_eq((struct str){name.p + name.n - unit.n, unit.n}, unit))
        return OK;
    return expo_lex_fail(x, unit.p, "a unit that the metric's name ends in", err);
}

/* At '#'; *ret_end: it was # EOF. */
static enum rc openmetrics_comment(struct expo_lex *x, struct expo_family *f, bool *ret_end,
                                   struct err *err)
{
    struct str name = {"", 0};

    if (!expo_take(x, "# "))
        return expo_lex_fail(x, x->p, "'# '", err);
    if (expo_take(x, "EOF")) {
        (void)expo_take(x, "\n");
        if (x->p < x->end)
            return expo_lex_fail(x, x->p, "nothing after # EOF", err);
        *ret_end = true;
        return OK;
    }
    const bool help = expo_take(x, "HELP "), type = !help && expo_take(x, "TYPE ");
    if (!help && !type && !expo_take(x, "UNIT "))
        return expo_lex_fail(x, x->p, "HELP, TYPE, UNIT or EOF", err);
    if (meta_name(x, &name, err) != OK)
        return err->rc;
    const char *end = expo_line_end(x);
    if (!expo_at(x, ' ') || end == x->end)
        return expo_lex_fail(x, expo_at(x, ' ') ? end : x->p, "a space, a text and a newline", err);
    const struct str text = meta_text(x->p, end);
    if ((help   ? check_help(x, text, err)
         : type ? set_family(x, f, name, text, err)
                : check_unit(x, name, text, err)) != OK)
        return err->rc;
    x->p = end + 1;
    return OK;
}

static enum rc openmetrics_gap(struct expo_lex *x, struct expo_family *f, bool *ret_more,
                               struct err *err)
{
    bool end = false;

    while (!end) {
        if (x->p == x->end)
            return expo_lex_fail(x, x->p, "# EOF as the last line", err);
        if (expo_is_name_start(*x->p)) {
            *ret_more = true;
            return OK;
        }
        if (*x->p != '#')
            return expo_lex_fail(x, x->p, "a line that starts with a name or '# '", err);
        if (openmetrics_comment(x, f, &end, err) != OK)
            return err->rc;
    }
    *ret_more = false;
    return OK;
}

enum rc expo_lex_gap(struct expo_lex *x, struct expo_family *family, bool *ret_more,
                     struct err *err)
{
    return x->openmetrics ? openmetrics_gap(x, family, ret_more, err)
                          : text_gap(x, family, ret_more, err);
}
