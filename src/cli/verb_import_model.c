/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "config/config.h"
#include "exchange/exchange.h"
#include "model/assemble.h"
#include "source/csv_reader.h"

static const struct option long_options[] = {
    {"schema", required_argument, NULL, 's'},
    {"scaler", required_argument, NULL, 'S'},
    {"threshold", required_argument, NULL, 't'},
    {"output", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct import_options {
    const char *file, *output;
    const char *schema, *scaler, *threshold; /* NULL: what the file says of itself */
    bool json;
};

/* What the model is made of besides its network, and where it came from. */
struct import_parts {
    struct exchange_net net;
    enum exchange_format format;
    struct schema *schema;
    float *low, *span; /* [n], one block */
    const char *scaled_by;
    float threshold;
};

static void parts_done(struct import_parts *p)
{
    exchange_net_done(&p->net);
    schema_free(p->schema);
    mem_free(p->low);
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct import_options *o)
{
    struct verb_words words = {&verb_import_model, argc, argv, ":o:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        switch (c) {
        case 'h':
            fputs(verb_import_model.help, stdout);
            return EXIT_FINE;
        case 's':
            o->schema = optarg;
            break;
        case 'S':
            o->scaler = optarg;
            break;
        case 't':
            o->threshold = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        default:
            return EXIT_USAGE; /* refused, with a sentence */
        }
    }
    if (optind == argc)
        return verb_usage(&verb_import_model, "expected a file: .tflite or .onnx");
    o->file = argv[optind++];
    if (optind < argc)
        return verb_usage(&verb_import_model, "expected no more words, found '%s'", argv[optind]);
    if (!o->output)
        return verb_usage(&verb_import_model, "expected -o FILE");
    return -1;
}

static enum rc read_net(const char *path, struct import_parts *p, struct err *err)
{
    CLEANUP(mem_freep) char *bytes = NULL;
    size_t n = 0;

    if (file_read(path, EXCHANGE_BYTES_MAX, &bytes, &n, err) != OK)
        return err->rc;
    p->format = exchange_format_of(bytes, n);
    switch (p->format) {
    case EXCHANGE_ONNX:
        return onnx_read(bytes, n, path, &p->net, err);
    case EXCHANGE_TFLITE:
        return tflite_read(bytes, n, path, &p->net, err);
    case EXCHANGE_UNKNOWN:
        break;
    }
    return err_set(err, E_PARSE, "'%s': expected a TensorFlow Lite or ONNX model, found %s", path,
                   n ? "another kind of file" : "an empty file");
}

/* One name a line; `whose` is for messages. */
static enum rc parse_names(struct str text, const char *whose, struct schema **ret, struct err *err)
{
    CLEANUP(mem_freep) struct feature *f = mem_array(SCHEMA_FEATURES_MAX, sizeof *f);
    size_t n = 0;

    if (!f)
        return err_set(err, E_NOMEM, "no memory for the names of features");
    text = str_trim(text);
    for (size_t line = 1; text.n > 0; line++) {
        const char *const end = memchr(text.p, '\n', text.n);
        const size_t length = end ? (size_t)(end - text.p) : text.n;
        const struct str name = str_trim((struct str){text.p, length});

        if (n == SCHEMA_FEATURES_MAX)
            return err_set(err, E_LIMIT, "%s: over %d names", whose, SCHEMA_FEATURES_MAX);
        if (name.n == 0 || name.n >= FEATURE_NAME_MAX)
            return err_set(err, E_PARSE,
                           "%s:%zu: expected the name of a feature, 1 to %d bytes, "
                           "found %zu",
                           whose, line, FEATURE_NAME_MAX - 1, name.n);
        memcpy(f[n++].name, name.p, name.n);
        text.p += length + (end ? 1 : 0);
        text.n -= length + (end ? 1 : 0);
    }
    const enum rc rc = schema_new(f, n, ret, err);
    if (rc != OK)
        (void)err_wrap(err, "%s", whose);
    return rc;
}

static enum rc read_schema(const struct import_options *o, struct import_parts *p, struct err *err)
{
    enum { NAMES_BYTES_MAX = SCHEMA_FEATURES_MAX * (FEATURE_NAME_MAX + 2) };
    const char *const own = exchange_facts_get(&p->net.facts, EXCHANGE_FEATURES);
    CLEANUP(mem_freep) char *text = NULL;
    size_t n = 0;

    if (!o->schema && !own)
        return err_set(err, E_CONFIG,
                       "'%s' does not say what its inputs are called: expected --schema FILE with "
                       "one name a line",
                       o->file);
    if (!o->schema)
        return parse_names(str_of(own), "the names in the model", &p->schema, err);
    const enum rc rc = file_read(o->schema, NAMES_BYTES_MAX, &text, &n, err);
    if (rc != OK)
        return rc;
    return parse_names((struct str){text, n}, o->schema, &p->schema, err);
}

static enum rc check_width(const struct import_options *o, const struct import_parts *p,
                           struct err *err)
{
    if (p->net.n_inputs == p->schema->n)
        return OK;
    return err_set(err, E_CONFIG, "'%s' takes %u values, and %s has %zu names", o->file,
                   p->net.n_inputs, o->schema ? o->schema : "it", p->schema->n);
}

/* Of "feature,min,max": three fields of the line in hand. */
static enum rc scaler_row(struct csv_reader *r, struct import_parts *p, bool *seen, struct err *err)
{
    double bound[2];
    struct str name, field;

    if (csv_reader_field(r, &name, err) != OK)
        return err->rc;
    const int at = schema_find(p->schema, name);
    if (at < 0)
        return csv_reader_fail(r, E_PARSE, err, "'%.*s%s' is no feature of the schema",
                               csv_quoted(name), name.p, csv_ellipsis(name));
    if (seen[at])
        return csv_reader_fail(r, E_PARSE, err, "'%s' comes twice", p->schema->f[at].name);
    seen[at] = true;
    for (size_t i = 0; i < 2; i++) {
        if (!r->more)
            return csv_reader_fail(r, E_PARSE, err, "expected feature,min,max");
        if (csv_reader_field(r, &field, err) != OK ||
            csv_reader_number(r, field, i ? "max" : "min", &bound[i], err) != OK)
            return err->rc;
    }
    if (r->more)
        return csv_reader_fail(r, E_PARSE, err, "expected feature,min,max, found another field");
    if (!(bound[0] <= bound[1]) || !isfinite((float)bound[0]) || !isfinite((float)bound[1]) ||
        !isfinite((float)(bound[1] - bound[0])))
        return csv_reader_fail(r, E_PARSE, err,
                               "'%s': expected two finite numbers, the least first",
                               p->schema->f[at].name);
    p->low[at] = (float)bound[0];
    p->span[at] = (float)(bound[1] - bound[0]);
    if (!(p->span[at] > 0)) /* it never moved: scikit-learn's MinMaxScaler divides by 1 then */
        p->span[at] = 1;
    return OK;
}

static enum rc scaler_rows(struct csv_reader *r, struct import_parts *p, struct err *err)
{
    bool seen[SCHEMA_FEATURES_MAX] = {false};
    bool any = false;

    if (csv_reader_line(r, &any, err) != OK)
        return err->rc;
    if (!any || !str_eq(str_trim(r->text), STR("feature,min,max")))
        return csv_reader_fail(r, E_PARSE, err, "expected the header feature,min,max");
    for (;;) {
        if (csv_reader_row(r, &any, err) != OK)
            return err->rc;
        if (!any)
            break;
        if (scaler_row(r, p, seen, err) != OK)
            return err->rc;
    }
    for (size_t i = 0; i < p->schema->n; i++)
        if (!seen[i])
            return csv_reader_fail(r, E_PARSE, err, "expected a line for '%s' too, found none",
                                   p->schema->f[i].name);
    return OK;
}

static enum rc read_scaler(const struct import_options *o, struct import_parts *p, struct err *err)
{
    const size_t n = p->schema->n;
    const char *const own = exchange_facts_get(&p->net.facts, EXCHANGE_SCALER);
    struct csv_reader r = {.fd = -1};

    p->low = mem_array(n, 2 * sizeof *p->low);
    if (!p->low)
        return err_set(err, E_NOMEM, "no memory for the scale of %zu features", n);
    p->span = p->low + n;
    for (size_t i = 0; i < n; i++)
        p->span[i] = 1;
    p->scaled_by = o->scaler ? o->scaler : own ? "the file" : "none: values are taken as 0..1";
    if (!o->scaler && !own)
        return OK;
    enum rc rc = o->scaler ? csv_reader_open(&r, o->scaler, err)
                           : csv_reader_bytes(&r, own, strlen(own), "the scaler in the model", err);
    if (rc == OK)
        rc = scaler_rows(&r, p, err);
    csv_reader_done(&r);
    return rc;
}

static enum rc read_threshold(const struct import_options *o, struct import_parts *p,
                              struct err *err)
{
    const char *const own = exchange_facts_get(&p->net.facts, EXCHANGE_THRESHOLD);
    const char *const method = exchange_facts_get(&p->net.facts, EXCHANGE_THRESHOLD_METHOD);
    struct threshold_spec spec = {.method = THRESHOLD_FIXED};

    if (o->threshold && config_parse_threshold(o->threshold, &spec, err) != OK)
        return err_wrap(err, "--threshold");
    if (spec.method != THRESHOLD_FIXED)
        return err_set(
            err, E_CONFIG,
            "--threshold: expected fixed:NUMBER, found '%s': there are no scores in '%s' "
            "to take another from",
            o->threshold, o->file);
    if (!o->threshold && (!own || !method || strcmp(method, "fixed") != 0 ||
                          !str_to_double(str_of(own), &spec.value)))
        return err_set(err, E_CONFIG,
                       "'%s' does not say its threshold: expected --threshold fixed:NUMBER, which "
                       "the reconstruction error is compared with",
                       o->file);
    p->threshold = (float)spec.value;
    return OK;
}

static enum rc assemble(struct import_parts *p, struct model **ret, struct err *err)
{
    struct model_parts parts = {.schema = p->schema,
                                .low = p->low,
                                .span = p->span,
                                .threshold = p->threshold,
                                .provenance = {.profile = "none"}};

    (void)snprintf(parts.provenance.version, sizeof parts.provenance.version, "%s", TOCSIN_VERSION);
    const enum rc rc = exchange_net_to(&p->net, &parts.net, err);
    return rc == OK ? model_assemble(&parts, ret, err) : rc;
}

static json_t *widths(const struct model *m)
{
    json_t *a = json_array();

    (void)json_array_append_new(a, json_integer((json_int_t)m->schema->n)); /* checked at the end */
    for (size_t i = 0; i < m->net.n_layers; i++)
        (void)json_array_append_new(a, json_integer(m->net.layer[i].out));
    return a;
}

static enum rc tell(const struct import_options *o, const struct import_parts *p,
                    const struct model *m, struct err *err)
{
    const char *const format = p->format == EXCHANGE_ONNX ? "ONNX" : "TensorFlow Lite";
    char id[REPORT_ID_MAX];

    report_id(model_id(m), id);
    if (o->json)
        return report_json(
            json_pack("{s:s, s:o, s:I, s:s, s:o, s:s, s:s}", "format", format, "layers", widths(m),
                      "parameters", (json_int_t)m->net.n_params, "scaler", p->scaled_by,
                      "threshold", report_float(m->threshold), "model_id", id, "model", o->output),
            err);
    printf("imported from %s: %zu features\n  network    %zu", format, m->schema->n, m->schema->n);
    for (size_t i = 0; i < m->net.n_layers; i++)
        printf("-%u", m->net.layer[i].out);
    printf(
        "\n  scaler     %s\n  threshold  %.6g, of the reconstruction error\n  model      %s %s\n",
        p->scaled_by, (double)m->threshold, id, o->output);
    return report_flush(err);
}

static enum rc import(const struct import_options *o, struct err *err)
{
    const char *const taken[] = {o->file, o->schema, o->scaler};
    CLEANUP(parts_done) struct import_parts p = {0};
    CLEANUP(model_unrefp) struct model *m = NULL;

    enum rc rc = verb_output(o->output, taken, sizeof taken / sizeof *taken, err);
    if (rc == OK)
        rc = read_net(o->file, &p, err);
    if (rc == OK)
        rc = read_schema(o, &p, err);
    if (rc == OK)
        rc = check_width(o, &p, err);
    if (rc == OK)
        rc = read_scaler(o, &p, err);
    if (rc == OK)
        rc = read_threshold(o, &p, err);
    if (rc != OK)
        return rc;
    rc = assemble(&p, &m, err);
    if (rc != OK)
        return err_wrap(err, "'%s'", o->file);
    rc = model_save(m, o->output, err);
    if (rc != OK)
        return rc;
    return tell(o, &p, m, err);
}

static int run(int argc, char **argv)
{
    struct import_options o = {0};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    return import(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_import_model = {
    .name = "import-model",
    .summary = "make a model of a TensorFlow Lite or ONNX file",
    .help =
        "usage: tocsin import-model FILE -o FILE [OPTION...]\n\n"
        "Makes a model of an autoencoder that was trained elsewhere: dense layers with ReLU,\n"
        "sigmoid, tanh or no activation, as Keras and PyTorch write them. Which format it is, its\n"
        "content says. It is judged by its reconstruction error, like the pipeline that it comes\n"
        "from. `tocsin models import` has `tocsin run` watch with it.\n\n"
        "      --schema FILE     names of the inputs, one a line, in order (default: those in the\n"
        "                        file, where tocsin wrote it)\n"
        "      --scaler FILE     CSV feature,min,max: what the training data reached (default: "
        "that\n"
        "                        in the file, where tocsin wrote it; else values are 0..1 "
        "already)\n"
        "      --threshold SPEC  fixed:NUMBER, of the reconstruction error (default: that in the\n"
        "                        file, where tocsin wrote it)\n"
        "  -o, --output FILE     write the model there\n"
        "      --json            the result as JSON\n"
        "  -h, --help            this text\n\n"
        "Exit codes: 0 done, 1 it failed, 2 the options are wrong.\n\n"
        "Example: tocsin import-model autoencoder.tflite --schema names.txt --scaler min-max.csv "
        "\\\n"
        "             --threshold fixed:0.1998 -o normal.tsm\n",
    .run = run,
};
