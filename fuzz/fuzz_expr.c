/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/expr.h"
#include "feature/expr_by.h"

#include <math.h>
#include <string.h>

#include "feature/evaluator.h"
#include "fuzz.h"

/* A profile of this one expression, written as a JSON string, which YAML reads; NULL where YAML
 * refuses one of its characters. */
static struct profile *wrap(struct str expression)
{
    struct profile *p = NULL;
    struct err err = {0};
    struct buf b;

    buf_init(&b, 1 << 17);
    buf_puts(&b, "name: fuzz\nfeatures: [{name: f, expr: \"");
    for (size_t i = 0; i < expression.n; i++) {
        const unsigned char c = (unsigned char)expression.p[i];
        buf_printf(&b, c == '"' || c == '\\' ? "\\%c" : c < 0x20 ? "\\x%02x" : "%c", c);
    }
    buf_puts(&b, "\"}]\n");
    const enum rc rc = profile_parse((struct str){b.p, b.n}, "fuzz.yml", 1000, &p, &err);
    promise(rc == OK || !p, "a refused profile leaves the output alone");
    buf_done(&b);
    return p;
}

static void push(struct evaluator *e, struct series_set *set, int64_t ts_ms, double v)
{
    struct snapshot *s = snapshot_new(set, ts_ms);
    struct err err = {0};

    promise(s != NULL, "memory");
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = i % 3 == 2 && v > 2 ? series_stale() : v * (double)(i + 1);
    promise(evaluator_push(e, s, &err) == OK, "a tick is taken");
    snapshot_free(s);
}

static struct series_set *series(void)
{
    static const char *const names[] = {"a", "b", "node_load1"};
    struct label labels[] = {{STR("x"), STR("1")}, {STR("y"), STR("2")}};
    struct series_set *set = NULL;
    struct err err;
    uint32_t id;

    promise(series_set_new(&set, &err) == OK, "memory");
    for (size_t i = 0; i < 12; i++) {
        labels[0].value = i % 2 ? STR("1") : STR("22");
        promise(series_set_intern(set, str_of(names[i % 3]), labels, i / 4, METRIC_GAUGE, &id,
                                  &err) == OK,
                "a series");
    }
    return set;
}

static void evaluate(const struct profile *p)
{
    struct series_set *set = series();
    struct evaluator *e = NULL;
    struct err err = {0};
    double first = 0, again = 0;

    if (evaluator_new(p, 1000, &e, &err) == OK) {
        for (int t = 1; t < 9; t++)
            push(e, set, 1000 * t, t);
        evaluator_eval(e, 8000, &first);
        evaluator_eval(e, 8000, &again);
        promise(!isinf(first), "a feature is finite or missing");
        promise(memcmp(&first, &again, sizeof first) == 0 || isnan(first), "and repeatable");
    }
    evaluator_free(e);
    series_set_unref(set);
}

/* The text for all entities is a text again, which the same rewriting leaves as it is (but for the
 * aggregation `group`, which only servers have). */
static void rewrite(struct str text)
{
    const struct expr_by by = {.label = "x", .match = NULL};
    struct err err = {0};
    struct buf once, twice;

    buf_init(&once, EXPR_BY_MAX);
    buf_init(&twice, EXPR_BY_MAX);
    const enum rc rc = expr_print_by(text, 5000, &by, &once, &err);
    promise(rc == OK || err.msg[0] != '\0', "a refusal explains itself");
    if (rc == OK && once.n < EXPR_BYTES_MAX && !strstr(once.p, "group by (x)") &&
        expr_print_by((struct str){once.p, once.n}, 7000, &by, &twice, &err) == OK)
        promise(strcmp(once.p, twice.p) == 0, "rewriting twice is rewriting once");
    buf_done(&once);
    buf_done(&twice);
}

/* Matchers of anywhere: taken, they stay within the braces. */
static void match(struct str text)
{
    char z[512];
    struct err err = {0};
    struct buf b;

    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    const struct expr_by by = {.label = "instance", .match = z};
    buf_init(&b, EXPR_BY_MAX);
    if (expr_by_check(&by, &err) == OK)
        promise(expr_print_by(STR("a{b=\"c\"}"), 5000, &by, &b, &err) == OK &&
                    b.p[b.n - 1] == '}' && strncmp(b.p, "a{b=\"c\"", 7) == 0,
                "a selector stays one");
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct plan plan = {0}, again = {0};
    struct err err = {0};
    uint32_t root = 99, root_again = 0;
    struct buf promql;

    match(text);
    if (expr_compile(text, 5000, &plan, &root, &err) != OK) {
        promise(err.rc != OK && err.msg[0] != '\0', "a failure explains itself");
        promise(root == 99, "and leaves the output alone");
        plan_done(&plan);
        return 0;
    }
    promise(root < plan.n_nodes, "the root is a step");
    for (size_t i = 0; i < plan.n_nodes; i++)
        promise(plan.nodes[i].a <= i && plan.nodes[i].b <= i, "arguments come before");
    buf_init(&promql, 1 << 17);
    promise(expr_promql(text, 5000, &promql, &err) == OK, "the window is filled in");
    promise(promql.n > EXPR_BYTES_MAX || (expr_compile((struct str){promql.p, promql.n}, 7000,
                                                       &again, &root_again, &err) == OK &&
                                          again.n_nodes == plan.n_nodes && root_again == root),
            "the server's text means the same");
    rewrite(text);
    struct profile *p = wrap(text);
    if (p)
        evaluate(p);
    profile_free(p);
    buf_done(&promql);
    plan_done(&plan);
    plan_done(&again);
    return 0;
}
