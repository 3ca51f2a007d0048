/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "exposition_fixture.h"
#include "source/exposition_number.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void expect_samples(enum exposition_format f, const char *body, const char *expected)
{
    struct parsed p;

    parsed_open(&p, NULL);
    for (int again = 0; again < 2; again++) { /* at first sight, and as it was */
        parsed_body(&p, f, str_of(body));
        if (p.rc != OK)
            fail_msg("%s: %s", body, p.err.msg);
        assert_int_equal(p.s->ts_ms, NOW_MS);
        char *found = parsed_text(&p);
        assert_string_equal(found, expected);
        mem_free(found);
    }
    parsed_close(&p);
}

static void expect_refusal(enum exposition_format f, const char *body, const char *message)
{
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, f, str_of(body));
    if (p.rc != E_PARSE)
        fail_msg("'%s' was taken", body);
    assert_null(p.s);
    assert_string_equal(p.err.msg, message);
    parsed_close(&p);
}

static void text_is_read_as_prometheus_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *body, *samples;
    } row[] = {
        {"", ""},
        {"\n \t\n", ""},
        {"a 1\n", "untyped a 1\n"},
        {"a 1", "untyped a 1\n"},
        {"a 1\n\n  \nb 2\n", "untyped a 1\nuntyped b 2\n"},
        {"# TYPE a counter\n# HELP a some\\nthing\na 1\n", "counter a 1\n"},
        {"#\n# \n#HELP\n# HELP\n# anything: goes\r\n#TYPE x y\na 1\n", "untyped a 1\n"},
        {"\t# \t TYPE\ta\tgauge\na 1\n", "gauge a 1\n"},
        {"a\t{ x = \"1\" , y=\"2\", }\t 3 \t\n", "untyped a{x=1,y=2} 3\n"},
        {"a{y=\"2\"x=\"1\"}3\n", "untyped a{x=1,y=2} 3\n"},
        {"a{} 1\nb{x=\"\"} 2\n", "untyped a 1\nuntyped b 2\n"},
        {"a{x=\"q\\\"b\\\\n\\n\\t\"} 1\n", "untyped a{x=q\"b\\n\n\\t} 1\n"},
        {"a{x=\"two\nlines\"} 1\n", "untyped a{x=two\nlines} 1\n"},
        {"a{x=\"}{, =\"} 1\n", "untyped a{x=}{, =} 1\n"},
        {"a{x=\"\xc3\xa9\"} 1\n", "untyped a{x=\xc3\xa9} 1\n"},
        {":a:b_1 1\n_ 2\n", "untyped :a:b_1 1\nuntyped _ 2\n"},
        {"a-1\nb.5\nc+Inf\n", "untyped a -1\nuntyped b 0.5\nuntyped c +Inf\n"},
        {"a NaN\nb nan\nc +Inf\nd -inf\ne Infinity\n",
         "untyped a NaN\nuntyped b NaN\nuntyped c +Inf\nuntyped d -Inf\nuntyped e +Inf\n"},
        {"a 1e3\nb 5.\nc +.5E-1\nd -0\n",
         "untyped a 1000\nuntyped b 5\nuntyped c 0.05\nuntyped d -0\n"},
        {"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\nh 1\n",
         "counter h_bucket{le=+Inf} 2\ncounter h_count 2\ncounter h_sum 3\nuntyped h 1\n"},
        {"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\nother 4\n",
         "counter s_count 3\ncounter s_sum 2\ngauge s{quantile=0.5} 1\nuntyped other 4\n"},
    };

    for (size_t i = 0; i < COUNT(row); i++)
        expect_samples(EXPOSITION_TEXT, row[i].body, row[i].samples);
}

static void malformed_text_is_refused_with_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *body, *message;
    } row[] = {
        {"a 1\nb\n", "line 2, column 2: expected a number, found the end of the line"},
        {"a", "line 1, column 2: expected a number, found the end of the body"},
        {"a x\n", "line 1, column 3: expected a number, found 'x'"},
        {"a 1_0\n", "line 1, column 3: expected a number, found '1_0'"},
        {"a 0x1p3\n", "line 1, column 3: expected a number, found '0x1p3'"},
        {"a 1e400\n", "line 1, column 3: expected a number, found '1e400'"},
        {"a +nan\n", "line 1, column 3: expected a number, found '+nan'"},
        {"a 1\r\n",
         "line 1, column 3: expected a number, found '1?' (lines end in a newline alone, "
         "not in CR LF)"},
        {" a 1\n",
         "line 1, column 1: expected a line that starts with a name or '#', found ' a 1'"},
        {"1 a\n", "line 1, column 1: expected a line that starts with a name or '#', found '1 a'"},
        {"{a=\"b\"} 1\n", "line 1, column 1: expected a line that starts with a name or '#', found "
                          "'{a=\"b\"} 1'"},
        {"a{x} 1\n", "line 1, column 4: expected '=' after the label's name, found '} 1'"},
        {"a{x=1} 1\n", "line 1, column 5: expected '\"' before the label's value, found '1} 1'"},
        {"a{x=\"1} 1\n",
         "line 1, column 5: expected a label's value between '\"' and '\"', found '\"1} 1'"},
        {"a{,} 1\n", "line 1, column 3: expected the name of a label, found ',} 1'"},
        {"a{x=\"1\",,} 1\n", "line 1, column 9: expected the name of a label, found ',} 1'"},
        {"a{x:y=\"1\"} 1\n",
         "line 1, column 4: expected '=' after the label's name, found ':y=\"1\"} 1'"},
        {"a{x=\"1\"\n",
         "line 1, column 8: expected the name of a label, found the end of the line"},
        {"a{x=\"\xff\"} 1\n", "line 1, column 5: expected a value in UTF-8, found '\"?\"} 1'"},
        {"a{x=\"1\",x=\"2\"} 1\n",
         "line 1, column 1: expected each label once (the label 'x' comes "
         "twice), found 'a{x=\"1\",x=\"2\"} 1'"},
        {"a{__name__=\"b\"} 1\n",
         "line 1, column 1: expected each label once (the label '__name__' "
         "comes twice), found 'a{__name__=\"b\"} 1'"},
        {"a 1 2 3\n", "line 1, column 7: expected the end of the line, found '3'"},
        {"a 1 -2\n", "line 1, column 5: expected a time or the end of the line, found '-2'"},
        {"a 1 99999999999999999999\n",
         "line 1, column 5: expected a time in milliseconds, found '99999999999999999999'"},
        {"a 1 # {x=\"1\"} 1\n", "line 1, column 5: expected a time or the end of the line, found "
                                "'# {x=\"1\"} 1'"},
        {"# TYPE a counter \n", "line 1, column 10: expected counter, gauge, histogram, summary or "
                                "untyped, found 'counter '"},
        {"# TYPE a\n", "line 1, column 9: expected counter, gauge, histogram, summary or untyped, "
                       "found the end of the line"},
        {"# TYPE a unknown\n", "line 1, column 10: expected counter, gauge, histogram, summary or "
                               "untyped, found 'unknown'"},
        {"# HELP \n", "line 1, column 8: expected the name of a metric, found the end of the line"},
        {"# HELP a \xff\n", "line 1, column 10: expected a text in UTF-8, found '?'"},
    };

    for (size_t i = 0; i < COUNT(row); i++)
        expect_refusal(EXPOSITION_TEXT, row[i].body, row[i].message);
}

static void openmetrics_is_read_as_prometheus_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *body, *samples;
    } row[] = {
        {"# EOF\n", ""},
        {"# EOF", ""},
        {"# TYPE a counter\n# UNIT a_seconds seconds\n# HELP a b\na_total 1\na_created 2\n# EOF\n",
         "counter a_total 1\ngauge a_created 2\n"},
        {"a_total{x=\"1\"} 1 # {trace=\"q\"} 0.5\nb_bucket{le=\"1\"} 2 # {} 1 3.5\n# EOF\n",
         "untyped a_total{x=1} 1\nuntyped b_bucket{le=1} 2\n"},
        {"a{} NaN\n# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE u unknown\nu 3\n# EOF\n",
         "gauge i_info{v=1} 1\nuntyped a NaN\nuntyped u 3\n"},
    };

    for (size_t i = 0; i < COUNT(row); i++)
        expect_samples(EXPOSITION_OPENMETRICS, row[i].body, row[i].samples);
}

static void malformed_openmetrics_is_refused_with_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *body, *message;
    } row[] = {
        {"", "line 1, column 1: expected # EOF as the last line, found the end of the body"},
        {"a 1\n", "line 2, column 1: expected # EOF as the last line, found the end of the body"},
        {"a 1\n# EOF\na 2\n", "line 3, column 1: expected nothing after # EOF, found 'a 2'"},
        {"\n# EOF\n", "line 1, column 1: expected a line that starts with a name or '# ', found "
                      "the end of the line"},
        {"# a comment\n# EOF\n",
         "line 1, column 3: expected HELP, TYPE, UNIT or EOF, found 'a comment'"},
        {"a  1\n# EOF\n", "line 1, column 3: expected a number, found ' 1'"},
        {"a{x=\"1\", y=\"2\"} 1\n# EOF\n",
         "line 1, column 9: expected the name of a label, found ' y=\"2\"} 1'"},
        {"a{x=\"1\",} 1\n# EOF\n", "line 1, column 9: expected the name of a label, found '} 1'"},
        {"a 1 # {x=\"1\"} 1\n# EOF\n", "line 1, column 1: expected exemplars on names in _total or "
                                       "_bucket alone, found 'a 1 # {x=\"1\"} 1'"},
        {"a 1 x\n# EOF\n", "line 1, column 5: expected a time in seconds, found 'x'"},
        {"# UNIT a seconds\n# EOF\n",
         "line 1, column 10: expected a unit that the metric's name ends in, found 'seconds'"},
        {"# TYPE a untyped\n# EOF\n",
         "line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, "
         "stateset or unknown, found 'untyped'"},
    };

    for (size_t i = 0; i < COUNT(row); i++)
        expect_refusal(EXPOSITION_OPENMETRICS, row[i].body, row[i].message);
}

/* -- a target's rules -- */

static const struct label target[] = {{STR("instance"), STR("db1:9100")},
                                      {STR("job"), STR("node")}};

static void expect_under(const struct exposition_rules *rules, const char *body,
                         const char *expected)
{
    struct parsed p;

    parsed_open(&p, rules);
    parsed_body(&p, EXPOSITION_TEXT, str_of(body));
    assert_int_equal(p.rc, OK);
    char *found = parsed_text(&p);
    assert_string_equal(found, expected);
    mem_free(found);
    parsed_close(&p);
}

static void a_targets_labels_go_in_and_clashes_are_renamed(void **state)
{
    (void)state;
    const struct exposition_rules rules = {.labels = target, .n_labels = 2};

    expect_under(&rules, "a 1\n", "untyped a{instance=db1:9100,job=node} 1\n");
    expect_under(&rules, "a{job=\"x\"} 1\n",
                 "untyped a{exported_job=x,instance=db1:9100,job=node} 1\n");
    expect_under(&rules, "a{job=\"\"} 1\n", "untyped a{instance=db1:9100,job=node} 1\n");
    expect_under(
        &rules, "a{exported_job=\"y\",job=\"x\"} 1\n",
        "untyped a{exported_exported_job=x,exported_job=y,instance=db1:9100,job=node} 1\n");
}

static void honored_labels_stay(void **state)
{
    (void)state;
    const struct exposition_rules rules = {.labels = target, .n_labels = 2, .honor_labels = true};

    expect_under(&rules, "a{job=\"x\"} 1\n", "untyped a{instance=db1:9100,job=x} 1\n");
    expect_under(&rules, "a{job=\"\"} 1\n", "untyped a{instance=db1:9100} 1\n");
}

static void up_is_there_when_asked_for(void **state)
{
    (void)state;
    const struct exposition_rules rules = {.labels = target, .n_labels = 2, .add_up = true};

    expect_under(&rules, "", "gauge up{instance=db1:9100,job=node} 1\n");
}

static bool wants_a(void *arg, struct str name, const struct label *labels, size_t n_labels)
{
    unsigned *asked = arg;

    (void)labels;
    assert_int_equal(n_labels, 2);
    (*asked)++;
    return str_starts(name, STR("a"));
}

static void what_is_not_wanted_is_asked_once_and_is_in_no_set(void **state)
{
    (void)state;
    unsigned asked = 0;
    const struct exposition_rules rules = {
        .labels = target, .n_labels = 2, .wants = wants_a, .wants_arg = &asked};
    struct parsed p;

    parsed_open(&p, &rules);
    for (int i = 0; i < 3; i++) {
        parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb 2\na2 3\nc 4\n"));
        assert_int_equal(p.rc, OK);
        assert_int_equal(series_set_count(p.s->set), 2);
        assert_int_equal(p.counts.samples, 4);
        assert_int_equal(p.counts.taken, 2);
        assert_int_equal(asked, 4);
    }
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb x\na2 3\nc 4\n"));
    assert_int_equal(p.rc, E_PARSE); /* what nobody wants must be well-formed, too */
    parsed_close(&p);
}

static void the_first_of_equal_series_counts(void **state)
{
    (void)state;
    expect_under(&(struct exposition_rules){.n_labels = 0},
                 "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\",z=\"\"} 3\n",
                 "untyped a{x=1,y=2} 1\n");
}

static void times_of_their_own_choose_among_samples(void **state)
{
    (void)state;
    struct parsed p;
    char body[512];

    (void)snprintf(body, sizeof body,
                   "late 1.5 %lld\nlate 2 %lld\nold 3 %lld\nahead 4 %lld\nfar 5 %lld\nplain 6\n",
                   NOW_MS - 2000ll, NOW_MS - 1000ll, NOW_MS - EXPOSITION_PAST_MS - 1ll,
                   NOW_MS + (long long)EXPOSITION_FUTURE_MS, NOW_MS + 1ll + EXPOSITION_FUTURE_MS);
    parsed_open(&p, NULL);
    for (int again = 0; again < 2; again++) {
        parsed_body(&p, EXPOSITION_TEXT, str_of(body));
        assert_int_equal(p.rc, OK);
        char *found = parsed_text(&p);
        assert_string_equal(found, "untyped ahead 4\nuntyped late 2\nuntyped plain 6\n");
        mem_free(found);
        assert_int_equal(p.counts.untimely, 2);
        assert_int_equal(p.counts.repeated, 1);
        assert_int_equal(p.counts.taken, 3);
    }
    parsed_close(&p);
}

static void a_series_that_is_gone_is_stale(void **state)
{
    (void)state;
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb 2\nc 3\n"));
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nc 4\n"));
    assert_int_equal(p.s->n, 3);
    assert_true(p.s->v[0] == 1 && series_is_stale(p.s->v[1]) && p.s->v[2] == 4);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\n"));
    assert_true(p.s->v[0] == 1 && series_is_stale(p.s->v[1]) && series_is_stale(p.s->v[2]));
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb 2\nc 3\n"));
    assert_int_equal(p.s->n, 3);
    assert_true(p.s->v[1] == 2 && p.s->v[2] == 3);
    parsed_close(&p);
}

static void a_series_that_is_over_the_limits_is_left_out_and_counted(void **state)
{
    (void)state;
    struct parsed p;
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_puts(&b, "many{");
    for (int i = 0; i <= SERIES_LABELS_MAX; i++)
        buf_printf(&b, "l%d=\"x\",", i);
    buf_puts(&b, "} 1\nlong{x=\"");
    for (int i = 0; i < SERIES_TEXT_MAX; i++)
        buf_puts(&b, "x");
    buf_puts(&b, "\"} 2\nfine 3\n");
    parsed_open(&p, NULL);
    for (int again = 0; again < 2; again++) {
        parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
        assert_int_equal(p.rc, OK);
        assert_int_equal(p.counts.over_limit, 2);
        assert_int_equal(p.counts.taken, 1);
    }
    buf_done(&b);
    parsed_close(&p);
}

static void put_series(struct buf *b, unsigned from, unsigned n)
{
    buf_clear(b);
    for (unsigned i = 0; i < n; i++)
        buf_printf(b, "a{i=\"%u\"} %u\n", from + i, i);
}

static void a_set_full_of_the_gone_makes_room_for_a_new_one(void **state)
{
    (void)state;
    enum { N = SERIES_MAX / 2 + 1 };
    struct parsed p;
    struct buf b;

    buf_init(&b, 64 << 20);
    parsed_open(&p, NULL);
    put_series(&b, 0, N);
    parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
    put_series(&b, N, N);
    parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
    assert_int_equal(p.rc, OK);
    assert_int_equal(p.s->n, N);
    assert_int_equal(p.counts.taken, N);
    put_series(&b, 0, SERIES_MAX + 1);
    parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
    assert_int_equal(p.rc, E_LIMIT);
    assert_string_equal(p.err.msg, "more than 65536 series");
    buf_done(&b);
    parsed_close(&p);
}

/* -- memory -- */

static void an_unchanged_body_allocates_its_snapshot_alone(void **state)
{
    (void)state;
    const struct str body =
        STR("# TYPE a counter\na{x=\"1\\n\"} 1\na{x=\"2\"} 1234567890123456789\n"
            "b 1e-300\nc +Inf 499999000\n# end\n");
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, EXPOSITION_TEXT, body);
    parsed_body(&p, EXPOSITION_TEXT, body);
    snapshot_free(p.s);
    p.s = NULL;
    mem_fail_at(2); /* the snapshot is the first */
    p.rc = exposition_parse(p.parser, p.layout, EXPOSITION_TEXT, body, NOW_MS, &p.s, &p.counts,
                            &p.err);
    mem_fail_at(0);
    assert_int_equal(p.rc, OK);
    parsed_close(&p);
}

static void a_failed_allocation_is_an_error_and_no_leak(void **state)
{
    (void)state;
    const struct exposition_rules rules = {.labels = target, .n_labels = 2, .add_up = true};
    enum rc rc = E_NOMEM;

    for (uint64_t n = 1; rc != OK; n++) {
        struct parsed p = {.rc = OK};
        struct snapshot *s = NULL;
        mem_fail_at(n);
        rc = exposition_parser_new(&p.parser, &p.err);
        if (rc == OK)
            rc = exposition_layout_new(&rules, &p.layout, &p.err);
        for (int i = 0; i < 2 && rc == OK; i++) {
            snapshot_free(s);
            s = NULL;
            rc = exposition_parse(p.parser, p.layout, EXPOSITION_TEXT,
                                  i ? STR("a 1\nb{job=\"x\\n\"} 2 500000000\n") : STR("a 1\n"),
                                  NOW_MS, &s, &p.counts, &p.err);
        }
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        snapshot_free(s);
        parsed_close(&p);
    }
}

/* -- numbers -- */

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void check_number(const char *z)
{
    char room[EXPO_NUMBER_MAX + 8 + EXPO_NUMBER_ROOM] = "";
    double fast, slow = 0;
    const double expected = strtod(z, NULL);

    (void)snprintf(room, sizeof room, "%s\n", z);
    assert_true(expo_number(str_of(z), &slow));
    if (bits_of(slow) != bits_of(expected))
        fail_msg("%s: expected %.17g, found %.17g", z, expected, slow);
    const char *end = expo_number_fast(room, &fast);
    if (!end)
        return;
    assert_ptr_equal(end, room + strlen(z));
    if (bits_of(fast) != bits_of(expected))
        fail_msg("%s: expected %.17g, found %.17g in a hurry", z, expected, fast);
}

static void print_number(char *z, size_t size, int form, double v)
{
    switch (form % 6) {
    case 0:
        (void)snprintf(z, size, "%.0f", v);
        break;
    case 1:
        (void)snprintf(z, size, "%.3f", v);
        break;
    case 2:
        (void)snprintf(z, size, "%.20f", v);
        break;
    case 3:
        (void)snprintf(z, size, "%.6e", v);
        break;
    case 4:
        (void)snprintf(z, size, "%.15g", v);
        break;
    default:
        (void)snprintf(z, size, "%.17g", v);
        break;
    }
}

static void numbers_are_rounded_exactly(void **state)
{
    (void)state;
    char z[512], z_long[600];
    struct rng rng;

    rng_init(&rng, 4);
    for (int i = 0; i < 200000; i++) {
        double v;
        const uint64_t bits = rng_u64(&rng);
        memcpy(&v, &bits, sizeof v);
        if (i % 2)
            v = ldexp((double)(int64_t)(bits >> (bits % 60)), -(int)(bits % 50));
        if (!isfinite(v))
            continue;
        print_number(z, sizeof z, i, v);
        if (strlen(z) < 400)
            check_number(z);
    }
    (void)snprintf(z_long, sizeof z_long, "1%0500d", 0);
    double v;
    assert_false(expo_number(str_of(z_long), &v)); /* 10^500 */
    (void)snprintf(z_long, sizeof z_long, "0.%0300d1e300", 0);
    check_number(z_long);
    check_number("9007199254740993");
    check_number("9007199254740992e22");
    check_number("-0");
    check_number("5e-324");
    check_number("2.2250738585072012e-308");
}

static void the_content_type_says_the_format(void **state)
{
    (void)state;
    static const char *const openmetrics[] = {"application/openmetrics-text",
                                              "application/openmetrics-text; version=1.0.0",
                                              " Application/OpenMetrics-Text;charset=utf-8"};
    static const char *const text[] = {"text/plain; version=0.0.4", "", "text/html",
                                       "application/openmetrics-textual"};

    for (size_t i = 0; i < COUNT(openmetrics); i++)
        assert_int_equal(exposition_format_of(openmetrics[i]), EXPOSITION_OPENMETRICS);
    for (size_t i = 0; i < COUNT(text); i++)
        assert_int_equal(exposition_format_of(text[i]), EXPOSITION_TEXT);
    assert_int_equal(exposition_format_of(NULL), EXPOSITION_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_as_prometheus_reads_it),
        cmocka_unit_test(malformed_text_is_refused_with_line_and_column),
        cmocka_unit_test(openmetrics_is_read_as_prometheus_reads_it),
        cmocka_unit_test(malformed_openmetrics_is_refused_with_line_and_column),
        cmocka_unit_test(a_targets_labels_go_in_and_clashes_are_renamed),
        cmocka_unit_test(honored_labels_stay),
        cmocka_unit_test(up_is_there_when_asked_for),
        cmocka_unit_test(what_is_not_wanted_is_asked_once_and_is_in_no_set),
        cmocka_unit_test(the_first_of_equal_series_counts),
        cmocka_unit_test(times_of_their_own_choose_among_samples),
        cmocka_unit_test(a_series_that_is_gone_is_stale),
        cmocka_unit_test(a_series_that_is_over_the_limits_is_left_out_and_counted),
        cmocka_unit_test(a_set_full_of_the_gone_makes_room_for_a_new_one),
        cmocka_unit_test(an_unchanged_body_allocates_its_snapshot_alone),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_no_leak),
        cmocka_unit_test(numbers_are_rounded_exactly),
        cmocka_unit_test(the_content_type_says_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
