/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/restore.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/marks.h"
#include "daemon/model_files.h"
#include "daemon/restore_reference.h"
#include "detect/continuity.h"
#include "detect/daylight.h"
#include "model/assemble.h"
#include "model/departure.h"
#include "store/store.h"

/* Frames older than this are of another time: what was learned then is learned anew. */
enum { RECALL_AGE_MS = 24 * 3600 * 1000 }; /* or twice the learning time, where that is longer */

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

/* Two weeks of seconds: in so many days the threshold that follows the scores can go from either
 * end of its range to the other, so older ones change little (detect/budget.h). They are read
 * before the watching begins; docs/budget.md has how long that takes. */
enum { RECALL_SCORES = 14 * 24 * 3600 };

enum rc restore_model(struct store_reader *r, const char *instance, uint64_t schema_hash,
                      const struct restore_options *o, struct restored *ret, struct err *err)
{
    CLEANUP(model_unrefp) struct model *kept = NULL;
    struct store_model row;

    const enum rc rc = store_read_model(r, instance, schema_hash, &row, err);
    ret->known = rc != E_STATE;
    if (rc != OK)
        return rc;
    if (model_files_load(o->models_dir, row.file, &kept, err) != OK)
        return err->rc;
    ret->id = row.model_id;
    ret->live_ms = row.state_ms ? row.state_ms : row.created_ms;
    ret->chosen = strcmp(row.reason, STORE_MODEL_PROMOTED) == 0 ||
                  strcmp(row.reason, STORE_MODEL_ROLLED_BACK) == 0;
    if (model_keeps_threshold(kept, &o->threshold))
        ret->model = TAKE(kept);
    else if (model_with_threshold(kept, &o->threshold, &ret->model, err) != OK)
        return err->rc;
    if (o->shelf)
        ret->model = model_shelf_swap(o->shelf, ret->id, ret->model);
    return OK;
}

static enum rc take_model(struct entity *e, const struct restore_options *o, struct store_reader *r,
                          bool *ret_known, int64_t *ret_live_ms, struct err *err)
{
    struct restored got = {0};

    enum rc rc = restore_model(r, entity_instance(e), entity_schema(e)->hash, o, &got, err);
    *ret_known = got.known;
    *ret_live_ms = got.live_ms;
    if (rc != OK)
        return rc;
    assert(got.model);
    if (got.model->provenance.settings && got.model->provenance.settings != o->settings)
        log_event(LOG_WARN, "the model was made with other learn or model settings", "instance",
                  entity_instance(e), "hint", "--relearn applies the new ones", NULL);
    rc = entity_set_model(e, got.model, got.id, err);
    entity_set_chosen(e, got.chosen);
    model_unref(got.model);
    return rc;
}

struct recall {
    struct entity *entity;
    uint64_t rows, skip; /* frames in the store; of them, too old to be wanted */
    enum rc rc;
    struct err *err;
};

static bool count_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct recall *c = arg;

    (void)ts_ms;
    (void)frame;
    c->rows += n == entity_schema(c->entity)->n;
    return true;
}

static bool recall_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct recall *c = arg;

    if (n != entity_schema(c->entity)->n)
        return true;
    if (c->skip) {
        c->skip--;
        return true;
    }
    c->rc = entity_recall(c->entity, ts_ms, frame, c->err);
    return c->rc == OK;
}

/* The newest wanted - 1 frames: training starts with a live one, when all is known to work. */
static enum rc recall_frames(struct entity *e, const struct restore_options *o,
                             struct store_reader *r, struct err *err)
{
    struct recall c = {.entity = e, .err = err};
    const int64_t span = 2 * (int64_t)o->wanted_rows * entity_interval_ms(e);
    const int64_t from = o->now_ms - (span > RECALL_AGE_MS ? span : RECALL_AGE_MS);
    const char *instance = entity_instance(e);
    const uint64_t hash = entity_schema(e)->hash;

    if (store_read_frames(r, instance, hash, from, o->now_ms, true, count_frame, &c, err) != OK)
        return err->rc;
    c.skip = c.rows > o->wanted_rows - 1 ? c.rows - (o->wanted_rows - 1) : 0;
    if (c.rows == c.skip)
        return OK;
    if (store_read_frames(r, instance, hash, from, o->now_ms, true, recall_frame, &c, err) != OK)
        return err->rc;
    uint64_t rows, wanted;
    char n[24];
    entity_progress(e, &rows, &wanted);
    snprintf(n, sizeof n, "%llu", (unsigned long long)rows);
    log_event(LOG_INFO, "learning goes on with frames of an earlier run", "instance", instance,
              "frames", n, NULL);
    return c.rc;
}

struct recall_scores {
    struct entity *entity;
    const struct marks *marks;
    struct watch watch;
    int64_t live_ms; /* since when the model is: scores before are an earlier one's */
    int64_t last_ms;
    bool held; /* the one before was of maintenance */
};

static bool recall_score(void *arg, const struct store_score *row)
{
    struct recall_scores *p = arg;
    const struct verdict v = {.ts_ms = row->ts_ms,
                              .score = row->score,
                              .evidence = isnan(row->evidence) ? row->score : row->evidence,
                              .threshold = row->threshold,
                              .confidence = row->confidence,
                              .anomalous = row->anomalous};

    if (marks_hold(p->marks, entity_instance(p->entity), row->ts_ms))
        return p->held = true; /* as a gap: it does not count for the promise */
    const bool gap =
        p->held || continuity_is_hole(row->ts_ms - p->last_ms, entity_interval_ms(p->entity),
                                      profile_window_ms(entity_profile(p->entity)));
    p->held = false;
    if (row->ts_ms < p->live_ms)
        entity_count_verdict(p->entity, &p->watch, &v, gap);
    else
        entity_recall_verdict(p->entity, &p->watch, &v, gap);
    p->last_ms = row->ts_ms;
    return true;
}

/* What the promise of alarms came to, as far back as is kept and wanted. */
static enum rc recall_scores(struct entity *e, const struct restore_options *o,
                             const struct marks *marks, int64_t live_ms, struct store_reader *r,
                             struct err *err)
{
    struct recall_scores p = {.entity = e, .marks = marks, .live_ms = live_ms};
    int64_t first_ms, last_ms;
    bool more;

    watch_init(&p.watch, o->threshold.confirm);
    if (store_last_scores(r, entity_instance(e), o->now_ms, RECALL_SCORES, &first_ms, &last_ms,
                          &more, err) != OK)
        return err->rc;
    /* what was before a staged threshold's budget rang by a percentile, and promised nothing */
    if (o->threshold.method == THRESHOLD_STAGED && first_ms < p.live_ms)
        first_ms = p.live_ms;
    p.last_ms = first_ms;
    return store_read_scores(r, entity_instance(e), first_ms, last_ms, recall_score, &p, err);
}

static bool count_any(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    (void)ts_ms;
    (void)frame;
    (void)n;
    ++*(uint64_t *)arg;
    return true;
}

static bool warm_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct recall *c = arg;

    if (n == entity_schema(c->entity)->n)
        c->rc = entity_warm(c->entity, ts_ms, frame, c->err);
    return c->rc == OK;
}

static bool warm_day_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct entity *e = arg;

    if (n == entity_schema(e)->n)
        entity_warm_day(e, ts_ms, frame);
    return false;
}

/* A few frames of each hour tell whether the day comes sooner or later than it was learned. */
static enum rc warm_day(struct entity *e, int64_t to_ms, struct store_reader *r, struct err *err)
{
    enum { AN_HOUR_MS = 3600 * 1000, STEP_MS = 5 * 60 * 1000 };
    const int64_t interval = entity_interval_ms(e);
    const int64_t step = interval > STEP_MS ? interval : STEP_MS;

    for (int64_t ms = to_ms - (DAYLIGHT_HOURS + DAYLIGHT_HOURS_SURE + 2) * (int64_t)AN_HOUR_MS;
         ms < to_ms; ms += step)
        if (store_read_frames(r, entity_instance(e), entity_schema(e)->hash, ms,
                              ms + (step < 2 * interval ? step : 2 * interval) - 1, false,
                              warm_day_frame, e, err) != OK)
            return err->rc;
    return OK;
}

/* From when on there are all the frames that a score could still know of: DEPARTURE_MEMORY of them,
 * which few lost ones leave in twice that time; else what is not past a gap. A fleet has the store
 * read so much for each. */
static enum rc find_warm(const struct entity *e, const struct restore_options *o,
                         struct store_reader *r, int64_t *ret_from_ms, struct err *err)
{
    const int64_t memory_ms = DEPARTURE_MEMORY * entity_interval_ms(e);
    uint64_t n = 0;

    *ret_from_ms = o->now_ms - 2 * memory_ms;
    if (store_read_frames(r, entity_instance(e), entity_schema(e)->hash, *ret_from_ms, o->now_ms,
                          false, count_any, &n, err) != OK)
        return err->rc;
    if (n < DEPARTURE_MEMORY)
        *ret_from_ms = o->now_ms - DEPARTURE_GAP * memory_ms;
    return OK;
}

/* Those frames; and before them, where the model has a season, those that tell its hour. */
static enum rc warm_up(struct entity *e, const struct restore_options *o, struct store_reader *r,
                       struct err *err)
{
    const struct model *const m = entity_model(e);
    struct recall c = {.entity = e, .err = err};
    int64_t from_ms;

    if (find_warm(e, o, r, &from_ms, err) != OK)
        return err->rc;
    if (m && m->season.slots > 0 && warm_day(e, from_ms, r, err) != OK)
        return err->rc;
    const enum rc rc = store_read_frames(r, entity_instance(e), entity_schema(e)->hash, from_ms,
                                         o->now_ms, false, warm_frame, &c, err);
    return rc == OK ? c.rc : rc;
}

static enum rc take_past(struct entity *e, const struct restore_options *o, struct store_reader *r,
                         struct err *err)
{
    const enum rc rc = warm_up(e, o, r, err);

    if (rc == OK || rc == E_NOMEM)
        return rc;
    log_event(LOG_WARN, "scores start without frames of an earlier run", "err", err->msg, NULL);
    return OK;
}

struct last_training {
    uint64_t schema_hash;
    int64_t ms;
};

static bool is_last(void *arg, const struct store_model_row *row)
{
    struct last_training *l = arg;

    if (row->model.schema_hash != l->schema_hash)
        return true;
    l->ms = row->model.created_ms;
    return false;
}

/* When the newest model was made, whatever became of it. */
static void look_at_models(const struct entity *e, struct store_reader *r, int64_t *ret_trained_ms)
{
    struct last_training last = {.schema_hash = entity_schema(e)->hash};
    struct err err;

    if (store_read_models(r, entity_instance(e), is_last, &last, &err) == OK)
        *ret_trained_ms = last.ms;
    else
        log_event(LOG_WARN, "when it was trained last cannot be read: the schedule begins anew",
                  "instance", entity_instance(e), "err", err.msg, NULL);
}

static bool last_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    (void)frame;
    (void)n;
    entity_set_last(arg, ts_ms);
    return true;
}

/* Where an earlier run stopped: a source of history goes on from there. */
static enum rc find_last(struct entity *e, const struct restore_options *o, struct store_reader *r,
                         struct err *err)
{
    int64_t first_ms, last_ms;
    bool more;

    if (store_last_scores(r, entity_instance(e), o->now_ms, 1, &first_ms, &last_ms, &more, err) !=
        OK)
        return err->rc;
    if (last_ms < first_ms)
        return OK;
    return store_read_frames(r, entity_instance(e), entity_schema(e)->hash, last_ms, o->now_ms,
                             false, last_frame, e, err);
}

void restore_sweep(const struct restore_options *o)
{
    CLEANUP(store_reader_closep) struct store_reader *r = NULL;
    struct err err;
    size_t removed;

    if (store_reader_open(o->database, &r, &err) != OK ||
        model_files_sweep(o->models_dir, r, o->now_ms, 0, &removed, &err) != OK)
        log_event(LOG_WARN, "old model files were not removed", "err", err.msg, NULL);
}

static enum rc restore_from(struct store_reader *r, struct entity *e,
                            const struct restore_options *o, const struct marks *marks,
                            int64_t *ret_trained_ms, struct err *err)
{
    bool there_is_one = false;
    int64_t live_ms = 0;

    look_at_models(e, r, ret_trained_ms);
    if (restore_reference(e, o, marks, r, err) != OK)
        return err->rc;
    enum rc rc = take_model(e, o, r, &there_is_one, &live_ms, err);
    if (rc == OK && recall_scores(e, o, marks, live_ms, r, err) != OK)
        log_event(LOG_WARN, "scores of an earlier run were not taken: alarms are counted anew",
                  "instance", entity_instance(e), "err", err->msg, NULL);
    if (rc == OK && find_last(e, o, r, err) != OK)
        log_event(LOG_WARN, "it is not known where an earlier run stopped", "instance",
                  entity_instance(e), "err", err->msg, NULL);
    if (rc == OK)
        return take_past(e, o, r, err);
    if (rc == E_NOMEM)
        return rc;
    if (there_is_one)
        log_event(LOG_WARN, "the model of an earlier run was not taken; learning anew", "instance",
                  entity_instance(e), "reason", err->msg, NULL);
    rc = recall_frames(e, o, r, err);
    if (rc == E_NOMEM)
        return rc;
    if (rc != OK)
        log_event(LOG_WARN, "frames of an earlier run were not taken", "err", err->msg, NULL);
    return take_past(e, o, r, err);
}

enum rc restore_entity(struct entity *e, const struct restore_options *o, int64_t *ret_trained_ms,
                       struct err *err)
{
    CLEANUP(store_reader_closep) struct store_reader *r = NULL;
    CLEANUP(marks_freep) struct marks *marks = NULL;

    *ret_trained_ms = 0;
    if (store_reader_open(o->database, &r, err) != OK) {
        log_event(LOG_WARN, "nothing of an earlier run can be read", "err", err->msg, NULL);
        return OK;
    }
    if (marks_read(o->database, INT64_MIN, &marks, err) != OK)
        log_event(LOG_WARN, "marks of maintenance are not followed into the past", "err", err->msg,
                  NULL);
    return restore_from(r, e, o, marks, ret_trained_ms, err);
}
