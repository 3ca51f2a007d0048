/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/expr.h"

#include <assert.h>

#include "feature/expr_parser.h"

/* Binary operators by precedence, as PromQL has it; ^ alone groups to the right. */
enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MUL, LEVEL_POW };

static enum rc parse_binary(struct expr_parser *p, int level, struct expr_value *ret);

enum rc expr_parse(struct expr_parser *p, struct expr_value *ret)
{
    return parse_binary(p, LEVEL_OR, ret);
}

const char *expr_kind_name(enum expr_kind kind)
{
    static const char *const names[] = {"a scalar", "an instant vector",
                                        "a range vector such as x[5s]"};

    return names[kind];
}

enum rc expr_add(struct expr_parser *p, const struct plan_node *node, struct expr_value *ret)
{
    ret->kind = (enum expr_kind)node->type;
    return plan_node_add(p->plan, node, &ret->node, p->err);
}

bool expr_at_word(const struct expr_parser *p, const char *word)
{
    return p->lex.tok == TOK_IDENT && str_eq(p->lex.s, str_of(word));
}

static enum rc parse_negation(struct expr_parser *p, struct expr_value *ret)
{
    const size_t column = p->lex.column;
    struct expr_value v = {0};

    /* the sign binds like *, so only ^ takes its operand first: -2 ^ 2 is -4 */
    if (lex_next(&p->lex, p->err) != OK || parse_binary(p, LEVEL_POW, &v) != OK)
        return p->err->rc;
    if (v.kind == KIND_RANGE)
        return lex_fail(column, p->err, "the sign takes a scalar or an instant vector, found %s",
                        expr_kind_name(v.kind));
    const struct plan_node node = {
        .op = PLAN_MAP, .fn = MAP_NEGATE, .type = (uint8_t)v.kind, .a = v.node, .b = v.node};
    return expr_add(p, &node, ret);
}

static enum rc parse_unary(struct expr_parser *p, struct expr_value *ret)
{
    ret->column = p->lex.column;
    switch ((int)p->lex.tok) {
    case TOK_SUB:
        return parse_negation(p, ret);
    case TOK_ADD:
        if (lex_next(&p->lex, p->err) != OK)
            return p->err->rc;
        return parse_binary(p, LEVEL_POW, ret);
    case TOK_NUMBER: {
        const struct plan_node node = {
            .op = PLAN_NUMBER, .type = PLAN_TYPE_SCALAR, .number = p->lex.number};
        if (lex_next(&p->lex, p->err) != OK)
            return p->err->rc;
        return expr_add(p, &node, ret);
    }
    case TOK_LPAREN: {
        const size_t column = ret->column;
        if (lex_next(&p->lex, p->err) != OK || expr_parse(p, ret) != OK)
            return p->err->rc;
        ret->column = column;
        return lex_take(&p->lex, TOK_RPAREN, "')'", p->err);
    }
    case TOK_IDENT:
        return expr_parse_word(p, ret);
    case TOK_LBRACE:
        return lex_fail(p->lex.column, p->err, "a selector needs a metric name before the brace");
    default:
        return lex_expected(&p->lex, "a metric, a function, a number or '('", p->err);
    }
}

static bool binary_operator(const struct expr_parser *p, int *ret_level, enum binary_fn *ret_fn)
{
    static const struct {
        enum token tok;
        const char *word;
        int level;
        enum binary_fn fn;
    } table[] = {
        {TOK_IDENT, "or", LEVEL_OR, BINARY_OR},          {TOK_IDENT, "and", LEVEL_AND, BINARY_AND},
        {TOK_IDENT, "unless", LEVEL_AND, BINARY_UNLESS}, {TOK_EQ, NULL, LEVEL_COMPARE, BINARY_EQ},
        {TOK_NE, NULL, LEVEL_COMPARE, BINARY_NE},        {TOK_LT, NULL, LEVEL_COMPARE, BINARY_LT},
        {TOK_LE, NULL, LEVEL_COMPARE, BINARY_LE},        {TOK_GT, NULL, LEVEL_COMPARE, BINARY_GT},
        {TOK_GE, NULL, LEVEL_COMPARE, BINARY_GE},        {TOK_ADD, NULL, LEVEL_ADD, BINARY_ADD},
        {TOK_SUB, NULL, LEVEL_ADD, BINARY_SUB},          {TOK_MUL, NULL, LEVEL_MUL, BINARY_MUL},
        {TOK_DIV, NULL, LEVEL_MUL, BINARY_DIV},          {TOK_MOD, NULL, LEVEL_MUL, BINARY_MOD},
        {TOK_POW, NULL, LEVEL_POW, BINARY_POW},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (p->lex.tok == table[i].tok && (!table[i].word || expr_at_word(p, table[i].word))) {
            *ret_level = table[i].level;
            *ret_fn = table[i].fn;
            return true;
        }
    return false;
}

/* bool, on (...), ignoring (...) behind an operator. */
static enum rc parse_modifiers(struct expr_parser *p, struct plan_node *node, bool *ret_matching)
{
    *ret_matching = false;
    if (expr_at_word(p, "bool")) {
        if (node->fn < BINARY_EQ || node->fn > BINARY_GE)
            return lex_fail(p->lex.column, p->err, "bool goes with comparisons alone");
        node->as_bool = true;
        if (lex_next(&p->lex, p->err) != OK)
            return p->err->rc;
    }
    if (expr_at_word(p, "on") || expr_at_word(p, "ignoring")) {
        *ret_matching = true;
        node->keep = expr_at_word(p, "on");
        if (lex_next(&p->lex, p->err) != OK || expr_parse_labels(p, node) != OK)
            return p->err->rc;
    }
    if (expr_at_word(p, "group_left") || expr_at_word(p, "group_right"))
        return lex_fail(p->lex.column, p->err,
                        "%.*s is not supported: elements are matched one to one", (int)p->lex.s.n,
                        p->lex.s.p);
    return OK;
}

static enum rc check_operands(struct expr_parser *p, const struct plan_node *node, bool matching,
                              const struct expr_value *a, const struct expr_value *b, size_t column)
{
    const bool scalars = a->kind == KIND_SCALAR && b->kind == KIND_SCALAR;
    const bool scalar = a->kind == KIND_SCALAR || b->kind == KIND_SCALAR;

    if (a->kind == KIND_RANGE || b->kind == KIND_RANGE)
        return lex_fail(column, p->err, "an operator takes scalars and instant vectors, found %s",
                        expr_kind_name(KIND_RANGE));
    if (node->fn >= BINARY_AND && scalar)
        return lex_fail(column, p->err, "and, or, unless take instant vectors, found a scalar");
    if (scalars && node->fn >= BINARY_EQ && !node->as_bool)
        return lex_fail(column, p->err, "a comparison of two scalars needs bool");
    if (matching && scalar)
        return lex_fail(column, p->err, "on and ignoring need instant vectors on both sides");
    return OK;
}

static enum rc parse_binary(struct expr_parser *p, int level, struct expr_value *ret)
{
    struct expr_value left = {0}, right = {0};
    struct plan_node node;
    enum binary_fn fn = BINARY_ADD;
    int found = 0;
    bool matching;

    if (++p->depth > EXPR_DEPTH_MAX) /* every way of nesting comes through here */
        return err_set(p->err, E_LIMIT, "column %zu: nested deeper than %d levels", p->lex.column,
                       EXPR_DEPTH_MAX);
    if (parse_unary(p, &left) != OK)
        return p->err->rc;
    while (binary_operator(p, &found, &fn) && found >= level) {
        const size_t column = p->lex.column;
        node = (struct plan_node){.op = PLAN_BINARY, .fn = (uint8_t)fn};
        if (lex_next(&p->lex, p->err) != OK || parse_modifiers(p, &node, &matching) != OK ||
            parse_binary(p, found == LEVEL_POW ? found : found + 1, &right) != OK ||
            check_operands(p, &node, matching, &left, &right, column) != OK)
            return p->err->rc;
        node.type = left.kind == KIND_SCALAR && right.kind == KIND_SCALAR ? PLAN_TYPE_SCALAR
                                                                          : PLAN_TYPE_VECTOR;
        node.a = left.node;
        node.b = right.node;
        if (expr_add(p, &node, &left) != OK)
            return p->err->rc;
    }
    p->depth--;
    *ret = left;
    return OK;
}

enum rc expr_compile(struct str text, int64_t rate_interval_ms, struct plan *plan, uint32_t *ret,
                     struct err *err)
{
    struct expr_parser p = {.plan = plan, .rate_interval_ms = rate_interval_ms, .err = err};
    struct expr_value v = {0};

    assert(rate_interval_ms > 0);
    if (lex_init(&p.lex, text, err) != OK || expr_parse(&p, &v) != OK)
        return err->rc;
    if (p.lex.tok != TOK_END)
        return lex_expected(&p.lex, "an operator or the end", err);
    if (v.kind == KIND_RANGE)
        return lex_fail(v.column, err,
                        "a range vector is no value: put it into rate() or another function");
    *ret = v.node;
    return OK;
}

enum rc expr_promql(struct str text, int64_t rate_interval_ms, struct buf *out, struct err *err)
{
    struct lexer l = {0};
    char window[STR_DURATION_MAX];
    size_t copied = 0;

    str_from_duration_ms(rate_interval_ms, window);
    for (enum rc rc = lex_init(&l, text, err); l.tok != TOK_END || rc != OK;
         rc = lex_next(&l, err)) {
        if (rc != OK)
            return rc;
        if (l.tok != TOK_VARIABLE)
            continue;
        buf_add(out, text.p + copied, l.column - 1 - copied);
        buf_puts(out, window);
        copied = l.end;
    }
    buf_add(out, text.p + copied, text.n - copied);
    return out->failed ? err_set(err, E_NOMEM, "expression: no memory") : OK;
}

int64_t expr_rate_interval_ms(int64_t interval_ms)
{
    const int64_t least_ms = 5000, most_ms = EXPR_RANGE_MAX_S * (int64_t)1000;

    if (interval_ms > most_ms / 4)
        return most_ms;
    return 4 * interval_ms > least_ms ? 4 * interval_ms : least_ms;
}
