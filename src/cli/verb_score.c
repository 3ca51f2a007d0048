/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "detect/scorer.h"
#include "model/model.h"

enum { LINE_MAX_BYTES = 128 }; /* of one row's scores, at most */

struct score_options {
    const char *model, *data;
    const char *output;        /* NULL: standard output */
    const char *contributions; /* NULL: not written */
    const char *profile;       /* NULL: the model's own where the columns ask for it */
    const char *threshold;     /* NULL: the model's own */
    bool json;
};

struct score_summary {
    size_t rows, anomalous, unscored;
    double sum;
    float largest;
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"data", required_argument, NULL, 'd'},
    {"output", required_argument, NULL, 'o'},
    {"contributions", required_argument, NULL, 'C'},
    {"profile", required_argument, NULL, 'p'},
    {"threshold", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct score_options *o)
{
    struct verb_words words = {&verb_score, argc, argv, ":o:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(verb_score.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'm')
            o->model = optarg;
        if (c == 'd')
            o->data = optarg;
        if (c == 'o')
            o->output = strcmp(optarg, "-") == 0 ? NULL : optarg;
        if (c == 'C')
            o->contributions = optarg;
        if (c == 'p')
            o->profile = optarg;
        if (c == 't')
            o->threshold = optarg;
        if (c == 'j')
            o->json = true;
    }
    if (optind < argc)
        return verb_usage(&verb_score, "expected no more words, found '%s'", argv[optind]);
    if (!o->model || !o->data)
        return verb_usage(&verb_score, "expected --model FILE and --data FILE");
    if (o->json && !o->output)
        return verb_usage(&verb_score, "--json: expected -o FILE beside it, since the scores go to "
                                       "standard output");
    return -1;
}

static void put_row(struct buf *out, const struct verdict *v, enum csv_time form)
{
    csv_put_time(out, v->ts_ms, form);
    buf_puts(out, ",");
    buf_float(out, v->score);
    buf_puts(out, ",");
    buf_float(out, v->threshold);
    buf_puts(out, v->anomalous ? ",1," : ",0,");
    buf_float(out, v->evidence);
    buf_puts(out, "\n");
}

static void put_names(struct buf *out, const struct schema *schema)
{
    buf_puts(out, "timestamp");
    for (size_t i = 0; i < schema->n; i++) {
        buf_puts(out, ",");
        buf_puts(out, schema->f[i].name);
    }
    buf_puts(out, "\n");
}

static void put_causes(struct buf *out, const struct table *t, size_t row,
                       const struct scorer_part *parts)
{
    csv_put_time(out, t->d->ts_ms[row], t->form);
    for (size_t i = 0; i < t->d->n; i++) {
        buf_puts(out, ",");
        buf_float(out, parts[i].cause);
    }
    buf_puts(out, "\n");
}

/* parts: NULL, or where it goes how much each feature is a cause in each row. */
static enum rc score_rows(struct model *m, const struct table *t, struct buf *out,
                          struct buf *parts, struct score_summary *ret, struct err *err)
{
    CLEANUP(scorer_freep) struct scorer *s = NULL;
    struct score_summary sum = {.largest = NAN};
    CLEANUP(mem_freep) struct scorer_part *part = mem_array(m->schema->n, sizeof *part);
    const int64_t interval_ms = dataset_interval_ms(t->d);
    struct verdict v;

    if (!part)
        return err_set(err, E_NOMEM, "no memory for what %zu features add", m->schema->n);
    if (scorer_new(m, &s, err) != OK || scorer_follow_day(s, err) != OK)
        return err->rc;
    buf_puts(out, "timestamp,score,threshold,anomalous,evidence\n");
    if (parts)
        put_names(parts, m->schema);
    for (size_t r = 0; r < t->d->rows; r++) {
        if (table_is_gap(t, r, interval_ms))
            scorer_clear(s);
        scorer_push(s, t->d->ts_ms[r], t->d->X + r * t->d->n, &v);
        put_row(out, &v, t->form);
        if (parts) {
            scorer_parts(s, part);
            put_causes(parts, t, r, part);
        }
        sum.rows++;
        sum.anomalous += v.anomalous ? 1 : 0;
        if (isnan(v.score)) {
            sum.unscored++;
            continue;
        }
        sum.sum += (double)v.score;
        sum.largest = fmaxf(sum.largest, v.score); /* the other one while NaN */
    }
    *ret = sum;
    return OK;
}

static enum rc print_summary(const struct score_options *o, const struct model *m, uint64_t file_id,
                             const struct score_summary *s, struct err *err)
{
    const double mean = s->sum / (double)(s->rows - s->unscored); /* NaN for none */
    char id[REPORT_ID_MAX];

    if (!o->json) {
        fprintf(stderr, "%zu rows: %zu anomalous (score over %.6g), %zu without a score", s->rows,
                s->anomalous, (double)m->threshold, s->unscored);
        if (s->unscored < s->rows)
            fprintf(stderr, "; mean score %.6g, largest %.6g", mean, (double)s->largest);
        fputc('\n', stderr);
        return OK;
    }
    report_id(file_id, id);
    return report_json(
        json_pack("{s:I, s:I, s:I, s:o, s:s, s:s, s:o, s:o, s:s, s:s}", "rows", (json_int_t)s->rows,
                  "anomalous", (json_int_t)s->anomalous, "unscored", (json_int_t)s->unscored,
                  "threshold", report_float(m->threshold), "threshold_method",
                  threshold_method_name(m->threshold_spec.method), "threshold_by",
                  threshold_method_name(m->threshold_by), "mean_score", report_number(mean),
                  "largest_score", report_float(s->largest), "model_id", id, "output", o->output),
        err);
}

static enum rc score(const struct score_options *o, struct err *err)
{
    CLEANUP(table_done) struct table t = {0};
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(buf_done) struct buf out;
    CLEANUP(buf_done) struct buf parts;
    struct score_summary summary = {0};
    uint64_t file_id = 0;

    buf_init(&out, LINE_MAX_BYTES);
    buf_init(&parts, LINE_MAX_BYTES);
    enum rc rc = verb_model(o->model, o->threshold, &m, &file_id, err);
    if (rc != OK)
        return rc;
    assert(m);
    rc = table_read_for(o->data, o->profile, m, o->model, &t, err);
    if (rc != OK)
        return rc;
    buf_init(&out, (t.d->rows + 1) * LINE_MAX_BYTES);
    buf_init(&parts, (t.d->rows + 1) * (LINE_MAX_BYTES + t.d->n * (FEATURE_NAME_MAX + 1)));
    rc = score_rows(m, &t, &out, o->contributions ? &parts : NULL, &summary, err);
    if (rc == OK && (out.failed || parts.failed))
        rc = err_set(err, E_NOMEM, "no memory for the scores of %zu rows", t.d->rows);
    if (rc == OK)
        rc = o->output ? file_write(o->output, out.p, out.n, err) : report_text(&out, err);
    if (rc == OK && o->contributions)
        rc = file_write(o->contributions, parts.p, parts.n, err);
    return rc == OK ? print_summary(o, m, file_id, &summary, err) : rc;
}

static int run(int argc, char **argv)
{
    struct score_options o = {0};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    return score(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_score = {
    .name = "score",
    .summary = "score a CSV file with a model",
    .help =
        "usage: tocsin score --model FILE --data FILE [OPTION...]\n\n"
        "Scores each frame of a CSV file (as for `tocsin train`) and writes\n"
        "timestamp,score,threshold,anomalous,evidence: that of the frame alone, which the score\n"
        "averages; anomalous is 1 where both are over the threshold; NaN where nothing could be\n"
        "scored. Columns are found by name, in any order.\n\n"
        "      --model FILE      from `tocsin train` or a daemon's data directory\n"
        "      --data FILE       the frames to score\n"
        "  -o, --output FILE     where the scores go (default -: standard output)\n"
        "      --contributions FILE\n"
        "                        write how much each feature is a cause in each row, a column\n"
        "                        each: what is new, and rare for that feature\n"
        "      --threshold SPEC  staged, percentile:99.5, sigma:3, auto (of the model's validation "
        "scores),\n"
        "                        budget:2/week (so many false alarms, by the same) or\n"
        "                        fixed:0.1998 (default: the model's own threshold)\n"
        "      --profile NAME    the columns are the base features of this profile, its derived\n"
        "                        ones are added; none: the columns are the features (default: the\n"
        "                        model's profile when a feature of the model is not there)\n"
        "      --json            print a summary as JSON; needs -o FILE\n"
        "  -h, --help            this text\n\n"
        "Exit codes: 0 scored, whatever the scores say, 1 a file is wrong or does not fit the\n"
        "model, 2 the options are wrong.\n\n"
        "Example: tocsin score --model normal.tsm --data today.csv -o scores.csv\n",
    .run = run,
};
