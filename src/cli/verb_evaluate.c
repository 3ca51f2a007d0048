/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "cli/evaluation.h"
#include "cli/report.h"
#include "cli/verb.h"

enum { REPORT_MAX_BYTES = 8192 };

static const struct option long_options[] = {
    {"labels", required_argument, NULL, 'l'},
    {"scores", required_argument, NULL, 's'},
    {"threshold", required_argument, NULL, 't'},
    {"window", required_argument, NULL, 'w'},
    {"series", required_argument, NULL, 'S'},
    {"causes", required_argument, NULL, 'c'},
    {"contributions", required_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct evaluate_options {
    struct evaluation_files files;
    const char *threshold, *window; /* as written */
    bool json;
};

static void take_option(struct evaluate_options *o, int c)
{
    if (c == 'l')
        o->files.labels = optarg;
    if (c == 's')
        o->files.scores = optarg;
    if (c == 't')
        o->threshold = optarg;
    if (c == 'w')
        o->window = optarg;
    if (c == 'S')
        o->files.series = optarg;
    if (c == 'c')
        o->files.causes = optarg;
    if (c == 'f')
        o->files.contributions = optarg;
    if (c == 'j')
        o->json = true;
}

/* The options together; an exit code, or -1 to go on. */
static int check(struct evaluate_options *o)
{
    struct evaluation_files *f = &o->files;
    uint64_t window = VUS_WINDOW;

    if (!f->labels || !f->scores)
        return verb_usage(&verb_evaluate, "expected --labels FILE and --scores FILE");
    if (o->window && f->series)
        return verb_usage(&verb_evaluate, "expected --window or --series, found both");
    if (f->series && (!f->series[0] || strstr(f->series, ",,") || f->series[0] == ',' ||
                      f->series[strlen(f->series) - 1] == ','))
        return verb_usage(&verb_evaluate,
                          "--series: expected files with commas between, found '%s'", f->series);
    if (!f->causes != !f->contributions)
        return verb_usage(&verb_evaluate, "expected --causes and --contributions together, found "
                                          "one of them");
    if (o->window && (!str_to_u64(str_of(o->window), &window) || window > VUS_WINDOW_MAX))
        return verb_usage(&verb_evaluate,
                          "--window: expected a number of rows up to %d, found "
                          "'%s'",
                          VUS_WINDOW_MAX, o->window);
    f->window = (size_t)window;
    f->threshold_given = o->threshold;
    if (o->threshold &&
        (!str_to_double(str_of(o->threshold), &f->threshold) || !isfinite(f->threshold)))
        return verb_usage(&verb_evaluate, "--threshold: expected a score such as 0.25, found '%s'",
                          o->threshold);
    return -1;
}

static int parse(int argc, char **argv, struct evaluate_options *o)
{
    struct verb_words words = {&verb_evaluate, argc, argv, ":h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(verb_evaluate.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        take_option(o, c);
    }
    if (optind < argc)
        return verb_usage(&verb_evaluate, "expected no more words, found '%s'", argv[optind]);
    return check(o);
}

static void put_alarms(struct buf *out, const struct evaluation *e)
{
    const struct alarms *a = &e->alarms;

    if (isnan(e->threshold_least))
        buf_puts(out, "\nrows that the file says are anomalous\n");
    else if (e->threshold_least == e->threshold_most)
        buf_printf(out, "\nat the threshold %.6g\n", e->threshold_least);
    else
        buf_printf(out, "\nat each row's threshold, %.6g to %.6g\n", e->threshold_least,
                   e->threshold_most);
    buf_printf(out, "precision             %.4f\n", a->precision);
    buf_printf(out, "recall                %.4f\n", a->recall);
    buf_printf(out, "F1                    %.4f\n", a->f1);
    buf_printf(out, "events found          %zu of %zu: detection rate %.1f %%\n", a->events_found,
               a->events, 100 * a->detection_rate);
    buf_printf(out, "false alarms          %zu, %.3f per 1000 rows\n", a->false_alarm_events,
               a->false_alarm_events_per_1000);
    buf_printf(out, "false-positive rate   %.3f %% of normal rows\n", 100 * a->false_positive_rate);
    if (a->events_found)
        buf_printf(out, "delay                 mean %.1f rows, median %.1f\n", a->delay_mean,
                   a->delay_median);
    if (!isnan(a->mean_time_to_detect_s)) {
        char text[STR_DURATION_MAX];
        str_from_duration_ms(llround(a->mean_time_to_detect_s) * 1000, text);
        buf_printf(out, "mean time to detect   %s\n", text);
    }
}

static enum rc print_text(const struct evaluation *e, struct err *err)
{
    const struct point_measures *p = &e->point;
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, REPORT_MAX_BYTES);
    buf_printf(&out, "%zu rows, %zu of them anomalous in %zu event%s", e->labels.rows,
               e->events.marked, e->events.n, e->events.n == 1 ? "" : "s");
    if (e->unscored)
        buf_printf(&out, "; %zu without a score, ranked last", e->unscored);
    buf_printf(&out, "\n\nat every threshold; buffers up to %zu rows\n", e->window);
    buf_printf(&out, "VUS-PR                %.4f\n", e->vus.vus_pr);
    buf_printf(&out, "VUS-ROC               %.4f\n", e->vus.vus_roc);
    buf_printf(&out, "R-AUC-PR              %.4f\n", e->vus.r_auc_pr);
    buf_printf(&out, "R-AUC-ROC             %.4f\n", e->vus.r_auc_roc);
    buf_printf(&out, "AUC-PR                %.4f\n", p->auc_pr);
    buf_printf(&out, "AUC-ROC               %.4f\n", p->auc_roc);
    buf_printf(&out, "best F1               %.4f at %.6g\n", p->f1, p->f1_threshold);
    buf_printf(&out, "best PA-F1            %.4f at %.6g\n", p->pa_f1, p->pa_f1_threshold);
    buf_printf(&out, "best event F1         %.4f\n", p->event_f1);
    if (e->flag)
        put_alarms(&out, e);
    if (e->hits.events) {
        buf_printf(&out, "\ncauses of %zu event%s\n", e->hits.events,
                   e->hits.events == 1 ? "" : "s");
        buf_printf(&out, "HitRate@100%%          %.4f\n", e->hits.at_100);
        buf_printf(&out, "HitRate@150%%          %.4f\n", e->hits.at_150);
    }
    return report_text(&out, err);
}

static json_t *alarms_json(const struct evaluation *e)
{
    const struct alarms *a = &e->alarms;
    const bool one = e->threshold_least == e->threshold_most;

    return json_pack(
        "{s:o, s:o, s:o, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:o, s:o, s:f, s:f, s:o}", //
        "threshold", one ? report_number(e->threshold_least) : json_null(), "threshold_least",
        report_number(e->threshold_least), "threshold_most", report_number(e->threshold_most),
        "precision", a->precision, "recall", a->recall, "f1", a->f1, "events",
        (json_int_t)a->events, "events_found", (json_int_t)a->events_found, "false_alarm_events",
        (json_int_t)a->false_alarm_events, "false_alarm_events_per_1000",
        a->false_alarm_events_per_1000, "delay_mean", report_number(a->delay_mean), "delay_median",
        report_number(a->delay_median), "detection_rate", a->detection_rate, "false_positive_rate",
        a->false_positive_rate, "mean_time_to_detect_s", report_number(a->mean_time_to_detect_s));
}

static enum rc print_json(const struct evaluation *e, struct err *err)
{
    const struct point_measures *p = &e->point;
    json_t *hits = e->hits.events
                       ? json_pack("{s:I, s:f, s:f}", "events", (json_int_t)e->hits.events,
                                   "hit_rate_100", e->hits.at_100, "hit_rate_150", e->hits.at_150)
                       : json_null();

    return report_json(
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
                  "s:f, s:o, s:o}",
                  "rows", (json_int_t)e->labels.rows, "anomalous", (json_int_t)e->events.marked,
                  "events", (json_int_t)e->events.n, "unscored", (json_int_t)e->unscored, "window",
                  (json_int_t)e->window, "vus_pr", e->vus.vus_pr, "vus_roc", e->vus.vus_roc,
                  "r_auc_pr", e->vus.r_auc_pr, "r_auc_roc", e->vus.r_auc_roc, "auc_pr", p->auc_pr,
                  "auc_roc", p->auc_roc, "f1", p->f1, "f1_threshold", p->f1_threshold, "pa_f1",
                  p->pa_f1, "pa_f1_threshold", p->pa_f1_threshold, "event_f1", p->event_f1,
                  "at_threshold", e->flag ? alarms_json(e) : json_null(), "causes", hits),
        err);
}

static int run(int argc, char **argv)
{
    struct evaluate_options o = {0};
    CLEANUP(evaluation_done) struct evaluation e = {0};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (evaluation_make(&o.files, &e, &err) != OK)
        return verb_fail(&err);
    return (o.json ? print_json(&e, &err) : print_text(&e, &err)) == OK ? EXIT_FINE
                                                                        : verb_fail(&err);
}

const struct verb verb_evaluate = {
    .name = "evaluate",
    .summary = "measure scores against labels",
    .help =
        "usage: tocsin evaluate --labels FILE --scores FILE [OPTION...]\n\n"
        "Says how well the scores of a CSV file tell the anomalies of another: VUS-PR and other\n"
        "measures over every threshold, and at one threshold events found, false alarms, delay,\n"
        "detection rate, false-positive rate and mean time to detect.\n\n"
        "      --labels FILE         with a column label, 0 or 1, a row a sample\n"
        "      --scores FILE         with a column score, as `tocsin score` writes it; a row "
        "without\n"
        "                            a score (NaN) ranks last\n"
        "      --threshold X         scores of X and more ring (default: the column anomalous of\n"
        "                            the scores, else their column threshold, if there is one)\n"
        "      --window N            widest buffer around an event that VUS forgives, in rows\n"
        "                            (default 100)\n"
        "      --series FILE,...     take it from the period of the first metric of these files\n"
        "                            put end to end, normally TRAIN.csv,TEST.csv\n"
        "      --causes FILE         lines first-last:k,k,...: rows from 0, the metrics from 1 "
        "that\n"
        "                            show the event; prints hit rates\n"
        "      --contributions FILE  timestamp,<feature>,...: how much each is a cause\n"
        "      --json                print the result as JSON\n"
        "  -h, --help                this text\n\n"
        "Exit codes: 0 measured, whatever the result, 1 a file is wrong or does not fit another,\n"
        "2 the options are wrong.\n\n"
        "Example: tocsin evaluate --labels label.csv --scores scores.csv --series "
        "train.csv,test.csv\n",
    .run = run,
};
