/* SPDX-License-Identifier: Apache-2.0 */
#include "model/departure.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "feature/filler.h"
#include "model/news.h"
#include "model/recent.h"
#include "model/smooth.h"

/* Times that the network's answer takes the place of hidden features. The first answer was given
 * with the training median in their place and the next ones with the answer before, which imputes
 * from the network's own distribution (Rezende, Mohamed & Wierstra, ICML 2014); one that contracts
 * moves little after a few. */
enum { RESTORE_ROUNDS = 4 };

/* |z| is cut to this, so that parts and their sums stay finite. */
static const float Z_MAX = 1e6f;

/* What is known of a frame: [n] each, of one block. */
struct frame {
    float *x, *y;            /* filled, and expected; both less the season */
    float *value, *expected; /* the same in natural units */
    float *part;
};

struct departure {
    const struct model *model;
    bool bounded;
    struct filler *filler;
    struct recent recent;
    struct news news;
    struct awake awake;
    struct smooth smooth;
    bool started;
    int64_t sooner_ms;       /* its day than was learned */
    float score;             /* of the newest frame */
    int64_t newest_ms;       /* once started */
    struct frame now, trial; /* the newest frame; of departure_restored */
    float *change;           /* [n] Huber's loss of the newest frame's changes */
    float *lacking;          /* [n] its parts, NaN where a feature that counts is missing */
    float *work;             /* [model_work_size] */
    uint8_t *present;        /* [n] of the newest frame */
};

static enum rc frame_init(struct frame *f, size_t n, struct err *err)
{
    f->x = mem_array_aligned(n, 5 * sizeof *f->x);
    if (!f->x)
        return err_set(err, E_NOMEM, "no memory to score %zu features", n);
    f->y = f->x + n;
    f->value = f->y + n;
    f->expected = f->value + n;
    f->part = f->expected + n;
    return OK;
}

enum rc departure_new(const struct model *m, bool bounded, struct departure **ret, struct err *err)
{
    const size_t n = m->schema->n;
    CLEANUP(departure_freep) struct departure *d = mem_alloc(sizeof *d);

    if (!d)
        return err_set(err, E_NOMEM, "no memory to score %zu features", n);
    d->model = m;
    d->bounded = bounded;
    d->change = mem_array_aligned(n, sizeof *d->change);
    d->lacking = mem_array_aligned(n, sizeof *d->lacking);
    d->work = mem_array_aligned(model_work_size(m), sizeof *d->work);
    d->present = mem_alloc(n);
    if (!d->change || !d->lacking || !d->work || !d->present)
        return err_set(err, E_NOMEM, "no memory to score %zu features", n);
    if (frame_init(&d->now, n, err) != OK || frame_init(&d->trial, n, err) != OK ||
        filler_new(n, &d->filler, err) != OK || recent_init(&d->recent, n, err) != OK ||
        news_init(&d->news, n, err) != OK || awake_init(&d->awake, m, err) != OK ||
        smooth_init(&d->smooth, n, err) != OK)
        return err->rc;
    *ret = TAKE(d);
    return OK;
}

void departure_free(struct departure *d)
{
    if (!d)
        return;
    filler_free(d->filler);
    recent_done(&d->recent);
    news_done(&d->news);
    awake_done(&d->awake);
    smooth_done(&d->smooth);
    mem_free(d->now.x);
    mem_free(d->trial.x);
    mem_free(d->change);
    mem_free(d->lacking);
    mem_free(d->work);
    mem_free(d->present);
    mem_free(d);
}

void departure_clear(struct departure *d)
{
    filler_clear(d->filler);
    recent_clear(&d->recent);
    awake_clear(&d->awake);
    smooth_clear(&d->smooth);
}

void departure_remember(struct departure *d, const struct departure *from)
{
    memcpy(d->news.root, from->news.root, d->news.n * sizeof *d->news.root);
}

void departure_set_hour(struct departure *d, int64_t sooner_ms)
{
    if (sooner_ms == d->sooner_ms)
        return;
    d->sooner_ms = sooner_ms;
    filler_clear(d->filler); /* what they keep is less the season of another hour */
    recent_clear(&d->recent);
}

static float huber(float z)
{
    const float a = fminf(fabsf(z), Z_MAX);
    return a <= DEPARTURE_HUBER ? a * a : (2 * a - DEPARTURE_HUBER) * DEPARTURE_HUBER;
}

static float loss(const struct departure *d, size_t i, float z)
{
    const bool bounded = d->bounded && d->model->schema->f[i].resolution > 0;
    return bounded ? fminf(huber(z), DEPARTURE_HUBER * DEPARTURE_HUBER) : huber(z);
}

/* In the model's units, however the feature moves. */
static float change_of(const struct departure *d, size_t i)
{
    return recent_change(&d->recent, i, d->now.x[i]) / d->model->unit_change[i];
}

static float level_of(const struct model *m, const struct frame *f, size_t i)
{
    return (f->x[i] - f->y[i]) / m->unit_level[i];
}

static void measure_changes(struct departure *d)
{
    for (size_t i = 0; i < d->model->schema->n; i++)
        d->change[i] = loss(d, i, change_of(d, i) * d->awake.change[i]);
}

static void note_moves(struct departure *d)
{
    for (size_t k = 0; k < d->awake.n_asleep; k++) {
        const size_t i = d->awake.feature[k];
        const bool here = d->present[i];
        awake_note(&d->awake, k, here ? level_of(d->model, &d->now, i) : 0,
                   here ? change_of(d, i) : 0);
    }
}

/* The mean of f->part over the features that count: those that are here and were learned, or whose
 * squared error, which f->part holds at first, says that they left their constant. Those of
 * `restored`, which may be NULL, count with nothing. */
static float add_up(const struct departure *d, struct frame *f, const uint8_t *restored,
                    size_t *ret_counted)
{
    const struct model *const m = d->model;
    double sum = 0;
    size_t counted = 0;

    for (size_t i = 0; i < m->schema->n; i++) {
        if (!d->present[i] || !(model_learned(m, i) || f->part[i] > 0)) {
            f->part[i] = 0;
            continue;
        }
        f->part[i] = restored && restored[i]
                         ? 0
                         : loss(d, i, level_of(m, f, i) * d->awake.level[i]) + d->change[i];
        sum += (double)f->part[i];
        counted++;
    }
    *ret_counted = counted;
    return counted ? (float)(sum / (double)counted) : NAN;
}

/* The average over the past with this frame in it. */
static float smoothed(struct departure *d, float evidence, size_t counted)
{
    for (size_t i = 0; i < d->model->schema->n; i++)
        d->lacking[i] = !d->present[i] && model_learned(d->model, i) ? NAN : d->now.part[i];
    return smooth_push(&d->smooth, evidence, counted, d->lacking);
}

static struct departure_score describe(struct departure *d, struct frame *f, float score,
                                       float evidence, float reconstruction)
{
    struct departure_score s = {.score = score,
                                .evidence = evidence,
                                .reconstruction = reconstruction,
                                .value = f->value,
                                .expected = f->expected,
                                .part = f->part,
                                .here = d->present};
    const int64_t at_ms = season_time(d->newest_ms, d->sooner_ms);

    for (size_t i = 0; i < d->model->schema->n; i++) {
        const float season = season_at(&d->model->season, at_ms, i);
        f->value[i] = f->x[i] + season;
        f->expected[i] = f->y[i] + season;
        s.present += d->present[i];
    }
    return s;
}

void departure_push(struct departure *d, int64_t ts_ms, const float *frame,
                    struct departure_score *ret)
{
    const struct model *const m = d->model;
    struct frame *const f = &d->now;

    if (d->started && departure_is_gap(m->interval_ms, d->newest_ms, ts_ms))
        departure_clear(d);
    d->started = true;
    d->newest_ms = ts_ms;
    season_subtract(&m->season, season_time(ts_ms, d->sooner_ms), frame, f->x);
    filler_apply(d->filler, &m->scaler, f->x, f->x, d->present);

    const float error = model_score(m, f->x, d->present, f->y, f->part, d->work);
    float evidence = error;
    size_t counted;
    d->score = error;
    if (!model_is_classic(m)) {
        awake_next(&d->awake); /* now: departure_restored asks by the weights of this frame */
        measure_changes(d);
        evidence = add_up(d, f, NULL, &counted);
        d->score = smoothed(d, evidence, counted);
        note_moves(d);
    }
    recent_push(&d->recent, f->x, d->present);
    *ret = describe(d, f, d->score, evidence, error);
    ret->cause = f->part;
    if (!model_is_classic(m)) {
        news_push(&d->news, f->part, d->present, m->worst);
        ret->cause = d->news.cause;
    }
}

void departure_restored(struct departure *d, const uint8_t *restored, struct departure_score *ret)
{
    const struct model *const m = d->model;
    struct frame *const f = &d->trial;
    float error = NAN;

    memcpy(f->x, d->now.x, m->schema->n * sizeof *f->x);
    for (size_t i = 0; i < m->schema->n; i++)
        if (restored[i] && d->present[i])
            f->x[i] = NAN; /* the network sees nothing of it */
    for (int round = 0; round <= RESTORE_ROUNDS; round++) {
        error = model_score(m, f->x, d->present, f->y, f->part, d->work);
        for (size_t i = 0; round < RESTORE_ROUNDS && i < m->schema->n; i++)
            if (restored[i] && d->present[i])
                f->x[i] = f->y[i];
    }
    size_t counted;
    const float evidence = model_is_classic(m) ? error : add_up(d, f, restored, &counted);
    *ret = describe(d, f, d->score, evidence, error);
}
