/* SPDX-License-Identifier: Apache-2.0 */
/* model_train: from a dataset to a model. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/stats.h"
#include "feature/filler.h"
#include "model/model.h"
#include "model/model_private.h"
#include "model/train.h"

/* How far outside its training range the network sees a feature: half a range on either side. One
 * wild feature would else drive the whole reconstruction, and every feature would look guilty. */
static const float CLIP_LOW = -0.5f, CLIP_HIGH = 1.5f;

struct part { /* rows [first, first + rows) of d */
    const struct dataset *d;
    size_t first, rows;
};

/* Three deviations hold nearly all of what a feature does when it behaves; see model.h. */
static const double TOLERANCE_SIGMAS = 3;

struct learner {
    struct part train, validation;
    bool one_dataset; /* validation follows train: what was last seen is carried over */
    struct model *m;
    struct filler *filler;
    float *z[2]; /* train, validation */
    uint8_t *weight[2];
    float *scores; /* [validation.rows] */
    float *row;    /* scratch of one row: filled, expected, error, work; see row_scratch */
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
        l->train = (struct part){d, 0, d->rows};
        l->validation = (struct part){validation, 0, validation->rows};
    } else {
        if (!(spec->validation > 0 && spec->validation < 1))
            return err_set(err, E_CONFIG, "validation part %g: expected between 0 and 1",
                           spec->validation);
        size_t held = (size_t)((double)d->rows * spec->validation + 0.5);
        held = held < VALIDATION_ROWS_MIN ? VALIDATION_ROWS_MIN : held;
        held = held < d->rows ? held : d->rows;
        l->train = (struct part){d, 0, d->rows - held};
        l->validation = (struct part){d, d->rows - held, held};
        l->one_dataset = true;
    }
    if (l->train.rows < TRAIN_ROWS_MIN || l->validation.rows < VALIDATION_ROWS_MIN)
        return err_set(err, E_STATE,
                       "%zu rows to train on and %zu to validate with: expected at least %d and %d",
                       l->train.rows, l->validation.rows, TRAIN_ROWS_MIN, VALIDATION_ROWS_MIN);
    return OK;
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

    enum rc rc = scaler_fit(l->train.d, l->train.rows, schema, spec->scaling, &l->m->scaler, err);
    if (rc == OK)
        rc = net_init(&l->m->net, n, spec, err);
    if (rc == OK)
        rc = filler_new(n, &l->filler, err);
    if (rc != OK)
        return rc;
    l->present = mem_array(n, 1);
    l->row = mem_array_aligned(model_work_size(l->m) + 3 * n, sizeof *l->row);
    l->scores = mem_array(l->validation.rows, sizeof *l->scores);
    if (!l->present || !l->row || !l->scores)
        return err_set(err, E_NOMEM, "no memory to learn from %zu rows", l->train.rows);
    return OK;
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
        filler_apply(l->filler, &l->m->scaler, p->d->X + (p->first + r) * n, scaled, l->present);
        scaler_apply(&l->m->scaler, scaled, scaled);
        model_net_inputs(l->m, scaled, z + r * n);
        for (size_t i = 0; i < n; i++)
            weight[r * n + i] = l->present[i] && l->m->scaler.constant[i] == SCALER_MOVES;
    }
    *ret = (struct train_set){.rows = p->rows, .n = n, .z = z, .weight = weight};
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

/* What the rows of a part came to in plain squared errors: while every tolerance is 0. */
struct tally {
    size_t rows;    /* that have a score */
    double mse;     /* mean of the scores */
    double *square; /* [n] sum of squared errors of a feature, and */
    double *count;  /* [n] rows in which it was present */
};

static void tally_row(const struct learner *l, float score, const float *error, struct tally *t)
{
    for (size_t i = 0; i < l->m->schema->n; i++) {
        t->square[i] += (double)error[i];
        t->count[i] += l->present[i];
    }
    t->rows++;
    t->mse += (double)score;
}

/* Scores p's rows into scores[p->rows], *ret_n of them; and into t, where asked for. */
static void score_rows(struct learner *l, const struct part *p, float *scores, size_t *ret_n,
                       struct tally *t)
{
    const size_t n = l->m->schema->n;
    float *const work = l->row, *const filled = work + model_work_size(l->m);
    float *const expected = filled + n, *const error = expected + n;

    *ret_n = 0;
    for (size_t r = 0; r < p->rows; r++) {
        filler_apply(l->filler, &l->m->scaler, p->d->X + (p->first + r) * n, filled, l->present);
        const float score = model_score(l->m, filled, l->present, expected, error, work);
        if (isnan(score))
            continue;
        if (scores)
            scores[(*ret_n)++] = score;
        if (t)
            tally_row(l, score, error, t);
    }
    if (t)
        t->mse = t->rows ? t->mse / (double)t->rows : 0;
}

/* Mean squared errors of both parts, and each feature's tolerance from the validation part. */
static enum rc set_tolerances(struct learner *l, struct err *err)
{
    struct model *const m = l->m;
    const size_t n = m->schema->n;
    CLEANUP(mem_freep) double *sums = mem_array(4 * n, sizeof *sums);
    m->tolerance = mem_array(n, sizeof *m->tolerance); /* zeros: plain squares */
    if (!sums || !m->tolerance)
        return err_set(err, E_NOMEM, "no memory for a model of %zu features", n);
    struct tally train = {.square = sums, .count = sums + n};
    struct tally held = {.square = sums + 2 * n, .count = sums + 3 * n};
    size_t unused;

    filler_clear(l->filler);
    score_rows(l, &l->train, NULL, &unused, &train);
    if (!l->one_dataset)
        filler_clear(l->filler);
    score_rows(l, &l->validation, NULL, &unused, &held);
    m->stats.train_rows = train.rows;
    m->stats.train_mse = train.mse;
    m->stats.validation_rows = held.rows;
    m->stats.validation_mse = held.mse;
    for (size_t i = 0; i < n; i++) {
        if (!(m->schema->f[i].resolution > 0))
            continue;
        const double rms = held.count[i] > 0 ? sqrt(held.square[i] / held.count[i]) : 0;
        m->tolerance[i] = (float)fmax(1, TOLERANCE_SIGMAS * rms);
    }
    return OK;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
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

static enum rc judge(struct learner *l, const struct threshold_spec *threshold, struct err *err)
{
    struct model *const m = l->m;
    struct stats_moments moments;
    size_t n;

    if (set_tolerances(l, err) != OK)
        return err->rc;
    filler_clear(l->filler);
    score_rows(l, &l->validation, l->scores, &n, NULL);
    if (n == 0)
        return err_set(err, E_STATE, "none of %zu validation rows has a score", l->validation.rows);
    stats_init(&moments);
    for (size_t i = 0; i < n; i++)
        stats_add(&moments, (double)l->scores[i]);
    m->stats.std = stats_std(&moments);
    qsort(l->scores, n, sizeof *l->scores, by_value);
    const enum rc rc = keep_scores(m, l->scores, n, err);
    return rc == OK ? model_set_threshold(m, threshold, err) : rc;
}

static void set_provenance(struct learner *l, const struct model_provenance *provenance,
                           const struct learn_spec *spec)
{
    struct model_provenance *const p = &l->m->provenance;
    const struct part *const t = &l->train, *const v = &l->validation;
    const int64_t t_last = t->d->ts_ms[t->first + t->rows - 1];
    const int64_t v_last = v->d->ts_ms[v->first + v->rows - 1];

    *p = *provenance;
    p->seed = spec->seed;
    p->settings = settings_learn_hash(spec);
    p->first_ms = t->d->ts_ms[t->first];
    if (v->d->ts_ms[v->first] < p->first_ms)
        p->first_ms = v->d->ts_ms[v->first];
    p->last_ms = t_last > v_last ? t_last : v_last;
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
