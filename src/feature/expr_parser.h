/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "feature/expr.h"

/* expr_parser - what expr.c (operators) and expr_term.c (selectors, functions, aggregations), the
 * two halves of one recursive descent, share. Private to them. */

/* What a piece of an expression gives. A range vector is no step of its own: it only exists as
 * the argument of a function over ranges. */
enum expr_kind {
    KIND_SCALAR = PLAN_TYPE_SCALAR,
    KIND_VECTOR = PLAN_TYPE_VECTOR,
    KIND_RANGE,
};

struct expr_value {
    enum expr_kind kind;
    uint32_t node; /* KIND_SCALAR, KIND_VECTOR */
    uint32_t selector;
    int64_t range_ms;
    size_t column;
};

struct expr_parser {
    struct lexer lex;
    struct plan *plan;
    int64_t rate_interval_ms;
    unsigned depth;
    struct err *err;
};

/* A whole expression, as it stands in parentheses. */
MUST_CHECK enum rc expr_parse(struct expr_parser *p, struct expr_value *ret);
/* A term that a word opens: a function call, an aggregation or a selector. */
MUST_CHECK enum rc expr_parse_word(struct expr_parser *p, struct expr_value *ret);
/* (a, b): the names behind by, without, on, ignoring. */
MUST_CHECK enum rc expr_parse_labels(struct expr_parser *p, struct plan_node *node);

MUST_CHECK enum rc expr_add(struct expr_parser *p, const struct plan_node *node,
                            struct expr_value *ret);
bool expr_at_word(const struct expr_parser *p, const char *word);
const char *expr_kind_name(enum expr_kind kind); /* "an instant vector" */
