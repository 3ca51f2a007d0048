/* SPDX-License-Identifier: Apache-2.0 */
#include "some_plan.h"

#include "exchange/tflite_quantize.h"

enum { ROWS = 300 };

static const struct plan_kind raw = {.raw = true}, uneven = {.uneven = true},
                              seasonal = {.uneven = true, .seasonal = true};

/* One layer: y = act(w x + b). */
static void tiny_plan(struct exchange_plan *p, float w, float b, enum activation act)
{
    struct exchange_layer *layer;
    struct err err;

    *p = (struct exchange_plan){.raw = true, .n = 1};
    assert_int_equal(exchange_net_add(&p->net, 1, 1, &layer, &err), OK);
    layer->W[0] = w;
    layer->b[0] = b;
    layer->act = act;
}

static void make(const struct exchange_plan *p, size_t rows, const float *X,
                 struct tflite_int8 *ret)
{
    const struct exchange_calibration c = {rows, X, NULL};
    struct err err = {0};

    if (tflite_int8_make(p, &c, ret, &err) != OK)
        fail_msg("%s", err.msg);
}

static void numbers_are_those_of_the_specification(void **state)
{
    static const float X[] = {0.5f, 2, -1};
    struct exchange_plan p;
    struct tflite_int8 q;

    (void)state;
    tiny_plan(&p, -0.5f, 0.2f, ACT_SIGMOID);
    make(&p, 3, X, &q);
    /* input in [-1, 2]: 3/255 a step, and -1 is -128: 0 is -128 + 85 */
    CHECK_NEAR((double)q.input.scale, 3.0 / 255, 1e-9);
    assert_int_equal(q.input.zero_point, -43);
    CHECK_NEAR((double)q.layer[0].scale[0], 0.5 / 127, 1e-9);
    assert_int_equal(q.layer[0].W[0], -127);
    assert_int_equal(q.layer[0].b[0], lrint(0.2 / (3.0 / 255 * 0.5 / 127)));
    /* sums in [-0.8, 0.7] */
    CHECK_NEAR((double)q.layer[0].sums.scale, 1.5 / 255, 1e-9);
    CHECK_NEAR((double)q.layer[0].output.scale, 1.0 / 256, 0);
    assert_int_equal(q.layer[0].output.zero_point, -128);
    tflite_int8_done(&q);
    exchange_plan_done(&p);

    tiny_plan(&p, 1, 0, ACT_TANH);
    make(&p, 3, X, &q);
    CHECK_NEAR((double)q.layer[0].output.scale, 1.0 / 128, 0);
    assert_int_equal(q.layer[0].output.zero_point, 0);
    tflite_int8_done(&q);
    exchange_plan_done(&p);

    tiny_plan(&p, 1, 0, ACT_RELU); /* what it cuts off takes no steps */
    make(&p, 3, X, &q);
    CHECK_NEAR((double)q.layer[0].sums.scale, 2.0 / 255, 1e-9);
    assert_int_equal(q.layer[0].sums.zero_point, -128);
    tflite_int8_done(&q);
    exchange_plan_done(&p);
}

static void zero_is_exactly_zero(void **state)
{
    static const float X[] = {0.1f, 0.9f, 0.37f}, zero = 0;
    static int8_t work[2 * NET_WIDTH_MAX];
    struct exchange_plan p;
    struct tflite_int8 q;
    float y = 1;

    (void)state;
    tiny_plan(&p, 0.8f, 0, ACT_LINEAR);
    make(&p, 3, X, &q);
    tflite_int8_run(&q, &zero, &y, work);
    CHECK_NEAR((double)y, 0, 0);
    tflite_int8_done(&q);
    exchange_plan_done(&p);
}

static void values_outside_of_the_calibration_are_cut(void **state)
{
    static const float X[] = {0, 1}, far = 50;
    static int8_t work[2 * NET_WIDTH_MAX];
    struct exchange_plan p;
    struct tflite_int8 q;
    float y;

    (void)state;
    tiny_plan(&p, 1, 0, ACT_LINEAR);
    make(&p, 2, X, &q);
    tflite_int8_run(&q, &far, &y, work);
    CHECK_NEAR((double)y, 1, 0.01);
    tflite_int8_done(&q);
    exchange_plan_done(&p);
}

static void integers_come_close_to_floats(void **state)
{
    static int8_t work[2 * NET_WIDTH_MAX];
    int differences = 0;

    (void)state;
    for (size_t n = 1; n <= 40; n++) {
        struct exchange_plan p;
        struct tflite_int8 q;
        struct err err;
        float *const X = some_plan(&p, n, raw, ROWS, n);
        float y[64], y8[64];
        double worst = 0, mean = 0, least = 0, most = 0;

        make(&p, ROWS, X, &q);
        for (size_t r = 0; r < ROWS; r++) {
            assert_int_equal(exchange_net_run(&p.net, X + r * n, y, &err), OK);
            tflite_int8_run(&q, X + r * n, y8, work);
            for (size_t i = 0; i < n; i++) {
                const double d = fabs((double)y[i] - (double)y8[i]);
                worst = fmax(worst, d);
                mean += d / (double)(ROWS * n);
                least = fmin(least, (double)y[i]);
                most = fmax(most, (double)y[i]);
            }
        }
        /* a few steps of 255 each in up to five layers */
        differences += worst > 0;
        if (!(mean <= 0.03 * (most - least) + 1e-3 && worst <= 0.4 * (most - least) + 1e-3))
            fail_msg("%zu features: %g, %g at most, of a range of %g", n, mean, worst,
                     most - least);
        tflite_int8_done(&q);
        exchange_plan_done(&p);
        mem_free(X);
    }
    assert_true(differences > 30);
}

static void scores_of_both_are_told_for_each_row(void **state)
{
    const struct plan_kind kinds[] = {raw, uneven, seasonal};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct exchange_plan p;
        struct err err = {0};
        float plain[ROWS], quantised[ROWS], t[ROWS], r[16], e[16], score;
        double mean = 0, change = 0;
        float *const X = some_plan(&p, 10, kinds[k], ROWS, k);

        for (size_t i = 0; i < ROWS; i++)
            t[i] = (float)i * 280;
        const struct exchange_calibration c = {ROWS, X, t};
        assert_int_equal(tflite_int8_scores(&p, &c, plain, quantised, &err), OK);
        for (size_t i = 0; i < ROWS; i++) {
            mean += (double)plain[i] / ROWS;
            change += fabs((double)plain[i] - (double)quantised[i]) / ROWS;
            if (kinds[k].raw)
                continue;
            assert_int_equal(exchange_plan_run(&p, X + i * p.n, t[i], r, e, &score, &err), OK);
            CHECK_NEAR((double)plain[i], (double)score, 0);
        }
        assert_true(change > 0 && change < 0.1 * mean);
        exchange_plan_done(&p);
        mem_free(X);
    }
}

static void a_huge_bias_and_an_output_without_weights_fit(void **state)
{
    static const float X[] = {1e-3f, 0}, x = 1e-3f;
    static int8_t work[2 * NET_WIDTH_MAX];
    struct exchange_plan p;
    struct tflite_int8 q;
    float y;

    (void)state;
    tiny_plan(&p, 1e-6f, 1000, ACT_LINEAR); /* 3e13 of the steps that these weights alone ask for */
    make(&p, 2, X, &q);
    tflite_int8_run(&q, &x, &y, work);
    CHECK_NEAR((double)y, 1000, 5);
    tflite_int8_done(&q);
    exchange_plan_done(&p);

    tiny_plan(&p, 0, -0.5f, ACT_LINEAR);
    make(&p, 2, X, &q);
    tflite_int8_run(&q, &x, &y, work);
    CHECK_NEAR((double)y, -0.5, 0.005);
    tflite_int8_done(&q);
    exchange_plan_done(&p);

    tiny_plan(&p, 0, 0, ACT_LINEAR);
    make(&p, 2, X, &q);
    assert_true(isfinite(q.layer[0].scale[0]) && q.layer[0].scale[0] > 0);
    tflite_int8_done(&q);
    exchange_plan_done(&p);
}

static void rows_that_cannot_calibrate_are_refused(void **state)
{
    static const float bad[] = {1, 2, 3, NAN};
    const struct exchange_calibration none = {0, bad, NULL}, holes = {2, bad, NULL};
    struct exchange_plan p;
    struct tflite_int8 q;
    struct err err = {0};

    (void)state;
    mem_free(some_plan(&p, 2, raw, 1, 1));
    assert_int_equal(tflite_int8_make(&p, &none, &q, &err), E_STATE);
    assert_non_null(strstr(err.msg, "no rows"));
    assert_int_equal(tflite_int8_make(&p, &holes, &q, &err), E_STATE);
    assert_non_null(strstr(err.msg, "row 2 of the calibration has no finite feature 2"));
    exchange_plan_done(&p);
}

static void no_memory_is_said(void **state)
{
    static const float X[] = {1, 2, 3, 4};
    const struct exchange_calibration c = {2, X, NULL};
    struct exchange_plan p;
    struct err err = {0};
    float plain[2], quantised[2];
    enum rc rc = E_NOMEM;

    (void)state;
    mem_free(some_plan(&p, 2, raw, 1, 1));
    for (uint64_t nth = 1; nth < 20 && rc != OK; nth++) {
        mem_fail_at(nth);
        rc = tflite_int8_scores(&p, &c, plain, quantised, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
    }
    assert_int_equal(rc, OK);
    exchange_plan_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_specification),
        cmocka_unit_test(zero_is_exactly_zero),
        cmocka_unit_test(values_outside_of_the_calibration_are_cut),
        cmocka_unit_test(integers_come_close_to_floats),
        cmocka_unit_test(scores_of_both_are_told_for_each_row),
        cmocka_unit_test(a_huge_bias_and_an_output_without_weights_fit),
        cmocka_unit_test(rows_that_cannot_calibrate_are_refused),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
