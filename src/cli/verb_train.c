/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "config/config.h"
#include "model/model.h"

static const struct option long_options[] = {
    {"data", required_argument, NULL, 'd'},
    {"validation-data", required_argument, NULL, 'V'},
    {"model", required_argument, NULL, 'm'},
    {"profile", required_argument, NULL, 'p'},
    {"layers", required_argument, NULL, 'l'},
    {"hidden", required_argument, NULL, 'H'},
    {"output", required_argument, NULL, 'O'},
    {"epochs", required_argument, NULL, 'e'},
    {"batch-size", required_argument, NULL, 'b'},
    {"learning-rate", required_argument, NULL, 'r'},
    {"patience", required_argument, NULL, 'P'},
    {"feature-dropout", required_argument, NULL, 'D'},
    {"validation", required_argument, NULL, 'v'},
    {"scaling", required_argument, NULL, 'S'},
    {"threshold", required_argument, NULL, 't'},
    {"seed", required_argument, NULL, 's'},
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* The configuration key that an option sets, and the option's name for messages. */
static const struct {
    int option;
    const char *key, *where;
} overrides[] = {
    {'l', "model.layers", "--layers"},         {'H', "model.hidden", "--hidden"},
    {'O', "model.output", "--output"},         {'e', "model.epochs", "--epochs"},
    {'b', "model.batch_size", "--batch-size"}, {'r', "model.learning_rate", "--learning-rate"},
    {'P', "model.patience", "--patience"},     {'D', "model.feature_dropout", "--feature-dropout"},
    {'v', "learn.validation", "--validation"}, {'S', "learn.scaling", "--scaling"},
    {'t', "threshold", "--threshold"},         {'s', "learn.seed", "--seed"},
};
enum { N_OVERRIDES = sizeof overrides / sizeof overrides[0] };

struct train_options {
    const char *data, *validation, *model, *profile; /* model NULL: keep nothing */
    const char *file;                                /* NULL: no configuration file */
    const char *override[N_OVERRIDES];               /* NULL: not given */
    struct config config;
    bool scaling_given; /* by option or file */
    bool json;
};

static size_t override_of(int option)
{
    size_t i = 0;

    while (overrides[i].option != option)
        i++;
    return i;
}

/* Fills o and the values that stand over the configuration; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct train_options *o)
{
    struct verb_words words = {&verb_train, argc, argv, ":c:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        for (size_t i = 0; i < N_OVERRIDES; i++)
            if (overrides[i].option == c)
                o->override[i] = optarg;
        if (c == 'h') {
            fputs(verb_train.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'd')
            o->data = optarg;
        if (c == 'V')
            o->validation = optarg;
        if (c == 'm')
            o->model = optarg;
        if (c == 'p')
            o->profile = optarg;
        if (c == 'c')
            o->file = optarg;
        if (c == 'j')
            o->json = true;
        if (c == 'S' || c == 'c')
            o->scaling_given = true;
    }
    if (optind < argc)
        return verb_usage(&verb_train, "expected no more words, found '%s'", argv[optind]);
    if (!o->data)
        return verb_usage(&verb_train, "expected --data FILE");
    if (o->validation && o->override[override_of('v')])
        return verb_usage(&verb_train, "expected --validation or --validation-data, found both");
    const char *layers = o->override[override_of('l')];
    if (layers && !layers[0])
        return verb_usage(&verb_train,
                          "--layers: expected widths such as 14,8,4,8,14, found nothing");
    return -1;
}

/* Options stand over the file, wherever -c comes. */
static enum rc configure(struct train_options *o, struct err *err)
{
    enum rc rc = OK;

    config_defaults(&o->config);
    if (o->file)
        rc = config_load(o->file, &o->config, err);
    for (size_t i = 0; rc == OK && i < N_OVERRIDES; i++)
        if (o->override[i])
            rc = config_set(&o->config, overrides[i].key, o->override[i], overrides[i].where, err);
    return rc;
}

static enum rc read_data(const struct train_options *o, struct table *data,
                         struct table *validation, struct err *err)
{
    enum rc rc = table_load(o->data, o->profile, data, err);

    if (rc == OK && o->validation)
        rc = table_load(o->validation, o->profile, validation, err);
    if (rc == OK && o->validation)
        rc = table_arrange(validation, data->schema, o->data, err);
    return rc;
}

static enum rc set_provenance(struct model_provenance *p, const char *profile, struct err *err)
{
    if (strlen(profile) >= sizeof p->profile)
        return err_set(err, E_CONFIG, "--profile: expected a path under %zu bytes, found %zu",
                       sizeof p->profile, strlen(profile));
    (void)snprintf(p->profile, sizeof p->profile, "%s", profile);
    (void)snprintf(p->version, sizeof p->version, "%s", TOCSIN_VERSION);
    return OK;
}

/* The time that was learned from: whoever scores frames of it scores what the model has seen. */
static void set_times(struct model_provenance *p, const struct dataset *d,
                      const struct dataset *validation)
{
    if (!d->rows)
        return;
    p->first_ms = d->ts_ms[0];
    p->last_ms = d->ts_ms[d->rows - 1];
    if (!validation || !validation->rows)
        return;
    if (validation->ts_ms[0] < p->first_ms)
        p->first_ms = validation->ts_ms[0];
    if (validation->ts_ms[validation->rows - 1] > p->last_ms)
        p->last_ms = validation->ts_ms[validation->rows - 1];
}

static bool show_progress(void *arg, uint32_t done, uint32_t of, double validation_mse)
{
    report_progress(arg, done, of, "validation error %.5f", validation_mse);
    return true;
}

static json_t *hidden_widths(const struct net *net)
{
    json_t *a = json_array();

    for (size_t i = 0; i + 1 < net->n_layers; i++)
        (void)json_array_append_new(a, json_integer(net->layer[i].out)); /* checked at the end */
    return a;
}

static enum rc print_json(const struct train_options *o, const struct model *m, double seconds,
                          struct err *err)
{
    const struct model_stats *s = &m->stats;
    char id[REPORT_ID_MAX];

    report_id(model_id(m), id);
    return report_json(
        json_pack(
            "{s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o}",
            "validation_mse", report_number(s->validation_mse), "train_mse",
            report_number(s->train_mse), "rows",
            (json_int_t)s->train_rows + (json_int_t)s->validation_rows, "train_rows",
            (json_int_t)s->train_rows, "validation_rows", (json_int_t)s->validation_rows,
            "features", (json_int_t)m->schema->n, "layers", hidden_widths(&m->net), "epochs",
            (json_int_t)s->epochs, "threshold", report_float(m->threshold), "threshold_method",
            threshold_method_name(m->threshold_spec.method), "threshold_by",
            threshold_method_name(m->threshold_by), "scaling",
            report_scaling(o->config.learn.scaling), "widening",
            report_float(m->threshold_widening), "seed", report_u64(m->provenance.seed), "model_id",
            id, "model", o->model ? json_string(o->model) : json_null(), "seconds",
            report_number(seconds)),
        err);
}

static enum rc print_words(const struct train_options *o, const struct model *m, double seconds,
                           struct err *err)
{
    const struct model_stats *s = &m->stats;
    char id[REPORT_ID_MAX], threshold[REPORT_THRESHOLD_MAX];

    report_id(model_id(m), id);
    printf("trained on %llu rows of %zu features, judged on %llu: %u epochs, %.2f s\n",
           (unsigned long long)s->train_rows, m->schema->n, (unsigned long long)s->validation_rows,
           s->epochs, seconds);
    printf("  network           %zu", m->schema->n);
    for (size_t i = 0; i < m->net.n_layers; i++)
        printf("-%u", m->net.layer[i].out);
    printf(", scaling %s%s\n", report_scaling(o->config.learn.scaling),
           o->config.learn.scaling == SCALING_NONE && !o->scaling_given
               ? " (all values lie in 0..1 already)"
               : "");
    printf("  training error    %.6g\n  validation error  %.6g\n", s->train_mse, s->validation_mse);
    report_threshold(m, threshold);
    printf("  threshold         %.6g (%s", (double)m->threshold, threshold);
    if (m->threshold_widening > 1)
        printf(", widened %.3g times: the history is short", (double)m->threshold_widening);
    printf(")\n  model             %s %s\n", id, o->model ? o->model : "(not kept: no --model)");
    return report_flush(err);
}

static enum rc train(struct train_options *o, struct err *err)
{
    CLEANUP(table_done) struct table data = {0}, validation = {0};
    CLEANUP(model_unrefp) struct model *m = NULL;
    struct model_provenance provenance = {0}; /* created_ms 0: same data and seed, same bytes */
    struct report_progress progress;

    enum rc rc = set_provenance(&provenance, o->profile, err);
    if (rc == OK)
        rc = read_data(o, &data, &validation, err);
    if (rc != OK)
        return rc;
    if (!o->scaling_given && strcmp(o->profile, TABLE_AS_IT_STANDS) == 0 && table_is_scaled(data.d))
        o->config.learn.scaling = SCALING_NONE;

    set_times(&provenance, data.d, validation.d);
    const int64_t start_ms = clock_mono_ms();
    report_progress_init(&progress, "training");
    o->config.threshold.confirm = o->config.confirm;
    rc = model_train(data.d, validation.d, data.schema, &o->config.learn, &o->config.threshold,
                     &provenance, show_progress, &progress, &m, err);
    report_progress_done(&progress);
    if (rc != OK)
        return err_wrap(err, "%s", o->data);
    const double seconds = (double)(clock_mono_ms() - start_ms) / 1000;
    if (o->model)
        rc = model_save(m, o->model, err);
    if (rc == OK)
        rc = o->json ? print_json(o, m, seconds, err) : print_words(o, m, seconds, err);
    return rc;
}

static int run(int argc, char **argv)
{
    struct train_options o = {.profile = TABLE_AS_IT_STANDS};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (configure(&o, &err) != OK)
        return verb_fail(&err);
    return train(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_train = {
    .name = "train",
    .summary = "learn a model from a CSV file",
    .help =
        "usage: tocsin train --data FILE [OPTION...]\n\n"
        "Learns what is normal in a CSV file: header timestamp,<feature>...; time as Unix seconds\n"
        "or RFC 3339, rising; an empty field or NaN is missing. Prints how well the model\n"
        "reconstructs the part that was held back. Same data, options and seed give the same\n"
        "model, byte for byte.\n\n"
        "      --data FILE             the frames to learn from\n"
        "      --model FILE            write the model there (default: print the result alone)\n"
        "      --validation-data FILE  frames to judge by (default: the last part of --data)\n"
        "      --validation PART       that part, over 0 and under 1 (default 0.25)\n"
        "      --profile NAME          none: the columns are the features (default); node,\n"
        "                              classic or a YAML file: the columns are its base features,\n"
        "                              and its derived ones are added\n"
        "      --layers W,W,...        widths of the hidden layers (default: from the features)\n"
        "      --hidden, --output ACT  activation: relu, sigmoid, tanh, linear; output also auto\n"
        "      --epochs N              passes over the data, at most\n"
        "      --batch-size N          rows a step\n"
        "      --learning-rate X       step of Adam\n"
        "      --patience N            epochs without progress before it stops; 0 = never\n"
        "      --feature-dropout P     chance that a feature is hidden in training\n"
        "      --scaling KIND          minmax (default), quantile, or none: columns that are\n"
        "                              already scaled to 0..1 are recognised\n"
        "      --threshold SPEC        staged (default): percentile:99.5 where the history is too\n"
        "                              short for budget:2/week, else that; percentile:99.5,\n"
        "                              sigma:3, fixed:0.1998, auto: sigma:3 where the errors are\n"
        "                              normal, else the percentile; or budget:2/week: so many\n"
        "                              false alarms (hour, day, month)\n"
        "      --seed N                of weights and order (default 1)\n"
        "  -c, --config FILE           take what the options above leave open from its learn,\n"
        "                              model and threshold sections\n"
        "      --json                  print the result as JSON\n"
        "  -h, --help                  this text\n\n"
        "Exit codes: 0 trained, 1 the data or a file is wrong, 2 the options or the configuration\n"
        "are wrong.\n\n"
        "Example: tocsin train --data normal.csv --model normal.tsm --threshold sigma:3\n",
    .run = run,
};
