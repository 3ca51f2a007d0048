/* SPDX-License-Identifier: Apache-2.0 */
/* model_train: from a dataset to a model. */
#include <assert.h>
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

/* A feature's tolerance by its errors in the validation rows; see model.h. For normal errors
 * 1.5 times the 95 % quantile is three deviations; unlike those, it does not see what one row in
 * twenty did. */
static const double TOLERANCE_QUANTILE = 0.95, TOLERANCE_FACTOR = 1.5;

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
    l->bounded = mem_array(n, 1);
    if (!l->present || !l->row || !l->scores || !l->bounded)
        return err_set(err, E_NOMEM, "no memory to learn from %zu rows", l->train.rows);
    for (size_t i = 0; i < n; i++)
        l->bounded[i] = schema->f[i].resolution > 0;
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

    filler_apply(l->filler, &l->m->scaler, p->d->X + (p->first + r) * n, filled, l->present);
    *ret_error = error;
    return model_score(l->m, filled, l->present, expected, error, work);
}

/* While every tolerance is 0: the rows of p that have a score, and the mean of it, which is the
 * mean squared error; distance[rows][n], or NULL: each |d_i|, NaN where the feature is absent. */
static void measure(struct learner *l, const struct part *p, uint64_t *ret_rows, double *ret_mse,
                    float *distance)
{
    const size_t n = l->m->schema->n;
    double sum = 0;
    float *error;

    *ret_rows = 0;
    for (size_t r = 0; r < p->rows; r++) {
        const float score = score_row(l, p, r, &error);

        for (size_t i = 0; distance && i < n; i++)
            distance[r * n + i] = l->present[i] ? sqrtf(error[i]) : NAN;
        if (!isnan(score)) {
            ++*ret_rows;
            sum += (double)score;
        }
    }
    *ret_mse = *ret_rows ? sum / (double)*ret_rows : 0;
}

/* Mean squared errors of both parts, and each feature's tolerance from the validation part. */
static enum rc set_tolerances(struct learner *l, struct err *err)
{
    struct model *const m = l->m;
    const size_t n = m->schema->n, rows = l->validation.rows;
    float *const distance = l->z[1], *const column = l->scores;

    m->tolerance = mem_array(n, sizeof *m->tolerance); /* zeros: plain squares */
    if (!m->tolerance)
        return err_set(err, E_NOMEM, "no memory for a model of %zu features", n);
    filler_clear(l->filler);
    measure(l, &l->train, &m->stats.train_rows, &m->stats.train_mse, NULL);
    if (!l->one_dataset)
        filler_clear(l->filler);
    measure(l, &l->validation, &m->stats.validation_rows, &m->stats.validation_mse, distance);
    for (size_t i = 0; i < n; i++) {
        if (!l->bounded[i])
            continue;
        for (size_t r = 0; r < rows; r++)
            column[r] = distance[r * n + i];
        const double usual = (double)stats_quantile(column, rows, TOLERANCE_QUANTILE);
        m->tolerance[i] = (float)fmax(1, TOLERANCE_FACTOR * usual); /* 1 for NaN: never present */
    }
    return OK;
}

/* The score of a row that sets the threshold: of a feature that is off by more than its tolerance
 * no more than that is counted. NaN for none. */
static float bounded_score(const struct model *m, const uint8_t *present, const float *error)
{
    double sum = 0;
    size_t counted = 0;

    for (size_t i = 0; i < m->schema->n; i++) {
        const bool known = m->tolerance[i] > 0;

        sum += (double)(known ? fminf(error[i], 1) : error[i]);
        /* a constant that moved has an error */
        counted += present[i] && (model_learned(m, i) || error[i] > 0);
    }
    return counted > 0 ? (float)(sum / (double)counted) : NAN;
}

/* The validation rows' scores into l->scores. */
static size_t score_validation(struct learner *l)
{
    size_t n = 0;
    float *error;

    filler_clear(l->filler);
    for (size_t r = 0; r < l->validation.rows; r++) {
        (void)score_row(l, &l->validation, r, &error);
        const float score = bounded_score(l->m, l->present, error);
        if (!isnan(score))
            l->scores[n++] = score;
    }
    return n;
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

    if (set_tolerances(l, err) != OK)
        return err->rc;
    const size_t n = score_validation(l);
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
