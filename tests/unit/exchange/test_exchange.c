/* SPDX-License-Identifier: Apache-2.0 */
/* What an export says is what the model says; and the pieces that both formats share. */
#include "fixture.h"
#include "model/kernels.h"

enum { FRAMES = 50, MODELS = 40, DAY_MS = 24 * 3600 * 1000 };

/* Relative to what stands beside it: two float32 computations differ in the last digits. */
static const double NEAR = 1e-5;

struct scored {
    float expected[SOME_FEATURES_MAX], error[SOME_FEATURES_MAX], score;
};

static void score(const struct model *m, const float *x, int64_t ts_ms, struct scored *ret)
{
    float less[SOME_FEATURES_MAX];
    uint8_t present[SOME_FEATURES_MAX];
    float *work = mem_array_aligned(model_work_size(m), sizeof *work);

    assert_non_null(work);
    memset(present, 1, sizeof present);
    season_subtract(&m->season, ts_ms, x, less);
    ret->score = model_score(m, less, present, ret->expected, ret->error, work);
    for (size_t i = 0; i < m->schema->n; i++)
        ret->expected[i] += season_at(&m->season, ts_ms, i);
    mem_free(work);
}

static void check_frame(const struct model *m, const struct exchange_plan *p, const float *x,
                        int64_t ts_ms)
{
    float reconstruction[SOME_FEATURES_MAX], error[SOME_FEATURES_MAX], found;
    struct scored s;
    struct err err;

    score(m, x, ts_ms, &s);
    assert_int_equal(exchange_plan_run(p, x, (float)(ts_ms % DAY_MS) / 1000, reconstruction, error,
                                       &found, &err),
                     OK);
    for (size_t i = 0; i < m->schema->n; i++) {
        const double unit = fabs((double)s.expected[i]) + (double)p->out_span[i] * 2;
        CHECK_NEAR((double)reconstruction[i], (double)s.expected[i], NEAR * unit);
        CHECK_NEAR((double)error[i], (double)s.error[i], NEAR * (1 + (double)s.error[i]) * 10);
    }
    CHECK_NEAR((double)found, (double)s.score, NEAR * (1 + (double)s.score));
}

static void check_model(struct model *m, struct rng *rng)
{
    CLEANUP(exchange_plan_done) struct exchange_plan p = {0};
    float x[SOME_FEATURES_MAX];
    struct err err;

    if (exchange_plan_make(m, false, &p, &err) != OK)
        fail_msg("%s", err.msg);
    for (int t = 0; t < FRAMES; t++) {
        some_frame(m, rng, x);
        check_frame(m, &p, x, (int64_t)rng_below(rng, DAY_MS));
    }
}

static void a_plan_scores_as_its_model(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 1);
    for (uint64_t seed = 0; seed < MODELS; seed++) {
        struct model *m = some_model(1 + rng_below(&rng, SOME_FEATURES_MAX), seed);
        check_model(m, &rng);
        model_unref(m);
    }
}

static void features_without_weight_count_as_in_the_model(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 2);
    for (uint64_t seed = 0; seed < MODELS; seed++) {
        struct model *m = some_model(1 + rng_below(&rng, SOME_FEATURES_MAX), seed);
        make_uneven(m, &rng);
        check_model(m, &rng);
        model_unref(m);
    }
}

static void a_season_is_taken_off_and_put_back(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 3);
    for (uint64_t seed = 0; seed < MODELS; seed++) {
        struct model *m = some_model(1 + rng_below(&rng, SOME_FEATURES_MAX), seed);
        give_season(m, &rng);
        check_model(m, &rng);
        model_unref(m);
    }
}

static void a_network_survives_both_ways(void **state)
{
    (void)state;
    struct rng rng;
    struct err err;

    rng_init(&rng, 4);
    for (uint64_t seed = 0; seed < MODELS; seed++) {
        struct model *m = some_model(1 + rng_below(&rng, SOME_FEATURES_MAX), seed);
        struct exchange_net net = {0};
        struct net back;

        assert_int_equal(exchange_net_of(m, &net, &err), OK);
        assert_int_equal(exchange_net_to(&net, &back, &err), OK);
        assert_int_equal(back.n_params, m->net.n_params);
        assert_memory_equal(back.params, m->net.params, back.n_params * sizeof *back.params);
        for (size_t l = 0; l < back.n_layers; l++)
            assert_int_equal(back.layer[l].act, m->net.layer[l].act);
        exchange_net_done(&net);
        net_done(&back);
        model_unref(m);
    }
}

static void the_measure_of_tests_agrees_with_the_kernels(void **state)
{
    (void)state;
    float x[SOME_FEATURES_MAX], y[SOME_FEATURES_MAX], z[SOME_FEATURES_MAX];
    struct model *m = some_model(21, 7);
    struct exchange_net net = {0};
    struct rng rng;
    struct err err;
    float *work = mem_array_aligned(2 * (size_t)m->net.max_width, sizeof *work);

    rng_init(&rng, 7);
    assert_non_null(work);
    assert_int_equal(exchange_net_of(m, &net, &err), OK);
    for (int t = 0; t < FRAMES; t++) {
        for (size_t i = 0; i < 21; i++)
            x[i] = rng_float(&rng);
        assert_int_equal(exchange_net_run(&net, x, y, &err), OK);
        net_forward(&m->net, x, z, work);
        for (size_t i = 0; i < 21; i++)
            CHECK_NEAR((double)z[i], (double)y[i], NEAR * (1 + fabs((double)y[i])));
    }
    exchange_net_done(&net);
    model_unref(m);
    mem_free(work);
}

static void a_layer_must_take_what_the_last_one_gives(void **state)
{
    (void)state;
    CLEANUP(exchange_net_done) struct exchange_net net = {0};
    struct exchange_layer *layer = NULL;
    struct err err;

    assert_int_equal(exchange_net_check(&net, &err), E_PARSE);
    assert_int_equal(exchange_net_activate(&net, ACT_RELU, &err), E_PARSE);
    assert_int_equal(exchange_net_add(&net, 5, 3, &layer, &err), OK);
    assert_int_equal(exchange_net_add(&net, 4, 5, &layer, &err), E_PARSE);
    assert_int_equal(net.n_layers, 1);
    assert_int_equal(exchange_net_add(&net, 3, NET_WIDTH_MAX + 1, &layer, &err), E_LIMIT);
    assert_int_equal(exchange_net_add(&net, 3, 0, &layer, &err), E_LIMIT);
    assert_int_equal(exchange_net_activate(&net, ACT_RELU, &err), OK);
    assert_int_equal(exchange_net_activate(&net, ACT_LINEAR, &err), OK);
    assert_int_equal(exchange_net_activate(&net, ACT_TANH, &err), E_PARSE);
    assert_int_equal(net.layer[0].act, ACT_RELU);
    for (size_t l = 1; l < EXCHANGE_LAYERS_MAX; l++)
        assert_int_equal(exchange_net_add(&net, 3, 3, &layer, &err), OK);
    assert_int_equal(exchange_net_add(&net, 3, 3, &layer, &err), E_LIMIT);
    assert_int_equal(exchange_net_check(&net, &err), OK);
    net.layer[2].b[1] = NAN;
    assert_int_equal(exchange_net_check(&net, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "layer 3"));
}

static void a_network_that_is_no_autoencoder_makes_no_model(void **state)
{
    (void)state;
    CLEANUP(exchange_net_done) struct exchange_net net = {0};
    struct exchange_layer *layer = NULL;
    struct net ret = {0};
    struct err err;

    assert_int_equal(exchange_net_add(&net, 5, 3, &layer, &err), OK);
    assert_int_equal(exchange_net_to(&net, &ret, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "5 inputs and 3 outputs"));
    assert_null(ret.params);
}

static void facts_say_where_a_model_comes_from(void **state)
{
    (void)state;
    CLEANUP(exchange_plan_done) struct exchange_plan p = {0};
    struct model *m = some_model(3, 9);
    struct err err;

    assert_int_equal(exchange_plan_make(m, false, &p, &err), OK);
    assert_string_equal(exchange_facts_get(&p.facts, EXCHANGE_FEATURES), "f0\nf1\nf2\n");
    assert_string_equal(exchange_facts_get(&p.facts, EXCHANGE_UNITS), "\nbytes/s\n\n");
    assert_string_equal(exchange_facts_get(&p.facts, EXCHANGE_THRESHOLD), "0.1998");
    assert_string_equal(exchange_facts_get(&p.facts, EXCHANGE_THRESHOLD_METHOD), "fixed");
    assert_string_equal(exchange_facts_get(&p.facts, EXCHANGE_TRAINED_FROM),
                        "2025-02-20T21:55:00.000Z");
    assert_non_null(strstr(exchange_facts_get(&p.facts, EXCHANGE_SCORE), "reconstruction error"));
    assert_int_equal(exchange_facts_check_raw(&p.facts, &err), E_PARSE);
    exchange_plan_done(&p);
    assert_int_equal(exchange_plan_make(m, true, &p, &err), OK);
    assert_int_equal(exchange_facts_check_raw(&p.facts, &err), OK);
    /* of a model whose score is another, the threshold is of no number that the export has */
    exchange_plan_done(&p);
    m->threshold_spec.method = THRESHOLD_SIGMA;
    assert_int_equal(exchange_plan_make(m, false, &p, &err), OK);
    assert_non_null(strstr(exchange_facts_get(&p.facts, EXCHANGE_SCORE), "not of this number"));
    model_unref(m);
}

static void facts_have_limits(void **state)
{
    (void)state;
    static char long_value[EXCHANGE_FACT_BYTES_MAX + 1];
    CLEANUP(exchange_facts_done) struct exchange_facts f = {0};
    struct err err;

    memset(long_value, 'a', sizeof long_value);
    assert_int_equal(
        exchange_facts_add(&f, STR("k"), (struct str){long_value, sizeof long_value}, &err),
        E_LIMIT);
    assert_int_equal(exchange_facts_add(&f, STR("k"), STR("\xff"), &err), E_PARSE);
    assert_int_equal(f.n, 0);
    for (int i = 0; i < EXCHANGE_FACTS_MAX; i++)
        assert_int_equal(exchange_facts_add(&f, STR("k"), STR("v"), &err), OK);
    assert_int_equal(exchange_facts_add(&f, STR("k"), STR("v"), &err), E_LIMIT);
    assert_string_equal(exchange_facts_get(&f, "k"), "v");
    assert_null(exchange_facts_get(&f, "other"));
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    struct model *m = some_model(5, 11);
    struct rng rng;
    struct err err;
    enum rc rc = E_NOMEM;

    rng_init(&rng, 11);
    give_season(m, &rng);
    for (uint64_t n = 1; rc != OK; n++) {
        struct exchange_plan p = {0};
        mem_fail_at(n);
        rc = exchange_plan_make(m, false, &p, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        assert_true(rc == OK || p.low == NULL);
        exchange_plan_done(&p);
    }
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_scores_as_its_model),
        cmocka_unit_test(features_without_weight_count_as_in_the_model),
        cmocka_unit_test(a_season_is_taken_off_and_put_back),
        cmocka_unit_test(a_network_survives_both_ways),
        cmocka_unit_test(the_measure_of_tests_agrees_with_the_kernels),
        cmocka_unit_test(a_layer_must_take_what_the_last_one_gives),
        cmocka_unit_test(a_network_that_is_no_autoencoder_makes_no_model),
        cmocka_unit_test(facts_say_where_a_model_comes_from),
        cmocka_unit_test(facts_have_limits),
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
