/* SPDX-License-Identifier: Apache-2.0 */
#include "data/settings.h"

#include "../test.h"

/* They are documented, so a change shall be a decision. */
static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct learn_spec learn;
    struct threshold_spec threshold;
    struct confirm_spec confirm;

    settings_learn_defaults(&learn);
    assert_int_equal(learn.for_ms, 600000);
    assert_true(learn.validation == 0.25 && learn.learning_rate == 1e-3);
    assert_true(learn.feature_dropout == 0.1);
    assert_int_equal(learn.seed, 1);
    assert_int_equal(learn.scaling, SCALING_MINMAX);
    assert_int_equal(learn.n_layers, 0);
    assert_int_equal(learn.hidden, ACT_RELU);
    assert_int_equal(learn.output, ACT_SIGMOID);
    assert_int_equal(learn.epochs, 0);
    assert_int_equal(learn.batch_size, 16);
    assert_int_equal(learn.patience, 20);
    settings_threshold_defaults(&threshold);
    assert_int_equal(threshold.method, THRESHOLD_PERCENTILE);
    assert_true(threshold.value == 99.5);
    settings_confirm_defaults(&confirm);
    assert_int_equal(confirm.k, 3);
    assert_int_equal(confirm.of, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults_are_the_documented_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
