/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of a target must never show: a parse with a layout of any past equals one
 * without. Bodies are made up, then changed at random, scrape after scrape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "exposition_fixture.h"

enum { SCRAPES = 40, TARGETS = 400, LINES_MAX = 24, BODY_MAX = 1 << 16 };

/* Lines of all kinds; %s is a number. */
static const char *const text_lines[] = {
    "# TYPE node_cpu counter\n",
    "# HELP node_cpu What it \\n is.\n",
    "# TYPE node_cpu gauge\n",
    "# a comment\n",
    "\n",
    "  \n",
    "node_cpu{cpu=\"0\",mode=\"idle\"} %s\n",
    "node_cpu{cpu=\"1\",mode=\"idle\"} %s\n",
    "node_cpu{mode=\"idle\",cpu=\"1\"} %s\n",
    "node_cpu{cpu=\"a\\\"b\\\\\"}\t%s\n",
    "node_cpu{cpu=\"two\nlines\"} %s\n",
    "node_cpu %s\n",
    "node_cpu{}%s\n",
    "node_cpu+%s\n",
    "node_cpu1 %s\n",
    "node_cpu %s 500000000\n",
    "node_cpu{a=\"1\"} %s 499999999\n",
    "up{job=\"x\"} %s\n",
    "b{instance=\"\"} %s\n",
    "a_long_name_that_fills_a_line{with=\"labels\",and=\"values\",of=\"some length\"} %s\n",
};
static const char *const openmetrics_lines[] = {
    "# TYPE node_cpu counter\n",
    "# HELP node_cpu What it \\n is.\n",
    "# UNIT node_seconds seconds\n",
    "# TYPE node histogram\n",
    "node_cpu_total{cpu=\"0\",mode=\"idle\"} %s\n",
    "node_cpu_total{cpu=\"1\",mode=\"idle\"} %s\n",
    "node_cpu_total{cpu=\"1\"} %s # {id=\"1\"} 5\n",
    "node_cpu_total{cpu=\"2\"} %s 500000.5 # {id=\"1\"} 5 1.5\n",
    "node_bucket{le=\"+Inf\"} %s\n",
    "node_count %s\n",
    "b %s 499999\n",
    "b{} %s\n",
};
static const char *const numbers[] = {"0",          "1",    "12",    "1.5",
                                      "NaN",        "+Inf", "-3e-7", "1e+300",
                                      "1234567890", "0.25", "1e22",  "9007199254740993"};

struct body {
    size_t n;
    const char *line[LINES_MAX];
};

static const char *pick(struct rng *rng, enum exposition_format f)
{
    return f == EXPOSITION_TEXT
               ? text_lines[rng_below(rng, sizeof text_lines / sizeof *text_lines)]
               : openmetrics_lines[rng_below(rng, sizeof openmetrics_lines / sizeof(char *))];
}

static void change_lines(struct rng *rng, enum exposition_format f, struct body *b)
{
    const size_t at = b->n ? rng_below(rng, (uint32_t)b->n) : 0;

    switch (rng_below(rng, 6)) {
    case 0: /* one goes */
        if (b->n) {
            memmove(b->line + at, b->line + at + 1, (b->n - at - 1) * sizeof *b->line);
            b->n--;
        }
        break;
    case 1: /* one comes */
        if (b->n < LINES_MAX) {
            memmove(b->line + at + 1, b->line + at, (b->n - at) * sizeof *b->line);
            b->line[at] = pick(rng, f);
            b->n++;
        }
        break;
    case 2: /* one becomes another */
        if (b->n)
            b->line[at] = pick(rng, f);
        break;
    case 3: /* the rest is cut */
        b->n = at;
        break;
    default: /* only numbers change */
        break;
    }
}

static size_t write_body(struct rng *rng, enum exposition_format f, const struct body *b, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++) {
        const char *number = numbers[rng_below(rng, sizeof numbers / sizeof *numbers)];
        const char *hole = strstr(b->line[i], "%s");
        if (hole)
            n += (size_t)snprintf(to + n, BODY_MAX - n, "%.*s%s%s", (int)(hole - b->line[i]),
                                  b->line[i], number, hole + 2);
        else
            n += (size_t)snprintf(to + n, BODY_MAX - n, "%s", b->line[i]);
    }
    if (f == EXPOSITION_OPENMETRICS)
        n += (size_t)snprintf(to + n, BODY_MAX - n, "# EOF\n");
    return n;
}

/* At times a byte is wrong, one is missing, or the end is. */
static size_t break_body(struct rng *rng, char *p, size_t n)
{
    static const char odd[] = "\n \t#{}\"\\=,1aE.+-\r\xff";

    if (n == 0)
        return 0;
    const size_t at = rng_below(rng, (uint32_t)n);
    switch (rng_below(rng, 12)) {
    case 0:
        p[at] = odd[rng_below(rng, sizeof odd)]; /* or NUL */
        return n;
    case 1:
        memmove(p + at, p + at + 1, n - at - 1);
        return n - 1;
    case 2:
        return at;
    default:
        return n;
    }
}

/* Without types: a series keeps the one that it was made with. */
static void compare(const struct parsed *kept, const struct parsed *fresh, const char *body,
                    size_t n)
{
    if (kept->rc != fresh->rc)
        fail_msg("%.*s\nremembered %d '%s', fresh %d '%s'", (int)n, body, (int)kept->rc,
                 kept->err.msg, (int)fresh->rc, fresh->err.msg);
    if (kept->rc != OK) {
        assert_string_equal(kept->err.msg, fresh->err.msg);
        return;
    }
    assert_int_equal(kept->counts.samples, fresh->counts.samples);
    assert_int_equal(kept->counts.taken, fresh->counts.taken);
    assert_int_equal(kept->counts.repeated, fresh->counts.repeated);
    assert_int_equal(kept->counts.untimely, fresh->counts.untimely);
    char *a = parsed_lines(kept, false), *b = parsed_lines(fresh, false);
    if (strcmp(a, b) != 0)
        fail_msg("%.*s\nremembered:\n%s\nfresh:\n%s", (int)n, body, a, b);
    mem_free(a);
    mem_free(b);
}

static bool wants_most(void *arg, struct str name, const struct label *labels, size_t n_labels)
{
    (void)arg;
    (void)labels;
    return n_labels != 4 && name.n % 5 != 0;
}

static void scrape_and_compare(uint64_t seed, enum exposition_format f,
                               const struct exposition_rules *rules)
{
    static char text[BODY_MAX];
    struct parsed kept, fresh;
    struct body b = {.n = 0};
    struct rng rng;

    rng_init(&rng, seed);
    b.n = rng_below(&rng, LINES_MAX);
    for (size_t i = 0; i < b.n; i++)
        b.line[i] = pick(&rng, f);
    parsed_open(&kept, rules);
    for (int i = 0; i < SCRAPES; i++) {
        change_lines(&rng, f, &b);
        size_t n = write_body(&rng, f, &b, text);
        n = break_body(&rng, text, n);
        parsed_open(&fresh, rules);
        parsed_body(&kept, f, (struct str){text, n});
        parsed_body(&fresh, f, (struct str){text, n});
        compare(&kept, &fresh, text, n);
        parsed_close(&fresh);
    }
    parsed_close(&kept);
}

static void a_remembered_parse_equals_a_fresh_one(void **state)
{
    (void)state;
    static const struct label target[] = {{STR("instance"), STR("db1:9100")},
                                          {STR("job"), STR("node")}};
    const struct exposition_rules rules[] = {
        {.n_labels = 0},
        {.labels = target, .n_labels = 2, .add_up = true},
        {.labels = target, .n_labels = 2, .honor_labels = true, .wants = wants_most},
    };

    for (uint64_t seed = 0; seed < TARGETS; seed++)
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            scrape_and_compare(seed * 2, EXPOSITION_TEXT, &rules[i]);
            scrape_and_compare(seed * 2 + 1, EXPOSITION_OPENMETRICS, &rules[i]);
        }
}

/* A line that is new below a TYPE line that is old is of that type. */
static void a_new_series_has_the_type_of_its_remembered_family(void **state)
{
    (void)state;
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, EXPOSITION_TEXT,
                STR("# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 1\n# TYPE b gauge\nb 1\n"));
    parsed_body(&p, EXPOSITION_TEXT,
                STR("# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 1\n"
                    "a{x=\"3\"} 1\n# TYPE b gauge\nb 1\nb{y=\"1\"} 1\nc 2\n"));
    assert_int_equal(p.rc, OK);
    char *found = parsed_text(&p);
    assert_string_equal(found, "counter a{x=1} 1\ncounter a{x=2} 1\ncounter a{x=3} 1\n"
                               "gauge b 1\ngauge b{y=1} 1\nuntyped c 2\n");
    mem_free(found);
    parsed_close(&p);
}

static bool wants_nothing(void *arg, struct str name, const struct label *labels, size_t n)
{
    (void)arg, (void)name, (void)labels, (void)n;
    return false;
}

static void few_lines_are_learned_when_few_change(void **state)
{
    (void)state;
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb 1\nc 1\nd 1\ne 1\n"));
    assert_int_equal(p.counts.learned, 5);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nb 1\nnew 1\nc 1\nd 1\ne 1\n"));
    assert_int_equal(p.counts.learned, 1);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nc 1\nd 1\ne 1\n"));
    assert_int_equal(p.counts.learned, 1); /* the one after the gap, which is found ahead */
    parsed_body(&p, EXPOSITION_TEXT, STR("a 1\nc x\nd 1\ne 1\n"));
    assert_int_equal(p.rc, E_PARSE);
    parsed_body(&p, EXPOSITION_TEXT, STR("a 2\nc 2\nd 2\ne 2\n"));
    assert_int_equal(p.counts.learned, 0); /* what is broken is not remembered */
    parsed_close(&p);
}

/* Were it hashed for each of the lines that come before it, this would take minutes. */
static void a_long_gap_is_not_looked_for_at_every_line(void **state)
{
    enum { GAP = 8 << 20, LINES = 200000 };
    const struct exposition_rules rules = {.wants = wants_nothing};
    struct parsed p;
    struct buf b;

    (void)state;
    parsed_open(&p, &rules);
    buf_init(&b, 3 * GAP);
    buf_puts(&b, "#");
    for (size_t i = 0; i < GAP / 8; i++)
        buf_puts(&b, "xxxxxxxx");
    buf_puts(&b, "\na 1\n");
    parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
    assert_int_equal(p.counts.learned, 1);
    buf_clear(&b);
    for (size_t i = 0; i < LINES; i++)
        buf_puts(&b, "b 1\n");
    buf_puts(&b, "#");
    for (size_t i = 0; i < GAP / 8; i++)
        buf_puts(&b, "xxxxxxxx");
    buf_puts(&b, "\na 1\n");
    parsed_body(&p, EXPOSITION_TEXT, (struct str){b.p, b.n});
    assert_int_equal(p.rc, OK);
    assert_int_equal(p.counts.samples, LINES + 1);
    buf_done(&b);
    parsed_close(&p);
}

static void a_layout_is_forgotten_when_the_format_changes(void **state)
{
    (void)state;
    struct parsed p;

    parsed_open(&p, NULL);
    parsed_body(&p, EXPOSITION_TEXT, STR("a  1\n"));
    assert_int_equal(p.rc, OK);
    parsed_body(&p, EXPOSITION_OPENMETRICS, STR("a  1\n# EOF\n"));
    assert_int_equal(p.rc, E_PARSE);
    parsed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remembered_parse_equals_a_fresh_one),
        cmocka_unit_test(a_new_series_has_the_type_of_its_remembered_family),
        cmocka_unit_test(few_lines_are_learned_when_few_change),
        cmocka_unit_test(a_long_gap_is_not_looked_for_at_every_line),
        cmocka_unit_test(a_layout_is_forgotten_when_the_format_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
