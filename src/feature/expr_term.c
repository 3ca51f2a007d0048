/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "feature/expr_parser.h"

static enum rc need(struct expr_parser *p, const struct expr_value *v, enum expr_kind kind,
                    const char *who)
{
    if (v->kind == kind)
        return OK;
    return lex_fail(v->column, p->err, "%s takes %s, found %s", who, expr_kind_name(kind),
                    expr_kind_name(v->kind));
}

static enum rc parse_matcher(struct expr_parser *p, struct plan_matcher *ret)
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

static enum rc parse_matchers(struct expr_parser *p, struct plan_selector *s)
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

static enum rc parse_range(struct expr_parser *p, int64_t *ret_ms)
{
    struct lexer *l = &p->lex;

    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    const bool variable = l->tok == TOK_VARIABLE;
    if (variable && !str_eq(l->s, STR("$__rate_interval")))
        return lex_fail(l->column, p->err, "the only variable is $__rate_interval");
    if (l->tok == TOK_DURATION && memchr(l->s.p, ':', l->s.n))
        return lex_fail(l->column, p->err, "subqueries are not supported");
    if (variable)
        *ret_ms = p->rate_interval_ms;
    else if (l->tok != TOK_DURATION || !str_to_duration_ms(l->s, ret_ms) || *ret_ms <= 0)
        return lex_expected(l, "a duration such as 5s", p->err);
    if (*ret_ms > EXPR_RANGE_MAX_S * (int64_t)1000)
        return err_set(p->err, E_LIMIT, "column %zu: the range is over %d days", l->column,
                       EXPR_RANGE_MAX_S / 86400);
    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    return lex_take(l, TOK_RBRACKET, "']'", p->err);
}

static enum rc parse_selector(struct expr_parser *p, struct str name, struct expr_value *ret)
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
        if (expr_add(p, &node, ret) != OK)
            return p->err->rc;
    }
    if (p->lex.tok == TOK_IDENT && str_eq(p->lex.s, STR("offset")))
        return lex_fail(p->lex.column, p->err, "offset is not supported");
    return OK;
}

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

static enum rc parse_argument(struct expr_parser *p, enum expr_kind kind, const char *who,
                              struct plan_node *node, uint32_t *ret)
{
    struct expr_value v = {0};

    if (expr_parse(p, &v) != OK || need(p, &v, kind, who) != OK)
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
static enum rc parse_call(struct expr_parser *p, const struct function *f, struct expr_value *ret)
{
    static const enum expr_kind kinds[] = {[ARG_SCALAR] = KIND_SCALAR,
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
    return expr_add(p, &node, ret);
}

enum rc expr_parse_labels(struct expr_parser *p, struct plan_node *node)
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

/* by (...) or without (...), if it stands here. */
static enum rc parse_grouping(struct expr_parser *p, struct plan_node *node, bool *ret_found)
{
    *ret_found = expr_at_word(p, "by") || expr_at_word(p, "without");
    if (!*ret_found)
        return OK;
    node->keep = expr_at_word(p, "by");
    if (lex_next(&p->lex, p->err) != OK)
        return p->err->rc;
    return expr_parse_labels(p, node);
}

static enum rc parse_aggregate(struct expr_parser *p, size_t fn, struct expr_value *ret)
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
    return expr_add(p, &node, ret);
}

static enum rc unknown_function(struct expr_parser *p, struct str name, size_t column)
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

enum rc expr_parse_word(struct expr_parser *p, struct expr_value *ret)
{
    const struct str name = p->lex.s;
    const size_t column = p->lex.column;

    if (lex_next(&p->lex, p->err) != OK)
        return p->err->rc;
    for (size_t i = 0; i < sizeof aggregations / sizeof aggregations[0]; i++)
        if (str_eq(name, str_of(aggregations[i])) &&
            (p->lex.tok == TOK_LPAREN || expr_at_word(p, "by") || expr_at_word(p, "without")))
            return parse_aggregate(p, i, ret);
    if (p->lex.tok != TOK_LPAREN)
        return parse_selector(p, name, ret);
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        if (str_eq(name, str_of(functions[i].name)))
            return parse_call(p, &functions[i], ret);
    return unknown_function(p, name, column);
}
