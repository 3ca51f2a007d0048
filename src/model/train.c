/* SPDX-License-Identifier: Apache-2.0 */
#include "model/train.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/stats.h"
#include "model/tape.h"

/* A unit starts on for about 84 % of rows. Of 0.5 to 4, 1 gave the best validation errors. */
static const double WAKE_DEVIATIONS = 1;

/* Rows that a tape holds at least: larger blocks for what needs no step of its own. */
enum { TAPE_ROWS_MIN = 64 };

struct trainer {
    struct tape tape;
    size_t batch;
    struct rng rng;
    const struct train_set *train, *validation;
    const float *hidden;
    double feature_dropout;
    uint32_t *order; /* rows of train that count, in this epoch's order */
    size_t n_order;
    double beta1_t, beta2_t; /* beta^t, by products: pow differs between C libraries */
    float learning_rate;
    float *m, *v, *best; /* [n_params] */
};

static const double ADAM_BETA1 = 0.9, ADAM_BETA2 = 0.999, ADAM_EPSILON = 1e-8;

static void trainer_done(struct trainer *t)
{
    tape_done(&t->tape);
    mem_free(t->order);
    mem_free(t->m);
    *t = (struct trainer){0};
}

static size_t weight_of_row(const struct train_set *s, size_t row)
{
    size_t sum = 0;

    for (size_t i = 0; i < s->n; i++)
        sum += s->weight[row * s->n + i];
    return sum;
}

static bool has_weight(const struct train_set *s)
{
    for (size_t r = 0; r < s->rows; r++)
        if (weight_of_row(s, r) > 0)
            return true;
    return false;
}

static enum rc trainer_init(struct trainer *t, const struct net *net, const struct learn_spec *spec,
                            struct err *err)
{
    const size_t rows = t->train->rows;
    const size_t batch = spec->batch_size < rows ? spec->batch_size : rows;
    const size_t tape_rows = batch > TAPE_ROWS_MIN ? batch : TAPE_ROWS_MIN;
    const enum rc rc = tape_init(&t->tape, net, tape_rows, kernels_best(), err);
    if (rc != OK)
        return rc;

    const size_t n = t->tape.n_params;
    t->batch = batch;
    t->m = mem_array_aligned(3 * n, sizeof *t->m);
    t->order = mem_array(rows, sizeof *t->order);
    if (!t->m || !t->order)
        return err_set(err, E_NOMEM, "no memory to train on %zu rows", rows);
    t->v = t->m + n;
    t->best = t->v + n;
    for (size_t r = 0; r < rows; r++)
        if (weight_of_row(t->train, r) > 0)
            t->order[t->n_order++] = (uint32_t)r;
    t->feature_dropout = spec->feature_dropout;
    t->learning_rate = (float)spec->learning_rate;
    t->beta1_t = t->beta2_t = 1;
    rng_init(&t->rng, spec->seed + 1); /* not the numbers that the weights began with */
    return OK;
}

/* Row `row` of s becomes row `at` of the tape's input. */
static float *show_row(struct trainer *t, size_t at, const struct train_set *s, size_t row)
{
    return memcpy(t->tape.X + at * t->tape.ldx, s->z + row * s->n, s->n * sizeof *s->z);
}

/* Fisher & Yates */
static void shuffle(struct trainer *t)
{
    for (size_t i = t->n_order; i > 1; i--) {
        const size_t j = rng_below(&t->rng, (uint32_t)i);
        const uint32_t row = t->order[j];
        t->order[j] = t->order[i - 1];
        t->order[i - 1] = row;
    }
}

static void hide_features(struct trainer *t, float *x)
{
    const float p = (float)t->feature_dropout;

    if (p <= 0)
        return;
    for (size_t i = 0; i < t->train->n; i++)
        if (rng_float(&t->rng) < p)
            x[i] = t->hidden[i];
}

/* The output's dY = dL/dY for one row of a batch of `rows`. */
static void loss_gradient(const struct train_set *s, size_t row, size_t rows, const float *y,
                          float *dy)
{
    const float *const z = s->z + row * s->n;
    const uint8_t *const weight = s->weight + row * s->n;
    const float unit = 2.0f / ((float)rows * (float)weight_of_row(s, row));

    for (size_t i = 0; i < s->n; i++)
        dy[i] = unit * (float)weight[i] * (y[i] - z[i]);
}

static void adam_step(struct trainer *t)
{
    t->beta1_t *= ADAM_BETA1;
    t->beta2_t *= ADAM_BETA2;
    const struct kernel_adam a = {.beta1 = (float)ADAM_BETA1,
                                  .beta2 = (float)ADAM_BETA2,
                                  .epsilon = (float)ADAM_EPSILON,
                                  .step = t->learning_rate / (float)(1 - t->beta1_t),
                                  .v_unit = (float)(1 / (1 - t->beta2_t))};
    t->tape.k->adam(&a, t->tape.n_params, t->tape.grad, t->tape.params, t->m, t->v);
}

static void train_batch(struct trainer *t, const uint32_t *order, size_t rows)
{
    const struct train_set *const s = t->train;
    const struct tape_layer *const out = tape_output(&t->tape);

    for (size_t r = 0; r < rows; r++)
        hide_features(t, show_row(t, r, s, order[r]));
    tape_forward(&t->tape, rows);
    for (size_t r = 0; r < rows; r++)
        loss_gradient(s, order[r], rows, out->Y + r * out->ld, out->dY + r * out->ld);
    tape_backward(&t->tape, rows);
    adam_step(t);
}

/* The loss of a row that y is the reconstruction of, bounded; its features' weight is over 0. */
static double row_mse(const struct train_set *s, size_t row, const float *y, size_t weight)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        const double d = (double)y[i] - (double)s->z[row * s->n + i];
        const double e = s->bounded && s->bounded[i] ? fmin(d * d, 1) : d * d;
        sum += s->weight[row * s->n + i] ? e : 0;
    }
    return sum / (double)weight;
}

/* Mean over the rows that count of their loss, nothing hidden. */
static double set_mse(struct trainer *t, const struct train_set *s)
{
    const struct tape_layer *const out = tape_output(&t->tape);
    double sum = 0;
    size_t counted = 0;

    for (size_t first = 0; first < s->rows; first += t->tape.batch) {
        const size_t left = s->rows - first;
        const size_t rows = left < t->tape.batch ? left : t->tape.batch;

        for (size_t r = 0; r < rows; r++)
            (void)show_row(t, r, s, first + r);
        tape_forward(&t->tape, rows);
        for (size_t r = 0; r < rows; r++) {
            const size_t weight = weight_of_row(s, first + r);

            if (weight > 0) {
                sum += row_mse(s, first + r, out->Y + r * out->ld, weight);
                counted++;
            }
        }
    }
    return sum / (double)counted;
}

uint32_t train_epochs(const struct learn_spec *spec, size_t rows)
{
    if (spec->epochs > 0)
        return spec->epochs;

    const size_t batches = (rows + spec->batch_size - 1) / spec->batch_size;
    const size_t epochs = batches > 0 ? (TRAIN_STEPS + batches - 1) / batches : 0;

    if (epochs < TRAIN_EPOCHS)
        return TRAIN_EPOCHS;
    return epochs < TRAIN_EPOCHS_MAX ? (uint32_t)epochs : TRAIN_EPOCHS_MAX;
}

/* Where few rows get more epochs, patience lasts as many batches as before. */
static uint32_t patience_for(const struct learn_spec *spec, uint32_t epochs)
{
    const uint64_t stretch = spec->epochs == 0 ? epochs / TRAIN_EPOCHS : 1;
    const uint64_t patience = spec->patience * stretch;

    return patience < UINT32_MAX ? (uint32_t)patience : UINT32_MAX;
}

/* Shift the biases of ReLU layers so that each unit starts on for most rows: its input's
 * mean over a sample of rows stands WAKE_DEVIATIONS above 0. A unit that starts off for all rows
 * gets no gradient and stays off; with a middle layer of four units each one lost costs a quarter
 * of what can pass. (Data-dependent biases as in Salimans & Kingma, NeurIPS 2016, section 3.) */
static void wake_units(struct trainer *t)
{
    struct tape *const tape = &t->tape;
    const size_t rows = tape->batch < t->n_order ? tape->batch : t->n_order;

    for (size_t r = 0; r < rows; r++) /* spread over the whole time */
        (void)show_row(t, r, t->train, t->order[r * t->n_order / rows]);
    for (size_t l = 0; l + 1 < tape->n_layers; l++) {
        struct tape_layer *const layer = &tape->layer[l];
        if (layer->act != ACT_RELU)
            continue;

        layer->act = ACT_LINEAR;
        tape_forward(tape, rows);
        layer->act = ACT_RELU;
        for (size_t j = 0; j < layer->out; j++) {
            struct stats_moments m;
            stats_init(&m);
            for (size_t r = 0; r < rows; r++)
                stats_add(&m, (double)layer->Y[r * layer->ld + j]);
            layer->b[j] = (float)(WAKE_DEVIATIONS * stats_std(&m) - m.mean);
        }
    }
}

static enum rc run_epochs(struct trainer *t, const struct learn_spec *spec,
                          train_progress_fn *progress, void *arg, struct train_result *ret,
                          struct err *err)
{
    const uint32_t epochs = train_epochs(spec, t->train->rows);
    const uint32_t patience = patience_for(spec, epochs);
    const size_t size = t->tape.n_params * sizeof *t->best;
    struct train_result best = {.validation_mse = set_mse(t, t->validation)};

    memcpy(t->best, t->tape.params, size);
    for (uint32_t epoch = 1; epoch <= epochs; epoch++) {
        shuffle(t);
        for (size_t at = 0; at < t->n_order; at += t->batch) {
            const size_t left = t->n_order - at;
            train_batch(t, t->order + at, left < t->batch ? left : t->batch);
        }
        const double mse = set_mse(t, t->validation);
        if (mse < best.validation_mse) {
            best = (struct train_result){.validation_mse = mse, .epochs = epoch};
            memcpy(t->best, t->tape.params, size);
        }
        if (progress && !progress(arg, epoch, epochs, mse))
            return err_set(err, E_STATE, "training was cancelled after %u of %u epochs", epoch,
                           epochs);
        if (patience > 0 && epoch - best.epochs >= patience)
            break;
    }
    *ret = best;
    return OK;
}

enum rc train_net(struct net *net, const struct train_set *train,
                  const struct train_set *validation, const float *hidden,
                  const struct learn_spec *spec, train_progress_fn *progress, void *arg,
                  struct train_result *ret, struct err *err)
{
    CLEANUP(trainer_done)
    struct trainer t = {.train = train, .validation = validation, .hidden = hidden};

    assert(train->n == validation->n && train->n == net->layer[0].in && spec->batch_size > 0);
    if (!has_weight(train) || !has_weight(validation))
        return err_set(err, E_STATE, "nothing to learn from: %s",
                       has_weight(train)
                           ? "no feature that moved in training is present in the validation rows"
                           : "no feature moved in the training rows");
    enum rc rc = trainer_init(&t, net, spec, err);
    if (rc == OK) {
        wake_units(&t);
        rc = run_epochs(&t, spec, progress, arg, ret, err);
    }
    if (rc == OK)
        tape_store(&t.tape, t.best, net);
    return rc;
}
