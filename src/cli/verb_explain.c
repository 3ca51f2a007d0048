/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "data/units.h"
#include "detect/scorer.h"
#include "detect/silence.h"
#include "model/model.h"

enum { OUTPUT_MAX = 4 << 20, BAR_CELLS = 20 };

struct explain_options {
    const char *model, *data, *profile, *threshold, *row, *at;
    bool json;
};

struct group {
    const char *name; /* lent from the schema; "" = none given */
    double cause;
};

/* One row, explained. Arrays are of schema->n. */
struct explanation {
    const struct schema *schema;
    struct scorer *scorer;
    size_t row; /* from 0 */
    struct verdict verdict;
    struct scorer_part *part;
    const struct scorer_part *restored_part; /* the silence's */
    size_t *rank;                            /* features by cause, the largest first */
    double causes;                           /* of all features together */
    struct group *group;
    size_t n_groups;
    struct silence *silence;
    struct counterfactual counterfactual;
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"data", required_argument, NULL, 'd'},
    {"row", required_argument, NULL, 'r'},
    {"at", required_argument, NULL, 'a'},
    {"profile", required_argument, NULL, 'p'},
    {"threshold", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct explain_options *o)
{
    struct verb_words words = {&verb_explain, argc, argv, ":h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(verb_explain.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'm')
            o->model = optarg;
        if (c == 'd')
            o->data = optarg;
        if (c == 'r')
            o->row = optarg;
        if (c == 'a')
            o->at = optarg;
        if (c == 'p')
            o->profile = optarg;
        if (c == 't')
            o->threshold = optarg;
        if (c == 'j')
            o->json = true;
    }
    if (optind < argc)
        return verb_usage(&verb_explain, "expected no more words, found '%s'", argv[optind]);
    if (!o->model || !o->data)
        return verb_usage(&verb_explain, "expected --model FILE and --data FILE");
    if (!o->row == !o->at)
        return verb_usage(&verb_explain, "expected --row N or --at TIME, found %s",
                          o->row ? "both" : "neither");
    return -1;
}

/* The row that is asked for: by number, or the last one at or before a time. */
static enum rc find_row(const struct explain_options *o, const struct table *t, size_t *ret,
                        struct err *err)
{
    const size_t rows = t->d->rows;
    int64_t at_ms;
    uint64_t n;

    if (rows == 0)
        return err_set(err, E_STATE, "%s: expected frames, found a header alone", o->data);
    if (o->row) {
        if (!str_to_u64(str_of(o->row), &n) || n < 1)
            return err_set(err, E_CONFIG, "--row: expected a number from 1, found '%s'", o->row);
        if (n > rows)
            return err_set(err, E_CONFIG, "--row: expected at most %zu, the rows of %s, found %s",
                           rows, o->data, o->row);
        *ret = (size_t)n - 1;
        return OK;
    }
    if (verb_time(o->at, "--at", &at_ms, err) != OK)
        return err->rc;
    if (at_ms < t->d->ts_ms[0])
        return err_set(err, E_CONFIG, "--at: expected a time not before the first row of %s",
                       o->data);
    size_t row = 0;
    while (row + 1 < rows && t->d->ts_ms[row + 1] <= at_ms)
        row++;
    *ret = row;
    return OK;
}

static void explanation_done(struct explanation *e)
{
    scorer_free(e->scorer);
    mem_free(e->part);
    mem_free(e->rank);
    mem_free(e->group);
    silence_free(e->silence);
}

static enum rc make_room(struct explanation *e, struct err *err)
{
    const size_t n = e->schema->n;

    e->part = mem_array(n, sizeof *e->part);
    e->rank = mem_array(n, sizeof *e->rank);
    e->group = mem_array(n, sizeof *e->group);
    if (!e->part || !e->rank || !e->group)
        return err_set(err, E_NOMEM, "no memory to explain %zu features", n);
    return silence_new(n, &e->silence, err);
}

static int by_cause(const void *a, const void *b, void *arg)
{
    const struct scorer_part *part = arg;
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    if (part[x].cause != part[y].cause)
        return part[x].cause > part[y].cause ? -1 : 1;
    return x < y ? -1 : 1; /* the schema's order among equals */
}

static int by_group_cause(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    if (x->cause != y->cause)
        return x->cause > y->cause ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void rank(struct explanation *e)
{
    for (size_t i = 0; i < e->schema->n; i++) {
        const char *name = e->schema->f[i].group;
        size_t g = 0;
        e->rank[i] = i;
        while (g < e->n_groups && strcmp(e->group[g].name, name) != 0)
            g++;
        if (g == e->n_groups)
            e->group[e->n_groups++].name = name;
        e->group[g].cause += (double)e->part[i].cause;
        e->causes += (double)e->part[i].cause;
    }
    qsort_r(e->rank, e->schema->n, sizeof *e->rank, by_cause, e->part);
    qsort(e->group, e->n_groups, sizeof *e->group, by_group_cause);
}

static double share_of(const struct explanation *e, double cause)
{
    return e->causes > 0 ? cause / e->causes : 0;
}

static void put_bar(double share, struct buf *out)
{
    for (int i = 0; i < (int)lround(fmin(share, 1) * BAR_CELLS); i++)
        buf_puts(out, "█");
}

static void put_features(const struct explanation *e, bool bars, struct buf *out)
{
    char value[UNITS_MAX], expected[UNITS_MAX];

    buf_printf(out, "\n  %-32s %14s %14s %12s  share\n", "feature", "value", "expected", "part");
    for (size_t k = 0; k < e->schema->n; k++) {
        const struct feature *f = &e->schema->f[e->rank[k]];
        const struct scorer_part *p = &e->part[e->rank[k]];
        const double share = share_of(e, (double)p->cause);
        units_format((double)p->value, f->unit, value);
        units_format((double)p->expected, f->unit, expected);
        buf_printf(out, "  %-32s %14s %14s %12.4g %4.0f %% ", f->name, value, expected,
                   (double)p->part, 100 * share);
        if (bars)
            put_bar(share, out);
        buf_puts(out, "\n");
    }
    buf_puts(out, "\n  by nature\n");
    for (size_t g = 0; g < e->n_groups; g++) {
        const double share = share_of(e, e->group[g].cause);
        buf_printf(out, "  %-32s %4.0f %% ", e->group[g].name[0] ? e->group[g].name : "(no group)",
                   100 * share);
        if (bars)
            put_bar(share, out);
        buf_puts(out, "\n");
    }
}

static void put_silence(const struct explanation *e, struct buf *out)
{
    const struct counterfactual *c = &e->counterfactual;
    char value[UNITS_MAX];

    buf_puts(out, "\n");
    if (!e->verdict.anomalous) {
        buf_puts(out, "  It is not anomalous: nothing needs to be restored.\n");
        return;
    }
    if (c->n == 0) {
        buf_printf(
            out,
            "  No group of at most %d features would bring its evidence under the threshold.\n",
            COUNTERFACTUAL_MAX);
        return;
    }
    buf_printf(out, "  Restoring %s would bring its evidence to %.4g:\n",
               c->n == 1 ? "this feature" : "these features", (double)c->score);
    for (size_t i = 0; i < c->n; i++) {
        const struct feature *f = &e->schema->f[c->feature[i]];
        units_format((double)e->restored_part[c->feature[i]].value, f->unit, value);
        buf_printf(out, "    %s to %s\n", f->name, value);
    }
}

static void put_text(const struct explanation *e, const struct table *t, bool bars, struct buf *out)
{
    const struct verdict *v = &e->verdict;
    char when[REPORT_TIME_MAX];

    report_time(v->ts_ms, when);
    buf_printf(out, "row %zu of %s, %s UTC: ", e->row + 1, t->path, when);
    if (isnan(v->score))
        buf_puts(out, "nothing could be scored\n");
    else
        buf_printf(
            out,
            "score %.6g, evidence of this row alone %.6g, threshold %.6g: %s; %.0f %% of the "
            "features are there\n",
            (double)v->score, (double)v->evidence, (double)v->threshold,
            v->anomalous ? "anomalous" : "not anomalous", 100 * (double)v->confidence);
    put_features(e, bars, out);
    if (!isnan(v->score))
        put_silence(e, out);
}

static json_t *features_json(const struct explanation *e)
{
    json_t *a = json_array();

    for (size_t k = 0; k < e->schema->n; k++) {
        const struct feature *f = &e->schema->f[e->rank[k]];
        const struct scorer_part *p = &e->part[e->rank[k]];
        json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "feature", f->name,
                              "group", f->group, "unit", f->unit, "value", report_float(p->value),
                              "expected", report_float(p->expected), "part", report_float(p->part),
                              "cause", report_float(p->cause), "share",
                              report_number(share_of(e, (double)p->cause)));
        if (json_array_append_new(a, o) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

static json_t *groups_json(const struct explanation *e)
{
    json_t *a = json_array();

    for (size_t g = 0; g < e->n_groups; g++) {
        json_t *o = json_pack("{s:s, s:o}", "group", e->group[g].name, "share",
                              report_number(share_of(e, e->group[g].cause)));
        if (json_array_append_new(a, o) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

/* null: not over the threshold, or no group does. */
static json_t *silence_json(const struct explanation *e)
{
    const struct counterfactual *c = &e->counterfactual;
    json_t *a = json_array();

    if (c->n == 0) {
        json_decref(a);
        return json_null();
    }
    for (size_t i = 0; i < c->n; i++) {
        json_t *o = json_pack("{s:s, s:o}", "feature", e->schema->f[c->feature[i]].name, "to",
                              report_float(e->restored_part[c->feature[i]].value));
        if (json_array_append_new(a, o) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return json_pack("{s:o, s:o}", "features", a, "evidence", report_float(c->score));
}

static json_t *all_json(const struct explanation *e)
{
    const struct verdict *v = &e->verdict;

    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:i}", "row",
                     (json_int_t)e->row + 1, "time", report_time_json(v->ts_ms), "score",
                     report_float(v->score), "evidence", report_float(v->evidence), "threshold",
                     report_float(v->threshold), "anomalous", v->anomalous, "confidence",
                     report_float(v->confidence), "features", features_json(e), "groups",
                     groups_json(e), "counterfactual", silence_json(e), "counterfactual_max",
                     COUNTERFACTUAL_MAX);
}

/* Rows up to the one in question, as `tocsin score` judges them. */
static void score_up_to(struct explanation *e, const struct table *t)
{
    const int64_t interval_ms = dataset_interval_ms(t->d);

    for (size_t r = 0; r <= e->row; r++) {
        if (table_is_gap(t, r, interval_ms))
            scorer_clear(e->scorer);
        scorer_push(e->scorer, t->d->ts_ms[r], t->d->X + r * t->d->n, &e->verdict);
    }
}

static enum rc explain(const struct explain_options *o, struct err *err)
{
    CLEANUP(table_done) struct table t = {0};
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(explanation_done) struct explanation e = {0};
    CLEANUP(buf_done) struct buf out;
    uint64_t unused;

    buf_init(&out, OUTPUT_MAX);
    enum rc rc = verb_model(o->model, o->threshold, &m, &unused, err);
    if (rc == OK)
        rc = table_read_for(o->data, o->profile, m, o->model, &t, err);
    if (rc == OK)
        rc = find_row(o, &t, &e.row, err);
    if (rc != OK)
        return rc;
    assert(m);
    e.schema = m->schema;
    rc = make_room(&e, err);
    if (rc == OK)
        rc = scorer_new(m, &e.scorer, err);
    if (rc == OK)
        rc = scorer_follow_day(e.scorer, err);
    if (rc != OK)
        return rc;
    score_up_to(&e, &t);
    scorer_parts(e.scorer, e.part);
    rank(&e);
    silence_find(e.silence, e.scorer, &e.verdict, &e.counterfactual);
    e.restored_part = silence_parts(e.silence);
    if (o->json)
        return report_json(all_json(&e), err);
    put_text(&e, &t, isatty(STDOUT_FILENO), &out);
    return report_text(&out, err);
}

static int run(int argc, char **argv)
{
    struct explain_options o = {0};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    return explain(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_explain = {
    .name = "explain",
    .summary = "say why a row of a CSV file has its score",
    .help =
        "usage: tocsin explain --model FILE --data FILE (--row N | --at TIME) [OPTION...]\n\n"
        "Scores the rows up to one as they came and explains that one: each feature with its\n"
        "value, what was expected, its part of the row's own evidence, and its share as a cause,\n"
        "by which they are ranked: what is new in the file so far counts, and what is rare for\n"
        "that feature; the shares of their groups; and the fewest features found that, had they "
        "been as\n"
        "expected, would have brought the evidence under the threshold.\n\n"
        "      --model FILE      from `tocsin train` or a daemon's data directory\n"
        "      --data FILE       the frames, as for `tocsin score`\n"
        "      --row N           the N-th frame of the file, from 1\n"
        "      --at TIME         the last frame at or before then: RFC 3339 or Unix seconds\n"
        "      --threshold SPEC  staged, percentile:99.5, sigma:3, auto, budget:2/week or\n"
        "                        fixed:0.1998 (default: the model's own)\n"
        "      --profile NAME    the columns are the base features of this profile (default: as\n"
        "                        for `tocsin score`)\n"
        "      --json            print it as JSON\n"
        "  -h, --help            this text\n\n"
        "Exit codes: 0 explained, 1 a file is wrong or does not fit the model, 2 the options are\n"
        "wrong.\n\n"
        "Example: tocsin explain --model normal.tsm --data today.csv --at 2025-02-20T21:55:00Z\n",
    .run = run,
};
