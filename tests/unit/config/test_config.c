/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

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
        cmocka_unit_test(contradictions_point_at_a_key_of_the_file),
        cmocka_unit_test(environment_is_expanded_in_values),
        cmocka_unit_test(data_dir_follows_the_user),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(command_line_sets_single_keys),
        cmocka_unit_test(layers_read_the_short_form),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("config", tests, with_home, NULL);
}
