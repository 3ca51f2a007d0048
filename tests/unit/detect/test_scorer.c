/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../model/fixture.h"
#include "base/rng.h"
#include "detect/scorer.h"
#include "model/news.h"

/* A still machine of 25 features with resolution 1, of which the last never moved in training. */
enum { N = 25, CONSTANT = N - 1, ROWS = 200 };

/* The part of a level that is one resolution off: three units (model/yardstick.h). */
#define AT_ONE 9.0f

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

static void be_usual(float frame[N])
{
    for (size_t i = 0; i < N; i++)
        frame[i] = i == CONSTANT ? 5 : 10.01f;
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
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);

    assert_true(m->threshold == AT_ONE / (N - 1)); /* one feature, one resolution */
    for (size_t here = 1; here < N; here++) {
        const struct verdict half = judge(m, here, 0.5f, 5), two = judge(m, here, 2, 5);

        assert_false(half.anomalous);
        assert_true(two.anomalous);
        assert_float_equal(half.threshold, AT_ONE / (float)here, 1e-6);
        assert_float_equal(half.confidence, (float)(here + 1) / N, 1e-6);
    }
    model_unref(m);
}

static void what_is_watched_of_a_partial_frame_is_as_of_a_whole_one(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);
    struct scorer *s;
    struct err err;

    assert_int_equal(scorer_new(m, &s, &err), OK);
    for (size_t here = 1; here < N; here++) {
        struct verdict v = judge(m, here, 2, NAN);
        const float share = scorer_watched(s, &v) / m->threshold;

        assert_float_equal(share, verdict_watched(&v) / v.threshold, 1e-5f * share);
        v.evidence = v.score / 2; /* the lesser of both */
        assert_float_equal(scorer_watched(s, &v), share * m->threshold / 2, 1e-5f * share);
    }
    struct verdict v = judge(m, N - 1, 2, 5);
    assert_true(scorer_watched(s, &v) == verdict_watched(&v));
    v.confidence = NAN; /* a damaged store */
    assert_true(scorer_watched(s, &v) == verdict_watched(&v));
    v.confidence = 0;
    assert_true(scorer_watched(s, &v) > 0);
    scorer_free(s);
    model_unref(m);
}

static void a_fixed_threshold_stays_as_it_was_given(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 0.01};
    struct model *m = learn(&fixed);

    assert_true(judge(m, 3, 0.5f, 5).threshold == 0.01f);
    assert_true(judge(m, 3, 0.5f, 5).anomalous);
    model_unref(m);
}

static void a_constant_rings_from_a_little_over_one_span(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);

    assert_false(judge(m, N - 1, 0, 5.9f).anomalous);
    assert_true(judge(m, N - 1, 0, 6).score > 0.9f * m->threshold);
    assert_true(judge(m, N - 1, 0, 6.1f).anomalous);
    /* alone in a frame, it is the whole score, and the bar is the highest */
    assert_true(judge(m, 0, NAN, 5 + (float)N).anomalous);
    model_unref(m);
}

static float sum_of(const struct scorer_part *p)
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += (double)p[i].part;
    return (float)sum;
}

static void the_parts_of_a_frame_sum_to_its_score(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);
    struct scorer_part part[N];
    struct scorer *s;
    struct verdict v;
    struct err err;
    float frame[N];

    be_usual(frame);
    frame[0] = 13;
    frame[1] = NAN;
    assert_int_equal(scorer_new(m, &s, &err), OK);
    scorer_push(s, 1, frame, &v);
    scorer_parts(s, part);
    assert_float_equal(sum_of(part), v.score, 1e-6f * v.score);
    assert_true(isnan(part[1].value) && part[1].part == 0);
    assert_true(part[0].value == 13 && part[0].expected == v.causes[0].expected);
    assert_true(part[0].part > 0.9f * v.score);
    assert_true(v.causes[0].feature == 0 && part[0].cause == v.causes[0].weight);
    scorer_free(s);
    model_unref(m);
}

/* f0 stands off by four, twice as far as f3 then moves; after a gap as well, and for a scorer that
 * another threshold made. */
static void causes_are_ranked_by_what_is_new(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);
    struct scorer *s, *other;
    struct scorer_part part[N];
    struct verdict v;
    struct err err;
    float frame[N], shares = 0;
    int t = 0;

    be_usual(frame);
    frame[0] += 4;
    assert_int_equal(scorer_new(m, &s, &err), OK);
    scorer_push(s, ++t, frame, &v);
    assert_int_equal(v.causes[0].feature, 0);
    while (t < 8 * NEWS_FRAMES)
        scorer_push(s, ++t, frame, &v);
    assert_int_equal(v.causes[0].feature, 0); /* nothing is new: what stands is named */
    scorer_clear(s);
    assert_int_equal(scorer_new(m, &other, &err), OK);
    scorer_remember(other, s);
    frame[3] += 2;
    scorer_push(s, ++t, frame, &v);
    scorer_parts(s, part);
    assert_true(part[0].part > part[3].part && part[0].cause < part[3].cause);
    assert_int_equal(v.causes[0].feature, 3);
    assert_true(v.causes[0].weight == part[3].cause);
    for (size_t k = 0; k < v.n_causes; k++)
        shares += v.causes[k].share;
    assert_true(v.causes[0].share > 0.8f && shares <= 1.00001f);
    scorer_push(other, t, frame, &v);
    assert_int_equal(v.causes[0].feature, 3);
    scorer_free(other);
    scorer_free(s);
    model_unref(m);
}

/* There a cause is the squared error that the score is made of. */
static void causes_of_a_fixed_threshold_are_the_errors(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 0.1};
    struct model *m = learn(&fixed);
    const struct verdict v = judge(m, N, 3, 5);

    assert_int_equal(v.causes[0].feature, 0);
    assert_true(v.causes[0].weight > 0.9f * v.score && v.causes[0].share > 0.9f);
    model_unref(m);
}

static void a_feature_that_is_restored_is_as_if_it_had_never_been_off(void **state)
{
    (void)state;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct model *m = learn(&percentile);
    uint8_t restored[N] = {0};
    struct scorer_part part[N];
    struct scorer *s;
    struct verdict before, after;
    struct err err;
    float frame[N];

    be_usual(frame);
    frame[0] = 13;
    frame[CONSTANT] = 9;
    assert_int_equal(scorer_new(m, &s, &err), OK);
    scorer_push(s, 1, frame, &before);
    assert_true(before.anomalous);

    restored[0] = 1; /* one of the two that are off */
    const float half = scorer_restored(s, restored, part);
    assert_true(half > before.threshold && half < before.score);
    assert_float_equal(part[0].value, 10, 0.1); /* what took its place, in natural units */
    assert_true(part[0].part < 0.01f * half);
    assert_float_equal(sum_of(part), half, 1e-6f * half);

    restored[CONSTANT] = 1;
    assert_true(scorer_restored(s, restored, part) < before.threshold);
    assert_true(part[CONSTANT].value == 5);

    scorer_push(s, 2, frame, &after); /* asking left nothing behind */
    assert_true(after.score == before.score);
    scorer_free(s);
    model_unref(m);
}

/* Features that follow one another: the others say what the hidden one ought to be. */
static void what_takes_a_place_comes_from_the_others_alone(void **state)
{
    (void)state;
    enum { FEATURES = 6 };
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    const struct learn_spec spec = fixture_spec();
    const struct model_provenance provenance = {0};
    struct schema *schema = fixture_schema(FEATURES);
    struct dataset *d = fixture_dataset(FEATURES, 400, 1);
    uint8_t restored[FEATURES] = {[2] = 1};
    struct scorer_part part[FEATURES];
    float put[2], frame[FEATURES];
    struct model *m = NULL;
    struct scorer *s;
    struct verdict v;
    struct err err;

    assert_int_equal(
        model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &m, &err), OK);
    assert_int_equal(scorer_new(m, &s, &err), OK);
    for (int i = 0; i < 2; i++) {
        memcpy(frame, d->X + 50 * FEATURES, sizeof frame);
        frame[2] += i ? 150 : -150; /* off, within what it saw in training */
        scorer_push(s, i, frame, &v);
        (void)scorer_restored(s, restored, part);
        put[i] = part[2].value;
    }
    assert_true(put[0] == put[1]);
    scorer_free(s);
    model_unref(m);
    dataset_free(d);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_features_raise_the_bar_so_that_the_same_errors_ring),
        cmocka_unit_test(what_is_watched_of_a_partial_frame_is_as_of_a_whole_one),
        cmocka_unit_test(a_fixed_threshold_stays_as_it_was_given),
        cmocka_unit_test(a_constant_rings_from_a_little_over_one_span),
        cmocka_unit_test(the_parts_of_a_frame_sum_to_its_score),
        cmocka_unit_test(causes_are_ranked_by_what_is_new),
        cmocka_unit_test(causes_of_a_fixed_threshold_are_the_errors),
        cmocka_unit_test(what_takes_a_place_comes_from_the_others_alone),
        cmocka_unit_test(a_feature_that_is_restored_is_as_if_it_had_never_been_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
