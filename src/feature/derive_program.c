/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/derive_program.h"

#include <assert.h>

#include "base/mem.h"
#include "feature/lex.h"

struct parser {
    struct lexer lex;
    struct derive_program *program;
    const struct feature *known;
    size_t n_known;
    unsigned depth, stack;
    struct err *err;
};

void derive_program_done(struct derive_program *p)
{
    mem_free(p->steps);
    mem_free(p->ends);
    *p = (struct derive_program){0};
}

/* Room for one more behind n entries: arrays double, which only a load does. */
static enum rc grow(void **array, size_t n, size_t size, struct err *err)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return OK;
    void *p = mem_grow(*array, n ? 2 * n : 1, size);
    if (!p)
        return err_set(err, E_NOMEM, "derived feature: no memory");
    *array = p;
    return OK;
}

/* Append a step that takes `takes` numbers off the stack and puts one there. */
static enum rc emit(struct parser *p, struct derive_step step, unsigned takes, uint32_t n_state)
{
    struct derive_program *d = p->program;

    if (d->n_state + n_state > DERIVE_STATE_MAX)
        return err_set(p->err, E_LIMIT,
                       "column %zu: the windows of all derived features hold over "
                       "%d numbers",
                       p->lex.column, DERIVE_STATE_MAX);
    if (grow((void **)&d->steps, d->n_steps, sizeof *d->steps, p->err) != OK)
        return p->err->rc;
    step.state = d->n_state;
    d->n_state += n_state;
    d->steps[d->n_steps++] = step;
    assert(p->stack >= takes);
    p->stack += 1 - takes;
    assert(p->stack < DERIVE_STACK_MAX); /* no more than one number a level of EXPR_DEPTH_MAX */
    return OK;
}

static enum rc parse_binary(struct parser *p, int level);

static enum rc feature_unknown(struct parser *p, struct str name, size_t column)
{
    const char *names[SCHEMA_FEATURES_MAX];
    const size_t n = p->n_known < SCHEMA_FEATURES_MAX ? p->n_known : SCHEMA_FEATURES_MAX;
    const int shown = (int)(name.n < 60 ? name.n : 60);

    for (size_t i = 0; i < n; i++)
        names[i] = p->known[i].name;
    const int near = str_nearest(name, names, n);
    if (near >= 0)
        return lex_fail(column, p->err, "unknown feature '%.*s'; did you mean '%s'?", shown, name.p,
                        names[near]);
    return lex_fail(column, p->err,
                    "unknown feature '%.*s': only features above this one are known", shown,
                    name.p);
}

static enum rc parse_feature(struct parser *p, struct str name, size_t column)
{
    for (size_t i = 0; i < p->n_known; i++)
        if (str_eq(name, str_of(p->known[i].name)))
            return emit(p, (struct derive_step){.op = DERIVE_FEATURE, .n = (uint32_t)i}, 0, 0);
    return feature_unknown(p, name, column);
}

/* ", n": the number of frames of a window. */
static enum rc parse_window(struct parser *p, uint32_t *ret)
{
    struct lexer *l = &p->lex;

    if (lex_take(l, TOK_COMMA, "',' and a number of frames", p->err) != OK)
        return p->err->rc;
    if (l->tok != TOK_NUMBER || !(l->number >= 2 && l->number <= DERIVE_WINDOW_MAX) ||
        (double)(uint32_t)l->number != l->number)
        return lex_expected(l, "a whole number of frames from 2 to 4096", p->err);
    *ret = (uint32_t)l->number;
    return lex_next(l, p->err);
}

enum arguments { ARG_NONE, ARG_VALUE, ARG_VALUE_WINDOW };

static const struct function {
    const char *name;
    enum derive_op op;
    enum arguments arguments;
    uint32_t n_state;
} functions[] = {
    {"change", DERIVE_CHANGE, ARG_VALUE, 1},    {"per_second", DERIVE_PER_SECOND, ARG_VALUE, 2},
    {"mean", DERIVE_MEAN, ARG_VALUE_WINDOW, 0}, {"std", DERIVE_STD, ARG_VALUE_WINDOW, 0},
    {"abs", DERIVE_ABS, ARG_VALUE, 0},          {"hour", DERIVE_HOUR, ARG_NONE, 0},
    {"weekday", DERIVE_WEEKDAY, ARG_NONE, 0},
};

enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

static enum rc parse_call(struct parser *p, struct str name, size_t column)
{
    const char *names[N_FUNCTIONS];
    const struct function *f = NULL;
    struct derive_step step = {0};

    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        names[i] = functions[i].name;
        if (str_eq(name, str_of(functions[i].name)))
            f = &functions[i];
    }
    if (!f) {
        const int near = str_nearest(name, names, N_FUNCTIONS);
        return lex_fail(column, p->err,
                        near < 0 ? "function '%.*s' is not one of change, per_second, mean, std, "
                                   "abs, hour, weekday%s"
                                 : "unknown function '%.*s'; did you mean '%s'?",
                        (int)(name.n < 40 ? name.n : 40), name.p, near < 0 ? "" : names[near]);
    }
    if (lex_next(&p->lex, p->err) != OK) /* ( */
        return p->err->rc;
    step.op = f->op;
    if (f->arguments != ARG_NONE && parse_binary(p, 0) != OK)
        return p->err->rc;
    if (f->arguments == ARG_VALUE_WINDOW && parse_window(p, &step.n) != OK)
        return p->err->rc;
    if (lex_take(&p->lex, TOK_RPAREN, "')'", p->err) != OK)
        return p->err->rc;
    return emit(p, step, f->arguments != ARG_NONE, f->n_state + step.n);
}

enum { LEVEL_COMPARE, LEVEL_ADD, LEVEL_MUL, LEVEL_POW };

static enum rc parse_unary(struct parser *p)
{
    struct lexer *l = &p->lex;
    const struct str s = l->s;
    const size_t column = l->column;
    const double number = l->number;
    const enum token tok = l->tok;

    if (tok != TOK_SUB && tok != TOK_NUMBER && tok != TOK_LPAREN && tok != TOK_STRING &&
        tok != TOK_IDENT)
        return lex_expected(l, "a feature, a function, a number or '('", p->err);
    if (lex_next(l, p->err) != OK)
        return p->err->rc;
    switch ((int)tok) {
    case TOK_SUB: /* binds like *, so -2 ^ 2 is -4 as in PromQL */
        if (parse_binary(p, LEVEL_POW) != OK)
            return p->err->rc;
        return emit(p, (struct derive_step){.op = DERIVE_NEGATE}, 1, 0);
    case TOK_NUMBER:
        return emit(p, (struct derive_step){.op = DERIVE_NUMBER, .number = number}, 0, 0);
    case TOK_LPAREN:
        if (parse_binary(p, LEVEL_COMPARE) != OK)
            return p->err->rc;
        return lex_take(l, TOK_RPAREN, "')'", p->err);
    case TOK_IDENT:
        if (l->tok == TOK_LPAREN)
            return parse_call(p, s, column);
        break;
    default: /* a string: the name of a feature that is no plain word */
        break;
    }
    return parse_feature(p, s, column);
}

static bool binary_operator(enum token tok, int *ret_level, enum derive_op *ret_op)
{
    static const struct {
        enum token tok;
        int level;
        enum derive_op op;
    } table[] = {
        {TOK_EQ, LEVEL_COMPARE, DERIVE_EQ}, {TOK_NE, LEVEL_COMPARE, DERIVE_NE},
        {TOK_LT, LEVEL_COMPARE, DERIVE_LT}, {TOK_LE, LEVEL_COMPARE, DERIVE_LE},
        {TOK_GT, LEVEL_COMPARE, DERIVE_GT}, {TOK_GE, LEVEL_COMPARE, DERIVE_GE},
        {TOK_ADD, LEVEL_ADD, DERIVE_ADD},   {TOK_SUB, LEVEL_ADD, DERIVE_SUB},
        {TOK_MUL, LEVEL_MUL, DERIVE_MUL},   {TOK_DIV, LEVEL_MUL, DERIVE_DIV},
        {TOK_MOD, LEVEL_MUL, DERIVE_MOD},   {TOK_POW, LEVEL_POW, DERIVE_POW},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].tok == tok) {
            *ret_level = table[i].level;
            *ret_op = table[i].op;
            return true;
        }
    return false;
}

static enum rc parse_binary(struct parser *p, int level)
{
    enum derive_op op = DERIVE_ADD;
    int found = 0;

    if (++p->depth > EXPR_DEPTH_MAX) /* every way of nesting comes through here */
        return err_set(p->err, E_LIMIT, "column %zu: nested deeper than %d levels", p->lex.column,
                       EXPR_DEPTH_MAX);
    if (parse_unary(p) != OK)
        return p->err->rc;
    while (binary_operator(p->lex.tok, &found, &op) && found >= level) {
        if (lex_next(&p->lex, p->err) != OK ||
            parse_binary(p, found == LEVEL_POW ? found : found + 1) != OK ||
            emit(p, (struct derive_step){.op = op}, 2, 0) != OK)
            return p->err->rc;
    }
    p->depth--;
    return OK;
}

enum rc derive_program_add(struct derive_program *p, struct str text, const struct feature *known,
                           size_t n, struct err *err)
{
    struct parser parser = {.program = p, .known = known, .n_known = n, .err = err};

    if (lex_init(&parser.lex, text, err) != OK || parse_binary(&parser, LEVEL_COMPARE) != OK)
        return err->rc;
    if (parser.lex.tok != TOK_END)
        return lex_expected(&parser.lex, "an operator or the end", err);
    if (grow((void **)&p->ends, p->n_features, sizeof *p->ends, err) != OK)
        return err->rc;
    p->ends[p->n_features++] = (uint32_t)p->n_steps;
    return OK;
}
