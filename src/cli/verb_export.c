/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/stats.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "exchange/exchange.h"
#include "exchange/tflite_quantize.h"

/* Of a written model: NET_PARAMS_MAX numbers, the season's and the facts. */
enum { OUTPUT_BYTES_MAX = 1 << 29 };

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'},
    {"raw", no_argument, NULL, 'r'},
    {"int8", no_argument, NULL, 'i'},
    {"data", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct export_options {
    const char *model, *output, *data;
    const char *format_name;
    enum exchange_format format;
    bool raw, int8, json;
};

static int check(struct export_options *o)
{
    if (!o->model || !o->format_name || !o->output)
        return verb_usage(&verb_export, "expected --model FILE, --format and -o FILE");
    if (strcmp(o->format_name, "onnx") == 0)
        o->format = EXCHANGE_ONNX;
    else if (strcmp(o->format_name, "tflite") == 0)
        o->format = EXCHANGE_TFLITE;
    else
        return verb_usage(&verb_export, "--format: expected tflite or onnx, found '%s'",
                          o->format_name);
    if (o->int8 && o->format != EXCHANGE_TFLITE)
        return verb_usage(&verb_export, "--int8: expected --format tflite beside it");
    if (o->int8 != (o->data != NULL))
        return verb_usage(&verb_export, "expected --int8 and --data FILE together: the frames say "
                                        "how far values reach");
    return -1;
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct export_options *o)
{
    struct verb_words words = {&verb_export, argc, argv, ":o:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(verb_export.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'm')
            o->model = optarg;
        if (c == 'f')
            o->format_name = optarg;
        if (c == 'o')
            o->output = optarg;
        if (c == 'r')
            o->raw = true;
        if (c == 'i')
            o->int8 = true;
        if (c == 'd')
            o->data = optarg;
        if (c == 'j')
            o->json = true;
    }
    if (optind < argc)
        return verb_usage(&verb_export, "expected no more words, found '%s'", argv[optind]);
    return check(o);
}

/* Frames as the export takes them: missing values at their median, scaled for the bare network. */
struct frames {
    float *X, *t;
    size_t rows;
};

static void frames_done(struct frames *f)
{
    mem_free(f->X);
    mem_free(f->t);
}

static float second_of_day(int64_t ts_ms)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    const int64_t at = ts_ms % DAY_MS;

    return (float)(at < 0 ? at + DAY_MS : at) / 1000;
}

/* What the network is shown of a frame. */
static void scale(const struct model *m, int64_t ts_ms, float *x)
{
    season_subtract(&m->season, ts_ms, x, x);
    scaler_apply(&m->scaler, x, x);
    for (size_t i = 0; i < m->schema->n; i++)
        x[i] = model_learned(m, i) ? fminf(fmaxf(x[i], m->clip_low), m->clip_high) : SCALER_CENTRE;
}

static enum rc read_frames(const struct export_options *o, const struct model *m,
                           struct frames *ret, struct err *err)
{
    CLEANUP(table_done) struct table table = {0};
    const size_t n = m->schema->n;

    if (table_read_for(o->data, NULL, m, o->model, &table, err) != OK)
        return err->rc;
    const struct dataset *const d = table.d;
    if (d->rows == 0)
        return err_set(err, E_STATE, "'%s': expected frames to calibrate by, found none", o->data);
    ret->rows = d->rows;
    ret->X = mem_array(d->rows * n, sizeof *ret->X);
    ret->t = mem_array(d->rows, sizeof *ret->t);
    if (!ret->X || !ret->t)
        return err_set(err, E_NOMEM, "no memory for %zu frames", d->rows);
    for (size_t r = 0; r < d->rows; r++) {
        float *const x = ret->X + r * n;

        ret->t[r] = second_of_day(d->ts_ms[r]);
        for (size_t i = 0; i < n; i++) {
            const float v = d->X[r * n + i];
            x[i] = isfinite(v) ? v : m->scaler.median[i] + season_at(&m->season, d->ts_ms[r], i);
        }
        if (o->raw)
            scale(m, d->ts_ms[r], x);
    }
    return OK;
}

/* What int8 does to the score of the frames that it was calibrated by. */
struct change {
    size_t rows, verdicts; /* verdicts: of so many rows it changes */
    double mean, largest;  /* of the absolute difference */
    float threshold;       /* what the verdicts are by */
};

/* Where the threshold is not one of this score, the verdicts are by the score that one frame in two
 * hundred passes, as our default of a percentile has it. */
static const double FALLBACK_QUANTILE = 0.995;

static enum rc find_change(const struct model *m, const struct exchange_plan *p,
                           const struct exchange_calibration *c, struct change *ret,
                           struct err *err)
{
    CLEANUP(mem_freep) float *scores = mem_array(c->rows, 3 * sizeof *scores);
    struct change change = {.rows = c->rows, .threshold = m->threshold};

    if (!scores)
        return err_set(err, E_NOMEM, "no memory for the scores of %zu frames", c->rows);
    float *const plain = scores, *const int8 = plain + c->rows, *const sorted = int8 + c->rows;
    if (tflite_int8_scores(p, c, plain, int8, err) != OK)
        return err->rc;
    if (!model_is_classic(m)) {
        memcpy(sorted, plain, c->rows * sizeof *sorted);
        change.threshold = stats_quantile(sorted, c->rows, FALLBACK_QUANTILE);
    }
    for (size_t r = 0; r < c->rows; r++) {
        const double d = fabs((double)int8[r] - (double)plain[r]);

        change.mean += d / (double)c->rows;
        change.largest = fmax(change.largest, d);
        change.verdicts += (plain[r] > change.threshold) != (int8[r] > change.threshold);
    }
    *ret = change;
    return OK;
}

static enum rc write_model(const struct export_options *o, const struct model *m,
                           const struct exchange_plan *p, struct buf *out, struct change *ret,
                           struct err *err)
{
    CLEANUP(frames_done) struct frames frames = {0};

    if (o->format == EXCHANGE_ONNX)
        return onnx_write(p, out, err);
    if (!o->int8)
        return tflite_write(p, NULL, out, err);
    if (read_frames(o, m, &frames, err) != OK)
        return err->rc;
    const struct exchange_calibration calibration = {frames.rows, frames.X, frames.t};
    if (find_change(m, p, &calibration, ret, err) != OK)
        return err->rc;
    return tflite_write(p, &calibration, out, err);
}

static json_t *change_json(const struct export_options *o, const struct change *c)
{
    if (!o->int8)
        return json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:I}", "rows", (json_int_t)c->rows, "mean",
                     report_number(c->mean), "largest", report_number(c->largest), "threshold",
                     report_float(c->threshold), "verdicts", (json_int_t)c->verdicts);
}

static enum rc tell(const struct export_options *o, const struct model *m,
                    const struct exchange_plan *p, size_t bytes, const struct change *change,
                    struct err *err)
{
    const char *const format = o->format == EXCHANGE_ONNX ? "ONNX" : "TensorFlow Lite";
    const char *const score = exchange_facts_get(&p->facts, EXCHANGE_SCORE);
    const bool time = p->season_slots > 0;

    if (o->json)
        return report_json(
            json_pack("{s:s, s:b, s:b, s:I, s:I, s:b, s:o, s:s, s:s, s:I, s:o}", "format",
                      o->format_name, "raw", o->raw, "int8", o->int8, "features", (json_int_t)p->n,
                      "parameters", (json_int_t)p->net.n_params, "time_of_day", time, "threshold",
                      report_float(m->threshold), "score", score ? score : "", "output", o->output,
                      "bytes", (json_int_t)bytes, "change", change_json(o, change)),
            err);
    printf("exported as %s%s: %zu bytes, %zu features\n", format, o->int8 ? ", int8" : "", bytes,
           p->n);
    if (o->raw)
        printf("  input   %s: scaled\n  output  %s\n", EXCHANGE_IN_RAW, EXCHANGE_OUT_RAW);
    else
        printf("  input   %s, in their own units%s%s\n  output  %s, %s, %s\n", EXCHANGE_IN,
               time ? "; " : "", time ? EXCHANGE_IN_TIME ", in seconds of the UTC day" : "",
               EXCHANGE_OUT, EXCHANGE_OUT_ERROR, EXCHANGE_OUT_SCORE);
    printf("  score   %s\n", score ? score : "");
    if (o->int8)
        printf(
            "  int8    changes the error of %zu frames by %.3g on average, %.3g at most; over or "
            "under %.4g, %zu of them change sides\n",
            change->rows, change->mean, change->largest, (double)change->threshold,
            change->verdicts);
    return report_flush(err);
}

static enum rc export_model(const struct export_options *o, struct err *err)
{
    const char *const taken[] = {o->model, o->data};
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(exchange_plan_done) struct exchange_plan p = {0};
    CLEANUP(buf_done) struct buf out;
    struct change change = {0};

    buf_init(&out, OUTPUT_BYTES_MAX);
    if (verb_output(o->output, taken, sizeof taken / sizeof *taken, err) != OK ||
        model_load(o->model, &m, err) != OK || exchange_plan_make(m, o->raw, &p, err) != OK ||
        write_model(o, m, &p, &out, &change, err) != OK ||
        file_write(o->output, out.p, out.n, err) != OK)
        return err->rc;
    return tell(o, m, &p, out.n, &change, err);
}

static int run(int argc, char **argv)
{
    struct export_options o = {0};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    return export_model(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_export = {
    .name = "export",
    .summary = "write a model as TensorFlow Lite or ONNX",
    .help =
        "usage: tocsin export --model FILE --format tflite|onnx -o FILE [OPTION...]\n\n"
        "Writes a model for other programs: input features [batch][n] in their own units; outputs\n"
        "reconstruction, feature_error and anomaly_score, which is the reconstruction error. A\n"
        "model with a daily rhythm has a second input, time_of_day. Names, threshold and where\n"
        "the model comes from stand in its metadata.\n\n"
        "      --model FILE     of tocsin train, or of a data folder's models/\n"
        "      --format FORMAT  tflite or onnx\n"
        "  -o, --output FILE    write it there\n"
        "      --raw            the bare network: scaled features to their reconstruction\n"
        "      --int8           weights and activations as 8-bit integers (tflite)\n"
        "      --data FILE      frames that say how far values reach, for --int8\n"
        "      --json           the result as JSON\n"
        "  -h, --help           this text\n\n"
        "Exit codes: 0 done, 1 it failed, 2 the options are wrong.\n\n"
        "Example: tocsin export --model normal.tsm --format onnx -o normal.onnx\n",
    .run = run,
};
