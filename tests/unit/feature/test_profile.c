/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "feature/derive.h"
#include "feature/evaluator.h"
#include "feature/plan.h"

static const char GOOD[] = "name: good\n"
                           "features:\n"
                           "  - name: forks\n"
                           "    expr: rate(node_forks_total[$__rate_interval])\n"
                           "    unit: ops/s\n"
                           "    group: processes\n"
                           "    resolution: 50\n"
                           "    help: processes made\n"
                           "  - {name: load, expr: 'max_over_time(node_load1[2m])', weight: 0}\n"
                           "derive:\n"
                           "  - {name: forks_change, expr: change(forks), resolution: 5}\n";

static enum rc parse(const char *text, struct profile **ret, struct err *err)
{
    return profile_parse(str_of(text), "p.yml", 1000, ret, err);
}

/* The sentence that refuses GOOD with `old` replaced by `new`. */
static const char *refused(const char *old, const char *new)
{
    static struct err err;
    struct profile *p = NULL;
    struct buf text;
    const char *at = strstr(GOOD, old);

    assert_non_null(at);
    buf_init(&text, 10000);
    buf_add(&text, GOOD, (size_t)(at - GOOD));
    buf_puts(&text, new);
    buf_puts(&text, at + strlen(old));
    err = (struct err){0};
    if (parse(text.p, &p, &err) == OK)
        fail_msg("'%s' was taken", new);
    assert_null(p);
    buf_done(&text);
    return err.msg;
}

static void a_profile_says_what_its_features_are(void **state)
{
    struct profile *p = NULL;
    struct err err;

    (void)state;
    assert_int_equal(parse(GOOD, &p, &err), OK);
    const struct schema *s = profile_schema(p);
    assert_string_equal(profile_name(p), "good");
    assert_int_equal(profile_base_count(p), 2);
    assert_int_equal(s->n, 3);
    assert_string_equal(s->f[0].name, "forks");
    assert_string_equal(s->f[0].unit, "ops/s");
    assert_string_equal(s->f[0].group, "processes");
    assert_true(s->f[0].resolution == 50);
    assert_string_equal(s->f[1].unit, "");
    assert_true(s->f[1].resolution == 0);
    assert_string_equal(s->f[2].name, "forks_change");
    assert_true(!s->f[0].weightless && s->f[1].weightless && !s->f[2].weightless);
    assert_string_equal(profile_promql(p, 0), "rate(node_forks_total[5s])");
    assert_string_equal(profile_promql(p, 1), "max_over_time(node_load1[2m])");
    assert_int_equal(profile_window_ms(p), 120000);
    profile_free(p);
}

#define REFUSED(old, new, sentence) assert_string_equal(refused(old, new), "p.yml:" sentence)

static void a_profile_wants_what_its_selectors_match(void **state)
{
    (void)state;
    static const char text[] = "name: p\n"
                               "features:\n"
                               "  - {name: a, expr: 'rate(x_total{mode!~\"idle|user\"}[1m])'}\n"
                               "  - {name: b, expr: 'sum(y{job=\"j\"}) + z'}\n";
    static const struct {
        const char *name, *label, *value;
        bool wanted;
    } cases[] = {
        {"x_total", "mode", "system", true},
        {"x_total", "mode", "idle", false},
        {"x_total", "other", "idle", true},
        {"y", "job", "j", true},
        {"y", "job", "k", false},
        {"z", "any", "thing", true},
        {"x", "mode", "system", false},
        {"", "job", "j", false},
    };
    struct profile *p = NULL;
    struct err err;

    if (parse(text, &p, &err) != OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct label label = {str_of(cases[i].label), str_of(cases[i].value)};
        const struct series s = {.name = str_of(cases[i].name), .labels = &label, .n_labels = 1};
        if (profile_wants(p, &s) != cases[i].wanted)
            fail_msg("case %zu", i);
    }
    profile_free(p);
}

static void errors_name_line_and_column(void **state)
{
    (void)state;
    REFUSED("unit:", "unti:", "5:5: a feature has no key 'unti'; did you mean 'unit'?");
    REFUSED(
        "derive:", "derived:", "10:1: the profile has no key 'derived'; did you mean 'derive'?");
    REFUSED("rate(node_forks_total[$__rate_interval])", "rte(node_forks_total)",
            "4:11: expression of 'forks', column 1: unknown function 'rte'; did you mean 'rate'?");
    REFUSED("change(forks)", "change(fork)",
            "11:32: expression of 'forks_change', column 8: unknown feature 'fork'; did you mean "
            "'forks'?");
    REFUSED("forks_change", "forks", "11:12: feature 'forks' is there twice");
    REFUSED("name: load", "name: 1load",
            "9:12: name: expected a letter, then letters, digits and _ . : -, found '1load'");
    REFUSED("name: load, ", "", "9:5: this feature has no name");
    REFUSED("resolution: 50", "resolution: fine",
            "7:17: resolution: expected a number of at least 0 in the feature's unit, "
            "found 'fine'");
    REFUSED("resolution: 50", "resolution: -1",
            "7:17: resolution: expected a number of at least 0 in the feature's unit, "
            "found '-1'");
    REFUSED("weight: 0", "weight: 0.5", "9:65: weight: expected 0 or 1");
    REFUSED("unit: ops/s", "unit: [ops]", "5:11: unit: expected a text, found a list");
    REFUSED("ops/s", "a unit that is far too long for it",
            "5:11: unit: has 34 bytes, at most 23 are taken");
    REFUSED("help: processes made", "help: [a]", "8:11: help: expected a text");
    REFUSED("    expr: rate(node_forks_total[$__rate_interval])\n", "",
            "3:5: feature 'forks' has no expression (expr)");
    REFUSED("  - {name: load", "  - load\n  - {name: load",
            "9:5: expected a map such as {name: ..., expr: ...}");
    REFUSED("name: good", "timezone: Mars",
            "1:11: timezone: expected 'local' or 'UTC', found 'Mars'");
    REFUSED("name: good", "help: none",
            "1:1: name: expected the profile's name (a letter, then letters, digits and _ . : -), "
            "found ''");
}

static void a_profile_without_features_is_refused(void **state)
{
    struct profile *p = NULL;
    struct err err;

    (void)state;
    assert_int_equal(parse("", &p, &err), E_CONFIG);
    assert_string_equal(err.msg, "p.yml:1:1: a profile needs features");
    assert_int_equal(parse("name: a\nfeatures: []", &p, &err), E_CONFIG);
    assert_string_equal(err.msg, "p.yml:2:11: a profile needs features");
    assert_int_equal(parse("name: a\nfeatures: [{name: b, expr: c, weight: 0}]", &p, &err),
                     E_CONFIG);
    assert_string_equal(err.msg, "p.yml:1:1: a profile needs a feature whose weight is not 0");
    assert_int_equal(parse("name: a\nfeatures: {a: b}", &p, &err), E_CONFIG);
    assert_int_equal(parse("- a", &p, &err), E_CONFIG);
    assert_int_equal(parse("name: a\nfeatures: [{name: a, expr: b}]\nderive: 1", &p, &err),
                     E_CONFIG);
    assert_null(p);
}

static void too_many_features_are_refused(void **state)
{
    struct profile *p = NULL;
    struct err err;
    struct buf text;

    (void)state;
    buf_init(&text, PROFILE_BYTES_MAX);
    buf_puts(&text, "name: many\nfeatures:\n");
    for (int i = 0; i < SCHEMA_FEATURES_MAX; i++)
        buf_printf(&text, "- {name: f%d, expr: a}\n", i);
    assert_int_equal(parse(text.p, &p, &err), OK);
    profile_free(p);
    p = NULL;
    buf_puts(&text, "- {name: more, expr: a}\n");
    assert_int_equal(parse(text.p, &p, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "1025 features, at most 1024 are taken"));
    assert_null(p);
    buf_done(&text);
}

static void a_name_is_a_built_in_or_a_path(void **state)
{
    char path[] = "/tmp/profile-XXXXXX.yml";
    struct profile *p = NULL;
    struct err err;

    (void)state;
    assert_int_equal(profile_load("nodes", 1000, &p, &err), E_CONFIG);
    assert_string_equal(err.msg, "unknown profile 'nodes'; did you mean 'node'?");
    assert_int_equal(profile_load("mars", 1000, &p, &err), E_CONFIG);
    assert_string_equal(err.msg, "unknown profile 'mars': expected node, classic or the path of a "
                                 "YAML file");
    assert_int_equal(profile_load("/no/such/file.yml", 1000, &p, &err), E_IO);
    const int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, GOOD, strlen(GOOD)), strlen(GOOD));
    close(fd);
    assert_int_equal(profile_load(path, 1000, &p, &err), OK);
    assert_string_equal(profile_name(p), "good");
    profile_free(p);
    unlink(path);
}

static void classic_has_the_21_columns_of_the_classic_pipeline(void **state)
{
    static const char *const columns[] = {"cpu_usage",
                                          "memory_usage",
                                          "disk_read",
                                          "disk_write",
                                          "network_receive",
                                          "network_transmit",
                                          "active_processes",
                                          "cpu_change",
                                          "memory_change",
                                          "disk_read_speed",
                                          "disk_write_speed",
                                          "network_receive_speed",
                                          "network_transmit_speed",
                                          "cpu_rolling",
                                          "memory_std",
                                          "cpu_mem_ratio",
                                          "disk_cpu_ratio",
                                          "high_cpu",
                                          "high_memory",
                                          "hour",
                                          "day_of_week"};
    struct profile *p = NULL;
    struct err err = {0};

    (void)state;
    if (profile_load("classic", 1000, &p, &err) != OK)
        fail_msg("%s", err.msg);
    assert_int_equal(profile_base_count(p), 7);
    assert_int_equal(profile_schema(p)->n, 21);
    for (size_t i = 0; i < 21; i++)
        assert_string_equal(profile_schema(p)->f[i].name, columns[i]);
    profile_free(p);
}

static void classic_derives_its_features_as_the_pipeline_did(void **state)
{
    struct profile *p = NULL;
    struct deriver *d = NULL;
    struct err err;
    const double base_a[] = {60, 40, 1000, 2000, 300, 400, 1};
    const double base_b[] = {90, 50, 5000, 2500, 900, 1000, 2};
    float a[21], b[21];

    (void)state;
    assert_int_equal(profile_load("classic", 60000, &p, &err), OK);
    assert_int_equal(deriver_new(p, &d, &err), OK);
    deriver_apply(d, 0, base_a, a);
    deriver_apply(d, 10000, base_b, b);
    const float expected[] = {90, 50, 5000, 2500, 900,  1000,         2, 30, 10, 400, 50,
                              60, 60, 75,   5,    1.8f, 5000.0f / 91, 1, 0};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_float_equal(b[i], expected[i], 1e-4f);
    assert_true(isnan(a[7]) && a[13] == 60 && a[17] == 0);
    deriver_free(d);
    profile_free(p);
}

static void node_gives_every_feature_a_unit_a_group_and_a_resolution(void **state)
{
    static const char *const groups[] = {"cpu",        "load",      "memory",  "disk",
                                         "filesystem", "network",   "tcp",     "sockets",
                                         "files",      "processes", "pressure"};
    struct profile *p = NULL;
    struct err err = {0};

    (void)state;
    if (profile_load("node", 1000, &p, &err) != OK)
        fail_msg("%s", err.msg);
    const struct schema *s = profile_schema(p);
    assert_in_range(s->n, 45, 60);
    for (size_t i = 0; i < s->n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof groups / sizeof groups[0]; k++)
            known |= strcmp(groups[k], s->f[i].group) == 0;
        if (!known || !s->f[i].unit[0] || !(s->f[i].resolution > 0))
            fail_msg("%s: group '%s', unit '%s', resolution %g", s->f[i].name, s->f[i].group,
                     s->f[i].unit, (double)s->f[i].resolution);
    }
    assert_int_equal(profile_window_ms(p), 5000); /* the bell rings in seconds */
    profile_free(p);
}

/* n features: rate(m1[1s]), rate(m2[2s]), ..., or all with [7d]. */
static enum rc parse_ranges(int n, bool same, int64_t interval_ms, struct err *err)
{
    struct profile *p = NULL;
    struct buf text;

    buf_init(&text, PROFILE_BYTES_MAX);
    buf_puts(&text, "name: ranges\nfeatures:\n");
    for (int i = 1; i <= n; i++)
        buf_printf(&text, "- {name: f%d, expr: 'rate(m%d[%d%s])'}\n", i, i, same ? 7 : i,
                   same ? "d" : "s");
    const enum rc rc = profile_parse((struct str){text.p, text.n}, "p.yml", interval_ms, &p, err);
    buf_done(&text);
    profile_free(p);
    return rc;
}

static void ranges_that_no_memory_could_hold_are_refused(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(parse_ranges(32, true, 1000, &err), OK);
    assert_int_equal(parse_ranges(33, true, 1000, &err), E_CONFIG);
    assert_string_equal(err.msg, "p.yml:1:1: the ranges hold at least 34603008 samples at an "
                                 "interval of 1000 ms, at most 33554432 are kept: shorten them, or "
                                 "sample less often");
    assert_int_equal(parse_ranges(33, true, 2000, &err), OK);
    assert_int_equal(parse_ranges(64, false, 1000, &err), OK);
    assert_int_equal(parse_ranges(65, false, 1000, &err), E_CONFIG);
    assert_string_equal(err.msg, "p.yml:1:1: the expressions have over 64 different ranges");
}

/* CPU seconds that a profile takes to load whose aggregations all list other labels, or the same.
 */
static double seconds_to_load(bool same)
{
    struct profile *p = NULL;
    struct err err = {0};
    struct buf text;
    struct rng rng;

    rng_init(&rng, 5);
    buf_init(&text, PROFILE_BYTES_MAX);
    buf_puts(&text, "name: many\nfeatures:\n");
    for (int i = 0; text.n < PROFILE_BYTES_MAX - 8192; i++) {
        buf_printf(&text, "- {name: f%d, expr: '0", i);
        for (int sums = 0; sums < 95; sums++) {
            buf_puts(&text, "+sum by(l");
            for (int k = 1; k < PLAN_LABELS_MAX; k++)
                buf_printf(&text, ",%c", same ? 'l' : 'a' + (int)rng_below(&rng, 26));
            buf_puts(&text, ")(m)");
        }
        buf_puts(&text, "'}\n");
    }
    const clock_t start = clock();
    if (parse(text.p, &p, &err) != OK)
        fail_msg("%s", err.msg);
    const clock_t end = clock();
    profile_free(p);
    buf_done(&text);
    return (double)(end - start) / CLOCKS_PER_SEC;
}

static void many_label_lists_load_about_as_fast_as_one(void **state)
{
    const double many = seconds_to_load(false), one = seconds_to_load(true);

    (void)state;
    if (many > 0.05 + 8 * one) /* compared pair by pair: over thirty times as long */
        fail_msg("%g s for many lists, %g s for one", many, one);
}

static void running_out_of_memory_is_an_error_each_time(void **state)
{
    struct err err = {0};
    enum rc rc = E_NOMEM;
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; rc != OK; n++) {
        struct profile *p = NULL;
        mem_fail_at(n);
        rc = parse(GOOD, &p, &err);
        mem_fail_at(0);
        if (rc != OK) {
            assert_int_equal(rc, E_NOMEM);
            assert_null(p);
            failures++;
        }
        profile_free(p);
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_says_what_its_features_are),
        cmocka_unit_test(a_profile_wants_what_its_selectors_match),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(a_profile_without_features_is_refused),
        cmocka_unit_test(too_many_features_are_refused),
        cmocka_unit_test(a_name_is_a_built_in_or_a_path),
        cmocka_unit_test(classic_has_the_21_columns_of_the_classic_pipeline),
        cmocka_unit_test(classic_derives_its_features_as_the_pipeline_did),
        cmocka_unit_test(node_gives_every_feature_a_unit_a_group_and_a_resolution),
        cmocka_unit_test(ranges_that_no_memory_could_hold_are_refused),
        cmocka_unit_test(many_label_lists_load_about_as_fast_as_one),
        cmocka_unit_test(running_out_of_memory_is_an_error_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
