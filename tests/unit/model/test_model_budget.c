/* SPDX-License-Identifier: Apache-2.0 */
/* What a training keeps of its scores for a budget, now or later. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "model/departure.h"

static struct model *staged(size_t rows)
{
    struct threshold_spec spec;
    const struct learn_spec learn = fixture_spec();
    const struct model_provenance provenance = {0};
    struct schema *schema = fixture_schema(3);
    struct dataset *d = fixture_dataset(3, rows, 1);
    struct model *m = NULL;
    struct err err;

    settings_threshold_defaults(&spec);
    settings_confirm_defaults(&spec.confirm);
    assert_int_equal(spec.method, THRESHOLD_STAGED);
    assert_int_equal(model_train(d, NULL, schema, &learn, &spec, &provenance, NULL, NULL, &m, &err),
                     OK);
    schema_free(schema);
    dataset_free(d);
    return m;
}

static void a_staged_threshold_is_a_percentile_until_the_history_holds_its_budget(void **state)
{
    (void)state;
    struct model *young = staged(400), *old = staged(24000), *same;
    const struct threshold_spec budget = {
        .method = THRESHOLD_BUDGET, .value = 2, .confirm = {3, 5}};
    struct err err;

    assert_int_equal(young->threshold_by, THRESHOLD_PERCENTILE);
    assert_int_equal(model_with_threshold(young, &fixture_percentile, &same, &err), OK);
    assert_true(same->threshold == young->threshold &&
                same->threshold_widening == young->threshold_widening);
    model_unref(same);
    assert_int_equal(old->threshold_by, THRESHOLD_BUDGET);
    assert_int_equal(model_with_threshold(old, &budget, &same, &err), OK);
    assert_true(same->threshold == old->threshold);
    model_unref(same);
    /* and either is known again from its file */
    for (int i = 0; i < 2; i++) {
        const struct model *m = i ? old : young;
        char path[] = "/tmp/tocsin-staged-XXXXXX";
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void)close(fd);
        assert_int_equal(model_save(m, path, &err), OK);
        assert_int_equal(model_load(path, &same, &err), OK);
        assert_int_equal(same->threshold_by, m->threshold_by);
        assert_int_equal(same->threshold_spec.method, THRESHOLD_STAGED);
        assert_true(same->threshold == m->threshold);
        model_unref(same);
        assert_int_equal(unlink(path), 0);
    }
    model_unref(young);
    model_unref(old);
}

/* The tail is of the validation rows in time order; a gap breaks what confirms. */
static void a_budget_is_set_by_what_is_watched_of_validation_rows_now_or_later(void **state)
{
    (void)state;
    const struct threshold_spec budget = {
        .method = THRESHOLD_BUDGET, .value = 200, .confirm = {2, 4}};
    const struct learn_spec spec = fixture_spec();
    struct schema *schema = fixture_schema(3);
    const struct model_provenance provenance = {0};
    struct dataset *d = fixture_dataset(3, 4000, 1);
    struct tail_threshold asked;
    struct departure *departure;
    struct tail_builder *b;
    struct model *m, *later;
    struct tail t;
    struct err err;

    for (size_t r = 3500; r < d->rows; r++)
        d->ts_ms[r] += 60000; /* a gap */
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &budget, &provenance, NULL, NULL, &m, &err), OK);
    assert_int_equal(departure_new(m, true, &departure, &err), OK);
    assert_int_equal(tail_builder_new(budget.confirm, TAIL_PEAKS_MAX, &b, &err), OK);
    for (size_t r = 0; r < d->rows; r++) {
        struct departure_score s;
        if (r == 3500)
            tail_builder_gap(b);
        departure_push(departure, d->ts_ms[r], d->X + r * 3, &s);
        if (r >= 3000)
            tail_builder_push(b, fminf(s.score, s.evidence));
    }
    assert_int_equal(tail_builder_take(b, 1000, &t, &err), OK);
    assert_int_equal(m->tail.n, t.n);
    assert_memory_equal(m->tail.peak, t.peak, t.n * sizeof *t.peak);
    assert_true(m->tail.exposure_ms == 1000000 && m->tail.confirm.k == 2);
    assert_int_equal(tail_threshold(&t, 200, &asked, &err), OK);
    assert_true(m->threshold == asked.threshold && m->threshold_widening == asked.widening);
    assert_int_equal(model_with_threshold(m, &fixture_percentile, &later, &err), OK);
    model_unref(m);
    assert_int_equal(model_with_threshold(later, &budget, &m, &err), OK);
    assert_true(m->threshold == asked.threshold);
    assert_int_equal(m->threshold_spec.method, THRESHOLD_BUDGET);
    assert_true(m->threshold_observe == 0);
    model_unref(m);
    struct threshold_spec two = budget;
    two.observe = 2000;
    assert_int_equal(model_with_threshold(later, &two, &m, &err), OK);
    assert_int_equal(tail_threshold(&t, 2000, &asked, &err), OK);
    assert_true(m->threshold_observe == asked.threshold && m->threshold_observe < m->threshold);
    two.method = THRESHOLD_PERCENTILE;
    two.value = 99;
    model_unref(m);
    assert_int_equal(model_with_threshold(later, &two, &m, &err), OK);
    assert_true(m->threshold_observe == 0); /* others promise nothing, so all are pages */
    tail_done(&t);
    tail_builder_free(b);
    departure_free(departure);
    model_unref(m);
    model_unref(later);
    schema_free(schema);
    dataset_free(d);
}

/* The machine was at work now and then in the part that is learned from, and idle in what is held
 * back: the budget is not one that its work breaks each hour. */
static void a_budget_holds_for_what_was_learned_from_too(void **state)
{
    (void)state;
    const struct threshold_spec budget = {
        .method = THRESHOLD_BUDGET, .value = 1, .confirm = {3, 5}};
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_dataset(3, 1800, 1);
    struct model *m, *again;
    struct err err;

    for (size_t i = 0; i < 1800 * 3; i++)
        d->X[i] *= i >= 1350 * 3 || i % 300 >= 90 ? 0.01f : 1;
    struct schema *schema = fixture_schema(3);
    const struct model_provenance provenance = {0};
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &budget, &provenance, NULL, NULL, &m, &err), OK);
    assert_true(m->trained.n > 3 && m->trained.exposure_ms == 1350000);
    assert_true(tail_count(&m->trained, m->threshold) <= 1);
    struct tail_threshold of_held_back;
    assert_int_equal(tail_threshold(&m->tail, 1, &of_held_back, &err), OK);
    assert_true(tail_count(&m->trained, of_held_back.threshold) > 1); /* else nothing is tested */
    assert_true(m->threshold_widening == of_held_back.widening); /* no history is short by this */
    struct threshold_spec two = budget;
    two.value = 0.01;
    two.observe = 1;
    assert_int_equal(model_with_threshold(m, &two, &again, &err), OK);
    assert_true(again->threshold_observe == 0 || again->threshold_observe == m->threshold);
    model_unref(again);
    assert_int_equal(model_with_threshold(m, &budget, &again, &err), OK);
    assert_true(again->threshold == m->threshold);
    model_unref(again);
    /* nor is the percentile that takes its place while the history is short */
    const struct threshold_spec staged_too = {
        .method = THRESHOLD_STAGED, .value = 1, .confirm = {3, 5}};
    assert_int_equal(model_with_threshold(m, &staged_too, &again, &err), OK);
    assert_int_equal(again->threshold_by, THRESHOLD_PERCENTILE);
    assert_true(tail_count(&m->trained, again->threshold) <= 1);
    const float staged_threshold = again->threshold;
    model_unref(again);
    assert_int_equal(model_with_threshold(m, &fixture_percentile, &again, &err), OK);
    assert_true(again->threshold < staged_threshold);
    model_unref(again);
    model_unref(m);
    schema_free(schema);
    dataset_free(d);
}

/* Another machine's rows that follow in time are a new past all the same. */
static void a_validation_set_of_its_own_is_scored_from_its_beginning(void **state)
{
    (void)state;
    const struct learn_spec spec = fixture_spec();
    struct dataset *d = fixture_machine(300, 1), *v = fixture_machine(100, 2);
    struct departure *departure;
    struct departure_score s;
    struct err err;
    float least = INFINITY, most = 0;

    for (size_t r = 0; r < v->rows; r++)
        v->ts_ms[r] = d->ts_ms[d->rows - 1] + 1000 * (int64_t)(r + 1);
    struct model *m = fixture_learn(d, v, &spec);
    assert_int_equal(departure_new(m, true, &departure, &err), OK);
    for (size_t r = 0; r < v->rows; r++) {
        departure_push(departure, v->ts_ms[r], v->X + r * v->n, &s);
        least = fminf(least, fminf(s.score, s.evidence));
        most = fmaxf(most, fminf(s.score, s.evidence));
        if (r < DEPARTURE_MEMORY) { /* each of the first is among those that were kept */
            size_t same = 0;
            for (size_t i = 0; i < m->n_scores; i++)
                same += m->scores[i] == fminf(s.score, s.evidence);
            assert_true(same > 0);
        }
    }
    assert_true(m->n_scores == v->rows && m->scores[0] == least && m->scores[v->rows - 1] == most);
    departure_free(departure);
    model_unref(m);
    dataset_free(d);
    dataset_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_staged_threshold_is_a_percentile_until_the_history_holds_its_budget),
        cmocka_unit_test(a_budget_is_set_by_what_is_watched_of_validation_rows_now_or_later),
        cmocka_unit_test(a_budget_holds_for_what_was_learned_from_too),
        cmocka_unit_test(a_validation_set_of_its_own_is_scored_from_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
