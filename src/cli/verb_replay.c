/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/replay_options.h"
#include "cli/replay_report.h"
#include "cli/replay_result.h"
#include "cli/replay_source.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "config/config.h"
#include "daemon/restore.h"
#include "detect/replay.h"
#include "detect/walk.h"
#include "model/departure.h"

enum { DAY_MS = REPLAY_DAY_MS, DAYS_MAX = 36500, OUTPUT_MAX = 256 << 20 };

/* A quarter of these, which is what validation takes, fills the scores that a model keeps
 * (MODEL_SCORES_MAX), and they are trained in seconds. */
enum { WALK_ROWS_MAX = 16384 };
static const double LEARN_SHARE = 0.5; /* of a file, when nobody says */

struct replay_run {
    const struct replay_options *o;
    struct replay_source source;
    struct replay replay;
    struct replay_result result;
    struct marks *marks; /* the store's; NULL: a file */
    struct walk *walk;   /* NULL: one model, given */
    uint64_t model_id, learned;
    int64_t from_ms, to_ms;
    int64_t training_ms;
    struct report_progress bar, training;
};

/* The span of time that is asked for, within what there is. */
static enum rc set_span(struct replay_run *r, struct err *err)
{
    const struct replay_options *o = r->o;
    const struct replay_source *s = &r->source;
    uint64_t days;

    r->from_ms = s->first_ms;
    r->to_ms = s->last_ms;
    if (o->from && verb_time(o->from, "--from", &r->from_ms, err) != OK)
        return err->rc;
    if (o->to && verb_time(o->to, "--to", &r->to_ms, err) != OK)
        return err->rc;
    if (o->days) {
        if (!str_to_u64(str_of(o->days), &days) || days < 1 || days > DAYS_MAX)
            return err_set(err, E_CONFIG, "--days: expected a number from 1 to %d, found '%s'",
                           DAYS_MAX, o->days);
        r->from_ms = s->last_ms - (int64_t)days * DAY_MS + 1;
    }
    if (r->from_ms > r->to_ms)
        return err_set(err, E_CONFIG, "--from: expected a time before --to");
    if (r->from_ms > s->last_ms || r->to_ms < s->first_ms) {
        char first[REPORT_TIME_MAX], last[REPORT_TIME_MAX];
        report_time(s->first_ms, first);
        report_time(s->last_ms, last);
        return err_set(err, E_STATE, "%s: no frames then, there are some from %s to %s (UTC)",
                       s->name, first, last);
    }
    if (r->from_ms < s->first_ms)
        r->from_ms = s->first_ms;
    if (r->to_ms > s->last_ms)
        r->to_ms = s->last_ms;
    return OK;
}

/* The first and last row of the file in the span, and how many of them are learned from first. */
static uint64_t rows_to_learn(const struct replay_run *r, size_t *ret_first)
{
    const struct dataset *d = r->source.table.d;
    const int64_t until = r->o->learn_ms ? r->from_ms + r->o->learn_ms : INT64_MAX;
    uint64_t before = 0, rows = 0, early = 0;

    for (size_t i = 0; i < d->rows; i++) {
        before += d->ts_ms[i] < r->from_ms;
        rows += d->ts_ms[i] >= r->from_ms && d->ts_ms[i] <= r->to_ms;
        early += d->ts_ms[i] >= r->from_ms && d->ts_ms[i] < until;
    }
    *ret_first = (size_t)before;
    if (r->o->learn_ms)
        return early < rows ? early : rows;
    const double share = r->o->learn_share > 0 ? r->o->learn_share : LEARN_SHARE;
    return (uint64_t)((double)rows * share);
}

/* Models are trained on the way: the first from what comes first. */
static enum rc start_walk(struct replay_run *r, struct err *err)
{
    const struct replay_options *o = r->o;
    const struct retrain_spec *retrain = &o->config.retrain;
    struct walk_options w = {
        .schema = r->source.schema,
        .learn = o->config.learn,
        .threshold = o->config.threshold,
        .period_ms = o->walk && retrain->every_ms ? retrain->every_ms : INT64_MAX,
        .window_ms = retrain->window_ms,
        .quarantine_ms = retrain->quarantine_ms,
        .memory_ms = r->source.window_ms + (int64_t)o->config.confirm.of * r->source.interval_ms,
        .profile = o->profile ? o->profile : TABLE_AS_IT_STANDS};

    if (r->source.reader) {
        const int64_t learn_ms = o->learn_ms ? o->learn_ms : o->config.learn.for_ms;
        const int64_t interval = r->source.interval_ms;
        w.first_rows = (uint64_t)((learn_ms + interval - 1) / interval);
    } else {
        size_t first;
        w.first_rows = rows_to_learn(r, &first);
        const struct dataset *const d = r->source.table.d;
        const struct dataset part = {(size_t)w.first_rows, d->n, (size_t)w.first_rows,
                                     d->ts_ms + first, d->X + first * d->n};
        if (!o->file && strcmp(w.profile, TABLE_AS_IT_STANDS) == 0 && table_is_scaled(&part))
            w.learn.scaling = SCALING_NONE;
    }
    if (w.first_rows < 1)
        w.first_rows = 1;
    w.rows_max = o->walk && w.first_rows < WALK_ROWS_MAX ? WALK_ROWS_MAX : w.first_rows;
    return walk_new(&w, &r->walk, err);
}

/* The model that the daemon would start with. */
static enum rc stored_model(struct replay_run *r, struct model **ret, struct err *err)
{
    const struct config *const c = &r->o->config;
    char models_dir[CONFIG_TEXT_MAX + 32];
    const struct restore_options restore = {.models_dir = models_dir, .threshold = c->threshold};
    struct restored got = {0};

    (void)snprintf(models_dir, sizeof models_dir, "%s/models", c->data_dir);
    if (restore_model(r->source.reader, r->source.instance, r->source.schema->hash, &restore, &got,
                      err) != OK) {
        if (!got.known)
            return err_set(err, E_STATE,
                           "no model of '%s' and the profile '%s' at this interval: --walk-forward "
                           "trains on the way, --model takes another, -c names the daemon's "
                           "configuration",
                           r->source.instance, c->profile);
        return err->rc;
    }
    r->model_id = got.id;
    *ret = got.model;
    return OK;
}

/* The model of --model, judged by the configuration's threshold where there is a configuration. */
static enum rc given_model(struct replay_run *r, struct model **ret, struct err *err)
{
    const struct replay_options *o = r->o;
    CLEANUP(model_unrefp) struct model *m = NULL;

    if (verb_model(o->model, NULL, &m, &r->model_id, err) != OK)
        return err->rc;
    if (o->threshold || o->alarms || o->file || !o->data)
        return model_with_threshold(m, &o->config.threshold, ret, err);
    *ret = TAKE(m);
    return OK;
}

static enum rc check_definition(const struct replay_run *r, const struct model *m, struct err *err)
{
    if (r->source.reader && m->schema->hash != r->source.schema->hash &&
        schema_match(r->source.schema, m->schema, err) == OK)
        return err_set(err, E_STATE,
                       "%s: its features have the names of the profile '%s', but other expressions "
                       "or another interval",
                       r->o->model, r->o->config.profile);
    return OK;
}

/* The source and the model, or what trains one. */
static enum rc prepare(struct replay_run *r, struct err *err)
{
    const struct replay_options *o = r->o;
    CLEANUP(model_unrefp) struct model *m = NULL;
    enum rc rc = OK;

    if (o->model)
        rc = given_model(r, &m, err);
    if (rc == OK && o->data)
        rc = replay_source_file(&r->source, o->data, o->profile, m, err);
    if (rc == OK && !o->data)
        rc = replay_source_store(&r->source, &o->config, o->instance, &r->marks, err);
    if (rc == OK)
        rc = set_span(r, err);
    if (rc == OK && !m && !o->data && !o->walk)
        rc = stored_model(r, &m, err);
    if (rc != OK)
        return rc;
    replay_init(&r->replay, o->config.confirm, r->source.interval_ms, r->source.window_ms);
    if (!m)
        return start_walk(r, err);
    rc = check_definition(r, m, err);
    return rc == OK ? line_set_model(&r->replay.line, r->source.schema, m, err) : rc;
}

static bool show_training(void *arg, uint32_t done, uint32_t of, double validation_mse)
{
    struct replay_run *r = arg;

    (void)validation_mse;
    report_progress(&r->training, done, of, "model %llu",
                    (unsigned long long)walk_models(r->walk) + 1);
    return true;
}

static enum rc train(struct replay_run *r, int64_t ts_ms, struct err *err)
{
    CLEANUP(model_unrefp) struct model *m = NULL;
    const int64_t start_ms = clock_mono_ms();

    enum rc rc = walk_train(r->walk, ts_ms, show_training, r, &m, err);
    r->training_ms += clock_mono_ms() - start_ms;
    report_progress_done(&r->training);
    r->training.percent = r->bar.percent = -1;
    if (rc == OK && m)
        rc = line_set_model(&r->replay.line, r->source.schema, m, err);
    return rc;
}

/* Neither maintenance nor a true anomaly is an example of normal, whatever the replay makes of it.
 */
static bool may_learn(const struct replay_run *r, int64_t ts_ms)
{
    return !r->replay.line.watch.held &&
           !marks_say(r->marks, STORE_MARK_ANOMALY, r->source.instance, ts_ms, ts_ms);
}

/* An incident that pages opened, or one that did has closed. */
static bool is_for_walk(const struct line_step *step)
{
    return watch_pages(step->event, &step->incident) ||
           (step->event == WATCH_CLOSED && incident_pages(&step->incident));
}

static enum rc on_frame(void *arg, int64_t ts_ms, const float *frame, struct err *err)
{
    struct replay_run *r = arg;
    const struct line *const line = &r->replay.line;
    struct replay_step step;

    replay_hold(&r->replay, marks_hold(r->marks, r->source.instance, ts_ms));
    if (r->walk && walk_is_due(r->walk, ts_ms) && train(r, ts_ms, err) != OK)
        return err->rc;
    report_progress(&r->bar, (uint64_t)(ts_ms - r->from_ms), (uint64_t)(r->to_ms - r->from_ms),
                    "%llu pages", (unsigned long long)r->result.all.pages);
    if (!line->model) {
        r->learned++;
        if (line_note(&r->replay.line, r->source.schema, ts_ms, frame, err) != OK)
            return err->rc;
        return may_learn(r, ts_ms) ? walk_note(r->walk, ts_ms, frame, err) : OK;
    }
    replay_push(&r->replay, ts_ms, frame, &step);
    const struct model_provenance *const p = &line->model->provenance;
    const bool in_sample = ts_ms >= p->first_ms && ts_ms <= p->last_ms;
    if (replay_result_add(&r->result, &step, in_sample, err) != OK)
        return err->rc;
    if (!r->walk)
        return OK;
    if (is_for_walk(&step.line) && walk_incident(r->walk, &step.line.incident, err) != OK)
        return err->rc;
    return may_learn(r, ts_ms) ? walk_note(r->walk, ts_ms, frame, err) : OK;
}

static enum rc nothing(const struct replay_run *r, struct err *err)
{
    if (r->learned && walk_refused(r->walk)[0])
        return err_set(err, E_STATE, "%s: nothing was replayed, no model could be trained: %s",
                       r->source.name, walk_refused(r->walk));
    if (r->learned)
        return err_set(err, E_STATE,
                       "%s: all %llu frames are for learning, none is left to replay; --learn sets "
                       "how many",
                       r->source.name, (unsigned long long)r->learned);
    if (r->source.reader)
        return err_set(err, E_STATE,
                       "%s: there are frames then, but not of the profile '%s' every %lld ms; -c "
                       "names the daemon's configuration",
                       r->source.name, r->o->config.profile, (long long)r->source.interval_ms);
    return err_set(err, E_STATE, "%s: no frames then", r->source.name);
}

static enum rc recall_frame(void *arg, int64_t ts_ms, const float *frame, struct err *err)
{
    (void)err;
    line_recall(arg, ts_ms, frame);
    return OK;
}

static enum rc recall_day_frame(void *arg, int64_t ts_ms, const float *frame, struct err *err)
{
    (void)err;
    line_recall_day(arg, ts_ms, frame);
    return OK;
}

/* What came before the span is known, as it was live: a first frame without a past has another
 * score, and the hour of the day may have been told long ago. */
static enum rc recall_past(struct replay_run *r, struct err *err)
{
    struct line *const line = &r->replay.line;
    const int64_t memory_ms = (int64_t)DEPARTURE_GAP * DEPARTURE_MEMORY * r->source.interval_ms;
    const int64_t warm_ms = r->from_ms - memory_ms;

    if (!line->model)
        return OK;
    if (line->model->season.slots > 0 &&
        replay_source_feed(&r->source, r->source.first_ms, warm_ms - 1, recall_day_frame, line,
                           err) != OK)
        return err->rc;
    return replay_source_feed(&r->source, warm_ms, r->from_ms - 1, recall_frame, line, err);
}

/* All frames through the line. */
static enum rc play(struct replay_run *r, struct err *err)
{
    struct incident last;

    if (recall_past(r, err) != OK)
        return err->rc;
    report_progress_init(&r->bar, "replaying");
    report_progress_init(&r->training, "training");
    const int64_t start_ms = clock_mono_ms();
    const enum rc rc = replay_source_feed(&r->source, r->from_ms, r->to_ms, on_frame, r, err);
    report_progress_done(&r->bar);
    if (rc != OK)
        return rc;
    if (r->replay.frames == 0)
        return nothing(r, err);
    const double seconds = (double)(clock_mono_ms() - start_ms - r->training_ms) / 1000;
    fprintf(stderr, "replayed %llu frames in %.2f s, %.0f a second",
            (unsigned long long)r->replay.frames, seconds,
            (double)r->replay.frames / (seconds > 1e-3 ? seconds : 1e-3));
    if (r->walk)
        fprintf(stderr, "; trained %llu model%s in %.1f s",
                (unsigned long long)walk_models(r->walk), walk_models(r->walk) == 1 ? "" : "s",
                (double)r->training_ms / 1000);
    fputc('\n', stderr);
    const bool open = watch_end(&r->replay.line.watch, &last) == WATCH_CLOSED;
    replay_result_end(&r->result, open, &last);
    return OK;
}

static enum rc tell(const struct replay_run *r, uint64_t other_frames, struct err *err)
{
    const struct replay_options *o = r->o;
    const struct replay_story story = {.source = &r->source,
                                       .replay = &r->replay,
                                       .result = &r->result,
                                       .from_ms = r->from_ms,
                                       .to_ms = r->to_ms,
                                       .model = r->replay.line.model,
                                       .model_id = r->model_id,
                                       .trained = r->walk != NULL,
                                       .walked = r->walk && o->walk,
                                       .models = r->walk ? walk_models(r->walk) : 0,
                                       .learned = r->learned,
                                       .other_frames = other_frames,
                                       .confirm = o->config.confirm};
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (!o->json)
        replay_report_text(&story, &out);
    else if (report_json_into(replay_report_json(&story), &out, err) != OK)
        return err->rc;
    return report_write(o->output, &out, err);
}

static void replay_run_done(struct replay_run *r)
{
    walk_free(r->walk);
    marks_free(r->marks);
    replay_result_done(&r->result);
    replay_done(&r->replay);
    replay_source_done(&r->source);
}

static enum rc replay(struct replay_options *o, struct err *err)
{
    CLEANUP(replay_run_done)
    struct replay_run r = {.o = o, .result = {.list_observed = o->observed}};
    uint64_t others = 0;

    enum rc rc = replay_options_configure(o, err);
    if (rc == OK)
        rc = prepare(&r, err);
    if (rc == OK)
        rc = play(&r, err);
    if (rc == OK && r.source.reader)
        rc = replay_result_recorded(&r.result, r.source.reader, r.source.instance, r.from_ms,
                                    r.to_ms, err);
    if (rc == OK && r.source.reader)
        rc = store_other_frames(r.source.reader, r.source.instance, r.source.schema->hash,
                                r.from_ms, r.to_ms, &others, err);
    replay_result_marked(&r.result, r.marks, r.source.instance);
    return rc == OK ? tell(&r, others, err) : rc;
}

static int run(int argc, char **argv)
{
    struct replay_options o = {0};
    struct err err;

    const int code = replay_options_parse(argc, argv, &o);
    if (code >= 0)
        return code;
    return replay(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_replay = {
    .name = "replay",
    .summary = "run history through the present configuration: which pages, how often",
    .help =
        "usage: tocsin replay [--data-dir DIR | --data FILE] [OPTION...]\n\n"
        "Runs stored or imported history through the present configuration as if it came live, "
        "and\n"
        "lists every page that would have been sent, with its causes; then the rate a week with\n"
        "its exact 95 % interval, and pages by day, beside what was recorded live. The same input\n"
        "gives the same bytes. Times are UTC.\n\n"
        "      --data-dir DIR    a daemon's history and models, also while it runs (default: the\n"
        "                        configuration's)\n"
        "      --instance NAME   whose history there (default: the only one)\n"
        "      --data FILE       a CSV file instead, as for `tocsin train`\n"
        "      --model FILE      judge by this model (default: the newest in the data folder; for "
        "a\n"
        "                        file: one trained on its first part)\n"
        "      --walk-forward    train on the way, anew when the history has doubled and as often\n"
        "                        as learn.retrain says, on older normal frames alone\n"
        "                        (learn.window, learn.quarantine): no frame is judged by a\n"
        "                        model that has seen it\n"
        "      --learn PART      what the first model is trained on: a share of the file (default\n"
        "                        0.5) or a duration (store: the configuration's learn.for)\n"
        "      --days N          the last N days of the history alone\n"
        "      --from, --to TIME its part between these times: RFC 3339 or Unix seconds\n"
        "      --threshold SPEC  staged, budget:2/week, percentile:99.5, sigma:3, auto or "
        "fixed:0.1998\n"
        "                        (default: the configuration's; for --data with --model and\n"
        "                        without -c, the model's own)\n"
        "      --alarms RATE     instead: the threshold for so many false alarms, as '2 per week'\n"
        "      --observed        list what the softer budget (threshold.observe) observes as well\n"
        "      --confirm K/N     a page when K of the last N scores are over it (default: the\n"
        "                        configuration's)\n"
        "      --profile NAME    store: whose frames (default: the configuration's); file: the\n"
        "                        columns are its base features, its derived ones are added\n"
        "      --interval T      store: time between two frames (default: the configuration's)\n"
        "  -c, --config FILE     the configuration to try\n"
        "  -o, --output FILE     where the result goes (default -: standard output)\n"
        "      --json            the result as JSON\n"
        "  -h, --help            this text\n\n"
        "Exit codes: 0 replayed, whatever it found, 1 there is nothing to replay or a file is\n"
        "wrong, 2 the options or the configuration are wrong.\n\n"
        "Example: tocsin replay --days 30 --walk-forward --alarms \"2 per week\"\n",
    .run = run,
};
