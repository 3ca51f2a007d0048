/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition_lex.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "source/exposition_number.h"

enum rc expo_lex_fail(const struct expo_lex *x, const char *at, const char *expected,
                      struct err *err)
{
    enum { SHOWN = 32 };
    const char *from = x->begin;
    size_t line = 1;

    if (x->quiet)
        return err->rc = E_PARSE;
    for (const char *q; (q = memchr(from, '\n', (size_t)(at - from))); from = q + 1)
        line++;
    const size_t column = (size_t)(at - from) + 1;
    if (at == x->end)
        return err_set(err, E_PARSE, "line %zu, column %zu: expected %s, found the end of the body",
                       line, column, expected);
    if (*at == '\n')
        return err_set(err, E_PARSE, "line %zu, column %zu: expected %s, found the end of the line",
                       line, column, expected);
    size_t n = (size_t)(x->end - at) < SHOWN ? (size_t)(x->end - at) : SHOWN;
    const char *newline = memchr(at, '\n', n);
    if (newline)
        n = (size_t)(newline - at);
    const bool carriage = memchr(at, '\r', n) && !x->openmetrics;
    return err_set(err, E_PARSE, "line %zu, column %zu: expected %s, found '%.*s'%s", line, column,
                   expected, (int)n, at,
                   carriage ? " (lines end in a newline alone, not in CR LF)" : "");
}

bool expo_key_is_closed(struct str key)
{
    return key.n > 0 && !expo_is_name_byte(key.p[key.n - 1]);
}

bool expo_is_utf8(struct str s)
{
    while (s.n) {
        const size_t n = *s.p == '\0' ? 1 : str_utf8_next(s);
        if (n == 0)
            return false;
        s.p += n;
        s.n -= n;
    }
    return true;
}

/* -- name and labels -- */

/* At the opening quote; past the closing one. */
static enum rc lex_value(struct expo_lex *x, struct expo_label *ret, struct err *err)
{
    const char *quote = x->p++, *from = x->p;

    ret->escaped = false;
    for (; x->p < x->end && *x->p != '"'; x->p++) {
        if (*x->p == '\n' && x->openmetrics)
            return expo_lex_fail(x, x->p, "'\"' at the end of the label's value", err);
        if (*x->p == '\\') {
            ret->escaped = true;
            x->p++;
            if (x->p == x->end || *x->p == '\n')
                return expo_lex_fail(x, x->p, "a character after '\\'", err);
        }
    }
    if (x->p >= x->end)
        return expo_lex_fail(x, quote, "a label's value between '\"' and '\"'", err);
    ret->value = (struct str){from, (size_t)(x->p - from)};
    x->p++;
    return expo_is_utf8(ret->value) ? OK : expo_lex_fail(x, quote, "a value in UTF-8", err);
}

/* NAME="VALUE", with blanks around '=' in text. */
static enum rc lex_label(struct expo_lex *x, struct expo_label *ret, struct err *err)
{
    const char *from = x->p;

    if (x->p == x->end || !expo_is_label_start(*x->p))
        return expo_lex_fail(x, x->p, "the name of a label", err);
    while (x->p < x->end && (expo_is_label_start(*x->p) || expo_is_digit(*x->p)))
        x->p++;
    ret->name = (struct str){from, (size_t)(x->p - from)};
    if (!x->openmetrics)
        expo_skip_blanks(x);
    if (!expo_at(x, '='))
        return expo_lex_fail(x, x->p, "'=' after the label's name", err);
    x->p++;
    if (!x->openmetrics)
        expo_skip_blanks(x);
    if (!expo_at(x, '"'))
        return expo_lex_fail(x, x->p, "'\"' before the label's value", err);
    return lex_value(x, ret, err);
}

/* After '{', past '}'. Text: blanks anywhere, commas between labels or not, one at the end or not.
 * OpenMetrics: none of it. key may be NULL. */
static enum rc lex_labels(struct expo_lex *x, struct expo_key *key, struct err *err)
{
    for (size_t n = 0;; n++) {
        struct expo_label label;

        if (!x->openmetrics)
            expo_skip_blanks(x);
        if (expo_at(x, '}')) {
            x->p++;
            return OK;
        }
        if (x->openmetrics && n > 0) {
            if (!expo_at(x, ','))
                return expo_lex_fail(x, x->p, "',' or '}'", err);
            x->p++;
        }
        if (lex_label(x, &label, err) != OK)
            return err->rc;
        if (key) {
            if (n < SERIES_LABELS_MAX)
                key->label[n] = label;
            key->n_labels = n + 1;
        }
        if (!x->openmetrics) {
            expo_skip_blanks(x);
            if (expo_at(x, ','))
                x->p++;
        }
    }
}

enum rc expo_lex_key(struct expo_lex *x, struct expo_key *ret, struct err *err)
{
    const char *from = x->p;

    while (x->p < x->end && expo_is_name_byte(*x->p))
        x->p++;
    ret->name = (struct str){from, (size_t)(x->p - from)};
    ret->n_labels = 0;
    if (!x->openmetrics)
        expo_skip_blanks(x);
    if (expo_at(x, '{')) {
        x->p++;
        if (lex_labels(x, ret, err) != OK)
            return err->rc;
    }
    if (!x->openmetrics)
        expo_skip_blanks(x);
    else if (expo_at(x, ' '))
        x->p++;
    else
        return expo_lex_fail(x, x->p, "a space before the value", err);
    return OK;
}

/* -- value, timestamp, exemplar -- */

/* The bytes up to a space or newline (in text: or a tab, or '{' where `brace`). */
static struct str lex_word(struct expo_lex *x, bool brace)
{
    const char *from = x->p;

    while (x->p < x->end && *x->p != ' ' && *x->p != '\n' &&
           (x->openmetrics || (*x->p != '\t' && !(brace && *x->p == '{'))))
        x->p++;
    return (struct str){from, (size_t)(x->p - from)};
}

static enum rc lex_number(struct expo_lex *x, double *ret, struct err *err)
{
    const struct str word = lex_word(x, true);
    double v;

    if (word.n == 0 || !expo_number(word, &v))
        return expo_lex_fail(x, word.p, "a number", err);
    *ret = isnan(v) ? (double)NAN : v;
    return OK;
}

static enum rc text_tail(struct expo_lex *x, struct expo_tail *ret, struct err *err)
{
    if (lex_number(x, &ret->value, err) != OK)
        return err->rc;
    ret->stamped = false;
    expo_skip_blanks(x);
    if (x->p < x->end && expo_is_digit(*x->p)) {
        const char *from = x->p;
        while (x->p < x->end && expo_is_digit(*x->p))
            x->p++;
        if (!str_to_i64((struct str){from, (size_t)(x->p - from)}, &ret->ts_ms))
            return expo_lex_fail(x, from, "a time in milliseconds", err);
        ret->stamped = true;
        expo_skip_blanks(x);
    }
    if (x->p == x->end)
        return OK;
    if (*x->p != '\n')
        return expo_lex_fail(
            x, x->p, ret->stamped ? "the end of the line" : "a time or the end of the line", err);
    x->p++;
    return OK;
}

/* Seconds, a fraction allowed. */
static enum rc lex_time(struct expo_lex *x, int64_t *ret_ms, struct err *err)
{
    const double most = 9.2e18; /* below 2^63 */
    const struct str word = lex_word(x, false);
    double s;

    if (word.n == 0 || !expo_number(word, &s) || !isfinite(s))
        return expo_lex_fail(x, word.p, "a time in seconds", err);
    s *= 1000;
    *ret_ms = s >= most ? INT64_MAX : s <= -most ? INT64_MIN : (int64_t)s;
    return OK;
}

static enum rc expect_newline(struct expo_lex *x, const char *expected, struct err *err)
{
    if (!expo_at(x, '\n'))
        return expo_lex_fail(x, x->p, expected, err);
    x->p++;
    return OK;
}

/* The name of the line that x->p is in: no value of OpenMetrics has a newline in it. */
static struct str line_name(const struct expo_lex *x)
{
    const char *before = memrchr(x->begin, '\n', (size_t)(x->p - x->begin));
    const char *from = before ? before + 1 : x->begin;
    const char *q = from;

    while (q < x->p && expo_is_name_byte(*q))
        q++;
    return (struct str){from, (size_t)(q - from)};
}

static bool ends_in(struct str s, const char *suffix)
{
    const size_t n = strlen(suffix);
    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

/* After " # {": checked, and left alone. */
static enum rc lex_exemplar(struct expo_lex *x, struct err *err)
{
    const struct str name = line_name(x);
    int64_t ignored_ms;
    double ignored;

    if (!ends_in(name, "_total") && !ends_in(name, "_bucket"))
        return expo_lex_fail(x, name.p, "exemplars on names in _total or _bucket alone", err);
    if (lex_labels(x, NULL, err) != OK)
        return err->rc;
    if (!expo_at(x, ' '))
        return expo_lex_fail(x, x->p, "a space before the exemplar's value", err);
    x->p++;
    if (lex_number(x, &ignored, err) != OK)
        return err->rc;
    if (expo_at(x, ' ')) {
        x->p++;
        if (lex_time(x, &ignored_ms, err) != OK)
            return err->rc;
    }
    return expect_newline(x, "the end of the line after the exemplar", err);
}

static enum rc openmetrics_tail(struct expo_lex *x, struct expo_tail *ret, struct err *err)
{
    if (lex_number(x, &ret->value, err) != OK)
        return err->rc;
    ret->stamped = false;
    if (expo_take(x, " # {"))
        return lex_exemplar(x, err);
    if (expo_at(x, ' ')) {
        x->p++;
        if (lex_time(x, &ret->ts_ms, err) != OK)
            return err->rc;
        ret->stamped = true;
        if (expo_take(x, " # {"))
            return lex_exemplar(x, err);
    }
    return expect_newline(x,
                          ret->stamped ? "an exemplar or the end of the line"
                                       : "a time, an exemplar or the end of the line",
                          err);
}

enum rc expo_lex_tail(struct expo_lex *x, struct expo_tail *ret, struct err *err)
{
    return x->openmetrics ? openmetrics_tail(x, ret, err) : text_tail(x, ret, err);
}
