/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/walk.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "detect/credible.h"
#include "detect/material.h"

struct walk {
    struct walk_options o;
    struct dataset *d; /* the newest at its end, at most rows_max */
    uint64_t *run;     /* [d->capacity] the number of the run that each row is of */
    size_t run_capacity;
    uint64_t noted, stride; /* every stride-th run is kept */
    uint64_t first_rows;
    uint64_t models;
    int64_t since_ms, due_ms; /* the first frame; the next model, once there is one */
    struct err refused;
    struct heard {
        int64_t start_ms, end_ms; /* INT64_MAX while open */
        float loudness;
    } * heard; /* incidents that page */
    size_t n_heard, room_heard;
};

enum rc walk_new(const struct walk_options *o, struct walk **ret, struct err *err)
{
    CLEANUP(walk_freep) struct walk *w = mem_alloc(sizeof *w);

    assert(o->first_rows >= 1 && o->rows_max >= o->first_rows && o->period_ms > 0);
    if (!w)
        return err_set(err, E_NOMEM, "walk: no memory");
    w->o = *o;
    w->first_rows = o->first_rows;
    w->stride = 1;
    if (dataset_new(o->schema->n, &w->d, err) != OK)
        return err->rc;
    *ret = TAKE(w);
    return OK;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    dataset_free(w->d);
    mem_free(w->run);
    mem_free(w->heard);
    mem_free(w);
}

bool walk_is_due(const struct walk *w, int64_t ts_ms)
{
    return w->models ? ts_ms >= w->due_ms : w->d->rows >= w->first_rows;
}

/* Row `from` to where row `to` is. */
static void move_row(struct walk *w, size_t to, size_t from)
{
    const size_t n = w->d->n;

    if (to == from)
        return;
    w->d->ts_ms[to] = w->d->ts_ms[from];
    w->run[to] = w->run[from];
    memcpy(w->d->X + to * n, w->d->X + from * n, n * sizeof *w->d->X);
}

/* Without what is before the window. */
static void forget_before(struct walk *w, int64_t from_ms)
{
    size_t kept = 0;

    for (size_t r = 0; r < w->d->rows; r++)
        if (w->d->ts_ms[r] >= from_ms)
            move_row(w, kept++, r);
    w->d->rows = kept;
    kept = 0;
    for (size_t i = 0; i < w->n_heard; i++)
        if (w->heard[i].end_ms >= from_ms - w->o.memory_ms)
            w->heard[kept++] = w->heard[i];
    w->n_heard = kept;
}

static void thin(struct walk *w)
{
    size_t kept = 0;

    w->stride *= 2;
    for (size_t r = 0; r < w->d->rows; r++)
        if (w->run[r] % w->stride == 0)
            move_row(w, kept++, r);
    w->d->rows = kept;
}

/* What is refused of the past that a model of ts_ms looks back on. */
static enum rc refuse(const struct walk *w, struct material_margins margins, struct material **ret,
                      struct err *err)
{
    const struct threshold_spec *t = &w->o.threshold;
    CLEANUP(material_freep) struct material *m = NULL;

    if (material_new(margins, &m, err) != OK)
        return err->rc;
    for (size_t i = 0; i < w->n_heard; i++) {
        const struct heard *h = &w->heard[i];
        const enum rc rc = h->end_ms == INT64_MAX /* it would be learned in the middle of a fault */
                               ? material_confirm(m, h->start_ms, h->end_ms, err)
                               : material_incident(m, h->start_ms, h->end_ms, h->loudness, err);
        if (rc != OK)
            return rc;
    }
    if (material_settle(m, credible_to_learn(threshold_is_budget(t->method) ? t->value : 0), err) !=
        OK)
        return err->rc;
    *ret = TAKE(m);
    return OK;
}

/* The history that a model of ts_ms looks back on. */
static int64_t known_ms(const struct walk *w, int64_t ts_ms)
{
    const int64_t lasted_ms = ts_ms - w->since_ms;

    return lasted_ms < w->o.window_ms ? lasted_ms : w->o.window_ms;
}

/* What a model of ts_ms learns from. */
static enum rc gather(struct walk *w, int64_t ts_ms, struct dataset *ret, struct err *err)
{
    CLEANUP(material_freep) struct material *m = NULL;
    const int64_t quarantine_ms = material_quarantine_ms(w->since_ms, ts_ms, w->o.quarantine_ms);
    const struct material_margins margins = {.before_ms = quarantine_ms,
                                             .after_ms = w->o.memory_ms,
                                             .before_all_ms = known_ms(w, ts_ms) / MATERIAL_SHORT};

    forget_before(w, ts_ms - w->o.window_ms);
    if (refuse(w, margins, &m, err) != OK)
        return err->rc;
    for (size_t r = 0; r < w->d->rows; r++) {
        const int64_t at_ms = w->d->ts_ms[r];
        if (at_ms <= ts_ms - quarantine_ms && material_takes(m, at_ms) &&
            dataset_append(ret, at_ms, w->d->X + r * w->d->n, err) != OK)
            return err->rc;
    }
    return OK;
}

/* A period later, or when the history has doubled. */
static void set_next(struct walk *w, int64_t ts_ms)
{
    const int64_t known = known_ms(w, ts_ms), period_ms = w->o.period_ms;
    const bool grows = known < period_ms && known < w->o.window_ms;
    const int64_t wait_ms = !grows ? period_ms : known > 0 ? known : 1;

    w->due_ms =
        w->o.period_ms == INT64_MAX || wait_ms >= INT64_MAX - ts_ms ? INT64_MAX : ts_ms + wait_ms;
}

/* A quarter more frames for the next try; never, when so many are not held. */
static void try_later(struct walk *w, size_t rows)
{
    w->first_rows = rows + rows / 4 + 1;
    if (w->first_rows > w->o.rows_max)
        w->first_rows = UINT64_MAX;
}

enum rc walk_train(struct walk *w, int64_t ts_ms, model_progress_fn *progress, void *arg,
                   struct model **ret, struct err *err)
{
    CLEANUP(dataset_freep) struct dataset *taken = NULL;
    struct model_provenance p = {.seed = w->o.learn.seed};
    const struct dataset *d = w->d;
    struct model *m = NULL;

    if (w->models) {
        if (dataset_new(w->d->n, &taken, err) != OK || gather(w, ts_ms, taken, err) != OK)
            return err->rc;
        d = taken;
    }
    p.first_ms = d->rows ? d->ts_ms[0] : 0;
    p.last_ms = d->rows ? d->ts_ms[d->rows - 1] : 0;
    (void)snprintf(p.profile, sizeof p.profile, "%s", w->o.profile);
    (void)snprintf(p.version, sizeof p.version, "%s", TOCSIN_VERSION);
    const enum rc rc =
        model_train(d, NULL, w->o.schema, &w->o.learn, &w->o.threshold, &p, progress, arg, &m, err);
    if (rc == E_NOMEM)
        return rc;
    if (rc == OK)
        w->models++;
    else
        w->refused = *err;
    if (w->models)
        set_next(w, ts_ms);
    else
        try_later(w, d->rows);
    *ret = rc == OK ? m : NULL;
    return OK;
}

const char *walk_refused(const struct walk *w)
{
    return w->refused.msg;
}

uint64_t walk_models(const struct walk *w)
{
    return w->models;
}

/* No model is due after the one there is: nothing is learned from any more. */
static bool is_last(const struct walk *w)
{
    return w->models && w->due_ms == INT64_MAX;
}

static enum rc reserve_run(struct walk *w, struct err *err)
{
    if (w->run_capacity >= w->d->capacity)
        return OK;
    uint64_t *run = mem_grow(w->run, w->d->capacity, sizeof *run);
    if (!run)
        return err_set(err, E_NOMEM, "walk: no memory for %zu rows", w->d->capacity);
    w->run = run;
    w->run_capacity = w->d->capacity;
    return OK;
}

enum rc walk_note(struct walk *w, int64_t ts_ms, const float *frame, struct err *err)
{
    const uint64_t run = w->noted / WALK_RUN;

    if (is_last(w))
        return OK;
    if (w->noted == 0)
        w->since_ms = ts_ms;
    w->noted++;
    if (run % w->stride != 0)
        return OK;
    if (w->d->rows >= w->o.rows_max)
        thin(w);
    /* where nothing could go, for all is of one run: not taken */
    if (run % w->stride != 0 || w->d->rows >= w->o.rows_max)
        return OK;
    if (dataset_append(w->d, ts_ms, frame, err) != OK || reserve_run(w, err) != OK)
        return err->rc;
    w->run[w->d->rows - 1] = run;
    return OK;
}

enum rc walk_incident(struct walk *w, const struct incident *in, struct err *err)
{
    if (is_last(w))
        return OK;
    if (!in->end_ms) {
        struct heard *more = mem_make_room(w->heard, w->n_heard, &w->room_heard, sizeof *more);
        if (!more)
            return err_set(err, E_NOMEM, "walk: no memory for %zu incidents", w->n_heard + 1);
        w->heard = more;
        w->n_heard++;
    }
    if (!w->n_heard)
        return OK;
    w->heard[w->n_heard - 1] = (struct heard){in->start_ms, in->end_ms ? in->end_ms : INT64_MAX,
                                              material_loudness(in->peak_score, in->threshold)};
    return OK;
}
