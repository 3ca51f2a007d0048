/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "feature/expr.h"

/* The sentence with which the compiler refuses text. */
static const char *refused(const char *text)
{
    static struct err err;
    struct plan plan = {0};
    uint32_t root;

    err = (struct err){0};
    const enum rc rc = expr_compile(str_of(text), 5000, &plan, &root, &err);
    plan_done(&plan);
    if (rc == OK)
        fail_msg("%s was taken", text);
    assert_int_equal(rc, err.rc);
    return err.msg;
}

static double number(const char *text)
{
    return world_instant(text, NULL, NULL, 0);
}

#define REFUSED(text, sentence) assert_string_equal(refused(text), sentence)

static void syntax_errors_name_the_column(void **state)
{
    (void)state;
    REFUSED("", "column 1: expected a metric, a function, a number or '(', found the end");
    REFUSED("rate(x[5s]", "column 11: expected ')', found the end");
    REFUSED("a + ", "column 5: expected a metric, a function, a number or '(', found the end");
    REFUSED("a b", "column 3: expected an operator or the end, found 'b'");
    REFUSED("a{b}", "column 4: expected =, !=, =~ or !~, found '}'");
    REFUSED("a{b=c}", "column 5: expected the label's value in quotes, found 'c'");
    REFUSED("a{b=\"c}", "column 5: this string is not closed");
    REFUSED("a{b=\"c\" d}", "column 9: expected ',' or '}', found 'd'");
    REFUSED("a{5=\"c\"}", "column 3: expected a label name, found '5'");
    REFUSED("a{x:y=\"c\"}", "column 3: expected a label name, found 'x:y'");
    REFUSED("1 # 2", "column 3: the character '#' has no meaning here");
    REFUSED("a == ^", "column 6: expected a metric, a function, a number or '(', found '^'");
    REFUSED("rate(x[5q])", "column 8: expected a duration such as 5s, found '5q'");
    REFUSED("rate(x[5])", "column 8: expected a duration such as 5s, found '5'");
    REFUSED("rate(x[0s])", "column 8: expected a duration such as 5s, found '0s'");
    REFUSED("rate(x[$interval])", "column 8: the only variable is $__rate_interval");
    REFUSED("sum by a (b)", "column 8: expected '(' and label names, found 'a'");
    REFUSED("a{b=\"\\q\"}", "column 6: this escape is not supported (use \\\\ \\n \\t \\r)");
    REFUSED("1.2.3", "column 1: '1.2.3' is not a number");
}

static void what_the_subset_lacks_is_refused_by_name(void **state)
{
    (void)state;
    REFUSED("rte(x[5s])", "column 1: unknown function 'rte'; did you mean 'rate'?");
    REFUSED("histogram_quantile(0.9, x)",
            "column 1: function 'histogram_quantile' is not supported");
    REFUSED("x offset 5m", "column 3: offset is not supported");
    REFUSED("rate(x[5m:1m])", "column 8: subqueries are not supported");
    REFUSED("{job=\"a\"}", "column 1: a selector needs a metric name before the brace");
    REFUSED("a{__name__=\"b\"}", "column 3: the metric name is written in front of the brace");
    REFUSED("a / on (b) group_left c",
            "column 12: group_left is not supported: elements are matched one to one");
    REFUSED("sum by (__name__) (a)", "column 9: grouping by __name__ is not supported");
    REFUSED("x[5m]",
            "column 1: a range vector is no value: put it into rate() or another function");
    REFUSED("rate(x[8d])", "column 8: the range is over 7 days");
    REFUSED("a @ 5", "column 3: the character '@' has no meaning here");
}

static void types_are_checked_as_the_server_checks_them(void **state)
{
    (void)state;
    REFUSED("rate(x)",
            "column 6: rate() takes a range vector such as x[5s], found an instant vector");
    REFUSED("abs(1)", "column 5: abs() takes an instant vector, found a scalar");
    REFUSED("sum(x[5s])",
            "column 5: sum() takes an instant vector, found a range vector such as x[5s]");
    REFUSED("clamp_min(x, y)", "column 14: clamp_min() takes a scalar, found an instant vector");
    REFUSED("vector(x)", "column 8: vector() takes a scalar, found an instant vector");
    REFUSED("1 > 2", "column 3: a comparison of two scalars needs bool");
    REFUSED("1 + bool 2", "column 5: bool goes with comparisons alone");
    REFUSED("x or 1", "column 3: and, or, unless take instant vectors, found a scalar");
    REFUSED("x + on (a) 1", "column 3: on and ignoring need instant vectors on both sides");
    REFUSED("x[5s] + 1", "column 7: an operator takes scalars and instant vectors, found a range "
                         "vector such as x[5s]");
    REFUSED("-x[5s]", "column 1: the sign takes a scalar or an instant vector, found a range "
                      "vector such as x[5s]");
}

static void a_bad_regular_expression_is_refused_where_its_selector_starts(void **state)
{
    (void)state;
    REFUSED("1 + a{b=~\"(\"}", "column 5: regular expression, byte 2: the group is not closed");
}

static void nesting_and_length_have_limits(void **state)
{
    static const char *const openers[] = {"(", "-", "+", "1^", "abs(", "sum(", "x+on(a)("};
    char *text = test_malloc(EXPR_BYTES_MAX + 64);

    (void)state;
    for (size_t k = 0; k < sizeof openers / sizeof openers[0]; k++) {
        text[0] = '\0';
        for (size_t n = 0; n < EXPR_BYTES_MAX - 16; n += strlen(openers[k]))
            strcpy(text + n, openers[k]);
        assert_non_null(strstr(refused(text), "nested deeper than 48 levels"));
    }
    memset(text, ' ', EXPR_BYTES_MAX + 1);
    text[EXPR_BYTES_MAX + 1] = '\0';
    assert_non_null(strstr(refused(text), "at most 8192"));
    test_free(text);
    assert_string_equal(refused("a{b=\"\xff\"}"), "the expression is not UTF-8");
}

static void long_chains_without_nesting_are_fine(void **state)
{
    char *text = test_malloc(EXPR_BYTES_MAX + 1);
    size_t n = 0;

    (void)state;
    for (text[n++] = '1'; n + 2 < 4000; n += 2)
        memcpy(text + n, "+1", 2);
    text[n] = '\0';
    assert_true(number(text) == (double)(n + 1) / 2);
    test_free(text);
}

static void precedence_is_promqls(void **state)
{
    (void)state;
    assert_true(number("2 + 3 * 4") == 14);
    assert_true(number("(2 + 3) * 4") == 20);
    assert_true(number("2 - 3 - 4") == -5);
    assert_true(number("2 ^ 3 ^ 2") == 512);
    assert_true(number("-2 ^ 2") == -4);
    assert_true(number("2 ^ -1 * 4") == 2);
    assert_true(number("-2 * 3") == -6);
    assert_true(number("7 % 4 * 2") == 6);
    assert_true(number("-7 % 4") == -3);
    assert_true(number("1 + 1 > bool 1") == 1);
    assert_true(number("1 > bool 2 + 3") == 0);
    assert_true(number("+-+3") == -3);
    assert_true(number("1e3 + .5 + 0.25e1") == 1003);
    assert_true(isnan(number("0 / 0")));
    assert_true(isinf(number("Inf")) && number("-inf") < 0 && isnan(number("nan")));
}

static void equal_parts_are_computed_once(void **state)
{
    struct plan plan = {0};
    struct err err;
    uint32_t a, b;

    (void)state;
    assert_int_equal(
        expr_compile(str_of("sum(rate(x{a=\"1\",b!=\"2\"}[5s]))"), 5000, &plan, &a, &err), OK);
    assert_int_equal(plan.n_nodes, 2);
    /* the same selector with its matchers in another order, the window by its name */
    assert_int_equal(expr_compile(str_of("sum ( rate(x{b!='2', a='1'}[$__rate_interval]) )"), 5000,
                                  &plan, &b, &err),
                     OK);
    assert_int_equal(a, b);
    assert_int_equal(plan.n_nodes, 2);
    assert_int_equal(plan.n_selectors, 1);
    plan_done(&plan);
}

static void the_rate_interval_is_four_intervals_and_at_least_five_seconds(void **state)
{
    (void)state;
    assert_int_equal(expr_rate_interval_ms(100), 5000);
    assert_int_equal(expr_rate_interval_ms(1000), 5000);
    assert_int_equal(expr_rate_interval_ms(15000), 60000);
    assert_int_equal(expr_rate_interval_ms(INT64_MAX), (int64_t)EXPR_RANGE_MAX_S * 1000);
}

static void the_server_gets_the_text_with_the_window_filled_in(void **state)
{
    const char *text =
        "rate(x{a=\"$__rate_interval\"}[ $__rate_interval ]) + irate(y[$__rate_interval])";
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(expr_promql(str_of(text), 60000, &out, &err), OK);
    assert_string_equal(out.p, "rate(x{a=\"$__rate_interval\"}[ 1m ]) + irate(y[1m])");
    buf_done(&out);
}

static void running_out_of_memory_is_an_error_each_time(void **state)
{
    const char *text = "sum by (a, b) (rate(x{c=~\"d|e\"}[5s])) / on (a) y or vector(1)";
    struct err err = {0};
    enum rc rc = E_NOMEM;
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; rc != OK; n++) {
        struct plan plan = {0};
        uint32_t root;
        mem_fail_at(n);
        rc = expr_compile(str_of(text), 5000, &plan, &root, &err);
        mem_fail_at(0);
        plan_done(&plan);
        assert_true(rc == OK || rc == E_NOMEM);
        failures += rc == E_NOMEM;
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_errors_name_the_column),
        cmocka_unit_test(what_the_subset_lacks_is_refused_by_name),
        cmocka_unit_test(types_are_checked_as_the_server_checks_them),
        cmocka_unit_test(a_bad_regular_expression_is_refused_where_its_selector_starts),
        cmocka_unit_test(nesting_and_length_have_limits),
        cmocka_unit_test(long_chains_without_nesting_are_fine),
        cmocka_unit_test(precedence_is_promqls),
        cmocka_unit_test(equal_parts_are_computed_once),
        cmocka_unit_test(the_rate_interval_is_four_intervals_and_at_least_five_seconds),
        cmocka_unit_test(the_server_gets_the_text_with_the_window_filled_in),
        cmocka_unit_test(running_out_of_memory_is_an_error_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
