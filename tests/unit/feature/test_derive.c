/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "feature/derive.h"

/* A profile with base features x, y and 'odd-name', and one derived feature d. */
static enum rc load(const char *expression, struct profile **ret, struct err *err)
{
    struct buf text;

    buf_init(&text, 1 << 15);
    buf_puts(&text,
             "name: test\ntimezone: UTC\n"
             "features: [{name: x, expr: a}, {name: y, expr: b}, {name: odd-name, expr: c}]\n"
             "derive:\n  - name: d\n    expr: \"");
    buf_puts(&text, expression);
    buf_puts(&text, "\"\n");
    const enum rc rc = profile_parse((struct str){text.p, text.n}, "t.yml", 1000, ret, err);
    buf_done(&text);
    return rc;
}

struct fixture {
    struct profile *profile;
    struct deriver *deriver;
    int64_t ts_ms;
};

static struct fixture start(const char *expression)
{
    struct fixture f = {0};
    struct err err;

    if (load(expression, &f.profile, &err) != OK || deriver_new(f.profile, &f.deriver, &err) != OK)
        fail_msg("%s", err.msg);
    return f;
}

static void stop(struct fixture *f)
{
    deriver_free(f->deriver);
    profile_free(f->profile);
}

static float next(struct fixture *f, double x, double y)
{
    const double base[] = {x, y, 3};
    float frame[4];

    deriver_apply(f->deriver, f->ts_ms += 1000, base, frame);
    assert_true(frame[0] == (float)x || isnan(frame[0]));
    return frame[3];
}

static float once(const char *expression, double x, double y)
{
    struct fixture f = start(expression);
    const float v = next(&f, x, y);

    stop(&f);
    return v;
}

static const char *refused(const char *expression)
{
    static struct err err;
    struct profile *p = NULL;

    err = (struct err){0};
    if (load(expression, &p, &err) == OK)
        fail_msg("%s was taken", expression);
    assert_null(p);
    return err.msg;
}

static void change_is_the_difference_to_the_frame_before(void **state)
{
    struct fixture f = start("change(x)");

    (void)state;
    assert_true(isnan(next(&f, 5, 0)));
    assert_true(next(&f, 7, 0) == 2);
    assert_true(next(&f, 4, 0) == -3);
    assert_true(isnan(next(&f, (double)NAN, 0)));
    assert_true(isnan(next(&f, 4, 0))); /* the frame before has no value */
    assert_true(next(&f, 4, 0) == 0);
    deriver_clear(f.deriver);
    assert_true(isnan(next(&f, 9, 0)));
    stop(&f);
}

static void per_second_divides_by_the_time_between_frames(void **state)
{
    struct fixture f = start("per_second(x)");

    (void)state;
    assert_true(isnan(next(&f, 100, 0)));
    assert_true(next(&f, 150, 0) == 50);
    f.ts_ms += 3000;
    assert_true(next(&f, 250, 0) == 25);
    f.ts_ms -= 1000; /* time stands still */
    assert_true(isnan(next(&f, 350, 0)));
    stop(&f);
}

static void mean_and_std_cover_the_last_n_present_values(void **state)
{
    struct fixture m = start("mean(x, 3)"), s = start("std(x, 3)");
    const float x[] = {2, 4, NAN, 9, NAN, NAN, NAN, 5};
    const float mean[] = {2, 3, 3, 6.5f, 9, 9, NAN, 5};
    const float deviation[] = {0, 1, 1, 2.5f, 0, 0, NAN, 0};

    (void)state;
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        const float got_mean = next(&m, (double)x[i], 0), got_std = next(&s, (double)x[i], 0);
        assert_true(got_mean == mean[i] || (isnan(got_mean) && isnan(mean[i])));
        assert_true(got_std == deviation[i] || (isnan(got_std) && isnan(deviation[i])));
    }
    stop(&m);
    stop(&s);
}

/* Terabytes: neighbouring float32 are 262144 apart there. */
static void counters_past_float32_give_exact_speeds(void **state)
{
    static const char *const e[] = {"change(x)",          "per_second(x)", "change(x + 0)",
                                    "x - mean(x, 2)",     "std(x, 2)",     "per_second(x) * 1",
                                    "change(mean(x, 2))", "x % 1000"};
    static const float expected[] = {1000, 1000, 1000, 500, 500, 1000, 500, 1};

    (void)state;
    for (size_t i = 0; i < sizeof e / sizeof e[0]; i++) {
        struct fixture f = start(e[i]);
        (void)next(&f, 4e12 + 1, 0);
        assert_true(next(&f, 4e12 + 1001, 0) == expected[i]);
        stop(&f);
    }
}

static void what_no_float32_can_hold_is_missing(void **state)
{
    (void)state;
    assert_true(isnan(once("x", 1e300, 0)));
    assert_true(isnan(once("x", (double)INFINITY, 0)));
    assert_true(once("x / y", 1e20, 1e20) == 1);
}

/* Windows of every length, at an offset where the square of the mean would cancel. */
static void rolling_windows_equal_two_passes_over_their_values(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t n = 2; n < 12; n++) {
        char mean[32], deviation[32];
        float x[100];
        (void)snprintf(mean, sizeof mean, "mean(x, %zu)", n);
        (void)snprintf(deviation, sizeof deviation, "std(x, %zu)", n);
        struct fixture m = start(mean), s = start(deviation);
        for (size_t i = 0; i < 100; i++) {
            x[i] = 1e6f + (float)rng_below(&rng, 100);
            const size_t first = i + 1 < n ? 0 : i + 1 - n;
            double sum = 0, squares = 0;
            for (size_t k = first; k <= i; k++)
                sum += (double)x[k];
            sum /= (double)(i + 1 - first);
            for (size_t k = first; k <= i; k++)
                squares += ((double)x[k] - sum) * ((double)x[k] - sum);
            assert_true(fabs((double)next(&m, (double)x[i], 0) - sum) <
                        0.1); /* float32 at a million */
            assert_true(fabs((double)next(&s, (double)x[i], 0) -
                             sqrt(squares / (double)(i + 1 - first))) < 1e-4);
        }
        stop(&m);
        stop(&s);
    }
}

static void arithmetic_has_promqls_precedence(void **state)
{
    (void)state;
    assert_true(once("x + y * 2", 3, 4) == 11);
    assert_true(once("(x + y) * 2", 3, 4) == 14);
    assert_true(once("x - y - 1", 3, 4) == -2);
    assert_true(once("-x ^ 2", 3, 0) == -9);
    assert_true(once("2 ^ x ^ 2", 3, 0) == 512);
    assert_true(once("x % 4 / 2", 7, 0) == 1.5f);
    assert_true(once("abs(x - y)", 3, 4) == 1);
    assert_true(once("'odd-name' * 2", 0, 0) == 6);
    assert_true(once("x / (y + 1)", 6, 2) == 2);
}

static void comparisons_give_one_or_zero(void **state)
{
    (void)state;
    assert_true(once("x > 80", 81, 0) == 1);
    assert_true(once("x > 80", 80, 0) == 0);
    assert_true(once("x >= 80", 80, 0) == 1);
    assert_true(once("x < y", 1, 2) == 1);
    assert_true(once("x <= y", 3, 2) == 0);
    assert_true(once("x == y", 2, 2) == 1);
    assert_true(once("x != y", 2, 2) == 0);
}

static void a_missing_operand_gives_a_missing_result(void **state)
{
    (void)state;
    assert_true(isnan(once("x + y", (double)NAN, 1)));
    assert_true(isnan(once("x > 80", (double)NAN, 1)));
    assert_true(isnan(once("x != x", (double)NAN, 1)));
    assert_true(isnan(once("x ^ 0", (double)NAN, 1)));
    assert_true(isnan(once("x / y", 1, 0)));
    assert_true(isnan(once("0 / y", 1, 0)));
    assert_true(isnan(once("x / y > 5", 1, 0)));
    assert_true(isnan(once("10 ^ x", 300, 0))); /* no infinite value gets into a frame */
}

static void the_calendar_counts_hours_and_days_from_monday(void **state)
{
    struct fixture h = start("hour()"), d = start("weekday()");

    (void)state;
    h.ts_ms = d.ts_ms = 1740088500000 - 1000; /* Thursday, 2025-02-20 21:55 UTC */
    assert_true(next(&h, 0, 0) == 21);
    assert_true(next(&d, 0, 0) == 3);
    h.ts_ms = d.ts_ms = 1740268800000 - 1000; /* Sunday, 2025-02-23 00:00 UTC */
    assert_true(next(&h, 0, 0) == 0);
    assert_true(next(&d, 0, 0) == 6);
    h.ts_ms = d.ts_ms = -1001; /* the last millisecond of 1969, a Wednesday */
    assert_true(next(&h, 0, 0) == 23);
    assert_true(next(&d, 0, 0) == 2);
    stop(&h);
    stop(&d);
}

static void the_calendar_is_local_unless_the_profile_says_utc(void **state)
{
    const struct str text = STR("name: t\nfeatures: [{name: x, expr: a}]\n"
                                "derive: [{name: h, expr: hour()}]");
    struct profile *p = NULL;
    struct deriver *d = NULL;
    struct err err;
    const double base = 0;
    float frame[2];

    (void)state;
    setenv("TZ", "XYZ-5", 1); /* five hours east of Greenwich */
    tzset();
    assert_int_equal(profile_parse(text, "t.yml", 1000, &p, &err), OK);
    assert_int_equal(deriver_new(p, &d, &err), OK);
    deriver_apply(d, 1740088500000, &base, frame);
    assert_true(frame[1] == 2);
    deriver_free(d);
    profile_free(p);
    unsetenv("TZ");
    tzset();
}

static void derived_features_build_on_those_above(void **state)
{
    const struct str text =
        STR("name: t\nderive: [{name: twice, expr: x * 2}, {name: more, expr: change(twice) + x}]\n"
            "features: [{name: x, expr: a}]");
    struct profile *p = NULL;
    struct deriver *d = NULL;
    struct err err;
    const double base[] = {1, 4};
    float first[3], second[3];

    (void)state;
    assert_int_equal(profile_parse(text, "t.yml", 1000, &p, &err), OK);
    assert_int_equal(deriver_new(p, &d, &err), OK);
    deriver_apply(d, 1000, &base[0], first);
    deriver_apply(d, 2000, &base[1], second);
    assert_true(first[1] == 2 && isnan(first[2]));
    assert_true(second[1] == 8 && second[2] == 6 + 4);
    deriver_free(d);
    profile_free(p);
}

static void features_on_derived_ones_are_not_rounded_between(void **state)
{
    const struct str text =
        STR("name: t\nderive: [{name: twice, expr: x * 2}, {name: more, expr: per_second(twice)}]\n"
            "features: [{name: x, expr: a}]");
    const double base[] = {4e12, 4e12 + 3};
    struct profile *p = NULL;
    struct deriver *d = NULL;
    struct err err;
    float frame[3];

    (void)state;
    assert_int_equal(profile_parse(text, "t.yml", 1000, &p, &err), OK);
    assert_int_equal(deriver_new(p, &d, &err), OK);
    deriver_apply(d, 1000, &base[0], frame);
    deriver_apply(d, 2000, &base[1], frame);
    assert_true(frame[2] == 6);
    deriver_free(d);
    profile_free(p);
}

#define REFUSED(text, sentence)                                                                    \
    assert_string_equal(refused(text), "t.yml:6:11: expression of 'd', column " sentence)

static void errors_name_the_column(void **state)
{
    (void)state;
    REFUSED("x + zz", "5: unknown feature 'zz': only features above this one are known");
    REFUSED("odd_name", "1: unknown feature 'odd_name'; did you mean 'odd-name'?");
    REFUSED("d", "1: unknown feature 'd': only features above this one are known");
    REFUSED("chnge(x)", "1: unknown function 'chnge'; did you mean 'change'?");
    REFUSED("quantile(x)", "1: function 'quantile' is not one of change, per_second, mean, std, "
                           "abs, hour, weekday");
    REFUSED("mean(x)", "7: expected ',' and a number of frames, found ')'");
    REFUSED("mean(x, y)", "9: expected a whole number of frames from 2 to 4096, found 'y'");
    REFUSED("mean(x, 2.5)", "9: expected a whole number of frames from 2 to 4096, found '2.5'");
    REFUSED("std(x, 1)", "8: expected a whole number of frames from 2 to 4096, found '1'");
    REFUSED("std(x, 5000)", "8: expected a whole number of frames from 2 to 4096, found '5000'");
    REFUSED("x +", "4: expected a feature, a function, a number or '(', found the end");
    REFUSED("x y", "3: expected an operator or the end, found 'y'");
    REFUSED("(x", "3: expected ')', found the end");
    REFUSED("hour(x)", "6: expected ')', found 'x'");
    REFUSED("x[5s]", "2: expected an operator or the end, found '['");
    REFUSED("x and y", "3: expected an operator or the end, found 'and'");
}

static void nesting_and_windows_have_limits(void **state)
{
    char text[6000];
    struct buf many;
    struct profile *p = NULL;
    struct err err = {0};

    (void)state;
    memset(text, '(', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_non_null(strstr(refused(text), "nested deeper than 48 levels"));
    /* deep enough on the stack machine too, and still computed */
    text[0] = '\0';
    for (int i = 0; i < 20; i++)
        strcat(text, "1 + (");
    strcat(text, "x");
    for (int i = 0; i < 20; i++)
        strcat(text, ")");
    assert_true(once(text, 2, 0) == 22);

    buf_init(&many, PROFILE_BYTES_MAX);
    buf_puts(&many, "name: t\nfeatures: [{name: x, expr: a}]\nderive:\n");
    for (int i = 0; i < 600; i++)
        buf_printf(&many, "- {name: d%d, expr: 'mean(x, 4096) + mean(x, 4096)'}\n", i);
    assert_int_equal(profile_parse((struct str){many.p, many.n}, "t.yml", 1000, &p, &err),
                     E_CONFIG);
    assert_non_null(strstr(err.msg, "over 4194304 numbers"));
    buf_done(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_is_the_difference_to_the_frame_before),
        cmocka_unit_test(per_second_divides_by_the_time_between_frames),
        cmocka_unit_test(mean_and_std_cover_the_last_n_present_values),
        cmocka_unit_test(counters_past_float32_give_exact_speeds),
        cmocka_unit_test(what_no_float32_can_hold_is_missing),
        cmocka_unit_test(rolling_windows_equal_two_passes_over_their_values),
        cmocka_unit_test(arithmetic_has_promqls_precedence),
        cmocka_unit_test(comparisons_give_one_or_zero),
        cmocka_unit_test(a_missing_operand_gives_a_missing_result),
        cmocka_unit_test(the_calendar_counts_hours_and_days_from_monday),
        cmocka_unit_test(the_calendar_is_local_unless_the_profile_says_utc),
        cmocka_unit_test(derived_features_build_on_those_above),
        cmocka_unit_test(features_on_derived_ones_are_not_rounded_between),
        cmocka_unit_test(errors_name_the_column),
        cmocka_unit_test(nesting_and_windows_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
