/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "../test.h"

#include "../model/fixture.h"
#include "tune/disturb.h"
#include "tune/judge.h"

enum { N = 8, FIT = 800, HELD = 400 };

static double precision(const float *score, const char *wanted)
{
    struct judge_score v[16];
    const size_t n = strlen(wanted);

    for (size_t i = 0; i < n; i++)
        v[i] = (struct judge_score){score[i], wanted[i] == '1'};
    return judge_precision(v, n);
}

static void precision_is_the_area_under_precision_and_recall(void **state)
{
    (void)state;
    const float falling[] = {5, 4, 3, 2, 1}, same[] = {1, 1, 1, 1, 1}, two[] = {2, 2, 1, 1};

    assert_true(fabs(precision(falling, "11000") - (1)) < 1e-12);
    assert_true(fabs(precision(falling, "00011") - ((1.0 / 4 + 2.0 / 5) / 2)) < 1e-12);
    assert_true(fabs(precision(falling, "10100") - ((1 + 2.0 / 3) / 2)) < 1e-12);
    /* equal scores are one step: the order in which they came does not matter */
    assert_true(fabs(precision(same, "10001") - (2.0 / 5)) < 1e-12);
    assert_true(fabs(precision(two, "0110") - ((1.0 / 2 + 2.0 / 4) / 2)) < 1e-12);
    assert_true(isnan(precision(falling, "00000")));
}

static void a_score_that_is_none_comes_last(void **state)
{
    (void)state;
    const float v[] = {NAN, 2, NAN, 1};

    assert_true(fabs(precision(v, "0101") - (1)) < 1e-12);
    assert_true(fabs(precision(v, "1010") - (2.0 / 4)) < 1e-12);
}

static struct model *learn(const struct dataset *d, const struct schema *schema, uint32_t epochs)
{
    const struct model_provenance provenance = {0};
    struct learn_spec spec = fixture_spec();
    struct threshold_spec threshold;
    struct model *m;
    struct err err;

    spec.epochs = epochs;
    settings_threshold_defaults(&threshold);
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &threshold, &provenance, NULL, NULL, &m, &err), OK);
    return m;
}

static double ask(const struct judge *j, struct model *m)
{
    double v;
    struct err err;

    assert_int_equal(judge_model(j, m, &v, &err), OK);
    return v;
}

static void a_model_that_learned_more_is_judged_better(void **state)
{
    (void)state;
    struct schema *schema = fixture_schema(N);
    struct dataset *fit = fixture_dataset(N, FIT, 1), *held = fixture_dataset(N, HELD, 2);
    struct model *poor = learn(fit, schema, 1), *good = learn(fit, schema, 100);
    struct judge *j;
    struct err err;

    assert_int_equal(judge_new(held, 1, &j, &err), OK);
    const double a = ask(j, poor), b = ask(j, good), again = ask(j, good);
    assert_true(b > a);
    assert_in_range((int)(a * 1000), 100, 1000);
    assert_true(b <= 1);
    assert_true(b == again); /* the same questions each time */

    judge_free(j);
    assert_int_equal(judge_new(held, 2, &j, &err), OK);
    assert_true(ask(j, good) != b); /* others with another seed */
    judge_free(j);
    model_unref(poor);
    model_unref(good);
    dataset_free(fit);
    dataset_free(held);
    schema_free(schema);
}

static void rows_that_cannot_be_disturbed_are_refused_at_once(void **state)
{
    (void)state;
    struct dataset *d = fixture_dataset(N, DISTURB_ROWS_MIN - 1, 1);
    struct judge *j;
    struct err err;

    assert_int_equal(judge_new(d, 1, &j, &err), E_STATE);
    dataset_free(d);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct schema *schema = fixture_schema(N);
    struct dataset *d = fixture_dataset(N, HELD, 1);
    struct model *m = learn(d, schema, 1);
    struct judge *j;
    double v;
    struct err err;
    uint64_t at = 1;

    for (;; at++) {
        mem_fail_at(at);
        const enum rc rc = judge_new(d, 1, &j, &err);
        mem_fail_at(0);
        if (rc == OK)
            break;
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(at > 3);
    for (at = 1;; at++) {
        mem_fail_at(at);
        const enum rc rc = judge_model(j, m, &v, &err);
        mem_fail_at(0);
        if (rc == OK)
            break;
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(at > 5);
    judge_free(j);
    model_unref(m);
    dataset_free(d);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_is_the_area_under_precision_and_recall),
        cmocka_unit_test(a_score_that_is_none_comes_last),
        cmocka_unit_test(a_model_that_learned_more_is_judged_better),
        cmocka_unit_test(rows_that_cannot_be_disturbed_are_refused_at_once),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
