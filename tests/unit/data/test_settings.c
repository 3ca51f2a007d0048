/* SPDX-License-Identifier: Apache-2.0 */
#include "data/settings.h"

#include <string.h>

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
    assert_int_equal(learn.output, ACT_AUTO);
    assert_int_equal(learn.epochs, 0);
    assert_int_equal(learn.batch_size, 16);
    assert_int_equal(learn.patience, 20);
    settings_threshold_defaults(&threshold);
    assert_int_equal(threshold.method, THRESHOLD_STAGED);
    assert_true(threshold.value == 2 && threshold.observe == 0);
    settings_confirm_defaults(&confirm);
    assert_int_equal(confirm.k, 3);
    assert_int_equal(confirm.of, 5);
}

static void learning_settings_are_equal_in_every_field_that_counts(void **state)
{
    (void)state;
    struct learn_spec a, b;

    memset(&a, 0xff, sizeof a); /* what lies between the fields differs */
    memset(&b, 0, sizeof b);
    settings_learn_defaults(&a);
    settings_learn_defaults(&b);
    a.layers[3] = 7; /* past n_layers */
    assert_true(settings_learn_hash(&a) == settings_learn_hash(&b));
    b.epochs = 7;
    assert_false(settings_learn_hash(&a) == settings_learn_hash(&b));
    b.epochs = a.epochs;
    a.n_layers = b.n_layers = 4;
    assert_false(settings_learn_hash(&a) == settings_learn_hash(&b));
    b.layers[3] = 7;
    assert_true(settings_learn_hash(&a) == settings_learn_hash(&b));
    b.n_layers = 3;
    assert_false(settings_learn_hash(&a) == settings_learn_hash(&b));
}

static void a_fleet_shares_its_budget_evenly(void **state)
{
    (void)state;
    const struct threshold_spec fleet = {
        .method = THRESHOLD_BUDGET, .value = 2, .observe = 14, .scope = SCOPE_FLEET};
    struct threshold_spec own = fleet, other = fleet;

    own.scope = SCOPE_ENTITY;
    other.method = THRESHOLD_SIGMA;
    assert_true(settings_share(&fleet, 0).value == 2 && settings_share(&fleet, 1).value == 2);
    assert_true(settings_share(&fleet, 4).value == 0.5 && settings_share(&fleet, 4).observe == 3.5);
    assert_true(settings_share(&fleet, 1000000).value ==
                BUDGET_LEAST); /* what a budget may be of */
    assert_true(settings_share(&own, 4).value == 2 && settings_share(&own, 4).observe == 14);
    assert_true(settings_share(&other, 4).value == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fleet_shares_its_budget_evenly),
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(learning_settings_are_equal_in_every_field_that_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
