/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/stats.h"
#include "fixture.h"
#include "model/model_file.h"

enum { N = 10, ROWS = 400, CONSTANT = 4, UNSEEN = 7 };

static const struct threshold_spec percentile = {THRESHOLD_PERCENTILE, 99.5};

/* A machine whose feature 4 stands at 12 and whose feature 7 never comes. */
static struct dataset *machine(size_t rows, uint64_t seed)
{
    struct dataset *d = fixture_dataset(N, rows, seed);

    for (size_t r = 0; r < rows; r++) {
        d->X[r * N + CONSTANT] = 12;
        d->X[r * N + UNSEEN] = NAN;
    }
    return d;
}

static struct model *learn(const struct dataset *d, const struct dataset *validation,
                           const struct learn_spec *spec)
{
    struct schema *schema = fixture_schema(d->n);
    const struct model_provenance provenance = {.instance = "here", .profile = "none"};
    struct model *m;
    struct err err;

    assert_int_equal(
        model_train(d, validation, schema, spec, &percentile, &provenance, NULL, NULL, &m, &err),
        OK);
    schema_free(schema);
    return m;
}

struct scored {
    float score, expected[N], error[N];
};

static struct scored score(const struct model *m, const float *x, const uint8_t *present)
{
    float *work = mem_array_aligned(model_work_size(m), sizeof *work);
    struct scored s;

    assert_non_null(work);
    memset(work, 0xff, model_work_size(m) * sizeof *work); /* NaN: nothing of it may be used */
    s.score = model_score(m, x, present, s.expected, s.error, work);
    mem_free(work);
    return s;
}

static double activation(enum activation act, double x)
{
    return act == ACT_RELU ? (x > 0 ? x : 0) : act == ACT_SIGMOID ? 1 / (1 + exp(-x)) : x;
}

/* The header's formula, in double and without haste; ret_mse: the mean of plain squares. */
static double reference(const struct model *m, const float *x, const uint8_t *present,
                        double *ret_mse)
{
    const struct scaler *const s = &m->scaler;
    double z[N], in[64], out[64], sum = 0, squares = 0;
    int counted = 0;

    for (size_t i = 0; i < N; i++) {
        z[i] = ((double)x[i] - (double)s->low[i]) / (double)s->span[i];
        in[i] = s->constant[i] ? 0.5 : fmin(fmax(z[i], (double)m->clip_low), (double)m->clip_high);
    }
    for (size_t l = 0; l < m->net.n_layers; l++) {
        const struct net_layer *const layer = &m->net.layer[l];
        for (size_t j = 0; j < layer->out; j++) {
            double a = (double)layer->b[j];
            for (size_t i = 0; i < layer->in; i++)
                a += in[i] * (double)layer->W[i * layer->out + j];
            out[j] = activation(layer->act, a);
        }
        memcpy(in, out, sizeof in);
    }
    for (size_t i = 0; i < N; i++) {
        const bool moved = s->constant[i] == SCALER_CONSTANT && fabs(z[i] - 0.5) >= 0.999;
        if (!present[i] || (s->constant[i] && !moved))
            continue;
        const double d = fmin(fabs(z[i] - (moved ? 0.5 : out[i])), 1e4);
        const double tolerance = (double)m->tolerance[i], unit = tolerance > 0 ? d / tolerance : d;
        sum += unit <= 1 || tolerance <= 0 ? unit * unit : 2 * unit - 1;
        squares += d * d;
        counted++;
    }
    *ret_mse = counted ? squares / counted : 0;
    return counted ? sum / counted : (double)NAN;
}

static void score_is_the_headers_formula(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec);
    struct rng rng;

    rng_init(&rng, 5);
    for (int turn = 0; turn < 2000; turn++) {
        float x[N];
        uint8_t present[N];
        const float far = turn % 3 ? 1 : turn % 2 ? 50 : 1e9f;

        for (size_t i = 0; i < N; i++) {
            x[i] = d->X[rng_below(&rng, ROWS) * N + i];
            if (!isfinite(x[i]))
                x[i] = m->scaler.median[i];
            if (rng_below(&rng, 8) == 0)
                x[i] *= far;
            present[i] = rng_below(&rng, 10) > 0;
        }
        const struct scored s = score(m, x, present);
        double mse;
        const double expected = reference(m, x, present, &mse);
        if (isnan(expected))
            assert_true(isnan(s.score));
        else
            assert_true(fabs((double)s.score - expected) < 1e-6 + 1e-4 * expected);
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            assert_true(isfinite(s.expected[i]) && isfinite(s.error[i]) && s.error[i] >= 0);
            assert_true(present[i] || s.error[i] == 0);
            sum += (double)s.error[i];
        }
        assert_true(isnan(expected) || sum / N <= (double)s.score * 1.0001);
    }
    model_unref(m);
    dataset_free(d);
}

static void a_constant_is_silent_until_it_moves_and_then_rings(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec);
    float x[N];
    uint8_t present[N];

    memcpy(x, d->X + (ROWS - 1) * N, sizeof x);
    memset(present, 1, sizeof present);
    present[UNSEEN] = 0;
    const struct scored still = score(m, x, present);
    assert_true(still.error[CONSTANT] == 0);
    assert_true(still.expected[CONSTANT] == 12);
    assert_true(still.score < m->threshold);

    x[CONSTANT] = 1200;
    const struct scored moved = score(m, x, present);
    assert_true(moved.score > m->threshold);
    assert_true(moved.expected[CONSTANT] == 12);
    for (size_t i = 0; i < N; i++)
        if (i != CONSTANT) { /* the others are judged as before: the network did not see it */
            assert_true(moved.error[CONSTANT] > moved.error[i]);
            assert_true(moved.error[i] == still.error[i]);
        }
    present[CONSTANT] = 0;
    assert_true(score(m, x, present).score == still.score);
    model_unref(m);
    dataset_free(d);
}

static void a_feature_that_training_never_saw_never_counts(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec);
    float x[N];
    uint8_t present[N];

    memcpy(x, d->X, sizeof x);
    memset(present, 1, sizeof present);
    x[UNSEEN] = 1e30f;
    const struct scored with = score(m, x, present);
    present[UNSEEN] = 0;
    x[UNSEEN] = 0;
    const struct scored without = score(m, x, present);
    assert_true(with.score == without.score);
    assert_true(with.error[UNSEEN] == 0);
    model_unref(m);
    dataset_free(d);
}

static void one_missing_feature_leaves_a_normal_frame_normal(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(N, 1000, 1), *later = fixture_dataset(N, 300, 2);
    double complete = 0, missing = 0;

    spec.epochs = 60;
    struct model *m = learn(d, NULL, &spec);
    for (size_t r = 0; r < later->rows; r++) {
        float x[N];
        uint8_t present[N];
        const size_t gone = r % N;

        memcpy(x, later->X + r * N, sizeof x);
        memset(present, 1, sizeof present);
        complete += (double)score(m, x, present).score;
        x[gone] = m->scaler.median[gone];
        present[gone] = 0;
        const struct scored s = score(m, x, present);
        missing += (double)s.score;
        assert_true(s.score < m->threshold);
        /* what it would have been is still told, near the truth */
        assert_true(fabsf(s.expected[gone] - later->X[r * N + gone]) < m->scaler.span[gone]);
    }
    assert_true(missing < 2 * complete);
    model_unref(m);
    dataset_free(d);
    dataset_free(later);
}

static void nan_never_reaches_the_network(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec);
    float x[N];
    uint8_t present[N];

    /* a caller that forgot to fill, and one that calls NaN present */
    for (int called = 0; called < 2; called++) {
        memcpy(x, d->X, sizeof x);
        memset(present, 1, sizeof present);
        for (size_t i = 0; i < N; i += 2) {
            x[i] = NAN;
            present[i] = (uint8_t)called;
        }
        const struct scored s = score(m, x, present);
        assert_true(isfinite(s.score));
        for (size_t i = 0; i < N; i++) {
            assert_true(isfinite(s.expected[i]) && isfinite(s.error[i]));
            x[i] = i % 2 ? x[i] : m->scaler.median[i];
            present[i] = i % 2 ? 1 : 0;
        }
        assert_true(score(m, x, present).score ==
                    s.score); /* as if the median had been filled in */
    }
    for (size_t i = 0; i < N; i++)
        x[i] = NAN;
    assert_true(isnan(score(m, x, present).score)); /* nothing present has no score */
    x[0] = INFINITY;
    x[1] = -INFINITY;
    assert_true(!isinf(score(m, x, present).score));
    model_unref(m);
    dataset_free(d);
}

static void gaps_in_the_data_are_learned_around(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct rng rng;

    rng_init(&rng, 8);
    for (size_t i = 0; i < ROWS * N; i++)
        if (rng_below(&rng, 5) == 0)
            d->X[i] = NAN;
    for (size_t i = 50 * N; i < 60 * N; i++) /* ten frames with nothing */
        d->X[i] = NAN;
    for (size_t i = (ROWS - 10) * N; i < (ROWS - 5) * N; i++)
        d->X[i] = NAN;
    struct model *m = learn(d, NULL, &spec);
    assert_int_equal(m->stats.train_rows, 300 - 10);
    assert_int_equal(m->stats.validation_rows, 100 - 5);
    assert_true(isfinite(m->stats.validation_mse) && isfinite(m->threshold));
    for (size_t i = 0; i < m->net.n_params; i++)
        assert_true(isfinite(m->net.params[i]));
    model_unref(m);
    dataset_free(d);
}

static void the_model_is_the_same_bytes_every_time(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *a = learn(d, NULL, &spec), *b = learn(d, NULL, &spec);

    assert_int_equal(model_id(a), model_id(b));
    model_unref(a);
    model_unref(b);
    dataset_free(d);
}

/* Rows [first, first + rows) as a dataset of their own. */
static struct dataset *part_of(const struct dataset *d, size_t first, size_t rows)
{
    struct dataset *part;
    struct err err;

    assert_int_equal(dataset_new(d->n, &part, &err), OK);
    for (size_t r = first; r < first + rows; r++)
        assert_int_equal(dataset_append(part, d->ts_ms[r], &d->X[r * d->n], &err), OK);
    return part;
}

static void the_last_part_is_held_back_and_the_scaler_never_sees_it(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);

    spec.validation = 0.3;
    for (size_t r = 280; r < ROWS; r++)
        d->X[r * N] += 1e6f; /* so a scaler that looked would be seen */
    struct model *m = learn(d, NULL, &spec);
    assert_int_equal(m->stats.train_rows, 280);
    assert_int_equal(m->stats.validation_rows, 120);
    assert_true(m->scaler.low[0] + m->scaler.span[0] < 1e5f);
    assert_int_equal(m->provenance.first_ms, 0);
    assert_int_equal(m->provenance.last_ms, 1000 * (ROWS - 1));
    assert_string_equal(m->provenance.instance, "here");
    assert_int_equal(m->provenance.seed, spec.seed);

    /* the same split, given as two files */
    struct dataset *first = part_of(d, 0, 280), *rest = part_of(d, 280, 120);
    struct model *two = learn(first, rest, &spec);
    assert_int_equal(two->stats.validation_rows, 120);
    assert_true(two->stats.train_mse == m->stats.train_mse);
    assert_true(two->stats.validation_mse == m->stats.validation_mse);
    assert_true(two->threshold == m->threshold);
    model_unref(two);
    model_unref(m);
    dataset_free(first);
    dataset_free(rest);
    dataset_free(d);
}

static void statistics_and_threshold_are_those_of_the_scores(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    d->X[310 * N] = 1e4f; /* a bad second: counts in the mean squared error alone */
    for (size_t r = 320; r < 330; r++)
        d->X[r * N + 1] += 3e3f; /* more than one row of twenty: raises the tolerance */
    struct model *m = learn(d, NULL, &spec);
    double mean = 0, mse = 0, square = 0;
    float distance[2][100];
    float threshold, widening;
    struct err err;

    assert_int_equal(m->n_scores, 100);
    for (size_t r = 300; r < ROWS; r++) {
        uint8_t present[N];
        float x[N];
        memcpy(x, d->X + r * N, sizeof x);
        memset(present, 1, sizeof present);
        present[UNSEEN] = 0;
        x[UNSEEN] = 0;
        double frame_mse;
        (void)reference(m, x, present, &frame_mse);
        mse += frame_mse / 100;
        const struct scored s = score(m, x, present);
        for (size_t i = 0; i < 2; i++) {
            distance[i][r - 300] = fabsf((x[i] - s.expected[i]) / m->scaler.span[i]);
            mean -= fmax(0, (double)s.error[i] - 1) / (100 * (N - 2)); /* two carry no weight */
        }
        mean += (double)s.score / 100;
    }
    assert_true(fabs(mse - m->stats.validation_mse) < 1e-4 * mse);
    for (size_t i = 0; i < 2; i++) {
        const double usual = (double)stats_quantile(distance[i], 100, 0.95);
        assert_true(fabs(fmax(1, 1.5 * usual) - (double)m->tolerance[i]) < 1e-4 * usual);
    }
    assert_true(m->tolerance[0] < 1.5f && m->tolerance[1] > 3);
    for (size_t i = 2; i < N; i++)
        assert_true(m->tolerance[i] == 0);
    for (size_t i = 0; i < m->n_scores; i++) {
        const double dev = (double)m->scores[i] - mean;
        assert_true(i == 0 || m->scores[i] >= m->scores[i - 1]);
        square += dev * dev;
    }
    assert_true(fabs(sqrt(square / 100) - m->stats.std) < 1e-9);
    assert_int_equal(
        threshold_fit(&percentile, m->scores, m->n_scores, &threshold, &widening, &err), OK);
    assert_true(threshold == m->threshold && widening == m->threshold_widening && widening > 1);
    model_unref(m);
    dataset_free(d);
}

static void many_scores_are_thinned_by_rank_and_the_largest_kept(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(3, 14000, 1);
    float largest = 0;

    spec.epochs = 1;
    spec.validation = 0.5;
    struct model *m = learn(d, NULL, &spec);
    assert_int_equal(m->stats.validation_rows, 7000);
    assert_int_equal(m->n_scores, MODEL_SCORES_MAX);
    float *work = mem_array_aligned(model_work_size(m), sizeof *work);
    for (size_t r = 7000; r < d->rows; r++) {
        float expected[3], error[3];
        largest = fmaxf(largest, model_score(m, d->X + r * 3, (const uint8_t[]){1, 1, 1}, expected,
                                             error, work));
    }
    assert_true(m->scores[MODEL_SCORES_MAX - 1] == largest);
    mem_free(work);
    model_unref(m);
    dataset_free(d);
}

static void another_threshold_makes_another_model_of_the_same_net(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {THRESHOLD_FIXED, 0.1998}, bad = {THRESHOLD_SIGMA, -1};
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec), *other, *same;
    uint8_t present[N];
    struct err err;

    memset(present, 1, sizeof present);
    present[UNSEEN] = 0;
    assert_int_equal(model_with_threshold(m, &bad, &other, &err), E_CONFIG);
    assert_int_equal(model_with_threshold(m, &fixed, &other, &err), OK);
    assert_int_equal(model_with_threshold(other, &percentile, &same, &err), OK);
    assert_int_equal(model_id(same), model_id(m));
    model_unref(m); /* other stands by itself */
    model_unref(same);
    assert_true(other->threshold == 0.1998f && other->threshold_widening == 1);
    assert_int_equal(other->threshold_spec.method, THRESHOLD_FIXED);
    assert_true(isfinite(score(other, d->X, present).score));
    model_unref(other);
    dataset_free(d);
}

static void a_threshold_is_never_under_one_feature_off_by_its_resolution(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {THRESHOLD_FIXED, 1e-6};
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(4, 200, 1);
    struct schema *schema = fixture_schema(4);
    const struct model_provenance provenance = {0};
    struct model *m, *as_told;
    struct err err;

    for (int known = 3; known <= 4; known++) { /* of four features, how many have a resolution */
        for (int i = 0; i < known; i++)
            schema->f[i].resolution = 1e5f; /* so wide that nothing ever happens */
        for (int i = known; i < 4; i++)
            for (size_t r = 0; r < d->rows; r++)
                d->X[r * 4 + i] *= 1e-9f;
        assert_int_equal(
            model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &m, &err),
            OK);
        if (known == 4) {
            assert_true(m->threshold == 0.25f);
            assert_int_equal(model_with_threshold(m, &fixed, &as_told, &err), OK);
            assert_true(as_told->threshold == 1e-6f);
            model_unref(as_told);
        } else {
            assert_true(m->threshold < 0.25f);
        }
        model_unref(m);
    }
    schema_free(schema);
    dataset_free(d);
}

static void references_are_counted(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = machine(ROWS, 1);
    struct model *m = learn(d, NULL, &spec);

    assert_ptr_equal(model_ref(m), m);
    assert_int_equal(m->refs, 2);
    model_unref(m);
    assert_int_equal(m->refs, 1);
    model_unref(m); /* the sanitizer's leak check sees whether this freed it all */
    model_unref(NULL);
    dataset_free(d);
}

static enum rc refuse(const struct dataset *d, const struct learn_spec *spec, struct err *err)
{
    const struct model_provenance provenance = {0};
    struct schema *schema = fixture_schema(d->n);
    struct model *m = NULL;
    const enum rc rc =
        model_train(d, NULL, schema, spec, &percentile, &provenance, NULL, NULL, &m, err);

    assert_null(m);
    schema_free(schema);
    return rc;
}

static void what_cannot_be_learned_is_refused_in_words(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(3, 15, 1);
    struct err err;

    assert_int_equal(refuse(d, &spec, &err), E_STATE);
    assert_string_equal(err.msg, "11 rows to train on and 4 to validate with: expected at least 16 "
                                 "and 4");
    dataset_free(d);

    d = fixture_dataset(3, 100, 1);
    spec.validation = 1;
    assert_int_equal(refuse(d, &spec, &err), E_CONFIG);
    spec = fixture_spec();
    spec.learning_rate = nan("");
    assert_int_equal(refuse(d, &spec, &err), E_CONFIG);
    spec = fixture_spec();
    spec.feature_dropout = 1;
    assert_int_equal(refuse(d, &spec, &err), E_CONFIG);
    spec = fixture_spec();
    spec.batch_size = 0;
    assert_int_equal(refuse(d, &spec, &err), E_CONFIG);
    spec = fixture_spec();
    spec.n_layers = 1; /* of width 0 */
    assert_int_equal(refuse(d, &spec, &err), E_CONFIG);

    spec = fixture_spec();
    for (size_t i = 0; i < 100 * 3; i++)
        d->X[i] = 5;
    assert_int_equal(refuse(d, &spec, &err), E_STATE);
    assert_string_equal(err.msg, "nothing to learn from: no feature moved in the training rows");
    dataset_free(d);
}

static void running_out_of_memory_anywhere_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(3, 60, 1);
    struct schema *schema = fixture_schema(3);
    const struct model_provenance provenance = {0};
    struct model *m = NULL, *copy = NULL;
    enum rc rc = E_NOMEM;
    struct err err;

    spec.epochs = 1;
    for (uint64_t n = 1; rc != OK; n++) {
        mem_fail_at(n);
        rc = model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &m, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !m && err.msg[0]));
        assert_true(n < 100);
    }
    rc = E_NOMEM;
    for (uint64_t n = 1; rc != OK; n++) {
        mem_fail_at(n);
        rc = model_with_threshold(m, &percentile, &copy, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !copy && err.msg[0]));
        assert_true(n < 100);
    }
    model_unref(m);
    model_unref(copy);
    schema_free(schema);
    dataset_free(d);
}

/* Feature 0 counts up for ever; two models, one of which was told that it weighs nothing. */
static void a_weightless_feature_has_no_part_in_score_or_expectation(void **state)
{
    (void)state;
    enum { TOTAL = 0, OTHER = 1, LAST = ROWS - 1 };
    const struct learn_spec spec = fixture_spec();
    const struct model_provenance provenance = {.profile = "none"};
    const uint8_t all[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct schema *schema = fixture_schema(N);
    struct dataset *d = fixture_dataset(N, ROWS, 1);
    struct model *m = NULL, *loaded = NULL;
    struct buf bytes;
    struct err err;
    float x[N], grown[N];

    schema->f[TOTAL].weightless = true;
    for (size_t r = 0; r < ROWS; r++)
        d->X[r * N + TOTAL] = 1e6f * (float)r;
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &m, &err), OK);
    memcpy(x, d->X + LAST * N, sizeof x);
    memcpy(grown, x, sizeof x);
    grown[TOTAL] = 1e12f; /* hours later */
    const struct scored before = score(m, x, all), after = score(m, grown, all);
    assert_true(before.score == after.score && before.score <= m->threshold);
    assert_true(after.error[TOTAL] == 0 && after.expected[TOTAL] == m->scaler.median[TOTAL]);
    assert_memory_equal(before.expected, after.expected, sizeof before.expected);
    uint8_t without[N];
    memcpy(without, all, sizeof without);
    without[TOTAL] = 0;
    assert_true(score(m, x, without).score == before.score); /* it is not counted either */
    grown[OTHER] += 1e6f;
    assert_true(score(m, grown, all).score > m->threshold);

    buf_init(&bytes, MODEL_BYTES_MAX);
    model_encode(m, &bytes);
    assert_int_equal(model_decode(bytes.p, bytes.n, "m", &loaded, &err), OK);
    assert_true(loaded->schema->f[TOTAL].weightless && !loaded->schema->f[OTHER].weightless);
    assert_true(score(loaded, x, all).score == before.score);
    buf_done(&bytes);
    model_unref(loaded);
    model_unref(m);
    dataset_free(d);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_headers_formula),
        cmocka_unit_test(a_constant_is_silent_until_it_moves_and_then_rings),
        cmocka_unit_test(a_feature_that_training_never_saw_never_counts),
        cmocka_unit_test(one_missing_feature_leaves_a_normal_frame_normal),
        cmocka_unit_test(nan_never_reaches_the_network),
        cmocka_unit_test(gaps_in_the_data_are_learned_around),
        cmocka_unit_test(the_model_is_the_same_bytes_every_time),
        cmocka_unit_test(the_last_part_is_held_back_and_the_scaler_never_sees_it),
        cmocka_unit_test(statistics_and_threshold_are_those_of_the_scores),
        cmocka_unit_test(many_scores_are_thinned_by_rank_and_the_largest_kept),
        cmocka_unit_test(another_threshold_makes_another_model_of_the_same_net),
        cmocka_unit_test(a_threshold_is_never_under_one_feature_off_by_its_resolution),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(what_cannot_be_learned_is_refused_in_words),
        cmocka_unit_test(running_out_of_memory_anywhere_is_an_error_and_leaks_nothing),
        cmocka_unit_test(a_weightless_feature_has_no_part_in_score_or_expectation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
