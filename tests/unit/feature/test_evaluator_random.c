/* SPDX-License-Identifier: Apache-2.0 */
/* Random expressions over random series: the evaluator against a slow one that works on label
 * texts, keeps every sample and shares no code with it. */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/rng.h"

enum { METRICS = 2, VALUES = 3, SERIES_N = METRICS * VALUES * VALUES, TICKS = 40, ELEMENTS = 512 };

/* A label set: a and b are 0 (absent), '1' or '2'. */
struct element {
    char a, b;
    double v;
};

struct vector {
    bool scalar, failed;
    size_t n;
    struct element e[ELEMENTS];
};

struct table {
    int64_t ts_ms[TICKS];
    double v[TICKS][SERIES_N];
    size_t n; /* ticks so far */
};

enum kind { SELECT, RANGE, AGGREGATE, NEGATE, CLAMP, BINARY, SET, NUMBER, KINDS };

struct node {
    enum kind kind;
    int metric, matcher, fn, seconds;
    bool a, b, keep, as_bool, vector_left;
    double number;
    struct node *left, *right;
};

static const char *const RANGE_NAMES[] = {
    "rate",          "increase",        "delta",         "irate",
    "idelta",        "avg_over_time",   "min_over_time", "max_over_time",
    "sum_over_time", "count_over_time", "last_over_time"};
static const char *const AGGREGATE_NAMES[] = {"sum", "avg", "min", "max", "count"};
static const char *const OPERATORS[] = {"+", "-", "*", "/", "%", ">", "<=", "!="};
static const char *const SETS[] = {"and", "or", "unless"};
static const char *const MATCHERS[] = {
    "",           "{a=\"1\"}",        "{a!=\"1\"}",    "{b=~\"1|2\"}",
    "{b!~\"1\"}", "{a=\"\",b=\"2\"}", "{a=~\"[12]?\"}"};

/* ---- random expressions ---- */

/* May the two evaluators round this differently? */
static bool inexact(const struct node *x)
{
    if (!x)
        return false;
    return (x->kind == RANGE && x->fn <= 5) || (x->kind == AGGREGATE && x->fn == 1) ||
           (x->kind == BINARY && x->fn == 3) || inexact(x->left) || inexact(x->right);
}

static struct node *make(struct rng *rng, unsigned depth)
{
    struct node *x = test_calloc(1, sizeof *x);

    x->kind = depth < 4 ? (enum kind)rng_below(rng, NUMBER) : (enum kind)rng_below(rng, 2);
    x->metric = (int)rng_below(rng, METRICS);
    x->matcher = (int)rng_below(rng, sizeof MATCHERS / sizeof MATCHERS[0]);
    x->seconds = 2 + (int)rng_below(rng, 9);
    x->a = rng_below(rng, 2);
    x->b = rng_below(rng, 2);
    x->keep = rng_below(rng, 2);
    x->as_bool = rng_below(rng, 2);
    x->number = (double)rng_below(rng, 7) - 2;
    x->fn = (int)rng_below(rng, x->kind == RANGE       ? 11
                                : x->kind == AGGREGATE ? 5
                                : x->kind == SET       ? 3
                                                       : 8);
    if (x->kind == AGGREGATE || x->kind == NEGATE || x->kind == CLAMP)
        x->left = make(rng, depth + 1);
    if (x->kind == BINARY || x->kind == SET) {
        x->left = make(rng, depth + 1);
        x->right = make(rng, depth + 1);
        if (x->kind == BINARY && (inexact(x->left) || inexact(x->right)))
            x->fn %= 3; /* / % and comparisons would jump at a last digit's difference */
        if (x->kind == BINARY && rng_below(rng, 3) == 0) {
            struct node **side = rng_below(rng, 2) ? &x->left : &x->right;
            struct node *number = test_calloc(1, sizeof *number);
            *number = (struct node){.kind = NUMBER, .number = x->number};
            (*side)->vector_left = true; /* freed below */
            number->left = *side;
            *side = number;
        }
    }
    return x;
}

static void unmake(struct node *x)
{
    if (!x)
        return;
    unmake(x->left);
    unmake(x->right);
    test_free(x);
}

static void put_labels(struct buf *b, const struct node *x, const char *keep, const char *drop)
{
    buf_printf(b, " %s (%s%s%s)", x->keep ? keep : drop, x->a ? "a" : "", x->a && x->b ? ", " : "",
               x->b ? "b" : "");
}

static void put(struct buf *b, const struct node *x)
{
    switch ((int)x->kind) {
    case SELECT:
        buf_printf(b, "m%d%s", x->metric, MATCHERS[x->matcher]);
        break;
    case RANGE:
        buf_printf(b, "%s(m%d%s[%ds])", RANGE_NAMES[x->fn], x->metric, MATCHERS[x->matcher],
                   x->seconds);
        break;
    case AGGREGATE:
        buf_puts(b, AGGREGATE_NAMES[x->fn]);
        put_labels(b, x, "by", "without");
        buf_puts(b, " (");
        put(b, x->left);
        buf_puts(b, ")");
        break;
    case NEGATE:
        buf_puts(b, "(-");
        put(b, x->left);
        buf_puts(b, ")");
        break;
    case CLAMP:
        buf_puts(b, "clamp_min(");
        put(b, x->left);
        buf_printf(b, ", %g)", x->number);
        break;
    case NUMBER:
        buf_printf(b, "(%g)", x->number);
        break;
    default:
        buf_puts(b, "(");
        put(b, x->left);
        buf_printf(b, " %s", x->kind == SET ? SETS[x->fn] : OPERATORS[x->fn]);
        if (x->kind == BINARY && x->fn >= 5 && x->as_bool)
            buf_puts(b, " bool");
        if (x->left->kind != NUMBER && x->right->kind != NUMBER)
            put_labels(b, x, "on", "ignoring");
        buf_puts(b, " ");
        put(b, x->right);
        buf_puts(b, ")");
    }
}

/* ---- the slow evaluator ---- */

static char label_of(size_t v)
{
    return v == 0 ? 0 : (char)('0' + v);
}

static bool wanted(const struct node *x, size_t series)
{
    const char a = label_of(series / VALUES % VALUES), b = label_of(series % VALUES);

    if ((int)(series / VALUES / VALUES) != x->metric)
        return false;
    switch (x->matcher) {
    case 1:
        return a == '1';
    case 2:
        return a != '1';
    case 3:
        return b == '1' || b == '2';
    case 4:
        return b != '1';
    case 5:
        return a == 0 && b == '2';
    default:
        return true;
    }
}

static void add(struct vector *out, char a, char b, double v)
{
    assert_true(out->n < ELEMENTS);
    out->e[out->n++] = (struct element){a, b, v};
}

/* Prometheus's algorithm over plain arrays t (seconds), v. */
static bool over_range(int fn, const double *t, const double *v, size_t n, double start, double end,
                       double *ret)
{
    double sum = 0, low = v[0], high = v[0], increase = 0;

    if (n < (fn < 5 ? 2u : 1u))
        return false;
    for (size_t i = 0; i < n; i++) {
        sum += v[i];
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
        if (i > 0) /* step by step, unlike the code under test */
            increase += fn == 2 ? v[i] - v[i - 1] : v[i] >= v[i - 1] ? v[i] - v[i - 1] : v[i];
    }
    if (fn == 3 || fn == 4) {
        const double step = v[n - 1] - v[n - 2];
        *ret = fn == 4 ? step : (step < 0 ? v[n - 1] : step) / (t[n - 1] - t[n - 2]);
        return true;
    }
    if (fn >= 5) {
        const double answers[] = {sum / (double)n, low, high, sum, (double)n, v[n - 1]};
        *ret = answers[fn - 5];
        return true;
    }
    const double span = t[n - 1] - t[0], mean = span / (double)(n - 1);
    double before = t[0] - start;
    if (fn != 2 && increase > 0 && span * v[0] / increase < before)
        before = span * v[0] / increase;
    before = before < 1.1 * mean ? before : mean / 2;
    const double after = end - t[n - 1] < 1.1 * mean ? end - t[n - 1] : mean / 2;
    *ret = increase * (span + before + after) / span / (fn == 0 ? end - start : 1);
    return true;
}

static void slow_select(const struct table *s, const struct node *x, int64_t now,
                        struct vector *out)
{
    for (size_t i = 0; i < SERIES_N; i++) {
        double t[TICKS], v[TICKS], value = 0;
        size_t n = 0;
        if (!wanted(x, i))
            continue;
        const char a = label_of(i / VALUES % VALUES), b = label_of(i % VALUES);
        if (x->kind == SELECT) {
            if (!series_is_stale(s->v[s->n - 1][i]))
                add(out, a, b, s->v[s->n - 1][i]);
            continue;
        }
        for (size_t k = 0; k < s->n; k++)
            if (s->ts_ms[k] >= now - 1000 * x->seconds && !series_is_stale(s->v[k][i])) {
                t[n] = (double)s->ts_ms[k] / 1000;
                v[n++] = s->v[k][i];
            }
        const double end = (double)now / 1000;
        if (over_range(x->fn, t, v, n, end - x->seconds, end, &value))
            add(out, a, b, value);
    }
}

static char part(const struct node *x, bool named, char label)
{
    return named == x->keep ? label : 0;
}

static void slow_aggregate(const struct node *x, const struct vector *in, struct vector *out)
{
    for (char a = 0; a <= '2'; a++)
        for (char b = 0; b <= '2'; b++) {
            double sum = 0, low = 0, high = 0;
            size_t n = 0;
            for (size_t i = 0; i < in->n; i++) {
                const double v = in->e[i].v;
                if (part(x, x->a, in->e[i].a) != a || part(x, x->b, in->e[i].b) != b)
                    continue;
                sum += v;
                low = n == 0 || v < low || isnan(low) ? v : low;
                high = n == 0 || v > high || isnan(high) ? v : high;
                n++;
            }
            const double answers[] = {sum, sum / (double)n, low, high, (double)n};
            if (n > 0)
                add(out, a, b, answers[x->fn]);
        }
}

static bool matched(const struct node *x, const struct element *l, const struct element *r)
{
    return part(x, x->a, l->a) == part(x, x->a, r->a) && part(x, x->b, l->b) == part(x, x->b, r->b);
}

/* l OP r; false where a comparison filters. */
static bool operate(const struct node *x, double l, double r, double passes, double *ret)
{
    const double answers[] = {l + r, l - r, l * r, l / r, fmod(l, r), l > r, l <= r, l != r};

    *ret = x->fn >= 5 && !x->as_bool ? passes : answers[x->fn];
    return x->fn < 5 || x->as_bool || answers[x->fn] == 1;
}

static void slow_binary(const struct node *x, const struct vector *l, const struct vector *r,
                        struct vector *out)
{
    double v = 0;

    if (l->n == 0 || r->n == 0)
        return; /* before any complaint about duplicates */
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < r->n; k++) {
            const struct element *a = &l->e[i], *b = &r->e[k];
            if (l->scalar && r->scalar)
                fail_msg("scalars on both sides are not made");
            if (l->scalar || r->scalar) {
                const struct element *of = l->scalar ? b : a;
                if (operate(x, a->v, b->v, of->v, &v))
                    add(out, of->a, of->b, v);
            } else if (matched(x, a, b)) {
                for (size_t other = 0; other < k; other++)
                    out->failed |= matched(x, b, &r->e[other]);
                if (operate(x, a->v, b->v, a->v, &v))
                    add(out, part(x, x->a, a->a), part(x, x->b, a->b), v);
            }
        }
    if (l->scalar || r->scalar)
        return;
    for (size_t i = 0; i < r->n; i++) /* duplicates on the right fail even without partner */
        for (size_t k = 0; k < i; k++)
            out->failed |= matched(x, &r->e[i], &r->e[k]);
    for (size_t i = 0; i < out->n; i++) /* two results for one group: many to one */
        for (size_t k = 0; k < i; k++)
            out->failed |= out->e[i].a == out->e[k].a && out->e[i].b == out->e[k].b;
}

static bool any(const struct node *x, const struct element *e, const struct vector *in)
{
    for (size_t i = 0; i < in->n; i++)
        if (matched(x, e, &in->e[i]))
            return true;
    return false;
}

static void slow_set(const struct node *x, const struct vector *l, const struct vector *r,
                     struct vector *out)
{
    for (size_t i = 0; i < l->n; i++)
        if (x->fn == 1 || any(x, &l->e[i], r) == (x->fn == 0))
            add(out, l->e[i].a, l->e[i].b, l->e[i].v);
    for (size_t i = 0; x->fn == 1 && i < r->n; i++)
        if (!any(x, &r->e[i], l))
            add(out, r->e[i].a, r->e[i].b, r->e[i].v);
}

static void slow(const struct table *s, const struct node *x, int64_t now, struct vector *out)
{
    struct vector *in = test_calloc(2, sizeof *in);

    *out = (struct vector){0};
    if (x->left && x->kind != NUMBER)
        slow(s, x->left, now, &in[0]);
    if (x->right)
        slow(s, x->right, now, &in[1]);
    out->failed = in[0].failed || in[1].failed;
    switch ((int)x->kind) {
    case SELECT:
    case RANGE:
        slow_select(s, x, now, out);
        break;
    case AGGREGATE:
        slow_aggregate(x, &in[0], out);
        break;
    case NEGATE:
        for (size_t i = 0; i < in[0].n; i++)
            add(out, in[0].e[i].a, in[0].e[i].b, -in[0].e[i].v);
        break;
    case CLAMP:
        for (size_t i = 0; i < in[0].n; i++) {
            const double v = in[0].e[i].v;
            add(out, in[0].e[i].a, in[0].e[i].b, v < x->number ? x->number : v);
        }
        break;
    case NUMBER:
        out->scalar = true;
        add(out, 0, 0, x->number);
        break;
    case BINARY:
        slow_binary(x, &in[0], &in[1], out);
        break;
    default:
        slow_set(x, &in[0], &in[1], out);
    }
    test_free(in);
}

/* ---- the comparison ---- */

/* Counters that reset, gauges, gaps; m1 has fewer series. */
static void fill(struct rng *rng, struct table *s)
{
    double level[SERIES_N] = {0};
    bool there[SERIES_N];
    int64_t now = 1000000;

    for (size_t i = 0; i < SERIES_N; i++)
        there[i] = rng_below(rng, 4) > 0;
    for (size_t k = 0; k < TICKS; k++) {
        now += 300 + rng_below(rng, 1400);
        s->ts_ms[k] = now;
        for (size_t i = 0; i < SERIES_N; i++) {
            if (rng_below(rng, 12) == 0)
                there[i] = !there[i];
            level[i] = rng_below(rng, 15) == 0 ? rng_below(rng, 3) : level[i] + rng_below(rng, 9);
            s->v[k][i] = there[i] ? level[i] : series_stale();
        }
    }
}

static bool near(double a, double b)
{
    if (isnan(a) || isnan(b) || isinf(a) || isinf(b))
        return (isnan(a) && isnan(b)) || a == b;
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)) + 1e-9;
}

static double single(const struct vector *v)
{
    return v->n == 1 && !v->failed ? v->e[0].v : (double)NAN;
}

static void make_series(struct world *w)
{
    for (size_t i = 0; i < SERIES_N; i++) {
        char text[64];
        const char a = label_of(i / VALUES % VALUES), b = label_of(i % VALUES);
        (void)snprintf(text, sizeof text, "m%zu{a=%.*s,b=%.*s}", i / VALUES / VALUES, a != 0, &a,
                       b != 0, &b);
        assert_int_equal(world_series(w, text), i);
    }
}

/* Every element of the answer is asked for: by the sum and count of all, and those of each label.
 */
static size_t compare(const struct table *full, const struct node *x, const char *text)
{
    char e[3][4096];
    const char *const expressions[] = {text, e[0], e[1], e[2]};
    struct table *s = test_calloc(1, sizeof *s);
    struct vector *v = test_calloc(1, sizeof *v);
    struct world w;
    size_t values = 0;

    (void)snprintf(e[0], sizeof e[0], "count(%s)", text);
    (void)snprintf(e[1], sizeof e[1], "sum(%s)", text);
    (void)snprintf(e[2], sizeof e[2], "max(sum by (a) (%s))", text);
    world_init(&w, expressions, 4);
    make_series(&w);
    for (size_t k = 0; k < TICKS; k++) {
        s->ts_ms[k] = full->ts_ms[k];
        memcpy(s->v[k], full->v[k], sizeof s->v[k]);
        s->n = k + 1;
        assert_int_equal(world_push(&w, s->ts_ms[k], s->v[k], SERIES_N), OK);
        const int64_t now = s->ts_ms[k] + (k % 3 == 0 ? 137 : 0);
        slow(s, x, now, v);
        double sum = 0;
        for (size_t i = 0; i < v->n; i++)
            sum += v->e[i].v;
        const bool none = v->n == 0 || v->failed;
        const double expected[] = {single(v), none ? (double)NAN : (double)v->n,
                                   none ? (double)NAN : sum};
        for (size_t i = 0; i < 3; i++)
            if (!near(world_ask(&w, now, i), expected[i]))
                fail_msg("%s at tick %zu: %.17g, expected %.17g", expressions[i], k,
                         world_ask(&w, now, i), expected[i]);
        values += !none;
    }
    world_done(&w);
    test_free(s);
    test_free(v);
    return values;
}

static void random_expressions_equal_a_slow_evaluators_answers(void **state)
{
    struct rng rng;
    struct table *s = test_calloc(1, sizeof *s);
    size_t values = 0, expressions = 0;

    (void)state;
    rng_init(&rng, 20260301);
    for (int round = 0; round < 1500; round++) {
        struct buf text;
        if (round % 50 == 0)
            fill(&rng, s);
        struct node *x = make(&rng, 0);
        buf_init(&text, 4000);
        put(&text, x);
        const bool scalars =
            x->kind == BINARY && x->left->kind == NUMBER && x->right->kind == NUMBER;
        if (!text.failed && !scalars) {
            values += compare(s, x, text.p);
            expressions++;
        }
        buf_done(&text);
        unmake(x);
    }
    test_free(s);
    assert_true(expressions > 1000);
    assert_true(values > 10000); /* it was about something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_expressions_equal_a_slow_evaluators_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
