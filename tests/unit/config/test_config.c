/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "config/config.h"

static int with_home(void **state)
{
    (void)state;
    return setenv("HOME", "/home/me", 1) || unsetenv("XDG_STATE_HOME");
}

static struct config loaded(const char *text)
{
    struct config c;
    struct err err = {0};

    if (config_parse(str_of(text), "f.yml", &c, &err) != OK)
        fail_msg("%s", err.msg);
    return c;
}

/* The text is refused with exactly this sentence, and nothing is written. */
static void refuse(const char *text, const char *sentence)
{
    struct config c = {.listen = "untouched"};
    struct err err = {0};

    if (config_parse(str_of(text), "f.yml", &c, &err) == OK)
        fail_msg("taken: %s", text);
    assert_int_equal(err.rc, E_CONFIG);
    assert_string_equal(err.msg, sentence);
    assert_string_equal(c.listen, "untouched");
}

static void assert_same(const struct config *a, const struct config *b)
{
    assert_string_equal(a->listen, b->listen);
    assert_string_equal(a->data_dir, b->data_dir);
    assert_string_equal(a->profile, b->profile);
    assert_int_equal(a->host.interval_ms, b->host.interval_ms);
    assert_string_equal(a->host.instance, b->host.instance);
    assert_string_equal(a->host.procfs, b->host.procfs);
    assert_string_equal(a->host.sysfs, b->host.sysfs);
    assert_string_equal(a->host.rootfs, b->host.rootfs);
    assert_string_equal(a->share, b->share);
    assert_int_equal(a->learn.for_ms, b->learn.for_ms);
    assert_memory_equal(&a->learn.validation, &b->learn.validation, sizeof(double));
    assert_int_equal(a->learn.seed, b->learn.seed);
    assert_int_equal(a->learn.scaling, b->learn.scaling);
    assert_int_equal(a->learn.n_layers, b->learn.n_layers);
    assert_memory_equal(a->learn.layers, b->learn.layers, sizeof a->learn.layers);
    assert_int_equal(a->learn.hidden, b->learn.hidden);
    assert_int_equal(a->learn.output, b->learn.output);
    assert_int_equal(a->learn.epochs, b->learn.epochs);
    assert_int_equal(a->learn.batch_size, b->learn.batch_size);
    assert_int_equal(a->learn.patience, b->learn.patience);
    assert_memory_equal(&a->learn.learning_rate, &b->learn.learning_rate, sizeof(double));
    assert_memory_equal(&a->learn.feature_dropout, &b->learn.feature_dropout, sizeof(double));
    assert_int_equal(a->retrain.every_ms, b->retrain.every_ms);
    assert_int_equal(a->retrain.window_ms, b->retrain.window_ms);
    assert_int_equal(a->retrain.quarantine_ms, b->retrain.quarantine_ms);
    assert_int_equal(a->threshold.method, b->threshold.method);
    assert_memory_equal(&a->threshold.value, &b->threshold.value, sizeof(double));
    assert_int_equal(a->threshold.scope, b->threshold.scope);
    assert_memory_equal(&a->threshold.observe, &b->threshold.observe, sizeof(double));
    assert_int_equal(a->confirm.k, b->confirm.k);
    assert_int_equal(a->confirm.of, b->confirm.of);
    assert_int_equal(a->retention.max_age_ms, b->retention.max_age_ms);
    assert_int_equal(a->retention.max_size_bytes, b->retention.max_size_bytes);
    assert_int_equal(a->log.level, b->log.level);
    assert_int_equal(a->log.format, b->log.format);
}

static void empty_file_is_the_defaults(void **state)
{
    struct config defaults, c = loaded("");
    (void)state;

    config_defaults(&defaults);
    assert_same(&c, &defaults);
    c = loaded("learn:\nsources:\nlog:\n"); /* sections that say nothing */
    assert_same(&c, &defaults);
    c = loaded("sources: [host: ]\n");
    assert_same(&c, &defaults);
    assert_string_equal(c.listen, "127.0.0.1:8001");
    assert_string_equal(c.profile, "node");
    assert_int_equal(c.host.interval_ms, 1000);
    assert_int_equal(c.learn.for_ms, 600000);
    assert_int_equal(c.retention.max_age_ms, INT64_C(30) * 86400 * 1000);
    assert_int_equal(c.retention.max_size_bytes, 1 << 30);
}

static void file_overrides_what_it_says_and_nothing_else(void **state)
{
    struct config want,
        c = loaded("listen: \"[::1]:0\"\n"
                   "data_dir: /srv/tocsin\n"
                   "profile: classic\n"
                   "sources:\n"
                   "  - host: {interval: 500ms, instance: db1, procfs: /host/proc,\n"
                   "           sysfs: /host/sys, rootfs: /host}\n"
                   "learn: {for: 1h30m, validation: 0.2, seed: 18446744073709551615,"
                   " scaling: quantile, retrain: 12h, window: 7d, quarantine: 30m}\n"
                   "model:\n"
                   "  layers: [14, 8, 4, 8, 14]\n"
                   "  hidden: tanh\n"
                   "  output: linear\n"
                   "  epochs: 7\n"
                   "  batch_size: 16\n"
                   "  patience: 0\n"
                   "  learning_rate: 1e-2\n"
                   "  feature_dropout: 0\n"
                   "threshold: {k: 2.5, method: sigma}\n"
                   "confirm: {k: 6, of: 10}\n"
                   "retention: {age: 7d, size: 500MiB}\n"
                   "log: {level: debug, format: json}\n");
    (void)state;
    config_defaults(&want);
    (void)snprintf(want.listen, sizeof want.listen, "[::1]:0");
    (void)snprintf(want.data_dir, sizeof want.data_dir, "/srv/tocsin");
    (void)snprintf(want.profile, sizeof want.profile, "classic");
    want.host.interval_ms = 500;
    (void)snprintf(want.host.instance, sizeof want.host.instance, "db1");
    (void)snprintf(want.host.procfs, sizeof want.host.procfs, "/host/proc");
    (void)snprintf(want.host.sysfs, sizeof want.host.sysfs, "/host/sys");
    (void)snprintf(want.host.rootfs, sizeof want.host.rootfs, "/host");
    want.learn = (struct learn_spec){.for_ms = 5400000,
                                     .validation = 0.2,
                                     .seed = UINT64_MAX,
                                     .scaling = SCALING_QUANTILE,
                                     .layers = {14, 8, 4, 8, 14},
                                     .n_layers = 5,
                                     .hidden = ACT_TANH,
                                     .output = ACT_LINEAR,
                                     .epochs = 7,
                                     .batch_size = 16,
                                     .patience = 0,
                                     .learning_rate = 1e-2,
                                     .feature_dropout = 0};
    want.retrain = (struct retrain_spec){
        .every_ms = 43200000, .window_ms = INT64_C(7) * 86400000, .quarantine_ms = 1800000};
    want.threshold = (struct threshold_spec){.method = THRESHOLD_SIGMA, .value = 2.5};
    want.confirm = (struct confirm_spec){.k = 6, .of = 10};
    want.retention.max_age_ms = INT64_C(7) * 86400 * 1000;
    want.retention.max_size_bytes = UINT64_C(500) << 20;
    want.log.level = LOG_DEBUG;
    want.log.format = LOG_JSON;
    assert_same(&c, &want);
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    refuse("listen: 1.2.3.4:1\nprofil: node\n",
           "f.yml:2:1: the configuration has no key 'profil'; did you mean 'profile'?");
    refuse("learn:\n  validaton: 0.1\n",
           "f.yml:2:3: learn has no key 'validaton'; did you mean 'validation'?");
    refuse("sources:\n  - host:\n      intervall: 1s\n",
           "f.yml:3:7: sources.host has no key 'intervall'; did you mean 'interval'?");
    refuse("zebra: 1\n",
           "f.yml:1:1: the configuration has no key 'zebra'; known: listen, data_dir, profile, "
           "expire, learn, model, threshold, confirm, retention, log, sources, alerts, write");
    /* too deep is a limit, and the configuration's fault as any other */
    refuse("[[[[[[[[[[[[[[[[[[", "f.yml:1:17: more than 16 levels of maps and lists");
    refuse("tresholds: {}\n",
           "f.yml:1:1: the configuration has no key 'tresholds'; did you mean 'threshold'?");
}

static void sources_that_are_none_are_refused(void **state)
{
    (void)state;
    refuse(
        "sources:\n  - scrapes: {job: node}\n",
        "f.yml:2:5: source 'scrapes' is not known; known: host, scrape, prometheus, remote_write");
    refuse("sources:\n  - host: {}\n  - host: {}\n",
           "f.yml:3:5: a second source 'host'; expected one");
    refuse("sources: []\n", "f.yml:1:10: sources: expected a source; known: host, scrape, "
                            "prometheus, remote_write");
    refuse("sources: {host: {}}\n",
           "f.yml:1:10: sources: expected a list such as [host: {interval: 1s}], found a map");
    refuse("sources: [host]\n", "f.yml:1:11: sources: expected a source with its settings such as "
                                "'host: {interval: 1s}'");
    refuse("sources: [host: 3]\n",
           "f.yml:1:17: sources.host: expected a map (key: value), found a single value");
}

static void values_out_of_range_say_what_was_expected(void **state)
{
    (void)state;
    refuse("learn: {retrain: 5s}\n",
           "f.yml:1:18: learn.retrain: expected 0 (never) or at least 10s, found 5000 ms");
    refuse("learn: {window: 1s}\n", "f.yml:1:17: learn.window: expected a duration such as 15s or "
                                    "1h30m, from 1m to 10y, found '1s'");
    refuse("learn: {for: 10 minutes}\n",
           "f.yml:1:14: learn.for: expected a duration such as 15s or 1h30m, from 1s to 1y, found "
           "'10 minutes'");
    refuse("sources: [host: {interval: 1ms}]\n",
           "f.yml:1:28: sources.host.interval: expected a duration such as 15s or 1h30m, from "
           "100ms to 1h, found '1ms'");
    refuse("learn:\n  validation: 1\n",
           "f.yml:2:15: learn.validation: expected a number over 0 and under 1, found '1'");
    refuse("learn: {validation: NaN}\n",
           "f.yml:1:21: learn.validation: expected a number over 0 and under 1, found 'NaN'");
    refuse("model: {epochs: 1.5}\n",
           "f.yml:1:17: model.epochs: expected a whole number from 0 to 100000, found '1.5'");
    refuse("model: {epochs: 4294967297}\n",
           "f.yml:1:17: model.epochs: expected a whole number from 0 to 100000, found "
           "'4294967297'");
    refuse("model: {hidden: gelu}\n",
           "f.yml:1:17: model.hidden: expected one of linear, relu, sigmoid, tanh, found 'gelu'");
    refuse("retention: {size: 1}\n",
           "f.yml:1:19: retention.size: expected a size such as 500MiB or 2GiB, from 1MiB to "
           "1024TiB, found '1'");
    refuse("listen: 8001\n", "f.yml:1:9: listen: expected an IP address and a port, as "
                             "127.0.0.1:8001 or [::1]:8001, found "
                             "'8001'");
    refuse("listen: ::1:8001\n", "f.yml:1:9: listen: expected an IP address and a port, as "
                                 "127.0.0.1:8001 or [::1]:8001, found "
                                 "'::1:8001'");
    refuse("listen: example.org:80\n",
           "f.yml:1:9: listen: expected an IP address and a port, as 127.0.0.1:8001 or [::1]:8001, "
           "found 'example.org:80'");
    refuse("listen: 1.2.3.4:65536\n", "f.yml:1:9: listen: expected an IP address and a port, as "
                                      "127.0.0.1:8001 or [::1]:8001, found "
                                      "'1.2.3.4:65536'");
    refuse("data_dir: ~/tocsin\n", "f.yml:1:11: data_dir: expected a path; '~' is not expanded "
                                   "here, ${HOME} is, found '~/tocsin'");
    refuse("data_dir: ''\n", "f.yml:1:11: data_dir: expected a path or a name, found nothing");
    refuse("profile:\n", "f.yml:1:9: profile: expected a value, found nothing");
    refuse("profile: \"a\\nb\"\n", "f.yml:1:10: profile: expected UTF-8 text without control "
                                   "characters, found 'a?b'");
    refuse("profile: [a]\n", "f.yml:1:10: profile: expected a single value, found a list");
    refuse("learn: 10m\n", "f.yml:1:8: learn: expected a map (key: value), found a single value");
    refuse("- a\n", "f.yml:1:1: the configuration: expected a map (key: value), found a list");
}

static void values_longer_than_their_room_are_refused(void **state)
{
    char text[CONFIG_TEXT_MAX + 32], path[CONFIG_TEXT_MAX];
    struct config c = {0};
    struct err err = {0};
    (void)state;

    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    (void)snprintf(text, sizeof text, "profile: %s", path);
    assert_int_equal(config_parse(str_of(text), "f", &c, &err), OK);
    assert_string_equal(c.profile, path);
    (void)snprintf(text, sizeof text, "profile: a%s", path);
    assert_int_equal(config_parse(str_of(text), "f", &c, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "f:1:10: profile: expected text of at most 511 bytes"));
    (void)snprintf(text, sizeof text, "sources: [host: {instance: %.128s}]", path);
    assert_int_equal(config_parse(str_of(text), "f", &c, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "text of at most 127 bytes"));
}

static void layers_are_a_list_of_widths(void **state)
{
    (void)state;
    assert_int_equal(loaded("model: {layers: []}").learn.n_layers, 0);
    refuse("model:\n  layers: [14, x]\n",
           "f.yml:2:16: model.layers: expected a width from 1 to 4096");
    refuse("model: {layers: [0]}\n",
           "f.yml:1:17: model.layers: expected widths from 1 to 4096 such "
           "as 14,8,4,8,14, found '0'");
    refuse("model: {layers: 14}\n", "f.yml:1:17: model.layers: expected a list such as [14, 8, 4, "
                                    "8, 14], found a single value");
    refuse("model: {layers: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}\n",
           "f.yml:1:17: model.layers: expected at most 16 layers, found 17");
}

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

static void contradictions_point_at_a_key_of_the_file(void **state)
{
    (void)state;
    refuse("confirm: {of: 2}\n", "f.yml:1:15: confirm.k: expected at most confirm.of (2), found 3");
    refuse("confirm:\n  of: 5\n  k: 6\n",
           "f.yml:3:6: confirm.k: expected at most confirm.of (5), found 6");
    refuse("sources: [host: {interval: 1m}]\n",
           "f.yml:1:28: learn.for: expected time for at least 23 samples at "
           "sources.host.interval, found time for 10");
    refuse("learn: {for: 52w}\nsources: [host: {interval: 100ms}]\n",
           "f.yml:1:14: learn.for: expected time for at most 67108864 samples at "
           "sources.host.interval, found time for 314496000");
    refuse(
        "learn: {scaling: none}\n",
        "f.yml:1:18: learn.scaling: expected minmax or quantile, found none: it is for data that "
        "is in [0,1] already, which a machine's metrics are not");
}

static void environment_is_expanded_in_values(void **state)
{
    (void)state;
    setenv("TOCSIN_TEST_A", "/srv", 1);
    setenv("TOCSIN_TEST_B", "20m", 1);
    setenv("TOCSIN_TEST_EMPTY", "", 1);
    setenv("TOCSIN_TEST_NEST", "${TOCSIN_TEST_A}", 1);
    unsetenv("TOCSIN_TEST_C");
    assert_string_equal(loaded("data_dir: ${TOCSIN_TEST_A}/t").data_dir, "/srv/t");
    assert_string_equal(loaded("data_dir: a$b$${c}").data_dir, "a$b${c}");
    assert_string_equal(loaded("data_dir: x${TOCSIN_TEST_EMPTY}").data_dir, "x");
    /* what a variable holds is taken as it is */
    assert_string_equal(loaded("data_dir: ${TOCSIN_TEST_NEST}").data_dir, "${TOCSIN_TEST_A}");
    assert_int_equal(loaded("learn: {for: \"${TOCSIN_TEST_B}\"}").learn.for_ms, 1200000);
    refuse("data_dir: ${TOCSIN_TEST_C}\n",
           "f.yml:1:11: data_dir: the environment variable 'TOCSIN_TEST_C' is not set");
    refuse("data_dir: ${}\n",
           "f.yml:1:11: data_dir: expected ${NAME} with the name of an environment variable, found "
           "'${}'; a plain '${' is written '$${'");
    refuse("data_dir: ${HOME\n",
           "f.yml:1:11: data_dir: expected ${NAME} with the name of an environment variable, found "
           "'${HOME'; a plain '${' is written '$${'");
    setenv("TOCSIN_TEST_A", "\xff", 1);
    refuse("data_dir: ${TOCSIN_TEST_A}\n", "f.yml:1:11: data_dir: expected UTF-8 text without "
                                           "control characters, found '?'");
}

static void data_dir_follows_the_user(void **state)
{
    struct config c;
    struct err err = {0};
    (void)state;

    if (geteuid() == 0) {
        config_defaults(&c);
        assert_string_equal(c.data_dir, "/var/lib/tocsin");
        return;
    }
    config_defaults(&c);
    assert_string_equal(c.data_dir, "/home/me/.local/state/tocsin");
    setenv("XDG_STATE_HOME", "/state", 1);
    config_defaults(&c);
    assert_string_equal(c.data_dir, "/state/tocsin");
    setenv("XDG_STATE_HOME", "relative", 1);
    unsetenv("HOME");
    config_defaults(&c);
    assert_string_equal(c.data_dir, "");
    assert_int_equal(config_validate(&c, &err), E_CONFIG);
    assert_int_equal(config_parse(STR("data_dir: /x"), "f", &c, &err), OK);
    refuse("profile: node\n", "f.yml:1:1: data_dir: expected a folder; none can be guessed, since "
                              "neither $XDG_STATE_HOME nor $HOME is an absolute path");
    with_home(NULL);
}

static void missing_file_is_named(void **state)
{
    struct config c;
    struct err err = {0};
    (void)state;

    assert_int_equal(config_load("/nonexistent/f.yml", &c, &err), E_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/f.yml"));
}

static void command_line_sets_single_keys(void **state)
{
    struct config c;
    struct err err = {0};
    (void)state;

    config_defaults(&c);
    assert_int_equal(config_set(&c, "learn.for", "2m", "--learn", &err), OK);
    assert_int_equal(c.learn.for_ms, 120000);
    assert_int_equal(config_set(&c, "sources.host.interval", "2s", "--interval", &err), OK);
    assert_int_equal(c.host.interval_ms, 2000);
    assert_int_equal(config_set(&c, "model.layers", "3,2,3", "--layers", &err), OK);
    assert_int_equal(c.learn.n_layers, 3);
    assert_int_equal(config_set(&c, "threshold", "fixed:0.2", "--threshold", &err), OK);
    assert_int_equal(c.threshold.method, THRESHOLD_FIXED);
    assert_float_equal(c.threshold.value, 0.2, 0);
    assert_int_equal(config_set(&c, "threshold", "x", "--threshold", &err), E_CONFIG);
    assert_string_equal(err.msg, "--threshold: threshold.method: expected one of percentile, "
                                 "sigma, fixed, budget, auto, staged, found 'x'");
    assert_int_equal(config_set(&c, "learn.for", "2", "--learn", &err), E_CONFIG);
    assert_string_equal(err.msg, "--learn: learn.for: expected a duration such as 15s or 1h30m, "
                                 "from 1s to 1y, found '2'");
    assert_int_equal(c.learn.for_ms, 120000);
    assert_int_equal(config_set(&c, "learn.fro", "2m", "--set", &err), E_CONFIG);
    assert_string_equal(err.msg, "--set: there is no key 'learn.fro'");
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

static void layers_read_the_short_form(void **state)
{
    static const char *const bad[] = {"14,",  ",14", "14,,8",
                                      "14;8", "-1",  "4097",
                                      "x",    "1e3", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    struct learn_spec s = {.epochs = 5};
    struct err err = {0};
    (void)state;

    assert_int_equal(config_parse_layers("14, 8,4096", &s, &err), OK);
    assert_int_equal(s.n_layers, 3);
    assert_int_equal(s.layers[2], 4096);
    assert_int_equal(s.epochs, 5); /* all else stays */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(config_parse_layers(bad[i], &s, &err), E_CONFIG);
        assert_int_equal(s.n_layers, 3);
    }
}

static void assert_round_trip(const struct config *c)
{
    CLEANUP(buf_done) struct buf text;
    struct config again;
    struct err err = {0};

    buf_init(&text, 1 << 16);
    config_print(c, NULL, &text);
    assert_false(text.failed);
    if (config_parse((struct str){text.p, text.n}, "printed", &again, &err) != OK)
        fail_msg("%s in:\n%s", err.msg, text.p);
    assert_same(c, &again);
}

static void random_text(struct rng *r, char *out, size_t room)
{
    static const char *const bits[] = {"a",
                                       "Z",
                                       "0",
                                       "/",
                                       ".",
                                       ":",
                                       "-",
                                       " ",
                                       "#",
                                       "\"",
                                       "'",
                                       "\\",
                                       "$",
                                       "{",
                                       "}",
                                       "${",
                                       "$${",
                                       "~",
                                       "é",
                                       "…",
                                       "!",
                                       "null",
                                       "\xf0\x9f\x94\x94",
                                       "[",
                                       ",",
                                       "%"};
    const size_t n = 1 + rng_below(r, 12);

    out[0] = '\0';
    for (size_t i = 0, at = 0; i < n && at + 8 < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%s",
                               bits[rng_below(r, sizeof bits / sizeof *bits)]);
    if (out[0] == '~')
        out[0] = '_';
}

static void random_config(struct rng *r, struct config *c)
{
    static const char *const listens[] = {"127.0.0.1:8001", "[::1]:0", "0.0.0.0:65535"};
    static const double levels[] = {
        [THRESHOLD_PERCENTILE] = 100, [THRESHOLD_SIGMA] = 10, [THRESHOLD_FIXED] = 1e6,
        [THRESHOLD_BUDGET] = 6e5,     [THRESHOLD_AUTO] = 0,   [THRESHOLD_STAGED] = 6e5};

    config_defaults(c);
    (void)snprintf(c->listen, sizeof c->listen, "%s", listens[rng_below(r, 3)]);
    random_text(r, c->data_dir, sizeof c->data_dir);
    random_text(r, c->profile, sizeof c->profile);
    random_text(r, c->host.instance, sizeof c->host.instance);
    random_text(r, c->host.rootfs, sizeof c->host.rootfs);
    (void)snprintf(c->share, sizeof c->share, "%s", rng_below(r, 2) ? "role_2" : "");
    c->host.interval_ms = 100 + (int64_t)rng_below(r, 3599900);
    c->learn.validation = 1e-9 + (double)rng_float(r) * 0.98;
    const int64_t enough = 24 + (int64_t)(17 / (1 - c->learn.validation));
    c->learn.for_ms = enough * c->host.interval_ms + (int64_t)rng_below(r, 1000000000);
    c->learn.seed = rng_u64(r);
    c->learn.scaling = rng_below(r, 2) ? SCALING_QUANTILE : SCALING_MINMAX;
    c->learn.n_layers = rng_below(r, NET_LAYERS_MAX + 1);
    for (size_t i = 0; i < c->learn.n_layers; i++)
        c->learn.layers[i] = 1 + (uint32_t)rng_below(r, NET_WIDTH_MAX);
    c->learn.hidden = (enum activation)rng_below(r, 4);
    c->learn.output = (enum activation)rng_below(r, 4);
    c->learn.epochs = 1 + (uint32_t)rng_below(r, 100000);
    c->learn.learning_rate = 1e-12 + (double)rng_float(r) * 0.99;
    c->learn.feature_dropout = (double)rng_float(r) * 0.9;
    c->threshold.method = (enum threshold_method)rng_below(r, 6);
    c->threshold.value = (c->threshold.method == THRESHOLD_AUTO      ? 0
                          : threshold_is_budget(c->threshold.method) ? BUDGET_LEAST
                                                                     : 1e-9) +
                         (double)rng_float(r) * levels[c->threshold.method] * 0.999;
    if (threshold_is_budget(c->threshold.method))
        c->threshold.scope = (enum threshold_scope)rng_below(r, 2);
    if (threshold_is_budget(c->threshold.method) && rng_below(r, 2))
        c->threshold.observe =
            fmin(c->threshold.value * (1 + (double)rng_float(r)) + 1e-3, BUDGET_MOST);
    c->confirm.of = 1 + (uint32_t)rng_below(r, 64);
    c->confirm.k = 1 + (uint32_t)rng_below(r, c->confirm.of);
    c->retention.max_age_ms = 60000 + (int64_t)(rng_u64(r) % 1000000000000);
    c->retention.max_size_bytes = (1 << 20) + rng_u64(r) % (UINT64_C(1) << 40);
    c->log.level = (enum log_level)rng_below(r, 4);
    c->log.format = (enum log_format)rng_below(r, 2);
}

static void printed_configuration_reads_back_the_same(void **state)
{
    struct config c;
    struct rng r;
    (void)state;

    config_defaults(&c);
    assert_round_trip(&c);
    rng_init(&r, 7);
    for (int i = 0; i < 2000; i++) {
        random_config(&r, &c);
        assert_round_trip(&c);
    }
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct config c;
        struct err err = {0};

        mem_fail_at(n);
        const enum rc rc =
            config_parse(STR("listen: 1.2.3.4:1\nmodel: {layers: [1, 2]}\n"), "f.yml", &c, &err);
        mem_fail_at(0);
        if (rc == OK)
            return;
        assert_int_equal(rc, E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_file_is_the_defaults),
        cmocka_unit_test(file_overrides_what_it_says_and_nothing_else),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(sources_that_are_none_are_refused),
        cmocka_unit_test(values_out_of_range_say_what_was_expected),
        cmocka_unit_test(values_longer_than_their_room_are_refused),
        cmocka_unit_test(layers_are_a_list_of_widths),
        cmocka_unit_test(number_of_a_threshold_must_fit_its_method),
        cmocka_unit_test(a_budget_is_so_many_alarms_in_a_time),
        cmocka_unit_test(a_softer_budget_observes),
        cmocka_unit_test(a_budget_may_be_of_the_fleet),
        cmocka_unit_test(contradictions_point_at_a_key_of_the_file),
        cmocka_unit_test(environment_is_expanded_in_values),
        cmocka_unit_test(data_dir_follows_the_user),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(command_line_sets_single_keys),
        cmocka_unit_test(threshold_reads_the_short_form),
        cmocka_unit_test(layers_read_the_short_form),
        cmocka_unit_test(printed_configuration_reads_back_the_same),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("config", tests, with_home, NULL);
}
