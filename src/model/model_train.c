/* SPDX-License-Identifier: Apache-2.0 */
/* model_train: from a dataset to a model. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/stats.h"
#include "feature/filler.h"
#include "model/departure.h"
#include "model/model.h"
#include "model/model_private.h"
#include "model/news.h"
#include "model/recent.h"
#include "model/train.h"
#include "model/yardstick.h"

/* How far outside its training range the network sees a feature: half a range on either side. One
 * wild feature would else drive the whole reconstruction, and every feature would look guilty. */
static const float CLIP_LOW = -0.5f, CLIP_HIGH = 1.5f;

struct part { /* rows [first, first + rows) of d */
    const struct dataset *d;
    size_t first, rows;
    float *owned;   /* NULL, or the memory of X */
    const float *X; /* [rows][n] less the season */
};

/* A feature's unit is no less than one deviation of its errors in the validation rows, taken as
 * half their 95 % quantile: unlike the deviation, it does not see what one row in twenty did. */
static const double UNIT_QUANTILE = 0.95, UNIT_FACTOR = 0.5;

/* Share of the training rows that the units are taken without. */
static const double TRIMMED = 0.01;
/* Those of levels no smaller than this share of what they are with all rows: the network did learn
 * from the others too, and now and then gives back a little of them in the midst of usual rows. */
static const float TRIM_LEAST = 0.5f;

struct learner {
    struct part train, validation;
    bool one_dataset; /* validation follows train: what was last seen is carried over */
    struct model *m;
    struct filler *filler;
    float *z[2]; /* train, validation; once trained, the latter is room for the distances */
    uint8_t *weight[2];
    uint8_t *bounded; /* [n] 1 where the resolution is known */
    float *scores;    /* [validation.rows] */
    float *row;       /* scratch of one row: model_score's work, filled, expected, error */
    uint8_t *present;
};

static void learner_done(struct learner *l)
{
    model_unref(l->m);
    filler_free(l->filler);
    for (int i = 0; i < 2; i++) {
        mem_free(l->z[i]);
        mem_free(l->weight[i]);
    }
    mem_free(l->scores);
    mem_free(l->row);
    mem_free(l->present);
    mem_free(l->bounded);
    mem_free(l->train.owned);
    mem_free(l->validation.owned);
}

static enum rc check_spec(const struct learn_spec *s, struct err *err)
{
    if (s->batch_size == 0)
        return err_set(err, E_CONFIG, "batch size 0: expected 1 or more");
    if (!(s->learning_rate > 0 && s->learning_rate <= 1))
        return err_set(err, E_CONFIG, "learning rate %g: expected more than 0, 1 at most",
                       s->learning_rate);
    if (!(s->feature_dropout >= 0 && s->feature_dropout < 1))
        return err_set(err, E_CONFIG, "feature dropout %g: expected 0 or more, less than 1",
                       s->feature_dropout);
    return OK;
}

static enum rc split(const struct dataset *d, const struct dataset *validation,
                     const struct learn_spec *spec, struct learner *l, struct err *err)
{
    if (validation) {
        l->train = (struct part){.d = d, .rows = d->rows};
        l->validation = (struct part){.d = validation, .rows = validation->rows};
    } else {
        if (!(spec->validation > 0 && spec->validation < 1))
            return err_set(err, E_CONFIG, "validation part %g: expected between 0 and 1",
                           spec->validation);
        size_t held = (size_t)((double)d->rows * spec->validation + 0.5);
        held = held < VALIDATION_ROWS_MIN ? VALIDATION_ROWS_MIN : held;
        held = held < d->rows ? held : d->rows;
        l->train = (struct part){.d = d, .rows = d->rows - held};
        l->validation = (struct part){.d = d, .first = d->rows - held, .rows = held};
        l->one_dataset = true;
    }
    if (l->train.rows < TRAIN_ROWS_MIN || l->validation.rows < VALIDATION_ROWS_MIN)
        return err_set(err, E_STATE,
                       "%zu rows to train on and %zu to validate with: expected at least %d and %d",
                       l->train.rows, l->validation.rows, TRAIN_ROWS_MIN, VALIDATION_ROWS_MIN);
    return OK;
}

static const float *raw_rows(const struct part *p)
{
    return p->d->X + p->first * p->d->n;
}

/* p->X: the rows less the season. Without one they are the dataset's own. */
static enum rc take_season_off(const struct season *season, struct part *p, struct err *err)
{
    const size_t n = season->n;

    p->X = raw_rows(p);
    if (season->slots == 0)
        return OK;
    p->owned = mem_array(p->rows, n * sizeof *p->owned);
    if (!p->owned)
        return err_set(err, E_NOMEM, "no memory for %zu rows less their season", p->rows);
    for (size_t r = 0; r < p->rows; r++)
        season_subtract(season, p->d->ts_ms[p->first + r], p->X + r * n, p->owned + r * n);
    p->X = p->owned;
    return OK;
}

static enum rc fit_units(struct model *m, const struct part *p, const uint8_t *skip,
                         struct err *err)
{
    const struct yardstick_rows rows = {.rows = p->rows,
                                        .interval_ms = m->interval_ms,
                                        .ts_ms = p->d->ts_ms + p->first,
                                        .X = raw_rows(p),
                                        .Y = p->X,
                                        .skip = skip};

    return yardstick_fit(&rows, m->schema, &m->scaler, m->unit_level, m->unit_change, err);
}

/* The season, the scaler of what is left without it, and the units of both. How long a feature
 * stood still is told by its own values. */
static enum rc fit_inputs(struct learner *l, const struct schema *schema,
                          const struct learn_spec *spec, struct err *err)
{
    struct model *const m = l->m;
    const struct part *const t = &l->train;

    m->interval_ms = dataset_interval_ms(t->d);
    if (season_fit(t->d->ts_ms + t->first, raw_rows(t), t->rows, schema, m->interval_ms, &m->season,
                   err) != OK ||
        take_season_off(&m->season, &l->train, err) != OK ||
        take_season_off(&m->season, &l->validation, err) != OK ||
        scaler_fit(t->X, t->rows, schema, spec->scaling, &m->scaler, err) != OK ||
        model_alloc_units(m, schema->n, err) != OK)
        return err->rc;
    scaler_note_stillness(&m->scaler, raw_rows(t), t->rows);
    return fit_units(m, t, NULL, err);
}

/* The model's parts that need no training, and the learner's buffers. */
static enum rc prepare_model(struct learner *l, const struct schema *schema,
                             const struct learn_spec *spec, struct err *err)
{
    const size_t n = schema->n;

    l->m = mem_alloc(sizeof *l->m);
    if (!l->m)
        return err_set(err, E_NOMEM, "no memory for a model");
    atomic_init(&l->m->refs, 1);
    l->m->clip_low = CLIP_LOW;
    l->m->clip_high = CLIP_HIGH;
    l->m->schema = schema_copy(schema);
    if (!l->m->schema)
        return err_set(err, E_NOMEM, "no memory for a schema of %zu features", n);

    enum rc rc = fit_inputs(l, schema, spec, err);
    if (rc == OK)
        rc = net_init(&l->m->net, n, spec, err);
    if (rc == OK)
        rc = filler_new(n, &l->filler, err);
    if (rc != OK)
        return rc;
    l->present = mem_array(n, 1);
    l->row = mem_array_aligned(model_work_size(l->m) + 3 * n, sizeof *l->row);
    l->scores = mem_array(l->validation.rows, sizeof *l->scores);
    l->bounded = mem_array(n, 1);
    if (!l->present || !l->row || !l->scores || !l->bounded)
        return err_set(err, E_NOMEM, "no memory to learn from %zu rows", l->train.rows);
    for (size_t i = 0; i < n; i++)
        l->bounded[i] = schema->f[i].resolution > 0;
    return OK;
}

/* Row r of p, gaps in it filled; over a gap in time nothing is carried, as in scoring. */
static void fill_row(struct learner *l, const struct part *p, size_t r, float *filled)
{
    const size_t at = p->first + r;

    if (at > 0 && departure_is_gap(l->m->interval_ms, p->d->ts_ms[at - 1], p->d->ts_ms[at]))
        filler_clear(l->filler);
    filler_apply(l->filler, &l->m->scaler, p->X + r * l->m->schema->n, filled, l->present);
}

/* Rows as the network sees them, and which features the loss counts. */
static enum rc prepare_rows(struct learner *l, int which, const struct part *p,
                            struct train_set *ret, struct err *err)
{
    const size_t n = l->m->schema->n;
    size_t cells;
    float *const z = __builtin_mul_overflow(p->rows, n, &cells)
                         ? NULL
                         : (l->z[which] = mem_array(cells, sizeof *z));
    uint8_t *const weight = z ? (l->weight[which] = mem_array(cells, 1)) : NULL;
    float *const scaled = l->row; /* work's first row: not the output, which is clipped */

    if (!z || !weight)
        return err_set(err, E_NOMEM, "no memory to learn from %zu rows", p->rows);
    for (size_t r = 0; r < p->rows; r++) {
        fill_row(l, p, r, scaled);
        scaler_apply(&l->m->scaler, scaled, scaled);
        model_net_inputs(l->m, scaled, z + r * n);
        for (size_t i = 0; i < n; i++)
            weight[r * n + i] = l->present[i] && model_learned(l->m, i);
    }
    *ret = (struct train_set){
        .rows = p->rows, .n = n, .z = z, .weight = weight, .bounded = l->bounded};
    return OK;
}

static enum rc train(struct learner *l, const struct learn_spec *spec, model_progress_fn *progress,
                     void *arg, struct err *err)
{
    struct train_set train, validation;
    struct train_result result;

    enum rc rc = prepare_rows(l, 0, &l->train, &train, err);
    if (rc != OK)
        return rc;
    if (!l->one_dataset)
        filler_clear(l->filler);
    rc = prepare_rows(l, 1, &l->validation, &validation, err);
    if (rc != OK)
        return rc;
    scaler_apply(&l->m->scaler, l->m->scaler.median, l->row);
    model_net_inputs(l->m, l->row, l->row);
    rc = train_net(&l->m->net, &train, &validation, l->row, spec, progress, arg, &result, err);
    if (rc == OK)
        l->m->stats.epochs = result.epochs;
    return rc;
}

/* The errors of row r of p; its score. */
static float score_row(struct learner *l, const struct part *p, size_t r, float **ret_error)
{
    const size_t n = l->m->schema->n;
    float *const work = l->row, *const filled = work + model_work_size(l->m);
    float *const expected = filled + n, *const error = expected + n;

    fill_row(l, p, r, filled);
    *ret_error = error;
    return model_score(l->m, filled, l->present, expected, error, work);
}

/* The rows of p that have a reconstruction error, and the mean of it; distance[rows][n], or NULL:
 * each |d_i|, NaN where the feature is absent. */
static void measure(struct learner *l, const struct part *p, uint64_t *ret_rows, double *ret_mse,
                    float *distance)
{
    const size_t n = l->m->schema->n;
    double sum = 0;
    float *error;

    *ret_rows = 0;
    for (size_t r = 0; r < p->rows; r++) {
        const float mse = score_row(l, p, r, &error);

        for (size_t i = 0; distance && i < n; i++)
            distance[r * n + i] = l->present[i] ? sqrtf(error[i]) : NAN;
        if (!isnan(mse)) {
            ++*ret_rows;
            sum += (double)mse;
        }
    }
    *ret_mse = *ret_rows ? sum / (double)*ret_rows : 0;
}

/* Mean squared errors of both parts; units of level that the validation part asks to be wider. */
static void set_errors(struct learner *l)
{
    struct model *const m = l->m;
    const size_t n = m->schema->n, rows = l->validation.rows;
    float *const distance = l->z[1], *const column = l->scores;

    filler_clear(l->filler);
    measure(l, &l->train, &m->stats.train_rows, &m->stats.train_mse, NULL);
    if (!l->one_dataset)
        filler_clear(l->filler);
    measure(l, &l->validation, &m->stats.validation_rows, &m->stats.validation_mse, distance);
    for (size_t i = 0; i < n; i++) {
        if (!model_learned(m, i))
            continue;
        for (size_t r = 0; r < rows; r++)
            column[r] = distance[r * n + i];
        const double usual = UNIT_FACTOR * (double)stats_quantile(column, rows, UNIT_QUANTILE) *
                             (double)m->scaler.span[i];
        if (usual > (double)m->unit_level[i]) /* not for NaN: never present */
            m->unit_level[i] = (float)fmin(usual, (double)FLT_MAX);
    }
}

/* What is watched of p's rows (score and evidence, whichever is less: verdict.h), in time order,
 * into the tail and, unless NULL, into scores; how many have one. */
static size_t score_part(const struct learner *l, const struct part *p, struct departure *d,
                         struct tail_builder *tail, float *scores)
{
    const int64_t *const ts = p->d->ts_ms + p->first, interval_ms = l->m->interval_ms;
    struct departure_score s;
    size_t n = 0;

    for (size_t r = 0; r < p->rows; r++) {
        departure_push(d, ts[r], raw_rows(p) + r * p->d->n, &s);
        const float watched = fminf(s.score, s.evidence); /* both are NaN or neither is */
        if (r > 0 && interval_ms > 0 && departure_is_gap(interval_ms, ts[r - 1], ts[r]))
            tail_builder_gap(tail);
        tail_builder_push(tail, watched);
        if (isnan(watched))
            continue;
        if (scores)
            scores[n] = watched;
        n++;
    }
    return n;
}

/* Both tails, and the scores of the validation rows into l->scores. */
static enum rc score_parts(struct learner *l, struct confirm_spec confirm, size_t *ret_n,
                           struct err *err)
{
    CLEANUP(departure_freep) struct departure *d = NULL;
    CLEANUP(tail_builder_freep) struct tail_builder *trained = NULL;
    CLEANUP(tail_builder_freep) struct tail_builder *tail = NULL;
    struct model *const m = l->m;

    if (departure_new(m, true, &d, err) != OK ||
        tail_builder_new(confirm, MODEL_TRAINED_MAX, &trained, err) != OK ||
        tail_builder_new(confirm, TAIL_PEAKS_MAX, &tail, err) != OK)
        return err->rc;
    (void)score_part(l, &l->train, d, trained, NULL);
    if (!l->one_dataset)
        departure_clear(d);
    *ret_n = score_part(l, &l->validation, d, tail, l->scores);
    const enum rc rc = tail_builder_take(trained, m->interval_ms, &m->trained, err);
    return rc == OK ? tail_builder_take(tail, m->interval_ms, &m->tail, err) : rc;
}

/* scores[n] ascending to at most MODEL_SCORES_MAX of them, evenly by rank, the ends kept. */
static enum rc keep_scores(struct model *m, const float *scores, size_t n, struct err *err)
{
    const size_t kept = n < MODEL_SCORES_MAX ? n : MODEL_SCORES_MAX;

    m->scores = mem_array(kept, sizeof *m->scores);
    if (!m->scores)
        return err_set(err, E_NOMEM, "no memory for %zu scores", kept);
    for (size_t i = 0; i < kept; i++)
        m->scores[i] = scores[kept > 1 ? i * (n - 1) / (kept - 1) : 0];
    m->n_scores = kept;
    return OK;
}

/* The units again, from the training rows without those with the most evidence: what happened in
 * a few bad minutes is no measure of what is usual. */
static enum rc trim_units(struct learner *l, struct err *err)
{
    struct model *const m = l->m;
    const struct part *const t = &l->train;
    CLEANUP(departure_freep) struct departure *d = NULL;
    CLEANUP(mem_freep) float *evidence = mem_array(2 * t->rows, sizeof *evidence);
    CLEANUP(mem_freep) uint8_t *skip = mem_array(t->rows, 1);
    CLEANUP(mem_freep) float *whole = mem_array(m->schema->n, sizeof *whole);
    struct departure_score s;

    if (!evidence || !skip || !whole)
        return err_set(err, E_NOMEM, "no memory to learn from %zu rows", t->rows);
    if (departure_new(m, false, &d, err) != OK)
        return err->rc;
    for (size_t r = 0; r < t->rows; r++) {
        departure_push(d, t->d->ts_ms[t->first + r], raw_rows(t) + r * t->d->n, &s);
        evidence[r] = evidence[t->rows + r] = s.evidence;
    }
    const float most = stats_quantile(evidence + t->rows, t->rows, 1 - TRIMMED);
    for (size_t r = 0; r < t->rows; r++)
        skip[r] = evidence[r] > most ? 1 : 0;
    memcpy(whole, m->unit_level, m->schema->n * sizeof *whole);
    if (fit_units(m, t, skip, err) != OK)
        return err->rc;
    for (size_t i = 0; i < m->schema->n; i++)
        if (model_learned(m, i))
            m->unit_level[i] = fmaxf(m->unit_level[i], TRIM_LEAST * whole[i]);
    return OK;
}

static void raise_worst(struct departure *d, const struct part *p, float *worst)
{
    struct departure_score s;

    for (size_t r = 0; r < p->rows; r++) {
        departure_push(d, p->d->ts_ms[p->first + r], raw_rows(p) + r * p->d->n, &s);
        for (size_t i = 0; i < p->d->n; i++)
            worst[i] = fminf(fmaxf(worst[i], s.cause[i]), NEWS_WORST_MAX);
    }
}

/* The most that each feature was a cause while learning; while it is found, all are 1. */
static enum rc find_worst(struct learner *l, struct err *err)
{
    const size_t n = l->m->schema->n;
    CLEANUP(departure_freep) struct departure *d = NULL;
    CLEANUP(mem_freep) float *worst = mem_array(n, sizeof *worst);

    if (!worst)
        return err_set(err, E_NOMEM, "no memory to learn %zu features", n);
    if (departure_new(l->m, false, &d, err) != OK)
        return err->rc;
    memcpy(worst, l->m->worst, n * sizeof *worst);
    raise_worst(d, &l->train, worst);
    raise_worst(d, &l->validation, worst);
    memcpy(l->m->worst, worst, n * sizeof *worst);
    return OK;
}

static enum rc judge(struct learner *l, const struct threshold_spec *threshold, struct err *err)
{
    struct model *const m = l->m;
    struct stats_moments moments;
    size_t n = 0;

    if (trim_units(l, err) != OK)
        return err->rc;
    set_errors(l);
    enum rc rc = find_worst(l, err);
    if (rc == OK)
        rc = score_parts(l, threshold->confirm, &n, err);
    if (rc != OK)
        return rc;
    if (n == 0)
        return err_set(err, E_STATE, "none of %zu validation rows has a score", l->validation.rows);
    stats_init(&moments);
    for (size_t i = 0; i < n; i++)
        stats_add(&moments, (double)l->scores[i]);
    m->stats.std = stats_std(&moments);
    stats_sort(l->scores, n);
    rc = keep_scores(m, l->scores, n, err);
    return rc == OK ? model_set_threshold(m, threshold, err) : rc;
}

static void set_provenance(struct learner *l, const struct model_provenance *provenance,
                           const struct learn_spec *spec)
{
    struct model_provenance *const p = &l->m->provenance;
    int64_t first_ms, last_ms;

    *p = *provenance;
    p->seed = spec->seed;
    p->settings = settings_learn_hash(spec);
    dataset_span(l->train.d, &p->first_ms, &p->last_ms);
    dataset_span(l->validation.d, &first_ms, &last_ms);
    if (first_ms < p->first_ms)
        p->first_ms = first_ms;
    if (last_ms > p->last_ms)
        p->last_ms = last_ms;
}

enum rc model_train(const struct dataset *d, const struct dataset *validation,
                    const struct schema *schema, const struct learn_spec *spec,
                    const struct threshold_spec *threshold,
                    const struct model_provenance *provenance, model_progress_fn *progress,
                    void *arg, struct model **ret, struct err *err)
{
    CLEANUP(learner_done) struct learner l = {0};

    assert(d->n == schema->n && (!validation || validation->n == schema->n));
    enum rc rc = check_spec(spec, err);
    if (rc == OK)
        rc = split(d, validation, spec, &l, err);
    if (rc == OK)
        rc = prepare_model(&l, schema, spec, err);
    if (rc == OK)
        rc = train(&l, spec, progress, arg, err);
    if (rc == OK)
        rc = judge(&l, threshold, err);
    if (rc != OK)
        return rc;
    set_provenance(&l, provenance, spec);
    *ret = TAKE(l.m);
    return OK;
}
