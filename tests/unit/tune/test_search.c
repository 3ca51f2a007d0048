/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "../test.h"

#include "tune/search.h"

static struct search *start(enum search_method method, uint32_t trials, uint32_t executions,
                            uint32_t epochs)
{
    const struct search_spec spec = {
        .method = method, .trials = trials, .executions = executions, .seed = 7, .epochs = epochs};
    struct search *s;
    struct err err;

    assert_int_equal(search_new(&spec, &s, &err), OK);
    return s;
}

static void put(struct search *s, const struct search_job *j, double objective)
{
    const struct search_result r = {.objective = objective, .held_out = 0.1, .epochs = 5};
    struct err err;

    assert_int_equal(search_put(s, j, &r, &err), OK);
}

/* Runs all that can be now, each trial worth objective[trial]; how many. */
static size_t run(struct search *s, const double *objective)
{
    struct search_job j;
    size_t n = 0;

    for (; search_next(s, &j); n++)
        put(s, &j, objective[j.trial]);
    return n;
}

static void random_runs_every_trial_with_all_epochs(void **state)
{
    (void)state;
    const double worth[] = {0.5, 0.4, 0.6, 0.3};
    struct search *s = start(SEARCH_RANDOM, 3, 2, 100);
    uint32_t order[4];

    assert_int_equal(search_rungs(s), 1);
    assert_int_equal(search_part(s, 0), 1);
    assert_int_equal(search_executions(s), 8);
    assert_int_equal(run(s, worth), 8);
    assert_true(search_complete(s));
    assert_int_equal(search_done(s), 8);
    search_ranking(s, order);
    assert_memory_equal(order, ((uint32_t[]){2, 0, 1, 3}), sizeof order);
    search_free(s);
}

static void executions_of_a_trial_differ_in_their_seed_alone(void **state)
{
    (void)state;
    struct search *s = start(SEARCH_RANDOM, 1, 3, 100);

    for (uint32_t trial = 0; trial < 2; trial++)
        for (uint32_t e = 0; e < 3; e++)
            assert_int_equal(search_seed(s, &(struct search_job){0, trial, e}), 7 + e);
    search_free(s);
}

static void halving_keeps_the_best_third_of_each_rung(void **state)
{
    (void)state;
    double worth[10];
    struct search *s = start(SEARCH_HALVING, 9, 1, 90);
    struct search_job j;

    for (uint32_t t = 0; t < 10; t++)
        worth[t] = t == 4 ? 0.9 : 0.1 + 0.01 * t;
    worth[0] = 0.95; /* the defaults take no challenger's place */
    assert_int_equal(search_rungs(s), 3);
    assert_int_equal(search_part(s, 0), 9);
    assert_int_equal(search_part(s, 1), 3);
    assert_int_equal(search_part(s, 2), 1);
    assert_int_equal(search_executions(s), 9 + 3 + 2);

    for (uint32_t t = 1; t <= 9; t++) {
        assert_true(search_next(s, &j));
        assert_int_equal(j.trial, t);
        assert_int_equal(j.rung, 0);
    }
    assert_false(search_next(s, &j)); /* the next rung waits for all of them */
    for (uint32_t t = 9; t >= 1; t--) /* in whatever order they end */
        put(s, &(struct search_job){0, t, 0}, worth[t]);
    assert_int_equal(search_rung(s), 1);
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(search_next(s, &j));
        assert_int_equal(j.trial, ((uint32_t[]){4, 8, 9})[k]);
        put(s, &j, worth[j.trial]);
    }
    assert_int_equal(search_rung(s), 2);
    assert_false(search_complete(s));
    assert_int_equal(run(s, worth), 2);
    assert_true(search_complete(s));
    assert_int_equal(search_done(s), search_executions(s));
    assert_int_equal(search_verdict(s).best, 4);
    assert_int_equal(search_verdict(s).chosen, 0);
    assert_int_equal(search_summary(s, 9).rung, 1);
    assert_int_equal(search_summary(s, 1).rung, 0);
    search_free(s);
}

static void few_trials_or_epochs_make_fewer_rungs(void **state)
{
    (void)state;
    static const struct {
        uint32_t trials, epochs, rungs;
    } cases[] = {{1, 100, 1}, {2, 100, 1}, {3, 100, 2},      {27, 100, 4},
                 {27, 8, 2},  {27, 2, 1},  {1000, 100000, 7}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct search *s = start(SEARCH_HALVING, cases[i].trials, 1, cases[i].epochs);
        assert_int_equal(search_rungs(s), cases[i].rungs);
        assert_true(search_part(s, 0) <= cases[i].epochs);
        search_free(s);
    }
}

static void what_failed_goes_no_further(void **state)
{
    (void)state;
    const double worth[] = {0.1, 0.9, (double)NAN, (double)NAN};
    struct search *s = start(SEARCH_HALVING, 3, 1, 9);

    assert_int_equal(run(s, worth), 3 + 2);
    assert_int_equal(search_verdict(s).chosen, 1);
    search_free(s);
}

static void a_challenger_must_be_ahead_by_more_than_the_spread(void **state)
{
    (void)state;
    static const struct {
        double defaults[2], best[2];
        uint32_t chosen;
    } cases[] = {
        {{0.50, 0.50}, {0.60, 0.60}, 1}, {{0.50, 0.50}, {0.50, 0.50}, 0},
        {{0.50, 0.50}, {0.40, 0.40}, 0}, {{0.50, 0.50}, {0.45, 0.65}, 0}, /* its own spread */
        {{0.40, 0.60}, {0.60, 0.60}, 0},                                  /* that of the defaults */
        {{0.49, 0.51}, {0.59, 0.61}, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct search *s = start(SEARCH_RANDOM, 1, 2, 10);
        for (uint32_t e = 0; e < 2; e++) {
            put(s, &(struct search_job){0, 0, e}, cases[i].defaults[e]);
            put(s, &(struct search_job){0, 1, e}, cases[i].best[e]);
        }
        assert_int_equal(search_verdict(s).chosen, cases[i].chosen);
        assert_int_equal(search_verdict(s).best, 1);
        search_free(s);
    }
}

/* Two executions that agree by chance are not taken for a spread of nothing. */
static void the_spread_of_the_other_trials_counts(void **state)
{
    (void)state;
    struct search *s = start(SEARCH_RANDOM, 4, 2, 10);

    for (uint32_t e = 0; e < 2; e++) {
        put(s, &(struct search_job){0, 0, e}, 0.50);
        put(s, &(struct search_job){0, 1, e}, 0.55);
        put(s, &(struct search_job){0, 2, e}, e ? 0.20 : 0.30);
        put(s, &(struct search_job){0, 3, e}, e ? 0.10 : 0.30);
        put(s, &(struct search_job){0, 4, e}, e ? 0.10 : 0.50); /* the wildest sets no bar */
    }
    const struct search_verdict v = search_verdict(s);
    assert_true(fabs(v.spread - 0.1 / sqrt(2)) < 1e-6);
    assert_true(fabs(v.ahead - 0.05) < 1e-9);
    assert_int_equal(v.chosen, 0);
    search_free(s);
}

static void single_executions_have_no_spread(void **state)
{
    (void)state;
    const double worth[] = {0.5, 0.501};
    struct search *s = start(SEARCH_RANDOM, 1, 1, 10);

    run(s, worth);
    assert_true(isnan(search_summary(s, 1).spread));
    assert_int_equal(search_verdict(s).chosen, 1);
    assert_true(search_verdict(s).spread == 0);
    search_free(s);
}

static void what_is_not_wanted_is_refused(void **state)
{
    (void)state;
    static const struct search_job bad[] = {{1, 1, 0}, {0, 10, 0},         {0, 1, 2},
                                            {0, 0, 0}, {UINT32_MAX, 1, 0}, {0, UINT32_MAX, 0}};
    struct search *s = start(SEARCH_HALVING, 9, 2, 90);
    const struct search_result r = {.objective = 0.5};
    struct err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(search_put(s, &bad[i], &r, &err), E_STATE);
    put(s, &(struct search_job){0, 1, 0}, 0.5);
    assert_int_equal(search_put(s, &(struct search_job){0, 1, 0}, &r, &err), E_STATE); /* twice */
    assert_int_equal(search_done(s), 1);
    search_free(s);
}

static void limits_are_named(void **state)
{
    (void)state;
    const struct search_spec many = {.trials = SEARCH_TRIALS_MAX + 1, .executions = 1, .epochs = 1};
    const struct search_spec none = {.trials = 1, .executions = 0, .epochs = 1};
    struct search *s;
    struct err err;

    assert_int_equal(search_new(&many, &s, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "1000"));
    assert_int_equal(search_new(&none, &s, &err), E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_runs_every_trial_with_all_epochs),
        cmocka_unit_test(executions_of_a_trial_differ_in_their_seed_alone),
        cmocka_unit_test(halving_keeps_the_best_third_of_each_rung),
        cmocka_unit_test(few_trials_or_epochs_make_fewer_rungs),
        cmocka_unit_test(what_failed_goes_no_further),
        cmocka_unit_test(a_challenger_must_be_ahead_by_more_than_the_spread),
        cmocka_unit_test(the_spread_of_the_other_trials_counts),
        cmocka_unit_test(single_executions_have_no_spread),
        cmocka_unit_test(what_is_not_wanted_is_refused),
        cmocka_unit_test(limits_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
