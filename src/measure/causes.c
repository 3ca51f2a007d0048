/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/causes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

enum { QUOTE_MAX = 40 };

/* The text, line by line. */
struct reader {
    const char *file;
    struct str left, line;
    size_t number; /* of the line, from 1 */
    size_t rows, metrics;
};

static enum rc fail(const struct reader *r, const char *expected, struct str found, struct err *err)
{
    return err_set(err, E_PARSE, "%s:%zu: expected %s, found '%.*s%s'", r->file, r->number,
                   expected, (int)(found.n < QUOTE_MAX ? found.n : QUOTE_MAX), found.p,
                   found.n < QUOTE_MAX ? "" : "...");
}

/* What stands before the first `end` in *s, which keeps what is behind it; all of it without. */
static struct str cut(struct str *s, char end)
{
    const char *at = s->n ? memchr(s->p, end, s->n) : NULL;
    const struct str front = {s->p, at ? (size_t)(at - s->p) : s->n};
    const size_t taken = front.n + (at ? 1 : 0);

    *s = (struct str){s->p + taken, s->n - taken};
    return front;
}

/* Empty lines are passed over. */
static bool next_line(struct reader *r)
{
    while (r->left.n > 0) {
        r->line = str_trim(cut(&r->left, '\n'));
        r->number++;
        if (r->line.n > 0)
            return true;
    }
    return false;
}

static enum rc parse_rows(const struct reader *r, struct str s, struct cause *c, struct err *err)
{
    const struct str whole = s;
    uint64_t first, last;

    if (!memchr(s.p, '-', s.n))
        return fail(r, "rows such as 10-19", whole, err);
    if (!str_to_u64(cut(&s, '-'), &first) || !str_to_u64(s, &last) || first > last)
        return fail(r, "rows such as 10-19, from 0 and rising", whole, err);
    if (first >= r->rows || last > r->rows)
        return err_set(err, E_PARSE, "%s:%zu: expected rows from 0 to %zu, found '%.*s'", r->file,
                       r->number, r->rows - 1, (int)whole.n, whole.p);
    c->first = (size_t)first;
    c->last = (size_t)last;
    return OK;
}

static enum rc parse_metrics(const struct reader *r, struct str s, uint16_t *metric,
                             struct cause *c, struct err *err)
{
    bool more = true;

    c->metric = metric;
    while (more) {
        uint64_t k;
        more = s.n > 0 && memchr(s.p, ',', s.n);
        const struct str word = str_trim(cut(&s, ','));
        if (!str_to_u64(word, &k) || k == 0)
            return fail(r, "metrics such as 1,4,5, from 1", word, err);
        if (k > r->metrics)
            return err_set(err, E_PARSE, "%s:%zu: expected metrics up to %zu, found '%.*s'",
                           r->file, r->number, r->metrics, (int)word.n, word.p);
        for (size_t i = 0; i < c->n; i++)
            if (metric[i] == k - 1)
                return fail(r, "each metric once", word, err);
        metric[c->n++] = (uint16_t)(k - 1);
    }
    return OK;
}

/* One line; *metric is where its metrics go, and then where the next ones do. */
static enum rc parse_line(const struct reader *r, uint16_t **metric, struct cause *c,
                          struct err *err)
{
    struct str s = r->line;

    c->line = r->number;
    if (!memchr(s.p, ':', s.n))
        return fail(r, "an event such as 10-19:1,4,5", s, err);
    const struct str span = str_trim(cut(&s, ':'));
    if (span.n == 0)
        return fail(r, "rows such as 10-19", r->line, err);
    if (parse_rows(r, span, c, err) != OK || parse_metrics(r, s, *metric, c, err) != OK)
        return err->rc;
    *metric += c->n;
    return OK;
}

enum rc causes_parse(const char *p, size_t bytes, const char *file, size_t rows, size_t metrics,
                     struct causes *ret, struct err *err)
{
    struct reader r = {.file = file, .left = {p, bytes}, .rows = rows, .metrics = metrics};
    CLEANUP(causes_done) struct causes c = {0};
    size_t lines = 1, words = 1;

    if (bytes > CAUSES_BYTES_MAX || metrics > CAUSES_METRICS_MAX)
        return err_set(err, E_LIMIT,
                       "%s: expected at most %d bytes and %d metrics, found %zu and "
                       "%zu",
                       file, CAUSES_BYTES_MAX, CAUSES_METRICS_MAX, bytes, metrics);
    for (size_t i = 0; i < bytes; i++) {
        lines += p[i] == '\n' ? 1 : 0;
        words += p[i] == '\n' || p[i] == ',' ? 1 : 0;
    }
    c.v = mem_array(lines, sizeof *c.v);
    c.metrics = mem_array(words, sizeof *c.metrics);
    if (!c.v || !c.metrics)
        return err_set(err, E_NOMEM, "%s: no memory for %zu events", file, lines);
    uint16_t *metric = c.metrics;
    while (next_line(&r))
        if (parse_line(&r, &metric, &c.v[c.n++], err) != OK)
            return err->rc;
    if (c.n == 0)
        return err_set(err, E_PARSE, "%s: expected lines such as 10-19:1,4,5, found none", file);
    *ret = c;
    c = (struct causes){0};
    return OK;
}

void causes_done(struct causes *c)
{
    mem_free(c->v);
    mem_free(c->metrics);
    *c = (struct causes){0};
}

struct ranked {
    float most; /* of its contributions in the event */
    size_t metric;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->most != y->most)
        return x->most > y->most ? -1 : 1;
    return (x->metric > y->metric) - (x->metric < y->metric);
}

enum rc causes_check(const float *C, size_t rows, size_t metrics, struct err *err)
{
    for (size_t i = 0; i < rows * metrics; i++)
        if (C[i] < 0)
            return err_set(err, E_PARSE,
                           "row %zu, metric %zu: expected a contribution of at least 0, found %g",
                           i / metrics, i % metrics + 1, (double)C[i]);
    return OK;
}

/* The share of the true causes that are among the first `most`. */
static double share_found(const struct cause *c, const struct ranked *all, size_t metrics,
                          size_t most)
{
    size_t hits = 0;

    for (size_t rank = 0; rank < most && rank < metrics && all[rank].most > 0; rank++)
        for (size_t i = 0; i < c->n; i++)
            hits += c->metric[i] == all[rank].metric ? 1 : 0;
    return (double)hits / (double)c->n;
}

static enum rc rank_event(const struct cause *c, const struct events *label, const float *C,
                          size_t metrics, struct ranked *all, struct err *err)
{
    size_t rows = 0;

    for (size_t i = 0; i < metrics; i++)
        all[i] = (struct ranked){0, i};
    for (size_t row = c->first; row <= c->last && row < label->rows; row++) {
        if (events_at(label, row) < 0)
            continue;
        rows++;
        for (size_t i = 0; i < metrics; i++)
            all[i].most = fmaxf(all[i].most, C[row * metrics + i]); /* the other one while NaN */
    }
    if (rows == 0)
        return err_set(err, E_STATE, "line %zu: none of the rows %zu-%zu is labelled", c->line,
                       c->first, c->last);
    qsort(all, metrics, sizeof *all, compare);
    return OK;
}

enum rc causes_measure(const struct causes *c, const struct events *label, const float *C,
                       size_t metrics, struct hit_rates *ret, struct err *err)
{
    struct hit_rates h = {.events = c->n};
    CLEANUP(mem_freep) struct ranked *all = mem_array(metrics, sizeof *all);

    assert(c->n > 0);
    if (!all)
        return err_set(err, E_NOMEM, "no memory for %zu metrics", metrics);
    for (size_t i = 0; i < c->n; i++) {
        const struct cause *v = &c->v[i];
        if (rank_event(v, label, C, metrics, all, err) != OK)
            return err->rc;
        h.at_100 += share_found(v, all, metrics, v->n) / (double)c->n;
        h.at_150 += share_found(v, all, metrics, v->n * 3 / 2) / (double)c->n;
    }
    *ret = h;
    return OK;
}
