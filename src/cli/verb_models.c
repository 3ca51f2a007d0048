/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/data_dir.h"
#include "cli/models_import.h"
#include "cli/models_show.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "daemon/model_files.h"
#include "store/edit.h"

enum { OUTPUT_MAX = 16 << 20, WORDS_MAX = 3 };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},   {"profile", required_argument, NULL, 'p'},
    {"interval", required_argument, NULL, 'i'}, {"data-dir", required_argument, NULL, 'd'},
    {"instance", required_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

struct act;

struct models_options {
    const char *data_dir, *instance;
    const char *config, *profile, *interval; /* of import alone */
    bool as_json;
    const char *word[WORDS_MAX]; /* what to do, and with which */
    size_t n_words;
    const struct act *act;
};

struct models { /* what a verb works with */
    const struct models_options *o;
    struct data_dir dir;
    struct store_reader *reader;
};

static void shown_free(struct shown_model **m)
{
    if (*m)
        model_unref((*m)->model);
    mem_free(*m);
}

/* -- list -- */

struct listing {
    struct buf *out;
    json_t *rows;
    int64_t now_ms;
    size_t n;
};

static bool list_row(void *arg, const struct store_model_row *row)
{
    struct listing *l = arg;
    const struct store_model *m = &row->model;
    json_t *p = json_loads(m->provenance, 0, NULL);
    const double rows = json_number_value(json_object_get(p, "train_rows")) +
                        json_number_value(json_object_get(p, "validation_rows"));
    const double mse = json_number_value(json_object_get(p, "validation_mse"));
    const double threshold = json_number_value(json_object_get(p, "threshold"));
    char id[REPORT_ID_MAX], age[STR_DURATION_MAX], reason[sizeof m->reason];

    report_id(m->model_id, id);
    str_from_duration_ms(l->now_ms > m->created_ms ? (l->now_ms - m->created_ms) / 1000 * 1000 : 0,
                         age);
    (void)snprintf(reason, sizeof reason, "%s", m->reason);
    str_make_printable(reason);
    if (l->n++ == 0)
        buf_printf(l->out, "%4s  %-16s  %-9s  %-12s  %8s  %10s  %10s  %-16s  %s\n", "id", "model",
                   "state", "age", "rows", "error", "threshold", "instance", "reason");
    buf_printf(l->out, "%4" PRId64 "  %-16s  %-9s  %-12s  %8.0f  %10.4g  %10.4g  %-16s  %s\n",
               row->id, id, store_model_state_name(m->state), age, rows, mse, threshold,
               row->instance, reason);
    (void)json_array_append_new(
        l->rows, json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:s, s:o}", "id",
                           (json_int_t)row->id, "model", id, "instance", row->instance, "state",
                           store_model_state_name(m->state), "created_ms",
                           (json_int_t)m->created_ms, "since_ms", (json_int_t)m->state_ms, "rows",
                           rows, "validation_mse", mse, "threshold", threshold, "reason", m->reason,
                           "figures", models_json_of(m->figures)));
    json_decref(p);
    return true;
}

static enum rc list(struct models *x, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    CLEANUP(json_decrefp) json_t *rows = json_array();
    struct listing l = {&out, rows, clock_wall_ms(), 0};

    buf_init(&out, OUTPUT_MAX);
    if (store_read_models(x->reader, x->o->instance, list_row, &l, err) != OK)
        return err->rc;
    if (x->o->as_json)
        return report_json(json_pack("{s:O}", "models", rows), err);
    if (l.n == 0)
        buf_puts(&out, "no model yet\n");
    return report_text(&out, err);
}

/* -- one of them -- */

struct search {
    bool by_id;
    int64_t id;
    uint64_t model_id;
    bool rollback;    /* instead: the one that was live last before the one that is */
    bool alone;       /* there must be no other one: a group's model has a row for each entity */
    size_t live;      /* of how many entities */
    size_t instances; /* that have what is searched */
    struct shown_model *found;
};

static bool fits(const struct search *s, const struct store_model_row *row)
{
    if (s->rollback) /* retired last: rows come newest first, so later ones must be later */
        return row->model.state == STORE_MODEL_RETIRED &&
               (s->found->id == 0 || row->model.state_ms > s->found->row.state_ms);
    return s->by_id ? row->id == s->id : row->model.model_id == s->model_id;
}

static bool on_row(void *arg, const struct store_model_row *row)
{
    struct search *s = arg;

    s->live += row->model.state == STORE_MODEL_LIVE;
    if (!fits(s, row))
        return true;
    s->instances++;
    if (s->alone && s->instances > 1)
        return true;
    s->found->id = row->id;
    s->found->row = row->model;
    (void)snprintf(s->found->instance, sizeof s->found->instance, "%s", row->instance);
    return s->rollback || s->alone;
}

static enum rc read_id(const char *word, struct search *s, struct err *err)
{
    char *end;

    s->by_id = strlen(word) < REPORT_ID_MAX - 1;
    if (s->by_id && str_to_i64(str_of(word), &s->id) && s->id > 0)
        return OK;
    if (strlen(word) == REPORT_ID_MAX - 1 && strspn(word, "0123456789abcdef") == strlen(word)) {
        s->model_id = strtoull(word, &end, 16);
        return OK;
    }
    return err_set(err, E_CONFIG,
                   "'%.40s': expected a model's number or its 16 hexadecimal digits, as `tocsin "
                   "models list` prints them",
                   word);
}

/* The row that s asks for, with its file. */
static enum rc find(struct models *x, struct search *s, const char *word, struct shown_model **ret,
                    struct err *err)
{
    CLEANUP(shown_free) struct shown_model *m = mem_alloc(sizeof *m);

    if (!m)
        return err_set(err, E_NOMEM, "models: no memory");
    s->found = m;
    if (store_read_models(x->reader, x->o->instance, on_row, s, err) != OK)
        return err->rc;
    if (s->alone && s->instances > 1)
        return err_set(err, E_CONFIG,
                       "expected --instance: %zu entities have the model '%.40s', each with a row",
                       s->instances, word);
    if (s->rollback && s->live > 1)
        return err_set(err, E_CONFIG, "expected --instance: there are several live models");
    if (m->id == 0 && s->rollback)
        return err_set(err, E_STATE, "there is no model to go back to: none was live before");
    if (m->id == 0)
        return err_set(err, E_STATE, "there is no model '%.40s'", word);
    if (model_files_load(x->dir.models, m->row.file, &m->model, err) != OK)
        return err->rc;
    *ret = TAKE(m);
    return OK;
}

static enum rc find_word(struct models *x, size_t at, bool alone, struct shown_model **ret,
                         struct err *err)
{
    struct search s = {.alone = alone};

    return read_id(x->o->word[at], &s, err) == OK ? find(x, &s, x->o->word[at], ret, err) : err->rc;
}

static enum rc show(struct models *x, struct err *err)
{
    CLEANUP(shown_free) struct shown_model *m = NULL;
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (find_word(x, 1, false, &m, err) != OK)
        return err->rc;
    if (x->o->as_json)
        return report_json(models_show_json(m), err);
    models_show_text(m, &out);
    return report_text(&out, err);
}

static enum rc diff(struct models *x, struct err *err)
{
    CLEANUP(shown_free) struct shown_model *a = NULL;
    CLEANUP(shown_free) struct shown_model *b = NULL;
    CLEANUP(json_decrefp) json_t *o = NULL;
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (find_word(x, 1, false, &a, err) != OK || find_word(x, 2, false, &b, err) != OK ||
        models_diff(a, b, &out, &o, err) != OK)
        return err->rc;
    return x->o->as_json ? report_json(TAKE(o), err) : report_text(&out, err);
}

/* -- another one in use -- */

static enum rc make_live(struct models *x, const struct shown_model *m, const char *reason,
                         enum store_model_state then, const char *reason_then, struct err *err)
{
    CLEANUP(store_editor_closep) struct store_editor *e = NULL;
    int64_t pid = 0;

    assert(m); /* found */
    if (store_editor_open(x->dir.database, &e, err) != OK ||
        store_edit_live(e, m->id, clock_wall_ms(), reason, then, reason_then, err) != OK ||
        data_dir_tell(&x->dir, &pid, err) != OK)
        return err->rc;
    if (x->o->as_json)
        return report_json(json_pack("{s:I, s:s, s:b}", "live", (json_int_t)m->id, "instance",
                                     m->instance, "told", pid != 0),
                           err);
    printf("model %" PRId64 " of %s is live: %s\n", m->id, m->instance,
           pid ? "the running tocsin was told" : "no tocsin runs, it holds from the next start");
    return report_flush(err);
}

static enum rc promote(struct models *x, struct err *err)
{
    CLEANUP(shown_free) struct shown_model *m = NULL;

    if (find_word(x, 1, true, &m, err) != OK)
        return err->rc;
    return make_live(x, m, STORE_MODEL_PROMOTED, STORE_MODEL_RETIRED, "replaced by an operator",
                     err);
}

/* The one that is taken back is rejected, so that a second rollback goes further back. */
static enum rc rollback(struct models *x, struct err *err)
{
    CLEANUP(shown_free) struct shown_model *m = NULL;
    struct search s = {.rollback = true};

    if (find(x, &s, "", &m, err) != OK)
        return err->rc;
    return make_live(x, m, STORE_MODEL_ROLLED_BACK, STORE_MODEL_REJECTED,
                     "taken back by an operator", err);
}

static enum rc import(struct models *x, struct err *err)
{
    const struct models_options *const o = x->o;
    const struct models_import_options import = {o->word[1], o->config,   o->data_dir, o->instance,
                                                 o->profile, o->interval, o->as_json};

    return models_import(&import, err);
}

/* -- the command line -- */

static const struct act {
    const char *name;
    size_t words; /* after it */
    enum rc (*run)(struct models *x, struct err *err);
    bool imports; /* its word is a file, and there need be no store yet */
} acts[] = {{"list", 0, list, false},         {"show", 1, show, false},
            {"diff", 2, diff, false},         {"promote", 1, promote, false},
            {"rollback", 0, rollback, false}, {"import", 1, import, true}};
enum { ACTS = sizeof acts / sizeof acts[0] };

static const struct act *find_act(const char *name)
{
    for (size_t i = 0; i < ACTS; i++)
        if (strcmp(name, acts[i].name) == 0)
            return &acts[i];
    return NULL;
}

/* What stands beside the options; an exit code, or -1 to go on. */
static int take_words(int argc, char **argv, struct models_options *o)
{
    struct search unused;
    struct err err;

    for (; optind < argc && o->n_words < WORDS_MAX; optind++)
        o->word[o->n_words++] = argv[optind];
    const struct act *act = o->n_words ? find_act(o->word[0]) : NULL;
    o->act = act;
    if (!act)
        return verb_usage(&verb_models,
                          "expected list, show, diff, promote, rollback or import, found %s",
                          o->n_words ? o->word[0] : "nothing");
    if (o->n_words - 1 != act->words || optind < argc)
        return verb_usage(&verb_models, "%s: expected %zu model%s%s", act->name, act->words,
                          act->imports ? " file" : "", act->words == 1 ? "" : "s");
    if (!act->imports && (o->config || o->profile || o->interval))
        return verb_usage(&verb_models,
                          "%s: --config, --profile and --interval are of import alone", act->name);
    for (size_t i = 1; i < o->n_words && !act->imports; i++)
        if (read_id(o->word[i], &unused, &err) != OK)
            return verb_usage(&verb_models, "%s", err.msg);
    return -1;
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct models_options *o)
{
    struct verb_words words = {&verb_models, argc, argv, ":c:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        switch (c) {
        case 'h':
            fputs(verb_models.help, stdout);
            return EXIT_FINE;
        case 'c':
            o->config = optarg;
            break;
        case 'p':
            o->profile = optarg;
            break;
        case 'i':
            o->interval = optarg;
            break;
        case 'd':
            o->data_dir = optarg;
            break;
        case 'n':
            o->instance = optarg;
            break;
        case 'j':
            o->as_json = true;
            break;
        default:
            return EXIT_USAGE; /* refused, with a sentence */
        }
    }
    return take_words(argc, argv, o);
}

static int run(int argc, char **argv)
{
    struct models_options o = {0};
    struct models x = {.o = &o};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    assert(o.act); /* found */
    if (!o.act->imports && (data_dir_find(o.data_dir, &x.dir, &err) != OK ||
                            store_reader_open(x.dir.database, &x.reader, &err) != OK))
        return verb_fail(&err);
    const enum rc rc = o.act->run(&x, &err);
    store_reader_close(x.reader);
    return rc == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_models = {
    .name = "models",
    .summary = "list, compare and choose what was learned",
    .help =
        "usage: tocsin models list | show ID | diff ID ID | promote ID | rollback |\n"
        "                     import FILE [OPTION...]\n\n"
        "Models that were learned, also those that were rejected. ID is a model's number or its "
        "16\n"
        "hexadecimal digits, as list prints them. May be used while tocsin runs.\n\n"
        "list      all, newest first: state, age, rows, error, threshold, and the reason\n"
        "show      all of one: what it was learned from and judged by, and each feature's scale\n"
        "diff      what moved between two, the largest first\n"
        "promote   use this one from now on, whatever its state; of --instance where entities "
        "share it\n"
        "rollback  use the one before; the one in use becomes rejected\n"
        "import    a model file, of train or import-model, as the live one: its features must be\n"
        "          the profile's, in their order; while no tocsin runs\n\n"
        "      --data-dir DIR   of the daemon (default as for run; a configuration is read for "
        "import\n"
        "                       alone)\n"
        "      --instance NAME  of this one alone\n"
        "  -c, --config FILE    for import: the configuration of tocsin run\n"
        "      --profile NAME   for import: the features, as for run (default node)\n"
        "      --interval TIME  for import: between samples, as for run (default 1s)\n"
        "      --json           the result as JSON\n"
        "  -h, --help           this text\n\n"
        "Exit codes: 0 done, 1 it failed, 2 the options are wrong.\n\n"
        "Example: tocsin models diff 3 4\n",
    .run = run,
};
