/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/scorer.h"

/* A still machine of 25 features with resolution 1, of which the last never moved in training. */
enum { N = 25, CONSTANT = N - 1, ROWS = 200 };

static struct model *learn(const struct threshold_spec *threshold)
{
    struct feature f[N] = {0};
    const struct model_provenance provenance = {0};
    struct learn_spec spec;
    struct schema *schema;
    struct dataset *d;
    struct model *m;
    struct rng rng;
    struct err err;

    rng_init(&rng, 1);
    settings_learn_defaults(&spec);
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        f[i].resolution = 1;
    }
    assert_int_equal(schema_new(f, N, &schema, &err), OK);
    assert_int_equal(dataset_new(N, &d, &err), OK);
    for (int r = 0; r < ROWS; r++) {
        float frame[N];
        for (size_t i = 0; i < N; i++)
            frame[i] = i == CONSTANT ? 5 : 10 + 0.02f * rng_float(&rng);
        assert_int_equal(dataset_append(d, r, frame, &err), OK);
    }
    assert_int_equal(
        model_train(d, NULL, schema, &spec, threshold, &provenance, NULL, NULL, &m, &err), OK);
    dataset_free(d);
    schema_free(schema);
    return m;
}

/* The verdict on a frame with the first `here` features and the constant's value; f0 is off. */
static struct verdict judge(struct model *m, size_t here, float off, float constant)
{
    struct scorer *s;
    struct verdict v;
    struct err err;
    float frame[N];

    for (size_t i = 0; i < N; i++)
        frame[i] = i < here ? 10.01f : NAN;
    frame[0] += off;
    frame[CONSTANT] = constant;
    assert_int_equal(scorer_new(m, &s, &err), OK);
    scorer_push(s, 1, frame, &v);
    scorer_free(s);
    return v;
}

static void fewer_features_raise_the_bar_so_that_the_same_errors_ring(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {THRESHOLD_PERCENTILE, 99.5};
    struct model *m = learn(&percentile);

    assert_true(m->threshold == 1.0f / (N - 1)); /* one feature, one span */
    for (size_t here = 1; here < N; here++) {
        const struct verdict half = judge(m, here, 0.5f, 5), two = judge(m, here, 2, 5);

        assert_false(half.anomalous);
        assert_true(two.anomalous);
        assert_float_equal(half.threshold, 1 / (float)here, 1e-6);
        assert_float_equal(half.confidence, (float)(here + 1) / N, 1e-6);
    }
    model_unref(m);
}

static void a_fixed_threshold_stays_as_it_was_given(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {THRESHOLD_FIXED, 0.01};
    struct model *m = learn(&fixed);

    assert_true(judge(m, 3, 0.5f, 5).threshold == 0.01f);
    assert_true(judge(m, 3, 0.5f, 5).anomalous);
    model_unref(m);
}

static void a_constant_rings_from_a_little_over_one_span(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {THRESHOLD_PERCENTILE, 99.5};
    struct model *m = learn(&percentile);

    assert_false(judge(m, N - 1, 0, 5.9f).anomalous);
    assert_true(judge(m, N - 1, 0, 6).score > 0.9f * m->threshold);
    assert_true(judge(m, N - 1, 0, 6.1f).anomalous);
    /* alone in a frame, it is the whole score, and the bar is the highest */
    assert_true(judge(m, 0, NAN, 5 + (float)N).anomalous);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_features_raise_the_bar_so_that_the_same_errors_ring),
        cmocka_unit_test(a_fixed_threshold_stays_as_it_was_given),
        cmocka_unit_test(a_constant_rings_from_a_little_over_one_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
