/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

static void number_of_a_threshold_must_fit_its_method(void **state)
{
    (void)state;
    assert_float_equal(loaded("threshold: {method: sigma}").threshold.value, 3, 0);
    assert_float_equal(loaded("threshold: {percentile: 95}").threshold.value, 95, 0);
    assert_int_equal(loaded("threshold: {percentile: 95}").threshold.method, THRESHOLD_PERCENTILE);
    refuse("threshold: {method: staged, percentile: 95}\n",
           "f.yml:1:41: threshold.percentile belongs to method percentile; the method is staged");
    assert_int_equal(loaded("threshold: {alarms: 1/day}").threshold.method, THRESHOLD_STAGED);
    assert_float_equal(loaded("threshold: {alarms: 1/day}").threshold.value, 7, 0);
    assert_float_equal(loaded("threshold: {method: fixed, value: 0.1998}").threshold.value, 0.1998,
                       0);
    refuse("threshold: {method: fixed}\n", "f.yml:1:21: threshold.value: expected the threshold, "
                                           "since threshold.method is fixed");
    refuse("threshold: {k: 3}\n",
           "f.yml:1:16: threshold.k belongs to method sigma; the method is staged");
    refuse("threshold: {method: sigma, percentile: 95}\n",
           "f.yml:1:40: threshold.percentile belongs to method percentile; the method is sigma");
    refuse("threshold: {percentile: 100}\n", "f.yml:1:25: threshold.percentile: expected a number "
                                             "over 0 and under 100, found '100'");
    refuse("threshold: {method: often}\n",
           "f.yml:1:21: threshold.method: expected one of percentile, sigma, fixed, budget, auto, "
           "staged, found 'often'");
    refuse("threshold: {method: auto, k: 3}\n",
           "f.yml:1:30: threshold.k belongs to method sigma; the method is auto");
    assert_int_equal(loaded("threshold: {method: auto}").threshold.method, THRESHOLD_AUTO);
}

static void a_budget_is_so_many_alarms_in_a_time(void **state)
{
    static const struct {
        const char *text;
        double per_week;
    } good[] = {{"2 per week", 2},
                {"2/week", 2},
                {"1 / day", 7},
                {"0.5 per day", 3.5},
                {"1 per month", 7 / 30.4375},
                {"1e-1/hour", 16.8}};
    static const char *const bad[] = {"2",      "per week",    "2 per fortnight",
                                      "week/2", "x/day",       "2 per weeks",
                                      "2week",  "nan per day", "2//week"};
    char yaml[128], sentence[256];
    (void)state;

    assert_float_equal(loaded("threshold: {method: budget}").threshold.value, 2, 0);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        (void)snprintf(yaml, sizeof yaml, "threshold: {method: budget, alarms: \"%s\"}\n",
                       good[i].text);
        assert_float_equal(loaded(yaml).threshold.value, good[i].per_week, 1e-12);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(yaml, sizeof yaml, "threshold: {method: budget, alarms: \"%s\"}\n", bad[i]);
        (void)snprintf(sentence, sizeof sentence,
                       "f.yml:1:37: threshold.alarms: expected %s, found '%s'",
                       i == 7 ? "at least one in 1000 weeks and at most one a second"
                              : "how often, as '2 per week' (hour, day, week, month)",
                       bad[i]);
        refuse(yaml, sentence);
    }
    refuse("threshold: {method: budget, alarms: 0 per week}\n",
           "f.yml:1:37: threshold.alarms: expected at least one in 1000 weeks and at most one a "
           "second, found '0 per week'");
    refuse("threshold: {method: percentile, alarms: 2 per week}\n",
           "f.yml:1:41: threshold.alarms belongs to method budget; the method is percentile");
}

static void a_softer_budget_observes(void **state)
{
    struct config c = loaded("threshold: {method: budget, alarms: 1/week, observe: 2 per day}");
    struct err err;

    (void)state;
    assert_float_equal(c.threshold.value, 1, 0);
    assert_float_equal(c.threshold.observe, 14, 0);
    assert_int_equal(config_set(&c, "threshold", "budget:3/week", "--threshold", &err), OK);
    assert_float_equal(c.threshold.value, 3, 0);
    assert_float_equal(c.threshold.observe, 14, 0); /* the file's stays */
    assert_int_equal(config_set(&c, "threshold", "sigma:3", "--threshold", &err), OK);
    assert_float_equal(c.threshold.observe, 0, 0); /* where nothing is promised, all are pages */
    assert_float_equal(loaded("threshold: {method: budget}").threshold.observe, 0, 0);
    refuse("threshold: {method: budget, alarms: 2/week, observe: 1/week}\n",
           "f.yml:1:54: threshold.observe: expected more often than threshold.alarms (2 a week), "
           "found 1 a week: it is the softer one");
    refuse("threshold: {method: sigma, observe: 2 per day}\n",
           "f.yml:1:37: threshold.observe belongs to method budget; the method is sigma");
    refuse("threshold: {method: budget, observe: often}\n",
           "f.yml:1:38: threshold.observe: expected how often, as '2 per week' (hour, day, week, "
           "month), found 'often'");
    refuse("threshold: {method: budget, observe: -1/day}\n",
           "f.yml:1:38: threshold.observe: expected none or more, and at most one a second, found "
           "'-1/day'");
}

static void a_budget_may_be_of_the_fleet(void **state)
{
    struct config c = loaded("threshold: {method: budget, scope: fleet}");
    struct err err;

    (void)state;
    assert_int_equal(c.threshold.scope, SCOPE_FLEET);
    assert_int_equal(config_set(&c, "threshold", "budget:3/week", "--threshold", &err), OK);
    assert_int_equal(c.threshold.scope, SCOPE_FLEET);
    assert_int_equal(loaded("threshold: {method: budget}").threshold.scope, SCOPE_ENTITY);
    refuse("threshold: {method: budget, scope: all}\n",
           "f.yml:1:36: threshold.scope: expected one of entity, fleet, found 'all'");
    refuse("threshold: {method: sigma, scope: fleet}\n",
           "f.yml:1:35: threshold.scope belongs to method budget; the method is sigma");
}

static void threshold_reads_the_short_form(void **state)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "threshold.method: expected one of percentile, sigma, fixed, budget, auto, staged, "
             "found nothing"},
        {"fixed", "expected a number after 'fixed', as in fixed:0.1998"},
        {"fixed:", "threshold.value: expected a number over 0 and under 1e+30, found nothing"},
        {"fixed:-1", "threshold.value: expected a number over 0 and under 1e+30, found '-1'"},
        {"percentile:0x1", "threshold.percentile: expected a number over 0 and under 100, found "
                           "'0x1'"},
        {"auto:3", "expected 'auto' alone, found 'auto:3'"},
        {"budget:2", "threshold.alarms: expected how often, as '2 per week' (hour, day, week, "
                     "month), found '2'"},
        {"mean:3", "threshold.method: expected one of percentile, sigma, fixed, budget, auto, "
                   "staged, found 'mean'"},
    };
    struct threshold_spec t = {0};
    struct err err = {0};
    (void)state;

    assert_int_equal(config_parse_threshold("percentile:99.5", &t, &err), OK);
    assert_int_equal(t.method, THRESHOLD_PERCENTILE);
    assert_float_equal(t.value, 99.5, 0);
    assert_int_equal(config_parse_threshold("sigma", &t, &err), OK);
    assert_float_equal(t.value, 3, 0);
    assert_int_equal(config_parse_threshold("fixed:0.1998", &t, &err), OK);
    assert_int_equal(t.method, THRESHOLD_FIXED);
    assert_float_equal(t.value, 0.1998, 0);
    assert_int_equal(config_parse_threshold("budget:1/day", &t, &err), OK);
    assert_int_equal(t.method, THRESHOLD_BUDGET);
    assert_float_equal(t.value, 7, 0);
    assert_int_equal(config_parse_threshold("staged:1/day", &t, &err), OK);
    assert_true(t.method == THRESHOLD_STAGED && t.value == 7);
    assert_int_equal(config_parse_threshold("staged", &t, &err), OK);
    assert_true(t.method == THRESHOLD_STAGED && t.value == 2);
    assert_int_equal(config_parse_threshold("auto", &t, &err), OK);
    assert_int_equal(t.method, THRESHOLD_AUTO);
    assert_int_equal(config_parse_threshold("fixed:0.1998", &t, &err), OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(config_parse_threshold(bad[i].text, &t, &err), E_CONFIG);
        assert_string_equal(err.msg, bad[i].sentence);
        assert_float_equal(t.value, 0.1998, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_of_a_threshold_must_fit_its_method),
        cmocka_unit_test(a_budget_is_so_many_alarms_in_a_time),
        cmocka_unit_test(a_softer_budget_observes),
        cmocka_unit_test(a_budget_may_be_of_the_fleet),
        cmocka_unit_test(threshold_reads_the_short_form),
    };
    return cmocka_run_group_tests_name("config: threshold", tests, with_home, NULL);
}
