/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "../test.h"

#include "model/net.h"
#include "tune/space.h"

static struct learn_spec defaults(void)
{
    struct learn_spec s;

    settings_learn_defaults(&s);
    return s;
}

static void trial_0_is_the_base_itself(void **state)
{
    (void)state;
    const struct learn_spec base = defaults();
    struct learn_spec s;

    space_draw(&base, 20, 3, 0, &s);
    assert_int_equal(settings_learn_hash(&s), settings_learn_hash(&base));
}

static void a_trial_depends_on_seed_and_number_alone(void **state)
{
    (void)state;
    const struct learn_spec base = defaults();
    struct learn_spec a, b, c, d;

    space_draw(&base, 20, 3, 5, &a);
    space_draw(&base, 20, 3, 6, &b);
    space_draw(&base, 20, 4, 5, &c);
    space_draw(&base, 20, 3, 5, &d);
    assert_int_equal(settings_learn_hash(&a), settings_learn_hash(&d));
    assert_int_not_equal(settings_learn_hash(&a), settings_learn_hash(&b));
    assert_int_not_equal(settings_learn_hash(&a), settings_learn_hash(&c));
}

static void every_draw_makes_a_network(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2, 5, 21, 500, NET_WIDTH_MAX};
    const struct learn_spec base = defaults();

    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (uint32_t trial = 1; trial < (widths[k] > 100 ? 20 : 500); trial++) {
            struct learn_spec s;
            struct err err;
            struct net net = {0};

            space_draw(&base, widths[k], 1, trial, &s);
            for (size_t l = 0; l < s.n_layers; l++)
                assert_in_range(s.layers[l], s.layers[s.n_layers / 2], NET_WIDTH_MAX);
            if (widths[k] <= 500) { /* wider ones may have more parameters than are allowed */
                assert_int_equal(net_init(&net, widths[k], &s, &err), OK);
                net_done(&net);
            }
        }
}

/* Each part of the settings is drawn, and what is not drawn stays. */
static void all_of_the_space_is_reached(void **state)
{
    (void)state;
    struct learn_spec base = defaults(), s;
    bool depth[3] = {false}, hidden[4] = {false}, output[4] = {false};
    double least = 1, most = 0;

    base.scaling = SCALING_QUANTILE;
    base.patience = 33;
    for (uint32_t trial = 1; trial <= 300; trial++) {
        space_draw(&base, 24, 1, trial, &s);
        depth[s.n_layers / 2] = true;
        hidden[s.hidden] = true;
        output[s.output] = true;
        least = fmin(least, s.learning_rate);
        most = fmax(most, s.learning_rate);
        assert_int_equal(s.scaling, SCALING_QUANTILE);
        assert_int_equal(s.patience, 33);
    }
    assert_true(depth[0] && depth[1] && depth[2]);
    assert_true(hidden[ACT_LINEAR] && hidden[ACT_RELU] && hidden[ACT_SIGMOID] && hidden[ACT_TANH]);
    assert_true(output[ACT_LINEAR] && output[ACT_SIGMOID]);
    assert_true(least < base.learning_rate && most > base.learning_rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trial_0_is_the_base_itself),
        cmocka_unit_test(a_trial_depends_on_seed_and_number_alone),
        cmocka_unit_test(every_draw_makes_a_network),
        cmocka_unit_test(all_of_the_space_is_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
