/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* lex - the tokens that PromQL expressions (expr.h) and derived features (derive.h) share
 *
 * The lexer always holds one token, l->tok; lex_next moves on. Columns count bytes from 1.
 * Thread: its holder's. */

enum { EXPR_BYTES_MAX = 8192, EXPR_DEPTH_MAX = 48 };

enum token {
    TOK_END,
    TOK_IDENT,    /* s: letters, digits, _ and : */
    TOK_NUMBER,   /* number */
    TOK_DURATION, /* s: "5m", "1h30m", not yet checked */
    TOK_VARIABLE, /* s: "$__rate_interval" */
    TOK_STRING,   /* s: without quotes, escapes resolved */
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_COMMA,
    TOK_ADD,
    TOK_SUB,
    TOK_MUL,
    TOK_DIV,
    TOK_MOD,
    TOK_POW,
    TOK_ASSIGN,  /* = */
    TOK_EQ,      /* == */
    TOK_NE,      /* != */
    TOK_MATCH,   /* =~ */
    TOK_UNMATCH, /* !~ */
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
};

struct lexer {
    enum token tok;
    struct str s;
    double number;
    size_t column; /* of tok */
    size_t end;    /* byte after tok */
    struct str text;
    size_t spare_n;
    char spare[EXPR_BYTES_MAX]; /* strings that had escapes */
};

/* Holds the first token on success. text is lent. E_LIMIT; E_PARSE "column N: ...". */
MUST_CHECK enum rc lex_init(struct lexer *l, struct str text, struct err *err);
MUST_CHECK enum rc lex_next(struct lexer *l, struct err *err);

/* "column N: expected WHAT, found 'x'" at the token that l holds; E_PARSE. */
enum rc lex_expected(const struct lexer *l, const char *what, struct err *err);
/* tok must be what l holds, and l moves on. */
MUST_CHECK enum rc lex_take(struct lexer *l, enum token tok, const char *what, struct err *err);
/* "column N: ..." for a token at that column; E_PARSE. */
enum rc lex_fail(size_t column, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
