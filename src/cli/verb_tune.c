/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/tune_pool.h"
#include "cli/tune_report.h"
#include "cli/tune_show.h"
#include "cli/verb.h"
#include "config/config.h"
#include "model/train.h"
#include "tune/judge.h"
#include "tune/space.h"
#include "tune/state.h"

/* TRIALS and EXECUTIONS are the classic random search's. Ctrl-C is seen after DRAW_MS at most. */
enum { TRIALS = 10, EXECUTIONS = 2, JOBS_MAX = 256, EPOCHS_MAX = 100000, DRAW_MS = 100 };
enum { RESULT_MAX = 1 << 20 };

static const struct option long_options[] = {
    {"data", required_argument, NULL, 'd'},    {"validation-data", required_argument, NULL, 'V'},
    {"profile", required_argument, NULL, 'p'}, {"method", required_argument, NULL, 'm'},
    {"trials", required_argument, NULL, 't'},  {"executions", required_argument, NULL, 'x'},
    {"epochs", required_argument, NULL, 'e'},  {"jobs", required_argument, NULL, 'J'},
    {"seed", required_argument, NULL, 's'},    {"state", required_argument, NULL, 'S'},
    {"output", required_argument, NULL, 'o'},  {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
};

struct tune_options {
    const char *data, *validation, *profile;
    const char *state;  /* NULL: keep none */
    const char *output; /* NULL: with everything else on standard output */
    enum search_method method;
    uint64_t trials, executions, jobs, seed, epochs; /* epochs 0: as `tocsin train` */
    bool json;
};

struct tuning {
    const struct tune_options *o;
    struct table data, validation;
    struct dataset fit, held; /* views of the above: to learn from, to judge by */
    struct config base;
    struct judge *judge;
    struct search_spec spec;
    struct search *search;
    uint64_t identity;
    struct tune_view view;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void catch_signals(void)
{
    const struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    (void)sigaction(SIGINT, &a, NULL);
    (void)sigaction(SIGTERM, &a, NULL);
    (void)sigaction(SIGHUP, &a, NULL);
}

/* -- the command line -- */

static const struct {
    int option;
    const char *name;
    size_t offset;
    uint64_t least, most;
} numbers[] = {
    {'t', "--trials", offsetof(struct tune_options, trials), 1, SEARCH_TRIALS_MAX},
    {'x', "--executions", offsetof(struct tune_options, executions), 1, SEARCH_EXECUTIONS_MAX},
    {'e', "--epochs", offsetof(struct tune_options, epochs), 1, EPOCHS_MAX},
    {'J', "--jobs", offsetof(struct tune_options, jobs), 1, JOBS_MAX},
    {'s', "--seed", offsetof(struct tune_options, seed), 0, UINT64_MAX},
};

static bool parse_number(int option, struct tune_options *o)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t v;
        if (numbers[i].option != option)
            continue;
        if (str_to_u64(str_of(optarg), &v) && v >= numbers[i].least && v <= numbers[i].most) {
            *(uint64_t *)((char *)o + numbers[i].offset) = v;
            return true;
        }
        (void)verb_usage(&verb_tune, "%s: expected a whole number from %llu to %llu, found '%s'",
                         numbers[i].name, (unsigned long long)numbers[i].least,
                         (unsigned long long)numbers[i].most, optarg);
        return false;
    }
    return true;
}

static bool parse_method(int option, struct tune_options *o)
{
    if (option != 'm')
        return true;
    const bool halving = strcmp(optarg, "halving") == 0;
    if (!halving && strcmp(optarg, "random") != 0) {
        (void)verb_usage(&verb_tune, "--method: expected random or halving, found '%s'", optarg);
        return false;
    }
    o->method = halving ? SEARCH_HALVING : SEARCH_RANDOM;
    return true;
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct tune_options *o)
{
    struct verb_words words = {&verb_tune, argc, argv, ":o:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(verb_tune.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED || !parse_number(c, o) || !parse_method(c, o))
            return EXIT_USAGE;
        if (c == 'd')
            o->data = optarg;
        if (c == 'V')
            o->validation = optarg;
        if (c == 'p')
            o->profile = optarg;
        if (c == 'S')
            o->state = optarg;
        if (c == 'o')
            o->output = strcmp(optarg, "-") == 0 ? NULL : optarg;
        if (c == 'j')
            o->json = true;
    }
    if (optind < argc)
        return verb_usage(&verb_tune, "expected no more words, found '%s'", argv[optind]);
    if (!o->data)
        return verb_usage(&verb_tune, "expected --data FILE");
    return -1;
}

static uint64_t cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (uint64_t)n;
}

/* -- what is searched, and with what -- */

static void tuning_done(struct tuning *t)
{
    search_free(t->search);
    judge_free(t->judge);
    table_done(&t->data);
    table_done(&t->validation);
}

static struct dataset rows_of(const struct dataset *d, size_t first, size_t rows)
{
    return (struct dataset){.rows = rows,
                            .n = d->n,
                            .capacity = rows,
                            .ts_ms = d->ts_ms + first,
                            .X = d->X + first * d->n};
}

/* What is judged by is never learned from: the last part of --data, as large as the part that
 * training itself holds back from what is left; or the other file. */
static enum rc read_data(struct tuning *t, struct err *err)
{
    const struct tune_options *o = t->o;
    enum rc rc = table_load(o->data, o->profile, &t->data, err);

    if (rc == OK && o->validation)
        rc = table_load(o->validation, o->profile, &t->validation, err);
    if (rc == OK && o->validation)
        rc = table_arrange(&t->validation, t->data.schema, o->data, err);
    if (rc != OK)
        return rc;
    const struct dataset *d = t->data.d;
    const size_t held =
        o->validation ? 0 : (size_t)((double)d->rows * t->base.learn.validation + 0.5);
    t->fit = rows_of(d, 0, d->rows - held);
    t->held = o->validation ? rows_of(t->validation.d, 0, t->validation.d->rows)
                            : rows_of(d, d->rows - held, held);
    if (strcmp(o->profile, TABLE_AS_IT_STANDS) == 0 && table_is_scaled(d))
        t->base.learn.scaling = SCALING_NONE; /* as `tocsin train` does */
    return OK;
}

static void add_rows(struct hash_stream *h, const struct dataset *d)
{
    hash_stream_add(h, &d->rows, sizeof d->rows);
    hash_stream_add(h, d->ts_ms, d->rows * sizeof *d->ts_ms);
    hash_stream_add(h, d->X, d->rows * d->n * sizeof *d->X);
}

/* Whatever the result depends on. */
static uint64_t identity_of(const struct tuning *t)
{
    const uint64_t v[] = {t->data.schema->hash, settings_learn_hash(&t->base.learn),
                          t->spec.method,       t->spec.trials,
                          t->spec.executions,   t->spec.seed};
    struct hash_stream h;

    hash_stream_init(&h);
    hash_stream_add(&h, TOCSIN_VERSION, sizeof TOCSIN_VERSION);
    hash_stream_add(&h, v, sizeof v);
    add_rows(&h, &t->fit);
    add_rows(&h, &t->held);
    return hash_stream_value(&h);
}

static enum rc save(const struct tuning *t, struct err *err)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, STATE_BYTES_MAX);
    if (!t->o->state)
        return OK;
    state_format(t->search, t->identity, &text);
    if (text.failed)
        return err_set(err, E_NOMEM, "'%s': no memory for the state", t->o->state);
    return file_write(t->o->state, text.p, text.n, err);
}

static enum rc restore(struct tuning *t, struct err *err)
{
    CLEANUP(mem_freep) char *text = NULL;
    size_t n;

    if (!t->o->state || access(t->o->state, F_OK) != 0)
        return OK; /* a first time */
    if (file_read(t->o->state, STATE_BYTES_MAX, &text, &n, err) != OK)
        return err->rc;
    const enum rc rc =
        state_restore((struct str){text, n}, t->o->state, t->identity, t->search, err);
    if (rc == OK)
        fprintf(stderr, "%s: goes on after %zu of %zu executions\n", t->o->state,
                search_done(t->search), search_executions(t->search));
    return rc;
}

/* That training would take with these settings: batches of another size need other numbers. */
static uint32_t epochs_of(const struct tuning *t, const struct learn_spec *spec)
{
    return train_epochs(spec, (size_t)((double)t->fit.rows * (1 - spec->validation)));
}

/* Before the work, and after the state was written: the result has somewhere to go, and that is
 * none of the files that are read or kept. */
static enum rc expect_output(const struct tune_options *o, struct err *err)
{
    const char *const taken[] = {o->data, o->validation, o->state};

    if (!o->output)
        return OK;
    return verb_output(o->output, taken, sizeof taken / sizeof *taken, err);
}

static enum rc prepare(struct tuning *t, struct err *err)
{
    const struct tune_options *o = t->o;

    config_defaults(&t->base);
    t->base.learn.epochs = (uint32_t)o->epochs;
    if (read_data(t, err) != OK)
        return err->rc;
    if (judge_new(&t->held, o->seed, &t->judge, err) != OK)
        return err_wrap(err, "%s", o->validation ? o->validation : o->data);
    t->spec = (struct search_spec){.method = o->method,
                                   .trials = (uint32_t)o->trials,
                                   .executions = (uint32_t)o->executions,
                                   .seed = o->seed,
                                   .epochs = epochs_of(t, &t->base.learn)};
    if (search_new(&t->spec, &t->search, err) != OK)
        return err->rc;
    t->view = (struct tune_view){.search = t->search,
                                 .spec = &t->spec,
                                 .base = &t->base,
                                 .features = t->data.schema->n,
                                 .fit_rows = t->fit.rows,
                                 .judge_rows = t->held.rows};
    t->identity = identity_of(t);
    if (restore(t, err) != OK)
        return err->rc;
    catch_signals(); /* not before: what is read may never come, and nothing is lost until here */
    if (save(t, err) != OK)
        return err->rc;
    return expect_output(o, err); /* what cannot be written is told now, not after an hour's work */
}

/* -- the search -- */

static enum rc start(const struct tuning *t, const struct search_job *job, struct tune_pool *pool,
                     struct err *err)
{
    struct tune_task *task = mem_alloc(sizeof *task);

    if (!task)
        return err_set(err, E_NOMEM, "no memory for an execution");
    task->job = *job;
    space_draw(&t->base.learn, t->view.features, t->spec.seed, job->trial, &task->spec);
    task->spec.seed = search_seed(t->search, job);
    const uint32_t part = search_part(t->search, job->rung);
    if (part > 1) { /* the last rung trains as `tocsin train` does */
        const uint32_t epochs = epochs_of(t, &task->spec) / part;
        task->spec.epochs = epochs > 0 ? epochs : 1;
    }
    tune_pool_start(pool, task);
    return OK;
}

/* Settings that cannot be trained lose; the defaults that cannot, a full disk or no memory end it.
 */
static enum rc finish(struct tuning *t, struct tune_task *task, const struct tune_show *show,
                      struct err *err)
{
    const bool lost = task->rc == E_STATE || task->rc == E_LIMIT || task->rc == E_CONFIG;

    if (task->rc != OK && (task->job.trial == 0 || !lost)) {
        *err = task->err;
        return err_wrap(err, "%s", t->o->data);
    }
    if (task->rc != OK)
        task->result = (struct search_result){.objective = (double)NAN, .held_out = (double)NAN};
    enum rc rc = search_put(t->search, &task->job, &task->result, err);
    if (rc == OK)
        rc = save(t, err);
    if (rc == OK)
        tune_show_task(show, &t->view, task);
    return rc;
}

static enum rc stopped(const struct tuning *t, struct err *err)
{
    const size_t done = search_done(t->search), of = search_executions(t->search);

    if (t->o->state)
        return err_set(err, E_STATE,
                       "stopped after %zu of %zu executions: the same command goes on from '%s'",
                       done, of, t->o->state);
    return err_set(err, E_STATE,
                   "stopped after %zu of %zu executions; none is kept: with --state FILE the same "
                   "command would go on",
                   done, of);
}

static enum rc search(struct tuning *t, struct err *err)
{
    const struct trial_material material = {&t->fit, t->data.schema, t->judge};
    CLEANUP(tune_pool_freep) struct tune_pool *pool = NULL;
    struct tune_show show;
    struct search_job job;

    if (tune_pool_new((size_t)t->o->jobs, &material, &pool, err) != OK)
        return err->rc;
    tune_show_init(&show);
    enum rc rc = OK;
    while (rc == OK && !search_complete(t->search)) {
        while (rc == OK && tune_pool_idle(pool) && search_next(t->search, &job))
            rc = start(t, &job, pool, err);
        CLEANUP(mem_freep) struct tune_task *task = rc == OK ? tune_pool_wait(pool, DRAW_MS) : NULL;
        if (task)
            rc = finish(t, task, &show, err);
        if (rc == OK && interrupted && !search_complete(t->search))
            rc = stopped(t, err);
        if (rc == OK)
            tune_show_draw(&show, &t->view, pool);
    }
    tune_show_done(&show);
    return rc;
}

static enum rc print(const struct tuning *t, struct err *err)
{
    CLEANUP(buf_done) struct buf file, words;

    buf_init(&file, RESULT_MAX);
    buf_init(&words, RESULT_MAX);
    tune_report_words(&t->view, "# ", &file);
    tune_report_yaml(&t->view, &file);
    tune_report_words(&t->view, "", &words);
    if (file.failed || words.failed)
        return err_set(err, E_NOMEM, "no memory for the result");
    const enum rc rc = t->o->output ? file_write(t->o->output, file.p, file.n, err) : OK;
    if (rc != OK)
        return rc;
    if (t->o->json)
        return report_json(tune_report_json(&t->view), err);
    return report_text(t->o->output ? &words : &file, err);
}

static int run(int argc, char **argv)
{
    struct tune_options o = {.profile = TABLE_AS_IT_STANDS,
                             .trials = TRIALS,
                             .executions = EXECUTIONS,
                             .jobs = cores(),
                             .seed = 1};
    CLEANUP(tuning_done) struct tuning t = {.o = &o};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    enum rc rc = prepare(&t, &err);
    if (rc == OK)
        rc = search(&t, &err);
    if (rc == OK)
        rc = print(&t, &err);
    return rc == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_tune = {
    .name = "tune",
    .summary = "search for other settings, without labels",
    .help =
        "usage: tocsin tune --data FILE [OPTION...]\n\n"
        "Searches over layers, activations, learning rate, batch size and feature dropout. Each\n"
        "trial is trained on the first part of the file (as for `tocsin train`) and judged by how\n"
        "well its scores find disturbances that are put into the rest: no labels are needed. The\n"
        "defaults are trial 0, and stay unless another is ahead by more than the spread over\n"
        "executions. What it chooses need not find real faults better: docs/tune.md has figures.\n"
        "Prints the trials, the `tocsin train` options and the settings as YAML for a\n"
        "configuration. Same data, options and seed give the same result, whatever --jobs.\n\n"
        "      --data FILE             the frames to learn from and to judge by\n"
        "      --validation-data FILE  frames to judge by (default: the last quarter of --data)\n"
        "      --profile NAME          none: the columns are the features (default); node,\n"
        "                              classic or a YAML file: the columns are its base features,\n"
        "                              and its derived ones are added\n"
        "      --method NAME           random (default); halving: many trials with few epochs, "
        "and\n"
        "                              the best third of them with three times as many, in turn\n"
        "      --trials N              beside the defaults (default 10)\n"
        "      --executions N          trainings of each, with other seeds (default 2)\n"
        "      --epochs N              passes over the data, at most (default: as train)\n"
        "      --jobs N                executions at a time (default: the cores)\n"
        "      --seed N                of trials, disturbances and training (default 1)\n"
        "      --state FILE            keep what was done there after each execution, and go on\n"
        "                              from there\n"
        "  -o, --output FILE           where the YAML goes (default -: standard output)\n"
        "      --json                  print the result as JSON; YAML only with -o\n"
        "  -h, --help                  this text\n\n"
        "Exit codes: 0 searched, 1 the data or a file is wrong, or it was stopped, 2 the options\n"
        "are wrong.\n\n"
        "Example: tocsin tune --data normal.csv --trials 30 --method halving --state tune.state\n",
    .run = run,
};
