/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "feature/expr.h"
#include "feature/expr_by.h"
#include "feature/profile_by.h"

static const struct expr_by plain = {.label = "instance"};
static const struct expr_by node = {.label = "instance", .match = "job=\"node\""};

/* The text for a server, in a buffer that the next call uses again. */
static const char *by(const char *text, const struct expr_by *by)
{
    static char out[4096];
    struct err err = {0};
    struct buf b;

    buf_init(&b, sizeof out - 1);
    if (expr_print_by(str_of(text), 5000, by, &b, &err) != OK)
        (void)snprintf(out, sizeof out, "%s", err.msg);
    else
        (void)snprintf(out, sizeof out, "%s", b.p);
    buf_done(&b);
    return out;
}

#define BY(text, expected) assert_string_equal(by(text, &plain), expected)

static void aggregations_keep_the_entity(void **state)
{
    (void)state;
    BY("sum(a)", "sum by (instance) (a)");
    BY("sum by (cpu) (a)", "sum by (cpu, instance) (a)");
    BY("sum by (instance) (a)", "sum by (instance) (a)");
    BY("max(a) by (x, instance, y)", "max by (x, y, instance) (a)");
    BY("avg without (cpu) (a)", "avg without (cpu) (a)");
    BY("min without (cpu, instance) (a)", "min without (cpu) (a)");
    BY("count without (instance) (a)", "count without () (a)");
    BY("avg(sum by (cpu) (rate(a{mode!~\"idle|iowait\"}[$__rate_interval])))",
       "avg by (instance) (sum by (cpu, instance) (rate(a{mode!~\"idle|iowait\"}[5s])))");
}

static void matching_compares_entities_too(void **state)
{
    (void)state;
    BY("a / b", "(a / b)");
    BY("a / on () b", "(a / on (instance) b)");
    BY("a unless on (device, fstype) b == 1", "(a unless on (device, fstype, instance) (b == 1))");
    BY("a + ignoring (mode) b", "(a + ignoring (mode) b)");
    BY("a + ignoring (instance) b", "(a + b)");
    BY("a and on (instance) b", "(a and on (instance) b)");
    BY("a > bool ignoring (mode, instance) b", "(a > bool ignoring (mode) b)");
    BY("a or b", "(a or b)");
}

static void precedence_is_kept_by_parentheses(void **state)
{
    (void)state;
    BY("1 - a / b", "(1 - (a / b))");
    BY("-a ^ 2", "(-(a ^ 2))");
    BY("(a + b) * c", "((a + b) * c)");
    BY("a - b - c", "((a - b) - c)");
    BY("2 ^ 3 ^ 2 * a", "((2 ^ (3 ^ 2)) * a)");
    BY("clamp_max(clamp_min(a, 0.5), 1)", "clamp_max(clamp_min(a, 0.5), 1)");
    BY("abs(-a)", "abs((-a))");
    BY("time() - a", "(time() - a)");
    BY("100 < a", "(100 < a)");
}

static void functions_over_ranges_are_as_they_were(void **state)
{
    (void)state;
    BY("irate(a[10s]) + idelta(a[10s]) + delta(a[7500ms]) + increase(a[1h30m])",
       "(((irate(a[10s]) + idelta(a[10s])) + delta(a[7s500ms])) + increase(a[1h30m]))");
    BY("avg_over_time(a[20s]) + min_over_time(a[20s]) + max_over_time(a[20s])",
       "((avg_over_time(a[20s]) + min_over_time(a[20s])) + max_over_time(a[20s]))");
    BY("sum_over_time(a[20s]) + count_over_time(a[20s]) + last_over_time(a[20s])",
       "((sum_over_time(a[20s]) + count_over_time(a[20s])) + last_over_time(a[20s]))");
}

static void strings_come_back_as_they_were_written(void **state)
{
    (void)state;
    BY("a{x=\"q\\\"b\\\\s\\nn\\tt\\r\", y=~\"p\\\\d+\"}",
       "a{x=\"q\\\"b\\\\s\\nn\\tt\\r\",y=~\"p\\\\d+\"}");
    BY("a{x='single', y=`back\\tick`}", "a{x=\"single\",y=\"back\\\\tick\"}");
}

static void what_has_no_series_is_given_to_whoever_is_there(void **state)
{
    (void)state;
    BY("sum(a) or vector(0)", "(sum by (instance) (a) or (0 * group by (instance) (a) + 0))");
    BY("sum(rate(a[1m])) + (sum(b) or vector(7))",
       "(sum by (instance) (rate(a[1m])) + (sum by (instance) (b) or "
       "(0 * group by (instance) (rate(a[1m]) or b) + 7)))");
    assert_string_equal(by("vector(1)", &plain), "there is no metric in it, so a server cannot "
                                                 "tell for which machines");
    assert_string_equal(by("2 * 3", &plain), "there is no metric in it, so a server cannot tell "
                                             "for which machines");
}

static void scalar_is_refused_with_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(by("a * scalar(b)", &plain),
                        "scalar() cannot be asked of a server for many machines at once; put an "
                        "aggregation such as sum() in its place");
    assert_string_equal(by("a +", &plain), "column 4: expected a metric, a function, a number or "
                                           "'(', found the end");
}

static void matchers_go_into_every_selector(void **state)
{
    (void)state;
    const struct expr_by comma = {.label = "host", .match = " job=~\"a|b\", env!=\"x\" , "};

    assert_string_equal(by("sum(a) / sum(rate(b{x=\"1\"}[1m]))", &node),
                        "(sum by (instance) (a{job=\"node\"}) / "
                        "sum by (instance) (rate(b{x=\"1\",job=\"node\"}[1m])))");
    assert_string_equal(by("sum(a)", &comma), "sum by (host) (a{job=~\"a|b\", env!=\"x\"})");
}

static void what_is_no_matcher_never_reaches_a_query(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "job",           "job=node",       "a=\"b\"} or x{",  "a=\"b\"}[5m]", "a=\"b\"",
        "a=\"b\"} + y{", "__name__=\"x\"", "a=\"b\" c=\"d\"", "a=\"",         "}",
        "a=\"b\"} # {",
    };
    struct err err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct expr_by one = {.label = "instance", .match = bad[i]};
        const bool fine = strcmp(bad[i], "a=\"b\"") == 0;
        if ((expr_by_check(&one, &err) == OK) != fine)
            fail_msg("'%s' was %s", bad[i], fine ? "refused" : "taken");
        if (!fine)
            assert_non_null(strstr(err.msg, "expected label matchers such as job="));
    }
    assert_int_equal(expr_by_check(&(struct expr_by){.label = "in stance"}, &err), E_CONFIG);
    assert_int_equal(expr_by_check(&(struct expr_by){.label = ""}, &err), E_CONFIG);
    assert_int_equal(expr_by_check(&(struct expr_by){.label = "1a"}, &err), E_CONFIG);
    assert_int_equal(expr_by_check(&(struct expr_by){.label = "__name__"}, &err), E_CONFIG);
    assert_int_equal(expr_by_check(&(struct expr_by){.label = "_a1", .match = "  "}, &err), OK);
}

static void narrowing_quotes_the_name(void **state)
{
    (void)state;
    struct buf b;
    struct err err;

    buf_init(&b, 200);
    expr_by_narrow(" job=\"node\" , ", "instance", "a\"} or b{x=\"\\", &b);
    assert_string_equal(b.p, "job=\"node\",instance=\"a\\\"} or b{x=\\\"\\\\\"");
    assert_int_equal(expr_by_check(&(struct expr_by){.label = "instance", .match = b.p}, &err), OK);
    buf_clear(&b);
    expr_by_narrow(NULL, "host", "h1", &b);
    assert_string_equal(b.p, "host=\"h1\"");
    buf_done(&b);
}

/* Of each expression: the value on a machine alone, and that of the text for all, narrowed to it,
 * among others. */
static void a_machine_gets_what_it_alone_would_give(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "sum(a)",
        "max(sum by (x) (a))",
        "sum(a) / count(b)",
        "a{x=1} or b",
        "sum(a / on (x) b)",
        "min(a > 2)",
        "max(a unless on (x) b > 10)",
        "count(a) + sum(b) * 2 - 1",
        "avg(-a) ^ 2",
        "sum without (x) (b)",
        "sum(a + ignoring (y) b)",
        "abs(b - 12)",
        "clamp_min(sum(a), 40)",
    };
    static const char *const alone[] = {"a{x=1}", "a{x=2}", "b{x=1}"};
    static const char *const among[] = {"a{x=1,instance=m}", "a{x=2,instance=m}",
                                        "b{x=1,instance=m}", "a{x=1,instance=n}",
                                        "b{x=1,instance=n}", "b{x=2,instance=n}"};
    static const double v[] = {3, 5, 11, 100, 1000, 2000};
    const struct expr_by m = {.label = "instance", .match = "instance=\"m\""};

    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        char quoted[200];
        size_t n = 0;
        for (const char *c = expressions[i]; *c; c++) { /* x=1 as x="1" */
            quoted[n++] = *c;
            if (*c == '=' && c[1] == '1') {
                memcpy(quoted + n, "\"1\"", 3);
                n += 3;
                c++;
            }
        }
        quoted[n] = '\0';
        const double one = world_instant(quoted, alone, v, 3);
        const double both = world_instant(by(quoted, &m), among, v, 6);
        if (!(one == both || (isnan(one) && isnan(both))))
            fail_msg("%s: alone %g, among others %g by %s", quoted, one, both, by(quoted, &m));
    }
}

/* The built-in profiles, line by line: NAME TAB QUERY, read by people when it changes. */
static void profiles_become_the_queries_of_the_table(void **state)
{
    static const char *const names[] = {"node", "classic"};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct profile *p = NULL;
        struct profile_queries q = {0};
        char path[512], *expected = NULL;
        size_t n;
        struct buf text;
        buf_init(&text, 1 << 18);
        assert_int_equal(profile_load(names[i], 15000, &p, &err), OK);
        if (profile_queries(p, &node, &q, &err) != OK)
            fail_msg("%s", err.msg);
        buf_printf(&text, "(anchor)\t%s\n", q.anchor);
        for (size_t k = 0; k < q.n; k++)
            buf_printf(&text, "%s\t%s\n", q.names[k], q.promql[k]);
        (void)snprintf(path, sizeof path, "%s/promql_by/%s.txt", getenv("TOCSIN_TEST_DATA"),
                       names[i]);
        if (file_read(path, 1 << 18, &expected, &n, &err) != OK)
            fail_msg("%s; the queries are:\n%s", err.msg, text.p);
        assert_string_equal(text.p, expected);
        mem_free(expected);
        buf_done(&text);
        profile_queries_done(&q);
        profile_free(p);
    }
}

static void queries_survive_want_of_memory(void **state)
{
    struct err err = {0};
    struct profile *p = NULL;
    enum rc rc = E_NOMEM;

    (void)state;
    assert_int_equal(profile_load("classic", 15000, &p, &err), OK);
    for (uint64_t n = 1; rc != OK; n++) {
        struct profile_queries q = {0};
        mem_fail_at(n);
        rc = profile_queries(p, &node, &q, &err);
        mem_fail_at(0);
        if (rc != OK)
            assert_true(q.n == 0 && err.msg[0]);
        profile_queries_done(&q);
        assert_true(n < 1000);
    }
    profile_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregations_keep_the_entity),
        cmocka_unit_test(matching_compares_entities_too),
        cmocka_unit_test(precedence_is_kept_by_parentheses),
        cmocka_unit_test(functions_over_ranges_are_as_they_were),
        cmocka_unit_test(strings_come_back_as_they_were_written),
        cmocka_unit_test(what_has_no_series_is_given_to_whoever_is_there),
        cmocka_unit_test(scalar_is_refused_with_a_sentence),
        cmocka_unit_test(matchers_go_into_every_selector),
        cmocka_unit_test(what_is_no_matcher_never_reaches_a_query),
        cmocka_unit_test(narrowing_quotes_the_name),
        cmocka_unit_test(a_machine_gets_what_it_alone_would_give),
        cmocka_unit_test(profiles_become_the_queries_of_the_table),
        cmocka_unit_test(queries_survive_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
