/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "model/model_file.h"

enum { N = FIXTURE_N, ROWS = FIXTURE_ROWS, CONSTANT = FIXTURE_CONSTANT, UNSEEN = FIXTURE_UNSEEN };

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

/* The header's formula, in double and without haste. */
static double reference(const struct model *m, const float *x, const uint8_t *present)
{
    const struct scaler *const s = &m->scaler;
    double z[N], y[N], sum = 0;
    int counted = 0;

    for (size_t i = 0; i < N; i++)
        z[i] = ((double)x[i] - (double)s->low[i]) / (double)s->span[i];
    fixture_forward(m, z, y);
    for (size_t i = 0; i < N; i++) {
        const bool moved = s->constant[i] == SCALER_CONSTANT && fabs(z[i] - 0.5) >= 0.999;
        if (!present[i] || (s->constant[i] && !moved))
            continue;
        const double d = fmin(fabs(z[i] - (moved ? 0.5 : y[i])), 1e4);
        sum += d * d;
        counted++;
    }
    return counted ? sum / counted : (double)NAN;
}

static void score_is_the_headers_formula(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct rng rng;

    rng_init(&rng, 5);
    for (int kind = 0; kind < 2; kind++) {
        spec.hidden = kind ? ACT_RELU : ACT_TANH;
        spec.output = kind ? ACT_SIGMOID : ACT_LINEAR;
        struct model *m = fixture_learn(d, NULL, &spec);
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
            const double expected = reference(m, x, present);
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
    }
    dataset_free(d);
}

static void a_constant_counts_once_it_moves_and_leaves_the_others_as_they_are(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *m = fixture_learn(d, NULL, &spec);
    float x[N];
    uint8_t present[N];

    memcpy(x, d->X + (ROWS - 1) * N, sizeof x);
    memset(present, 1, sizeof present);
    present[UNSEEN] = 0;
    const struct scored still = score(m, x, present);
    assert_true(still.error[CONSTANT] == 0);
    assert_true(still.expected[CONSTANT] == 12);

    x[CONSTANT] = 1200;
    const struct scored moved = score(m, x, present);
    assert_true(moved.score > 100 * still.score);
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

static void one_missing_feature_leaves_a_normal_frame_normal(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(N, 1000, 1), *later = fixture_dataset(N, 300, 2);
    double complete = 0, missing = 0;

    spec.epochs = 60;
    struct model *m = fixture_learn(d, NULL, &spec);
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
        /* what it would have been is still told, near the truth */
        assert_true(fabsf(s.expected[gone] - later->X[r * N + gone]) < m->scaler.span[gone]);
    }
    assert_true(missing < 2 * complete);
    model_unref(m);
    dataset_free(d);
    dataset_free(later);
}

static void a_feature_that_training_never_saw_never_counts(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *m = fixture_learn(d, NULL, &spec);
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

static void nan_never_reaches_the_network(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *m = fixture_learn(d, NULL, &spec);
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

static void another_threshold_makes_another_model_of_the_same_net(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 0.1998},
                                bad = {.method = THRESHOLD_SIGMA, .value = -1};
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *m = fixture_learn(d, NULL, &spec), *other, *same;
    uint8_t present[N];
    struct err err;

    memset(present, 1, sizeof present);
    present[UNSEEN] = 0;
    assert_int_equal(model_with_threshold(m, &bad, &other, &err), E_CONFIG);
    assert_int_equal(model_with_threshold(m, &fixed, &other, &err), OK);
    assert_int_equal(model_with_threshold(other, &fixture_percentile, &same, &err), OK);
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
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 1e-6};
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(4, 200, 1);
    struct schema *schema = fixture_schema(4);
    const struct model_provenance provenance = {0};
    float threshold, widening;
    struct model *m, *as_told;
    struct err err;

    for (int known = 3; known <= 4; known++) { /* of four features, how many have a resolution */
        for (int i = 0; i < known; i++)
            schema->f[i].resolution = 1e5f; /* so wide that nothing ever happens */
        assert_int_equal(model_train(d, NULL, schema, &spec, &fixture_percentile, &provenance, NULL,
                                     NULL, &m, &err),
                         OK);
        assert_int_equal(
            threshold_fit(&fixture_percentile, m->scores, m->n_scores, &threshold, &widening, &err),
            OK);
        if (known == 4) {
            assert_true(m->threshold == 9.0f / 4 && threshold < m->threshold);
            assert_int_equal(model_with_threshold(m, &fixed, &as_told, &err), OK);
            assert_true(as_told->threshold == 1e-6f);
            model_unref(as_told);
        } else {
            assert_true(m->threshold == threshold);
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
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *m = fixture_learn(d, NULL, &spec);

    assert_ptr_equal(model_ref(m), m);
    assert_int_equal(m->refs, 2);
    model_unref(m);
    assert_int_equal(m->refs, 1);
    model_unref(m); /* the sanitizer's leak check sees whether this freed it all */
    model_unref(NULL);
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
        model_train(d, NULL, schema, &spec, &fixture_percentile, &provenance, NULL, NULL, &m, &err),
        OK);
    memcpy(x, d->X + LAST * N, sizeof x);
    memcpy(grown, x, sizeof x);
    grown[TOTAL] = 1e12f; /* hours later */
    const struct scored before = score(m, x, all), after = score(m, grown, all);
    assert_true(before.score == after.score);
    assert_true(after.error[TOTAL] == 0 && after.expected[TOTAL] == m->scaler.median[TOTAL]);
    assert_memory_equal(before.expected, after.expected, sizeof before.expected);
    uint8_t without[N];
    memcpy(without, all, sizeof without);
    without[TOTAL] = 0;
    assert_true(score(m, x, without).score == before.score); /* it is not counted either */
    grown[OTHER] += 1e6f;
    assert_true(score(m, grown, all).score > 100 * before.score);

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
        cmocka_unit_test(a_constant_counts_once_it_moves_and_leaves_the_others_as_they_are),
        cmocka_unit_test(a_feature_that_training_never_saw_never_counts),
        cmocka_unit_test(one_missing_feature_leaves_a_normal_frame_normal),
        cmocka_unit_test(nan_never_reaches_the_network),
        cmocka_unit_test(another_threshold_makes_another_model_of_the_same_net),
        cmocka_unit_test(a_threshold_is_never_under_one_feature_off_by_its_resolution),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(a_weightless_feature_has_no_part_in_score_or_expectation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
