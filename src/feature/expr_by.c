/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/expr_by.h"

#include <math.h>
#include <stdio.h>

#include "feature/expr.h"
#include "feature/lex.h"

enum { LEAVES_MAX = 64 }; /* of one vector(): more would not change who is there */

struct printer {
    const struct plan *plan;
    const struct expr_by *by;
    uint32_t whole, anchor;
    struct buf *out;
    struct err *err;
};

static enum rc print(struct printer *p, uint32_t at);

static bool is_label_name(const char *name)
{
    for (size_t i = 0; name[i]; i++) {
        const char c = name[i], low = (char)(c | 0x20);
        if (c != '_' && !(low >= 'a' && low <= 'z') && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name[0] != '\0';
}

static struct str match_of(const struct expr_by *by)
{
    struct str s = str_trim(by->match ? str_of(by->match) : (struct str){"", 0});

    if (s.n > 0 && s.p[s.n - 1] == ',') /* PromQL allows one at the end */
        s = str_trim((struct str){s.p, s.n - 1});
    return s;
}

enum rc expr_by_check(const struct expr_by *by, struct err *err)
{
    const struct str match = match_of(by);
    struct plan plan = {0};
    struct buf text;
    struct err why;
    uint32_t root = 0;

    if (!is_label_name(by->label) || strcmp(by->label, "__name__") == 0)
        return err_set(err, E_CONFIG,
                       "expected the name of a label such as instance, found '%.60s'", by->label);
    if (match.n == 0)
        return OK;
    buf_init(&text, EXPR_BYTES_MAX);
    buf_puts(&text, "x{");
    buf_str(&text, match);
    buf_puts(&text, "}");
    /* "a="b"} or y{c="d"" is no matcher, and would compile to more than one selector */
    const bool fine = !text.failed &&
                      expr_compile((struct str){text.p, text.n}, 1, &plan, &root, &why) == OK &&
                      plan.nodes[root].op == PLAN_SELECT && plan.n_nodes == 1;
    plan_done(&plan);
    buf_done(&text);
    if (fine)
        return OK;
    return err_set(err, E_CONFIG,
                   "expected label matchers such as job=\"node\",env!=\"test\", found '%.*s'",
                   (int)(match.n < 100 ? match.n : 100), match.p);
}

bool expr_by_leaf(const struct plan *plan, uint32_t root, uint32_t *ret)
{
    const struct plan_node *n = &plan->nodes[root];

    switch ((enum plan_op)n->op) {
    case PLAN_SELECT:
    case PLAN_RANGE:
        *ret = root;
        return true;
    case PLAN_VECTOR:
    case PLAN_SCALAR:
    case PLAN_AGGREGATE:
        return expr_by_leaf(plan, n->a, ret);
    case PLAN_MAP:
    case PLAN_BINARY:
        return expr_by_leaf(plan, n->a, ret) || (n->b != n->a && expr_by_leaf(plan, n->b, ret));
    case PLAN_NUMBER:
    case PLAN_TIME:
        break;
    }
    return false;
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_puts(out, "\"");
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\r')
            buf_puts(out, "\\r");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else
            buf_add(out, &c, 1);
    }
    buf_puts(out, "\"");
}

void expr_by_narrow(const char *match, const char *label, const char *value, struct buf *out)
{
    const struct expr_by by = {.match = match};
    const struct str s = match_of(&by);

    buf_str(out, s);
    buf_puts(out, s.n ? "," : "");
    buf_printf(out, "%s=", label);
    put_quoted(out, str_of(value));
}

static void put_selector(const struct plan_selector *s, const struct expr_by *by, struct buf *out)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    const struct str match = match_of(by);

    buf_str(out, s->name);
    if (s->n_matchers == 0 && match.n == 0)
        return;
    buf_puts(out, "{");
    for (size_t i = 0; i < s->n_matchers; i++) {
        const struct plan_matcher *m = &s->matchers[i];
        buf_puts(out, i ? "," : "");
        buf_str(out, m->label);
        buf_puts(out, operators[m->op]);
        put_quoted(out, m->value);
    }
    buf_puts(out, s->n_matchers && match.n ? "," : "");
    buf_str(out, match);
    buf_puts(out, "}");
}

void expr_by_print_selector(const struct plan *plan, uint32_t leaf, const struct expr_by *by,
                            struct buf *out)
{
    put_selector(&plan->selectors[plan->nodes[leaf].selector], by, out);
}

static void put_range(struct printer *p, const struct plan_node *n)
{
    static const char *const names[] = {
        [RANGE_RATE] = "rate",          [RANGE_INCREASE] = "increase",
        [RANGE_DELTA] = "delta",        [RANGE_IRATE] = "irate",
        [RANGE_IDELTA] = "idelta",      [RANGE_AVG] = "avg_over_time",
        [RANGE_MIN] = "min_over_time",  [RANGE_MAX] = "max_over_time",
        [RANGE_SUM] = "sum_over_time",  [RANGE_COUNT] = "count_over_time",
        [RANGE_LAST] = "last_over_time"};
    char window[STR_DURATION_MAX];

    str_from_duration_ms(n->range_ms, window);
    buf_printf(p->out, "%s(", names[n->fn]);
    put_selector(&p->plan->selectors[n->selector], p->by, p->out);
    buf_printf(p->out, "[%s])", window);
}

/* (a, b, instance): the node's labels with the entity's behind (with), or without it. */
static void put_labels(struct printer *p, const struct plan_node *n, bool with)
{
    const struct str own = str_of(p->by->label);
    bool first = true;

    buf_puts(p->out, "(");
    for (size_t i = 0; i < n->n_labels; i++) {
        const struct str label = p->plan->labels[n->labels + i];
        if (str_eq(label, own))
            continue;
        buf_puts(p->out, first ? "" : ", ");
        buf_str(p->out, label);
        first = false;
    }
    if (with)
        buf_printf(p->out, "%s%s", first ? "" : ", ", p->by->label);
    buf_puts(p->out, ")");
}

/* The leaves below at, each once, up to LEAVES_MAX. */
static void leaves(const struct plan *plan, uint32_t at, uint32_t *found, size_t *n)
{
    const struct plan_node *node = &plan->nodes[at];

    if (*n == LEAVES_MAX)
        return;
    switch ((enum plan_op)node->op) {
    case PLAN_SELECT:
    case PLAN_RANGE:
        for (size_t i = 0; i < *n; i++)
            if (found[i] == at)
                return;
        found[(*n)++] = at;
        return;
    case PLAN_VECTOR:
    case PLAN_SCALAR:
    case PLAN_AGGREGATE:
        leaves(plan, node->a, found, n);
        return;
    case PLAN_MAP:
    case PLAN_BINARY:
        leaves(plan, node->a, found, n);
        if (node->b != node->a)
            leaves(plan, node->b, found, n);
        return;
    case PLAN_NUMBER:
    case PLAN_TIME:
        return;
    }
}

/* The scalar at `at`, once for each entity that is there. */
static enum rc spread(struct printer *p, uint32_t at)
{
    uint32_t found[LEAVES_MAX];
    size_t n = 0;

    if (p->anchor != UINT32_MAX)
        leaves(p->plan, p->anchor, found, &n);
    leaves(p->plan, p->whole, found, &n);
    if (n == 0)
        return err_set(p->err, E_CONFIG,
                       "there is no metric in it, so a server cannot tell for which machines");
    buf_printf(p->out, "(0 * group by (%s) (", p->by->label);
    for (size_t i = 0; i < n; i++) {
        buf_puts(p->out, i ? " or " : "");
        if (print(p, found[i]) != OK)
            return p->err->rc;
    }
    buf_puts(p->out, ") + ");
    if (print(p, at) != OK)
        return p->err->rc;
    buf_puts(p->out, ")");
    return OK;
}

static enum rc print_map(struct printer *p, const struct plan_node *n)
{
    static const char *const names[] = {[MAP_NEGATE] = "(-",
                                        [MAP_ABS] = "abs(",
                                        [MAP_CLAMP_MIN] = "clamp_min(",
                                        [MAP_CLAMP_MAX] = "clamp_max("};

    buf_puts(p->out, names[n->fn]);
    if (print(p, n->a) != OK)
        return p->err->rc;
    if (n->fn == MAP_CLAMP_MIN || n->fn == MAP_CLAMP_MAX) {
        buf_puts(p->out, ", ");
        if (print(p, n->b) != OK)
            return p->err->rc;
    }
    buf_puts(p->out, ")");
    return OK;
}

static enum rc print_aggregate(struct printer *p, const struct plan_node *n)
{
    static const char *const names[] = {[AGGREGATE_SUM] = "sum",
                                        [AGGREGATE_AVG] = "avg",
                                        [AGGREGATE_MIN] = "min",
                                        [AGGREGATE_MAX] = "max",
                                        [AGGREGATE_COUNT] = "count"};

    buf_printf(p->out, "%s %s ", names[n->fn], n->keep ? "by" : "without");
    put_labels(p, n, n->keep);
    buf_puts(p->out, " (");
    if (print(p, n->a) != OK)
        return p->err->rc;
    buf_puts(p->out, ")");
    return OK;
}

static bool names_others(const struct printer *p, const struct plan_node *n)
{
    for (size_t i = 0; i < n->n_labels; i++)
        if (!str_eq(p->plan->labels[n->labels + i], str_of(p->by->label)))
            return true;
    return false;
}

static enum rc print_binary(struct printer *p, const struct plan_node *n)
{
    static const char *const names[] = {
        [BINARY_ADD] = "+",   [BINARY_SUB] = "-", [BINARY_MUL] = "*",        [BINARY_DIV] = "/",
        [BINARY_MOD] = "%",   [BINARY_POW] = "^", [BINARY_EQ] = "==",        [BINARY_NE] = "!=",
        [BINARY_LT] = "<",    [BINARY_LE] = "<=", [BINARY_GT] = ">",         [BINARY_GE] = ">=",
        [BINARY_AND] = "and", [BINARY_OR] = "or", [BINARY_UNLESS] = "unless"};
    const bool vectors = p->plan->nodes[n->a].type == PLAN_TYPE_VECTOR &&
                         p->plan->nodes[n->b].type == PLAN_TYPE_VECTOR;

    buf_puts(p->out, "(");
    if (print(p, n->a) != OK)
        return p->err->rc;
    buf_printf(p->out, " %s%s ", names[n->fn], n->as_bool ? " bool" : "");
    if (vectors && n->keep) {
        buf_puts(p->out, "on ");
        put_labels(p, n, true);
        buf_puts(p->out, " ");
    } else if (vectors && names_others(p, n)) {
        buf_puts(p->out, "ignoring ");
        put_labels(p, n, false);
        buf_puts(p->out, " ");
    }
    if (print(p, n->b) != OK)
        return p->err->rc;
    buf_puts(p->out, ")");
    return OK;
}

static enum rc print(struct printer *p, uint32_t at)
{
    const struct plan_node *n = &p->plan->nodes[at];

    if (p->out->failed)
        return err_set(p->err, E_LIMIT, "the text for a server is over %d bytes", EXPR_BY_MAX);
    switch ((enum plan_op)n->op) {
    case PLAN_NUMBER:
        buf_double(p->out, n->number);
        return OK;
    case PLAN_TIME:
        buf_puts(p->out, "time()");
        return OK;
    case PLAN_VECTOR:
        return spread(p, n->a);
    case PLAN_SCALAR:
        return err_set(p->err, E_CONFIG,
                       "scalar() cannot be asked of a server for many machines at once; put an "
                       "aggregation such as sum() in its place");
    case PLAN_SELECT:
        put_selector(&p->plan->selectors[n->selector], p->by, p->out);
        return OK;
    case PLAN_RANGE:
        put_range(p, n);
        return OK;
    case PLAN_MAP:
        return print_map(p, n);
    case PLAN_AGGREGATE:
        return print_aggregate(p, n);
    case PLAN_BINARY:
        return print_binary(p, n);
    }
    return OK;
}

enum rc expr_by_print(const struct plan *plan, uint32_t root, uint32_t anchor,
                      const struct expr_by *by, struct buf *out, struct err *err)
{
    struct printer p = {
        .plan = plan, .by = by, .whole = root, .anchor = anchor, .out = out, .err = err};
    const bool scalar = plan->nodes[root].type == PLAN_TYPE_SCALAR;

    if ((scalar ? spread(&p, root) : print(&p, root)) != OK)
        return err->rc;
    if (out->failed)
        return err_set(err, E_LIMIT, "the text for a server is over %d bytes", EXPR_BY_MAX);
    return OK;
}

enum rc expr_print_by(struct str text, int64_t rate_interval_ms, const struct expr_by *by,
                      struct buf *out, struct err *err)
{
    struct plan plan = {0};
    uint32_t root = 0;

    enum rc rc = expr_by_check(by, err);
    if (rc == OK)
        rc = expr_compile(text, rate_interval_ms, &plan, &root, err);
    if (rc == OK)
        rc = expr_by_print(&plan, root, UINT32_MAX, by, out, err);
    plan_done(&plan);
    return rc;
}
