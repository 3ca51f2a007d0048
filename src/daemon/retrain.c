/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/retrain.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/model_files.h"
#include "detect/credible.h"
#include "detect/material.h"
#include "store/store.h"

enum {
    MARKS_MAX = 4096, /* an operator's, newest; more are a fault */
    GAP_INTERVALS = 10,
    SWEEP_AGE_MS = 10 * 60 * 1000, /* a row follows its file within seconds */
};

struct mark {
    enum store_mark_kind kind;
    int64_t incident, start_ms, end_ms;
};

struct kept_incident {
    int64_t start_ms, end_ms;
    bool confirmed;
};

struct retrain {
    struct retrain_question q;
    struct store_reader *reader;
    struct material *material;
    struct mark *marks;
    size_t n_marks, room_marks;
    bool ask_confirmed; /* of choose_incidents */
    size_t n_incidents;
    struct kept_incident incident[RETRAIN_INCIDENTS_MAX]; /* confirmed ones, then the newest */
    int64_t from_ms, to_ms; /* what may be learned from, before the material's refusals */
    enum rc rc;             /* of a callback */
    struct err *err;
};

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

void retrain_close(struct retrain *r)
{
    if (!r)
        return;
    store_reader_close(r->reader);
    material_free(r->material);
    mem_free(r->marks);
    mem_free(r);
}

static bool is_stopping(struct retrain *r)
{
    if (!atomic_load_explicit(r->q.stopping, memory_order_relaxed))
        return false;
    r->rc = err_set(r->err, E_STATE, "training was cut short: tocsin is stopping");
    return true;
}

/* Callbacks leave their failure in r: the reads themselves went well. */
static enum rc finish_read(struct retrain *r, enum rc rc)
{
    return rc != OK ? rc : r->rc;
}

static void start_read(struct retrain *r, struct err *err)
{
    r->rc = OK;
    r->err = err;
}

/* -- what operators said -- */

static enum rc take_stretch(struct retrain *r, const struct store_mark *m, struct err *err)
{
    if (m->incident)
        return OK; /* as long as the incident is by now: see take_incident */
    if (m->kind == STORE_MARK_NORMAL)
        return material_allow(r->material, m->start_ms, m->end_ms, err);
    return material_bar(r->material, m->start_ms, m->end_ms, err);
}

static bool on_mark(void *arg, const struct store_mark *m)
{
    struct retrain *r = arg;

    if (r->n_marks == MARKS_MAX) {
        r->rc = err_set(r->err, E_LIMIT, "'%s' has more than %d marks; `tocsin mark --delete`",
                        r->q.instance, MARKS_MAX);
        return false;
    }
    if (r->n_marks == r->room_marks) {
        const size_t room = r->room_marks ? 2 * r->room_marks : 16;
        struct mark *p = mem_grow(r->marks, room, sizeof *p);
        if (!p) {
            r->rc = err_set(r->err, E_NOMEM, "marks of '%s': no memory", r->q.instance);
            return false;
        }
        r->marks = p;
        r->room_marks = room;
    }
    r->marks[r->n_marks++] = (struct mark){m->kind, m->incident, m->start_ms, m->end_ms};
    r->rc = take_stretch(r, m, r->err);
    return r->rc == OK;
}

/* The newest mark of the incident itself, else of a stretch that it began in. */
static const struct mark *mark_of(const struct retrain *r, const struct store_incident *in)
{
    const struct mark *stretch = NULL;

    for (size_t i = r->n_marks; i-- > 0;) {
        const struct mark *m = &r->marks[i];
        if (m->incident == in->id)
            return m;
        if (!stretch && !m->incident && in->start_ms >= m->start_ms && in->start_ms <= m->end_ms)
            stretch = m;
    }
    return stretch;
}

enum said {
    SAID_NOTHING, /* it rang, and somebody was paged */
    SAID_FINE,    /* learned like other frames */
    SAID_ANOMALY, /* never learned, and asked of a candidate */
    SAID_ASIDE,   /* of maintenance: neither learned nor asked */
};

/* What is known of an incident but that it rang. Fine is what is learned like other frames: a false
 * alarm; the new normal; the tail of what is normal, which was asked for; and a slow change, which
 * lasts for weeks and which no model rings for: the model goes on adapting, or it would ring for
 * all that the machine does by then. */
static enum said said_of(const struct retrain *r, const struct store_incident *in)
{
    const struct mark *mark = mark_of(r, in);

    if (!mark && in->maintenance)
        return SAID_ASIDE;
    if (!mark)
        return in->kind == INCIDENT_SLOW || in->tier == INCIDENT_OBSERVE ? SAID_FINE : SAID_NOTHING;
    switch (mark->kind) {
    case STORE_MARK_ANOMALY:
        return SAID_ANOMALY;
    case STORE_MARK_MAINTENANCE:
        return SAID_ASIDE;
    case STORE_MARK_NORMAL:
    case STORE_MARK_ACCEPTED:
        break;
    }
    return SAID_FINE;
}

/* What is open is believed: it would be learned in the middle of a fault. */
static bool on_incident(void *arg, const struct store_incident *in)
{
    struct retrain *r = arg;
    const enum said said = said_of(r, in);
    const int64_t end_ms = in->end_ms ? in->end_ms : INT64_MAX;

    if (said == SAID_FINE)
        return true;
    if (said == SAID_NOTHING && in->end_ms)
        r->rc = material_incident(r->material, in->start_ms, end_ms,
                                  material_loudness(in->peak_score, in->threshold), r->err);
    else
        r->rc = material_confirm(r->material, in->start_ms, end_ms, r->err);
    if (r->rc == OK && said == SAID_ANOMALY)
        r->rc = material_bar(r->material, in->start_ms, end_ms, r->err);
    return r->rc == OK;
}

/* To judge by, once it is known what is doubted; first the confirmed ones. */
static bool on_judge(void *arg, const struct store_incident *in)
{
    struct retrain *r = arg;
    const enum said wanted = r->ask_confirmed ? SAID_ANOMALY : SAID_NOTHING;

    if (in->end_ms && said_of(r, in) == wanted &&
        (r->ask_confirmed || !material_doubts(r->material, in->start_ms)))
        r->incident[r->n_incidents++] =
            (struct kept_incident){in->start_ms, in->end_ms, r->ask_confirmed};
    return r->n_incidents < RETRAIN_INCIDENTS_MAX;
}

static bool on_first_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    (void)frame;
    (void)n;
    *(int64_t *)arg = ts_ms;
    return false;
}

/* Incidents that began in the window, or reach into it by their margin. */
static enum rc read_incidents(struct retrain *r, store_incident_fn *fn, struct err *err)
{
    const struct retrain_question *q = &r->q;
    const int64_t from_ms = q->now_ms - q->spec.window_ms - q->memory_ms;

    return finish_read(
        r, store_read_incidents(r->reader, q->instance, from_ms, q->now_ms, fn, r, err));
}

static enum rc choose_incidents(struct retrain *r, struct err *err)
{
    enum rc rc = OK;

    for (int confirmed = 1; confirmed >= 0 && rc == OK; confirmed--) {
        r->ask_confirmed = confirmed;
        if (r->n_incidents < RETRAIN_INCIDENTS_MAX)
            rc = read_incidents(r, on_judge, err);
    }
    return rc;
}

/* The window, the quarantine, and what is refused within. */
static enum rc look_around(struct retrain *r, struct err *err)
{
    const struct retrain_question *q = &r->q;
    const int64_t window_ms = q->now_ms - q->spec.window_ms;
    int64_t first_ms = q->now_ms;
    enum rc rc;

    if ((rc = store_read_frames(r->reader, q->instance, q->schema->hash, window_ms, q->now_ms,
                                false, on_first_frame, &first_ms, err)) != OK)
        return rc;
    const int64_t quarantine = material_quarantine_ms(first_ms, q->now_ms, q->spec.quarantine_ms);
    const struct material_margins margins = {.before_ms = quarantine,
                                             .after_ms = q->memory_ms,
                                             .before_all_ms =
                                                 (q->now_ms - first_ms) / MATERIAL_SHORT};
    r->from_ms = first_ms;
    r->to_ms = q->now_ms - quarantine;
    if ((rc = material_new(margins, &r->material, err)) != OK)
        return rc;
    start_read(r, err);
    rc = finish_read(r, store_read_marks(r->reader, q->instance, on_mark, r, err));
    if (rc == OK)
        rc = read_incidents(r, on_incident, err);
    if (rc == OK)
        rc = material_settle(r->material, credible_to_learn(q->per_week), err);
    return rc == OK ? choose_incidents(r, err) : rc;
}

enum rc retrain_open(const struct retrain_question *q, struct retrain **ret, struct err *err)
{
    CLEANUP(retrain_closep) struct retrain *r = mem_alloc(sizeof *r);
    CLEANUP(store_reader_closep) struct store_reader *reader = NULL;

    if (!r)
        return err_set(err, E_NOMEM, "training of '%s': no memory", q->instance);
    if (store_reader_open(q->database, &reader, err) != OK)
        return err->rc;
    r->q = *q;
    r->reader = TAKE(reader);
    if (look_around(r, err) != OK)
        return err->rc;
    *ret = TAKE(r);
    return OK;
}

/* -- to learn from -- */

struct gathering {
    struct retrain *r;
    struct dataset *d;
    size_t in_run;
};

static bool on_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct gathering *g = arg;

    if (n != g->r->q.schema->n || !material_takes(g->r->material, ts_ms))
        return true;
    g->r->rc = dataset_append(g->d, ts_ms, frame, g->r->err);
    return g->r->rc == OK && ++g->in_run < RETRAIN_RUN;
}

enum rc retrain_gather(struct retrain *r, struct dataset **ret, struct err *err)
{
    const int64_t runs = (int64_t)(r->q.rows_max / RETRAIN_RUN);
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    const int64_t span = r->to_ms - r->from_ms + 1;
    enum rc rc = dataset_new(r->q.schema->n, &d, err);

    start_read(r, err);
    for (int64_t i = 0; i < runs && rc == OK && !is_stopping(r); i++) {
        struct gathering g = {r, d, 0};
        const int64_t from = r->from_ms + span * i / runs; /* a span of years fits: times are ms */
        const int64_t to = r->from_ms + span * (i + 1) / runs - 1;
        if (to >= from)
            rc = finish_read(r, store_read_frames(r->reader, r->q.instance, r->q.schema->hash, from,
                                                  to, false, on_frame, &g, err));
    }
    if (rc != OK || r->rc != OK)
        return finish_read(r, rc);
    if (d->rows < r->q.least_rows)
        return err_set(err, E_STATE,
                       "%zu frames fit to learn from, expected at least %" PRIu64
                       ": the rest is missing, too new, an incident, or marked",
                       d->rows, r->q.least_rows);
    *ret = TAKE(d);
    return OK;
}

struct stillness {
    struct retrain *r;
    float *last;   /* [n]; NaN before the first */
    uint64_t *now; /* [n] */
    uint64_t *longest;
};

static bool on_still(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct stillness *s = arg;

    if (is_stopping(s->r))
        return false;
    if (n != s->r->q.schema->n || !material_takes(s->r->material, ts_ms))
        return true;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(frame[i])) /* neither counts nor ends a stretch */
            continue;
        s->now[i] = frame[i] == s->last[i] ? s->now[i] + 1 : 0;
        s->last[i] = frame[i];
        if (s->now[i] > s->longest[i])
            s->longest[i] = s->now[i];
    }
    return true;
}

static int64_t newest_from(const struct retrain *r)
{
    const int64_t from = r->to_ms - RETRAIN_QUIET_MAX * r->q.interval_ms;

    return from > r->from_ms ? from : r->from_ms;
}

enum rc retrain_stillness(struct retrain *r, uint64_t *ret_longest, struct err *err)
{
    const size_t n = r->q.schema->n;
    CLEANUP(mem_freep) float *last = mem_array(n, sizeof *last);
    CLEANUP(mem_freep) uint64_t *now = mem_array(n, sizeof *now);
    struct stillness s = {r, last, now, ret_longest};

    if (!last || !now)
        return err_set(err, E_NOMEM, "training of '%s': no memory", r->q.instance);
    for (size_t i = 0; i < n; i++) {
        last[i] = NAN; /* equal to nothing */
        ret_longest[i] = 0;
    }
    start_read(r, err);
    return finish_read(r, store_read_frames(r->reader, r->q.instance, r->q.schema->hash,
                                            newest_from(r), r->to_ms, false, on_still, &s, err));
}

/* -- to judge by -- */

struct listening {
    struct retrain *r;
    struct rehearsal *rehearsal;
    int64_t last_ms;
    bool quiet;
};

static bool on_heard(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct listening *l = arg;
    const bool taken = !l->quiet || material_takes(l->r->material, ts_ms);

    if (n != l->r->q.schema->n || is_stopping(l->r))
        return l->r->rc == OK;
    if (!taken)
        return true;
    if (l->quiet && ts_ms - l->last_ms > GAP_INTERVALS * l->r->q.interval_ms)
        rehearsal_quiet(l->rehearsal);
    l->last_ms = ts_ms;
    rehearsal_push(l->rehearsal, ts_ms, frame);
    return true;
}

static enum rc hear(struct listening *l, int64_t from_ms, int64_t to_ms, struct err *err)
{
    struct retrain *r = l->r;

    return finish_read(r, store_read_frames(r->reader, r->q.instance, r->q.schema->hash, from_ms,
                                            to_ms, false, on_heard, l, err));
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum rc retrain_rehearse(struct retrain *r, struct model *live, struct model *candidate,
                         struct promotion_figures *ret, struct err *err)
{
    CLEANUP(rehearsal_freep) struct rehearsal *rehearsal = NULL;
    const int64_t step = r->q.interval_ms;
    enum rc rc = rehearsal_new(live, candidate, r->q.confirm, &rehearsal, err);

    start_read(r, err);
    for (size_t i = 0; i < r->n_incidents && rc == OK; i++) {
        const struct kept_incident *in = &r->incident[i];
        struct listening l = {.r = r, .rehearsal = rehearsal};
        rehearsal_incident(rehearsal, in->start_ms, in->confirmed);
        rc = hear(&l, in->start_ms - RETRAIN_LEAD * step,
                  lesser(in->end_ms, in->start_ms + RETRAIN_INCIDENT_MAX * step), err);
    }
    if (rc != OK)
        return rc;
    struct listening l = {.r = r, .rehearsal = rehearsal, .quiet = true, .last_ms = r->from_ms};
    rehearsal_quiet(rehearsal);
    rc = hear(&l, newest_from(r), r->to_ms, err);
    if (rc == OK)
        rehearsal_figures(rehearsal, ret);
    return rc;
}

size_t retrain_disbelieved(const struct retrain *r)
{
    return material_disbelieved(r->material);
}

/* -- files -- */

struct presence_of_row {
    uint64_t model_id;
    bool found;
};

static bool on_row(void *arg, const struct store_model_row *row)
{
    struct presence_of_row *p = arg;

    p->found |= row->model.model_id == p->model_id;
    return !p->found;
}

bool retrain_sweep(struct retrain *r, const char *models_dir, uint64_t live_id)
{
    struct presence_of_row p = {.model_id = live_id};
    struct err err;
    size_t removed = 0;

    if (store_read_models(r->reader, r->q.instance, on_row, &p, &err) == OK && !p.found)
        return false;
    if (p.found &&
        model_files_sweep(models_dir, r->reader, r->q.now_ms, SWEEP_AGE_MS, &removed, &err) == OK)
        return true;
    log_event(LOG_WARN, "old model files were not removed", "err", err.msg, NULL);
    return false;
}
