/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/expr.h"

#include <assert.h>
#include <stdio.h>

/* What a piece of an expression gives. A range vector is no step of its own: it only exists as
 * the argument of a function over ranges. */
enum kind { KIND_SCALAR = PLAN_TYPE_SCALAR, KIND_VECTOR = PLAN_TYPE_VECTOR, KIND_RANGE };

struct value {
    enum kind kind;
    uint32_t node; /* KIND_SCALAR, KIND_VECTOR */
    uint32_t selector;
    int64_t range_ms;
    size_t column;
};

struct parser {
    struct lexer lex;
    struct plan *plan;
    int64_t rate_interval_ms;
    unsigned depth;
    struct err *err;
};

static const char *const kind_names[] = {"a scalar", "an instant vector",
                                         "a range vector such as x[5s]"};

/* Binary operators by precedence, as PromQL has it; ^ alone groups to the right. */
enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MUL, LEVEL_POW };

static enum rc parse_binary(struct parser *p, int level, struct value *ret);

static enum rc parse_expr(struct parser *p, struct value *ret)
{
    return parse_binary(p, LEVEL_OR, ret);
}

static enum rc need(struct parser *p, const struct value *v, enum kind kind, const char *who)
{
    if (v->kind == kind)
        return OK;
    return lex_fail(v->column, p->err, "%s takes %s, found %s", who, kind_names[kind],
                    kind_names[v->kind]);
}

static enum rc add(struct parser *p, const struct plan_node *node, struct value *ret)
{
    ret->kind = (enum kind)node->type;
    return plan_node_add(p->plan, node, &ret->node, p->err);
}

/* ---- selectors ---- */

static enum rc parse_matcher(struct parser *p, struct plan_matcher *ret)
{
    struct lexer *l = &p->lex;

    if (l->tok != TOK_IDENT || memchr(l->s.p, ':', l->s.n))
        return lex_expected(l, "a label name", p->err);
    if (str_eq(l->s, STR("__name__")))
        return lex_fail(l->column, p->err, "the metric name is written in front of the brace");
    ret->label = l->s;
    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    switch ((int)l->tok) {
    case TOK_ASSIGN:
        ret->op = MATCHER_EQ;
        break;
    case TOK_NE:
        ret->op = MATCHER_NE;
        break;
    case TOK_MATCH:
        ret->op = MATCHER_RE;
        break;
    case TOK_UNMATCH:
        ret->op = MATCHER_NRE;
        break;
    default:
        return lex_expected(l, "=, !=, =~ or !~", p->err);
    }
    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    if (l->tok != TOK_STRING)
        return lex_expected(l, "the label's value in quotes", p->err);
    ret->value = l->s;
    return lex_next(l, p->err);
}

static enum rc parse_matchers(struct parser *p, struct plan_selector *s)
{
    while (p->lex.tok != TOK_RBRACE) {
        if (s->n_matchers == PLAN_MATCHERS_MAX)
            return err_set(p->err, E_LIMIT, "column %zu: over %d matchers", p->lex.column,
                           PLAN_MATCHERS_MAX);
        if (parse_matcher(p, &s->matchers[s->n_matchers++]) != OK)
            return p->err->rc;
        if (p->lex.tok != TOK_COMMA)
            break;
        if (lex_next(&p->lex, p->err) != OK)
            return p->err->rc;
    }
    return lex_take(&p->lex, TOK_RBRACE, "',' or '}'", p->err);
}

static enum rc parse_range(struct parser *p, int64_t *ret_ms)
{
    struct lexer *l = &p->lex;

    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    if (l->tok == TOK_VARIABLE) {
        if (!str_eq(l->s, STR("$__rate_interval")))
            return lex_fail(l->column, p->err, "the only variable is $__rate_interval");
        *ret_ms = p->rate_interval_ms;
    } else if (l->tok != TOK_DURATION) {
        return lex_expected(l, "a duration such as 5s", p->err);
    } else if (memchr(l->s.p, ':', l->s.n)) {
        return lex_fail(l->column, p->err, "subqueries are not supported");
    } else if (!str_to_duration_ms(l->s, ret_ms) || *ret_ms <= 0) {
        return lex_expected(l, "a duration such as 5s", p->err);
    }
    if (*ret_ms > EXPR_RANGE_MAX_S * (int64_t)1000)
        return err_set(p->err, E_LIMIT, "column %zu: the range is over %d days", l->column,
                       EXPR_RANGE_MAX_S / 86400);
    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    return lex_take(l, TOK_RBRACKET, "']'", p->err);
}

static enum rc parse_selector(struct parser *p, struct str name, struct value *ret)
{
    struct plan_matcher matchers[PLAN_MATCHERS_MAX] = {0};
    struct plan_selector s = {.name = name, .matchers = matchers};

    if (p->lex.tok == TOK_LBRACE &&
        (lex_next(&p->lex, p->err) != OK || parse_matchers(p, &s) != OK))
        return p->err->rc;
    if (plan_selector_add(p->plan, &s, &ret->selector, p->err) != OK)
        return p->err->rc == E_NOMEM ? E_NOMEM : err_wrap(p->err, "column %zu", ret->column);
    if (p->lex.tok == TOK_LBRACKET) {
        ret->kind = KIND_RANGE;
        if (parse_range(p, &ret->range_ms) != OK)
            return p->err->rc;
    } else {
        const struct plan_node node = {
            .op = PLAN_SELECT, .type = PLAN_TYPE_VECTOR, .selector = ret->selector};
        if (add(p, &node, ret) != OK)
            return p->err->rc;
    }
    if (p->lex.tok == TOK_IDENT && str_eq(p->lex.s, STR("offset")))
        return lex_fail(p->lex.column, p->err, "offset is not supported");
    return OK;
}

/* ---- functions ---- */

enum argument { ARG_NONE, ARG_SCALAR, ARG_VECTOR, ARG_RANGE, ARG_VECTOR_SCALAR };

static const struct function {
    const char *name;
    enum argument argument;
    enum plan_op op;
    int fn;
    enum plan_type type;
} functions[] = {
    {"rate", ARG_RANGE, PLAN_RANGE, RANGE_RATE, PLAN_TYPE_VECTOR},
    {"increase", ARG_RANGE, PLAN_RANGE, RANGE_INCREASE, PLAN_TYPE_VECTOR},
    {"delta", ARG_RANGE, PLAN_RANGE, RANGE_DELTA, PLAN_TYPE_VECTOR},
    {"irate", ARG_RANGE, PLAN_RANGE, RANGE_IRATE, PLAN_TYPE_VECTOR},
    {"idelta", ARG_RANGE, PLAN_RANGE, RANGE_IDELTA, PLAN_TYPE_VECTOR},
    {"avg_over_time", ARG_RANGE, PLAN_RANGE, RANGE_AVG, PLAN_TYPE_VECTOR},
    {"min_over_time", ARG_RANGE, PLAN_RANGE, RANGE_MIN, PLAN_TYPE_VECTOR},
    {"max_over_time", ARG_RANGE, PLAN_RANGE, RANGE_MAX, PLAN_TYPE_VECTOR},
    {"sum_over_time", ARG_RANGE, PLAN_RANGE, RANGE_SUM, PLAN_TYPE_VECTOR},
    {"count_over_time", ARG_RANGE, PLAN_RANGE, RANGE_COUNT, PLAN_TYPE_VECTOR},
    {"last_over_time", ARG_RANGE, PLAN_RANGE, RANGE_LAST, PLAN_TYPE_VECTOR},
    {"abs", ARG_VECTOR, PLAN_MAP, MAP_ABS, PLAN_TYPE_VECTOR},
    {"clamp_min", ARG_VECTOR_SCALAR, PLAN_MAP, MAP_CLAMP_MIN, PLAN_TYPE_VECTOR},
    {"clamp_max", ARG_VECTOR_SCALAR, PLAN_MAP, MAP_CLAMP_MAX, PLAN_TYPE_VECTOR},
    {"vector", ARG_SCALAR, PLAN_VECTOR, 0, PLAN_TYPE_VECTOR},
    {"scalar", ARG_VECTOR, PLAN_SCALAR, 0, PLAN_TYPE_SCALAR},
    {"time", ARG_NONE, PLAN_TIME, 0, PLAN_TYPE_SCALAR},
};

enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

static const char *const aggregations[] = {"sum", "avg", "min", "max", "count"};

static enum rc parse_argument(struct parser *p, enum kind kind, const char *who,
                              struct plan_node *node, uint32_t *ret)
{
    struct value v = {0};

    if (parse_expr(p, &v) != OK || need(p, &v, kind, who) != OK)
        return p->err->rc;
    if (kind == KIND_RANGE) {
        node->selector = v.selector;
        node->range_ms = v.range_ms;
    } else {
        *ret = v.node;
    }
    return OK;
}

/* f ( arguments ): the lexer holds the parenthesis. */
static enum rc parse_call(struct parser *p, const struct function *f, struct value *ret)
{
    static const enum kind kinds[] = {[ARG_SCALAR] = KIND_SCALAR,
                                      [ARG_VECTOR] = KIND_VECTOR,
                                      [ARG_RANGE] = KIND_RANGE,
                                      [ARG_VECTOR_SCALAR] = KIND_VECTOR};
    struct plan_node node = {.op = (uint8_t)f->op, .fn = (uint8_t)f->fn, .type = (uint8_t)f->type};
    char who[32];

    (void)snprintf(who, sizeof who, "%s()", f->name);
    if (lex_next(&p->lex, p->err) != OK) /* ( */
        return p->err->rc;
    if (f->argument != ARG_NONE && parse_argument(p, kinds[f->argument], who, &node, &node.a) != OK)
        return p->err->rc;
    node.b = node.a; /* a step without second argument repeats its first */
    if (f->argument == ARG_VECTOR_SCALAR &&
        (lex_take(&p->lex, TOK_COMMA, "',' and a number", p->err) != OK ||
         parse_argument(p, KIND_SCALAR, who, &node, &node.b) != OK))
        return p->err->rc;
    if (lex_take(&p->lex, TOK_RPAREN, "')'", p->err) != OK)
        return p->err->rc;
    return add(p, &node, ret);
}

/* (a, b): the names behind by, without, on, ignoring. */
static enum rc parse_label_list(struct parser *p, struct plan_node *node)
{
    struct lexer *l = &p->lex;
    struct str names[PLAN_LABELS_MAX];
    size_t n = 0;

    if (lex_take(l, TOK_LPAREN, "'(' and label names", p->err) != OK)
        return p->err->rc;
    while (l->tok != TOK_RPAREN) {
        if (l->tok != TOK_IDENT || memchr(l->s.p, ':', l->s.n))
            return lex_expected(l, "a label name", p->err);
        if (str_eq(l->s, STR("__name__")))
            return lex_fail(l->column, p->err, "grouping by __name__ is not supported");
        if (n == PLAN_LABELS_MAX)
            return err_set(p->err, E_LIMIT, "column %zu: over %d labels", l->column,
                           PLAN_LABELS_MAX);
        names[n++] = l->s;
        if (lex_next(l, p->err) != OK)
            return p->err->rc;
        if (l->tok != TOK_COMMA)
            break;
        if (lex_next(l, p->err) != OK)
            return p->err->rc;
    }
    node->n_labels = (uint8_t)n;
    if (n > 0 && plan_labels_add(p->plan, names, n, &node->labels, p->err) != OK)
        return p->err->rc;
    return lex_take(l, TOK_RPAREN, "',' or ')'", p->err);
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->lex.tok == TOK_IDENT && str_eq(p->lex.s, str_of(word));
}

/* by (...) or without (...), if it stands here. */
static enum rc parse_grouping(struct parser *p, struct plan_node *node, bool *ret_found)
{
    *ret_found = at_word(p, "by") || at_word(p, "without");
    if (!*ret_found)
        return OK;
    node->keep = at_word(p, "by");
    if (lex_next(&p->lex, p->err) != OK)
        return p->err->rc;
    return parse_label_list(p, node);
}

static enum rc parse_aggregate(struct parser *p, size_t fn, struct value *ret)
{
    /* without any grouping all elements are one group: keep none of the labels */
    struct plan_node node = {
        .op = PLAN_AGGREGATE, .fn = (uint8_t)fn, .type = PLAN_TYPE_VECTOR, .keep = true};
    char who[32];
    bool grouped;

    (void)snprintf(who, sizeof who, "%s()", aggregations[fn]);
    if (parse_grouping(p, &node, &grouped) != OK ||
        lex_take(&p->lex, TOK_LPAREN, "'('", p->err) != OK ||
        parse_argument(p, KIND_VECTOR, who, &node, &node.a) != OK ||
        lex_take(&p->lex, TOK_RPAREN, "')'", p->err) != OK)
        return p->err->rc;
    if (!grouped && parse_grouping(p, &node, &grouped) != OK)
        return p->err->rc;
    return add(p, &node, ret);
}

static enum rc unknown_function(struct parser *p, struct str name, size_t column)
{
    enum { N = N_FUNCTIONS + sizeof aggregations / sizeof aggregations[0] };
    const char *names[N];

    for (size_t i = 0; i < N; i++)
        names[i] = i < N_FUNCTIONS ? functions[i].name : aggregations[i - N_FUNCTIONS];
    const int near = str_nearest(name, names, N);
    if (near >= 0)
        return lex_fail(column, p->err, "unknown function '%.*s'; did you mean '%s'?",
                        (int)(name.n < 40 ? name.n : 40), name.p, names[near]);
    return lex_fail(column, p->err, "function '%.*s' is not supported",
                    (int)(name.n < 40 ? name.n : 40), name.p);
}

/* A word opens a function call, an aggregation or a selector. */
static enum rc parse_word(struct parser *p, struct value *ret)
{
    const struct str name = p->lex.s;
    const size_t column = p->lex.column;

    if (lex_next(&p->lex, p->err) != OK)
        return p->err->rc;
    for (size_t i = 0; i < sizeof aggregations / sizeof aggregations[0]; i++)
        if (str_eq(name, str_of(aggregations[i])) &&
            (p->lex.tok == TOK_LPAREN || at_word(p, "by") || at_word(p, "without")))
            return parse_aggregate(p, i, ret);
    if (p->lex.tok != TOK_LPAREN)
        return parse_selector(p, name, ret);
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        if (str_eq(name, str_of(functions[i].name)))
            return parse_call(p, &functions[i], ret);
    return unknown_function(p, name, column);
}

/* ---- operators ---- */

static enum rc parse_negation(struct parser *p, struct value *ret)
{
    const size_t column = p->lex.column;
    struct value v = {0};

    /* the sign binds like *, so only ^ takes its operand first: -2 ^ 2 is -4 */
    if (lex_next(&p->lex, p->err) != OK || parse_binary(p, LEVEL_POW, &v) != OK)
        return p->err->rc;
    if (v.kind == KIND_RANGE)
        return lex_fail(column, p->err, "the sign takes a scalar or an instant vector, found %s",
                        kind_names[v.kind]);
    const struct plan_node node = {
        .op = PLAN_MAP, .fn = MAP_NEGATE, .type = (uint8_t)v.kind, .a = v.node, .b = v.node};
    return add(p, &node, ret);
}

static enum rc parse_unary(struct parser *p, struct value *ret)
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
        return add(p, &node, ret);
    }
    case TOK_LPAREN: {
        const size_t column = ret->column;
        if (lex_next(&p->lex, p->err) != OK || parse_expr(p, ret) != OK)
            return p->err->rc;
        ret->column = column;
        return lex_take(&p->lex, TOK_RPAREN, "')'", p->err);
    }
    case TOK_IDENT:
        return parse_word(p, ret);
    case TOK_LBRACE:
        return lex_fail(p->lex.column, p->err, "a selector needs a metric name before the brace");
    default:
        return lex_expected(&p->lex, "a metric, a function, a number or '('", p->err);
    }
}

static bool binary_operator(const struct parser *p, int *ret_level, enum binary_fn *ret_fn)
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
        if (p->lex.tok == table[i].tok && (!table[i].word || at_word(p, table[i].word))) {
            *ret_level = table[i].level;
            *ret_fn = table[i].fn;
            return true;
        }
    return false;
}

/* bool, on (...), ignoring (...) behind an operator. */
static enum rc parse_modifiers(struct parser *p, struct plan_node *node, bool *ret_matching)
{
    *ret_matching = false;
    if (at_word(p, "bool")) {
        if (node->fn < BINARY_EQ || node->fn > BINARY_GE)
            return lex_fail(p->lex.column, p->err, "bool goes with comparisons alone");
        node->as_bool = true;
        if (lex_next(&p->lex, p->err) != OK)
            return p->err->rc;
    }
    if (at_word(p, "on") || at_word(p, "ignoring")) {
        *ret_matching = true;
        node->keep = at_word(p, "on");
        if (lex_next(&p->lex, p->err) != OK || parse_label_list(p, node) != OK)
            return p->err->rc;
    }
    if (at_word(p, "group_left") || at_word(p, "group_right"))
        return lex_fail(p->lex.column, p->err,
                        "%.*s is not supported: elements are matched one to one", (int)p->lex.s.n,
                        p->lex.s.p);
    return OK;
}

static enum rc check_operands(struct parser *p, const struct plan_node *node, bool matching,
                              const struct value *a, const struct value *b, size_t column)
{
    const bool scalars = a->kind == KIND_SCALAR && b->kind == KIND_SCALAR;
    const bool scalar = a->kind == KIND_SCALAR || b->kind == KIND_SCALAR;

    if (a->kind == KIND_RANGE || b->kind == KIND_RANGE)
        return lex_fail(column, p->err, "an operator takes scalars and instant vectors, found %s",
                        kind_names[KIND_RANGE]);
    if (node->fn >= BINARY_AND && scalar)
        return lex_fail(column, p->err, "and, or, unless take instant vectors, found a scalar");
    if (scalars && node->fn >= BINARY_EQ && !node->as_bool)
        return lex_fail(column, p->err, "a comparison of two scalars needs bool");
    if (matching && scalar)
        return lex_fail(column, p->err, "on and ignoring need instant vectors on both sides");
    return OK;
}

static enum rc parse_binary(struct parser *p, int level, struct value *ret)
{
    struct value left = {0}, right = {0};
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
        if (add(p, &node, &left) != OK)
            return p->err->rc;
    }
    p->depth--;
    *ret = left;
    return OK;
}

/* ---- the two doors ---- */

enum rc expr_compile(struct str text, int64_t rate_interval_ms, struct plan *plan, uint32_t *ret,
                     struct err *err)
{
    struct parser p = {.plan = plan, .rate_interval_ms = rate_interval_ms, .err = err};
    struct value v = {0};

    assert(rate_interval_ms > 0);
    if (lex_init(&p.lex, text, err) != OK || parse_expr(&p, &v) != OK)
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
