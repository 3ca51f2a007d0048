/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stats.h"
#include "fixture.h"
#include "model/departure.h"
#include "model/news.h"
#include "model/yardstick.h"

enum { N = FIXTURE_N, ROWS = FIXTURE_ROWS, UNSEEN = FIXTURE_UNSEEN };

static void gaps_in_the_data_are_learned_around(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct rng rng;

    rng_init(&rng, 8);
    for (size_t i = 0; i < ROWS * N; i++)
        if (rng_below(&rng, 5) == 0)
            d->X[i] = NAN;
    for (size_t i = 50 * N; i < 60 * N; i++) /* ten frames with nothing */
        d->X[i] = NAN;
    for (size_t i = (ROWS - 10) * N; i < (ROWS - 5) * N; i++)
        d->X[i] = NAN;
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_int_equal(m->stats.train_rows, 300 - 10);
    assert_int_equal(m->stats.validation_rows, 100 - 5);
    assert_true(isfinite(m->stats.validation_mse) && isfinite(m->threshold));
    for (size_t i = 0; i < m->net.n_params; i++)
        assert_true(isfinite(m->net.params[i]));
    model_unref(m);
    dataset_free(d);
}

/* What was last seen before a hole in time stands in for nothing behind it, as in scoring. */
static void over_a_hole_in_time_nothing_is_carried(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct departure *departure;
    struct departure_score s;
    double mse = 0;
    struct err err;

    for (size_t r = 350; r < ROWS; r++)
        d->ts_ms[r] += 3600000;
    for (size_t r = 350; r < 354; r++)
        for (size_t i = 0; i < 3; i++)
            d->X[r * N + i] = NAN;
    for (size_t i = 0; i < 3; i++) /* far from the median */
        d->X[349 * N + i] = 10 * d->X[349 * N + i] + 1000;
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_int_equal(departure_new(m, false, &departure, &err), OK);
    for (size_t r = 0; r < ROWS; r++) {
        departure_push(departure, d->ts_ms[r], d->X + r * N, &s);
        mse += r < 300 ? 0 : (double)s.reconstruction / 100;
    }
    assert_true(fabs(mse / m->stats.validation_mse - 1) < 1e-6);
    departure_free(departure);
    model_unref(m);
    dataset_free(d);
}

static void the_model_is_the_same_bytes_every_time(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    struct model *a = fixture_learn(d, NULL, &spec), *b = fixture_learn(d, NULL, &spec);

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
    struct dataset *d = fixture_machine(ROWS, 1);

    spec.validation = 0.3;
    for (size_t r = 280; r < ROWS; r++)
        d->X[r * N] += 1e6f; /* so a scaler that looked would be seen */
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_int_equal(m->stats.train_rows, 280);
    assert_int_equal(m->stats.validation_rows, 120);
    assert_true(m->scaler.low[0] + m->scaler.span[0] < 1e5f);
    assert_int_equal(m->provenance.first_ms, 0);
    assert_int_equal(m->provenance.last_ms, 1000 * (ROWS - 1));
    assert_string_equal(m->provenance.instance, "here");
    assert_int_equal(m->provenance.seed, spec.seed);

    /* the same split, given as two files */
    struct dataset *first = part_of(d, 0, 280), *rest = part_of(d, 280, 120);
    struct model *two = fixture_learn(first, rest, &spec);
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

/* What is watched (verdict.h) of rows [first, d->rows) of d, as training bounds it, ascending. */
static void watched(const struct model *m, const struct dataset *d, size_t first, float *ret)
{
    struct departure *departure;
    struct departure_score s;
    struct err err;

    assert_int_equal(departure_new(m, true, &departure, &err), OK);
    for (size_t r = 0; r < d->rows; r++) {
        departure_push(departure, d->ts_ms[r], d->X + r * d->n, &s);
        for (size_t k = r; r >= first; k--) {
            if (k > first && ret[k - 1 - first] > fminf(s.score, s.evidence)) {
                ret[k - first] = ret[k - 1 - first];
                continue;
            }
            ret[k - first] = fminf(s.score, s.evidence);
            break;
        }
    }
    departure_free(departure);
}

/* The units of the first rows of d: without the hundredth that has the most evidence when measured
 * in the units of all of them; of levels at least half of those. */
static void trimmed_units(const struct model *m, const struct dataset *d, size_t rows, float *level,
                          float *change)
{
    struct model *all;
    struct departure *departure;
    struct departure_score s;
    float evidence[ROWS], sorted[ROWS];
    uint8_t skip[ROWS];
    struct err err;

    assert_int_equal(model_with_threshold(m, &fixture_percentile, &all, &err), OK);
    struct yardstick_rows of = {rows, m->interval_ms, d->ts_ms, d->X, d->X, NULL};
    assert_int_equal(
        yardstick_fit(&of, m->schema, &m->scaler, all->unit_level, all->unit_change, &err), OK);
    assert_int_equal(departure_new(all, false, &departure, &err), OK);
    for (size_t r = 0; r < rows; r++) {
        departure_push(departure, d->ts_ms[r], d->X + r * d->n, &s);
        evidence[r] = sorted[r] = s.evidence;
    }
    const float most = stats_quantile(sorted, rows, 0.99);
    for (size_t r = 0; r < rows; r++)
        skip[r] = evidence[r] > most;
    of.skip = skip;
    assert_int_equal(yardstick_fit(&of, m->schema, &m->scaler, level, change, &err), OK);
    for (size_t i = 0; i < N; i++)
        level[i] = fmaxf(level[i], all->unit_level[i] / 2);
    departure_free(departure);
    model_unref(all);
}

/* Mean over the validation rows of the reconstruction error; distance[i]: of feature i, natural
 * units. */
static double measure(const struct model *m, const struct dataset *d, float distance[N][100])
{
    float *work = mem_array_aligned(model_work_size(m), sizeof *work);
    double mse = 0;

    for (size_t r = 300; r < ROWS; r++) {
        float x[N], expected[N], error[N];
        uint8_t present[N];

        memcpy(x, d->X + r * N, sizeof x);
        memset(present, 1, sizeof present);
        present[UNSEEN] = 0;
        x[UNSEEN] = 0;
        mse += (double)model_score(m, x, present, expected, error, work) / 100;
        for (size_t i = 0; i < N; i++)
            distance[i][r - 300] = fabsf(x[i] - expected[i]);
    }
    mem_free(work);
    return mse;
}

static void statistics_units_and_threshold_are_those_of_the_validation_rows(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    float distance[N][100], level[N], change[N], scores[100], threshold, widening;
    double mean = 0, square = 0;
    struct err err;

    d->X[100 * N + 2] = 1e6f; /* bad seconds */
    d->X[310 * N] = 1e4f;
    for (size_t r = 320; r < 330; r++)
        d->X[r * N + 1] += 3e3f; /* more than one row of twenty: widens the unit */
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_true(fabs(measure(m, d, distance) / m->stats.validation_mse - 1) < 1e-4);

    trimmed_units(m, d, 300, level, change);
    for (size_t i = 0; i < N; i++) {
        const double usual = 0.5 * (double)stats_quantile(distance[i], 100, 0.95);
        const double unit = model_learned(m, i) ? fmax((double)level[i], usual) : (double)level[i];
        assert_true(fabs((double)m->unit_level[i] / unit - 1) < 1e-3);
        assert_true(m->unit_change[i] == change[i]);
    }
    assert_true(m->unit_level[0] < 1.2f * level[0] && m->unit_level[1] > 3 * level[1]);
    assert_true(change[2] <=
                1.001e4f); /* a hundredth of its range, not what the bad second makes */
    assert_float_equal(level[2], 28868, 300); /* half of 1e6 / sqrt(300) */

    watched(m, d, 300, scores);
    assert_int_equal(m->n_scores, 100);
    assert_memory_equal(m->scores, scores, sizeof scores); /* warmed up by the rows before */
    for (size_t i = 0; i < 100; i++)
        mean += (double)scores[i] / 100;
    for (size_t i = 0; i < 100; i++)
        square += pow((double)scores[i] - mean, 2) / 100;
    assert_true(fabs(sqrt(square) / m->stats.std - 1) < 1e-6);
    assert_int_equal(
        threshold_fit(&fixture_percentile, m->scores, m->n_scores, &threshold, &widening, &err),
        OK);
    assert_true(threshold == m->threshold && widening == m->threshold_widening && widening > 1);
    model_unref(m);
    dataset_free(d);
}

/* Of both parts, in their order; what was never there or never moved was none. */
static void the_worst_of_a_feature_is_the_most_that_it_was_a_cause_while_learning(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(ROWS, 1);
    float worst[N], as_if_none[N];
    struct departure *departure;
    struct departure_score s;
    struct err err;

    d->X[100 * N + 2] = 1e5f;
    d->X[350 * N + 3] = 1e9f; /* a glitch among the held-back rows, which no unit is fitted to */
    struct model *m = fixture_learn(d, NULL, &spec);
    for (size_t i = 0; i < N; i++)
        as_if_none[i] = 1;
    memcpy(worst, m->worst, sizeof worst);
    memcpy(m->worst, as_if_none, sizeof worst);
    assert_int_equal(departure_new(m, false, &departure, &err), OK);
    for (size_t r = 0; r < ROWS; r++) {
        departure_push(departure, d->ts_ms[r], d->X + r * N, &s);
        for (size_t i = 0; i < N; i++)
            as_if_none[i] = fminf(fmaxf(as_if_none[i], s.cause[i]), NEWS_WORST_MAX);
    }
    assert_memory_equal(worst, as_if_none, sizeof worst);
    assert_true(worst[2] > 100 && worst[3] == NEWS_WORST_MAX && worst[FIXTURE_CONSTANT] == 1);
    departure_free(departure);
    model_unref(m);
    dataset_free(d);
}

static void many_scores_are_thinned_by_rank_and_the_largest_kept(void **state)
{
    (void)state;
    static float scores[7000];
    struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(3, 14000, 1);

    spec.epochs = 1;
    spec.validation = 0.5;
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_int_equal(m->stats.validation_rows, 7000);
    assert_int_equal(m->n_scores, MODEL_SCORES_MAX);
    watched(m, d, 7000, scores);
    assert_true(m->scores[0] == scores[0]);
    assert_true(m->scores[MODEL_SCORES_MAX - 1] == scores[6999]);
    assert_true(m->scores[2047] == scores[2047 * 6999 / (MODEL_SCORES_MAX - 1)]);
    model_unref(m);
    dataset_free(d);
}

/* Four days, the last held back, every ten minutes: feature 0 swings by the day, feature 1 is 5 by
 * day and 0 by night, the others are the fixture's. */
static void a_daily_rhythm_is_learned_as_a_season_and_leaves_the_rest_to_the_network(void **state)
{
    (void)state;
    enum { DAYS = 4, A_DAY = 144 };
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(4, DAYS * A_DAY, 1);
    struct rng rng;

    rng_init(&rng, 2);
    for (size_t r = 0; r < d->rows; r++) {
        d->ts_ms[r] = 600000 * (int64_t)r;
        const double turn = 2 * M_PI * (double)r / A_DAY;
        d->X[r * 4] = (float)(1000 * sin(turn) + 10 * rng_normal(&rng));
        d->X[r * 4 + 1] = r % A_DAY < A_DAY / 2 ? 0 : 5;
    }
    struct model *m = fixture_learn(d, NULL, &spec);
    assert_int_equal(m->interval_ms, 600000);
    assert_int_equal(m->season.slots, SEASON_SLOTS);
    assert_true(m->scaler.span[0] < 200 && m->unit_level[0] < 85); /* of a range of 2000 */
    assert_int_equal(m->scaler.longest_still[1], A_DAY / 2 - 1);   /* as it came, not less it */
    model_unref(m);
    dataset_free(d);
}

static enum rc refuse(const struct dataset *d, const struct learn_spec *spec, struct err *err)
{
    const struct model_provenance provenance = {0};
    struct schema *schema = fixture_schema(d->n);
    struct model *m = NULL;
    const enum rc rc =
        model_train(d, NULL, schema, spec, &fixture_percentile, &provenance, NULL, NULL, &m, err);

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
        rc = model_train(d, NULL, schema, &spec, &fixture_percentile, &provenance, NULL, NULL, &m,
                         &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !m && err.msg[0]));
        assert_true(n < 200);
    }
    rc = E_NOMEM;
    for (uint64_t n = 1; rc != OK; n++) {
        mem_fail_at(n);
        rc = model_with_threshold(m, &fixture_percentile, &copy, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !copy && err.msg[0]));
        assert_true(n < 200);
    }
    model_unref(m);
    model_unref(copy);
    schema_free(schema);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_in_the_data_are_learned_around),
        cmocka_unit_test(over_a_hole_in_time_nothing_is_carried),
        cmocka_unit_test(the_model_is_the_same_bytes_every_time),
        cmocka_unit_test(the_last_part_is_held_back_and_the_scaler_never_sees_it),
        cmocka_unit_test(statistics_units_and_threshold_are_those_of_the_validation_rows),
        cmocka_unit_test(the_worst_of_a_feature_is_the_most_that_it_was_a_cause_while_learning),
        cmocka_unit_test(many_scores_are_thinned_by_rank_and_the_largest_kept),
        cmocka_unit_test(a_daily_rhythm_is_learned_as_a_season_and_leaves_the_rest_to_the_network),
        cmocka_unit_test(what_cannot_be_learned_is_refused_in_words),
        cmocka_unit_test(running_out_of_memory_anywhere_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
