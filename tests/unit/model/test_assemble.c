/* SPDX-License-Identifier: Apache-2.0 */
/* A model of parts is judged by its reconstruction error, survives its file, and keeps its
 * threshold. */
#include <unistd.h>

#include "../test.h"
#include "fixture.h"
#include "model/assemble.h"
#include "model/departure.h"
#include "model/model_file.h"

enum { N = 3 };
static const float low[N] = {0, -5, 1e6f}, span[N] = {1, 10, 1e3f};

static struct net some_net(void)
{
    const uint32_t widths[] = {2, N};
    const enum activation acts[] = {ACT_RELU, ACT_SIGMOID};
    struct net net = {0};
    struct rng rng;
    struct err err;

    rng_init(&rng, 1);
    assert_int_equal(net_init_layers(&net, N, widths, acts, 2, &err), OK);
    for (size_t i = 0; i < net.n_params; i++)
        net.params[i] = (float)rng_normal(&rng);
    return net;
}

static struct model *some_model(void)
{
    struct schema *schema = fixture_schema(N);
    struct model_parts parts = {
        .schema = schema, .low = low, .span = span, .net = some_net(), .threshold = 0.1998f};
    struct model *m = NULL;
    struct err err;

    if (model_assemble(&parts, &m, &err) != OK)
        fail_msg("%s", err.msg);
    assert_null(parts.net.params);
    schema_free(schema);
    return m;
}

static void its_score_is_the_mean_square_of_scaled_distances(void **state)
{
    (void)state;
    struct model *m = some_model();
    /* one feature far outside of its range: it is not cut */
    const float x[N] = {0.25f, 95, 1e6f + 500};
    float z[N], y[N], *work = mem_array_aligned(2 * (size_t)m->net.max_width, sizeof *work);
    struct departure *d = NULL;
    struct departure_score s;
    struct err err;
    double expected = 0;

    assert_non_null(work);
    for (size_t i = 0; i < N; i++)
        z[i] = (x[i] - low[i]) / span[i];
    net_forward(&m->net, z, y, work);
    for (size_t i = 0; i < N; i++)
        expected += ((double)z[i] - (double)y[i]) * ((double)z[i] - (double)y[i]) / N;
    assert_int_equal(departure_new(m, false, &d, &err), OK);
    departure_push(d, 0, x, &s);
    CHECK_NEAR((double)s.reconstruction, expected, 1e-5 * expected);
    CHECK_NEAR((double)s.score, expected, 1e-5 * expected);
    assert_true(model_is_classic(m));
    departure_free(d);
    model_unref(m);
    mem_free(work);
}

static void it_survives_its_file(void **state)
{
    (void)state;
    struct model *m = some_model(), *back = NULL;
    struct buf b;
    struct err err;

    buf_init(&b, MODEL_BYTES_MAX);
    model_encode(m, &b);
    if (model_decode(b.p, b.n, "m.tsm", &back, &err) != OK)
        fail_msg("%s", err.msg);
    assert_true(model_id(back) == model_id(m));
    assert_true(back->threshold == 0.1998f);
    assert_int_equal(back->n_scores, 0);
    buf_done(&b);
    model_unref(m);
    model_unref(back);
}

static void no_scores_no_other_threshold(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 0.3};
    struct model *m = some_model(), *other = NULL;
    struct err err;

    assert_true(model_keeps_threshold(m, &fixture_percentile));
    assert_int_equal(model_with_threshold(m, &fixture_percentile, &other, &err), E_STATE);
    assert_false(model_keeps_threshold(m, &fixed));
    assert_int_equal(model_with_threshold(m, &fixed, &other, &err), OK);
    assert_true(other->threshold == 0.3f);
    model_unref(m);
    model_unref(other);
}

static void parts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const float zero_span[N] = {1, 0, 1}, no_number[N] = {0, NAN, 0};
    struct schema *schema = fixture_schema(N), *wide = fixture_schema(N + 1);
    const struct {
        const struct schema *schema;
        const float *low, *span;
        float threshold;
        const char *words;
    } cases[] = {{wide, low, span, 1, "3 inputs"},
                 {schema, low, zero_span, 1, "'f1'"},
                 {schema, no_number, span, 1, "'f1'"},
                 {schema, low, span, 0, "threshold"},
                 {schema, low, span, INFINITY, "threshold"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model_parts parts = {.schema = cases[i].schema,
                                    .low = cases[i].low,
                                    .span = cases[i].span,
                                    .net = some_net(),
                                    .threshold = cases[i].threshold};
        struct model *m = NULL;
        struct err err;

        assert_int_equal(model_assemble(&parts, &m, &err), E_CONFIG);
        assert_non_null(strstr(err.msg, cases[i].words));
        assert_null(m);
    }
    schema_free(schema);
    schema_free(wide);
}

static void it_is_bound_to_a_profile_of_the_same_features(void **state)
{
    (void)state;
    const struct model_provenance p = {.created_ms = 7, .instance = "db1"};
    struct schema *profile = fixture_schema(N), *wide = fixture_schema(N + 1);
    struct model *m = some_model(), *bound = NULL;
    struct err err;

    schema_define(profile, 99);
    profile->f[1].weightless = true; /* to the profile; the network was made for all */
    assert_int_equal(model_rebind(m, profile, &p, 60000, &bound, &err), OK);
    assert_true(bound->schema->hash == profile->hash && bound->schema->hash != m->schema->hash);
    assert_false(bound->schema->f[1].weightless);
    assert_int_equal(bound->interval_ms, 60000);
    assert_string_equal(bound->provenance.instance, "db1");
    assert_true(bound->threshold == m->threshold);
    model_unref(bound);
    assert_int_equal(model_rebind(m, wide, &p, 60000, &bound, &err), E_STATE);
    schema_free(profile);
    schema_free(wide);
    model_unref(m);
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    struct schema *schema = fixture_schema(N);
    enum rc rc = E_NOMEM;

    for (uint64_t n = 1; rc != OK; n++) {
        struct model_parts parts = {
            .schema = schema, .low = low, .span = span, .net = some_net(), .threshold = 1};
        struct model *m = NULL;
        struct err err;

        mem_fail_at(n);
        rc = model_assemble(&parts, &m, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        model_unref(m);
    }
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_score_is_the_mean_square_of_scaled_distances),
        cmocka_unit_test(it_survives_its_file),
        cmocka_unit_test(no_scores_no_other_threshold),
        cmocka_unit_test(parts_that_do_not_fit_are_refused),
        cmocka_unit_test(it_is_bound_to_a_profile_of_the_same_features),
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
