/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/lex.h"

#include <math.h>
#include <stdarg.h>
#include <strings.h>

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(int c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == ':';
}

static int at(const struct lexer *l, size_t i)
{
    return i < l->text.n ? (unsigned char)l->text.p[i] : -1;
}

enum rc lex_fail(size_t column, struct err *err, const char *fmt, ...)
{
    char what[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(err, E_PARSE, "column %zu: %s", column, what);
}

enum rc lex_expected(const struct lexer *l, const char *what, struct err *err)
{
    if (l->tok == TOK_END)
        return lex_fail(l->column, err, "expected %s, found the end", what);
    const size_t n = l->end - (l->column - 1);
    return lex_fail(l->column, err, "expected %s, found '%.*s%s'", what, (int)(n < 40 ? n : 40),
                    l->text.p + l->column - 1, n < 40 ? "" : "...");
}

enum rc lex_take(struct lexer *l, enum token tok, const char *what, struct err *err)
{
    if (l->tok != tok)
        return lex_expected(l, what, err);
    return lex_next(l, err);
}

/* A run of word characters and dots that starts with a digit: a number, or a duration. */
static enum rc lex_number(struct lexer *l, size_t start, struct err *err)
{
    size_t i = start;

    while (is_digit(at(l, i)) || at(l, i) == '.')
        i++;
    if ((at(l, i) | 0x20) == 'e') {
        const size_t sign = at(l, i + 1) == '+' || at(l, i + 1) == '-';
        if (is_digit(at(l, i + 1 + sign)))
            for (i += 1 + sign; is_digit(at(l, i));)
                i++;
    }
    l->tok = TOK_NUMBER;
    if (is_word(at(l, i))) {
        l->tok = TOK_DURATION;
        while (is_word(at(l, i)))
            i++;
    }
    l->s = (struct str){l->text.p + start, i - start};
    l->end = i;
    if (l->tok == TOK_NUMBER && !str_to_double(l->s, &l->number))
        return lex_fail(start + 1, err, "'%.*s' is not a number", (int)(l->s.n < 40 ? l->s.n : 40),
                        l->s.p);
    return OK;
}

static void lex_word(struct lexer *l, size_t start)
{
    size_t i = start;

    while (is_word(at(l, i)))
        i++;
    l->tok = TOK_IDENT;
    l->s = (struct str){l->text.p + start, i - start};
    l->end = i;
    if (l->s.n == 3 && strncasecmp(l->s.p, "inf", 3) == 0) {
        l->tok = TOK_NUMBER;
        l->number = (double)INFINITY;
    } else if (l->s.n == 3 && strncasecmp(l->s.p, "nan", 3) == 0) {
        l->tok = TOK_NUMBER;
        l->number = (double)NAN;
    }
}

/* Only escapes that PromQL, Go and C read alike are taken. */
static enum rc lex_string(struct lexer *l, size_t start, struct err *err)
{
    static const char escapes[] = "\\\\\"\"''n\nt\tr\r";
    const int quote = at(l, start);
    char *const out = l->spare + l->spare_n;
    size_t n = 0, i = start + 1;

    for (; at(l, i) != quote; i++) {
        int c = at(l, i);
        if (c < 0 || c == '\n')
            return lex_fail(start + 1, err, "this string is not closed");
        if (c == '\\' && quote != '`') {
            const char *e = escapes;
            c = at(l, ++i);
            while (*e && *e != c)
                e += 2;
            if (c < 0 || !*e || (c != quote && (c == '"' || c == '\'')))
                return lex_fail(i, err, "this escape is not supported (use \\\\ \\n \\t \\r)");
            c = (unsigned char)e[1];
        }
        out[n++] = (char)c; /* never longer than its source, so spare holds all strings */
    }
    l->spare_n += n;
    l->tok = TOK_STRING;
    l->s = (struct str){out, n};
    l->end = i + 1;
    return OK;
}

static bool lex_operator(struct lexer *l, size_t i)
{
    static const struct {
        char text[3];
        enum token tok;
    } operators[] = {
        /* longest first */
        {"==", TOK_EQ},    {"!=", TOK_NE},      {"=~", TOK_MATCH},   {"!~", TOK_UNMATCH},
        {"<=", TOK_LE},    {">=", TOK_GE},      {"<", TOK_LT},       {">", TOK_GT},
        {"=", TOK_ASSIGN}, {"(", TOK_LPAREN},   {")", TOK_RPAREN},   {"{", TOK_LBRACE},
        {"}", TOK_RBRACE}, {"[", TOK_LBRACKET}, {"]", TOK_RBRACKET}, {",", TOK_COMMA},
        {"+", TOK_ADD},    {"-", TOK_SUB},      {"*", TOK_MUL},      {"/", TOK_DIV},
        {"%", TOK_MOD},    {"^", TOK_POW},
    };

    for (size_t k = 0; k < sizeof operators / sizeof operators[0]; k++) {
        const struct str op = str_of(operators[k].text);
        if (str_starts((struct str){l->text.p + i, l->text.n - i}, op)) {
            l->tok = operators[k].tok;
            l->s = (struct str){l->text.p + i, op.n};
            l->end = i + op.n;
            return true;
        }
    }
    return false;
}

enum rc lex_next(struct lexer *l, struct err *err)
{
    size_t i = l->end;

    while (at(l, i) == ' ' || at(l, i) == '\t' || at(l, i) == '\n' || at(l, i) == '\r')
        i++;
    const int c = at(l, i);
    l->column = i + 1;
    if (c < 0) {
        l->tok = TOK_END;
        l->end = i;
        l->s = (struct str){"", 0};
        return OK;
    }
    if (is_digit(c) || (c == '.' && is_digit(at(l, i + 1))))
        return lex_number(l, i, err);
    if (c == '"' || c == '\'' || c == '`')
        return lex_string(l, i, err);
    if (c == '$' && is_word(at(l, i + 1))) {
        lex_word(l, i + 1);
        l->tok = TOK_VARIABLE;
        l->s = (struct str){l->text.p + i, l->end - i};
        return OK;
    }
    if (is_word(c)) {
        lex_word(l, i);
        return OK;
    }
    if (lex_operator(l, i))
        return OK;
    return c >= 0x21 && c < 0x7f
               ? lex_fail(i + 1, err, "the character '%c' has no meaning here", c)
               : lex_fail(i + 1, err, "the byte 0x%02x has no meaning here", (unsigned)c);
}

enum rc lex_init(struct lexer *l, struct str text, struct err *err)
{
    if (text.n > EXPR_BYTES_MAX)
        return err_set(err, E_LIMIT, "the expression has %zu bytes, at most %d are taken", text.n,
                       EXPR_BYTES_MAX);
    if (!str_is_utf8(text))
        return err_set(err, E_PARSE, "the expression is not UTF-8");
    l->text = text;
    l->end = 0;
    l->spare_n = 0;
    return lex_next(l, err);
}
