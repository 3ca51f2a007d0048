/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exposition.h"
#include "fake_entity.h"
#include "serve/metrics.h"

enum { NOW_S = 1740088500 };
static const int64_t NOW_MS = NOW_S * INT64_C(1000) + 250;

static struct telemetry telemetry;
static const struct process_cost cost = {
    .cpu_seconds = 1.5, .resident_bytes = 9 << 20, .open_fds = 12, .max_fds = 1024};

static const struct target_list *targets; /* of the next scrape */

static struct exposition_text scrape_text(const struct entity_view *v, size_t n,
                                          enum exposition form, char **ret_text)
{
    const struct metrics_input in = {.views = v,
                                     .n = n,
                                     .targets = targets,
                                     .telemetry = &telemetry,
                                     .process = &cost,
                                     .started_ms = NOW_MS - 1000,
                                     .now_ms = NOW_MS + 2500,
                                     .version = "1.2.3"};
    struct exposition_text e;
    struct buf b;

    buf_init(&b, 1 << 24);
    metrics_format(&in, form, &b);
    assert_false(b.failed);
    exposition_read(b.p, form, &e);
    if (e.error[0])
        fail_msg("%s in:\n%s", e.error, b.p);
    if (ret_text) {
        *ret_text = strdup(b.p);
        assert_non_null(*ret_text);
    }
    buf_done(&b);
    return e;
}

static struct exposition_text scrape(const struct entity_view *v, size_t n, enum exposition form)
{
    return scrape_text(v, n, form, NULL);
}

static double value(const struct exposition_text *e, const char *name, const char *labels)
{
    const struct series *s = exposition_find(e, name, labels);

    if (!s)
        fail_msg("there is no %s{%s}", name, labels);
    return s->value;
}

static void fake(enum fake_state state, const char *instance, struct entity_view *v)
{
    fake_entity(state, NOW_MS, v);
    (void)snprintf(v->instance, sizeof v->instance, "%s", instance);
}

static void every_state_is_well_formed_in_both_formats(void **state)
{
    (void)state;
    for (enum fake_state s = FAKE_LEARNING; s <= FAKE_CREEPING; s++) {
        for (int form = EXPOSITION_TEXT; form <= EXPOSITION_OPENMETRICS; form++) {
            struct entity_view v[2];
            fake(s, "a", &v[0]);
            fake(FAKE_QUIET, "b", &v[1]);
            struct exposition_text e = scrape(v, 2, (enum exposition)form);
            assert_true(e.n > 40);
            exposition_done(&e);
            e = scrape(v, 0, (enum exposition)form);
            assert_true(e.n > 20);
            exposition_done(&e);
        }
    }
}

static void targets_are_counted_by_job_and_state(void **state)
{
    struct target_view v[] = {{.job = "a", .asked = true, .up = true},
                              {.job = "a", .asked = true, .up = true},
                              {.job = "b"},
                              {.job = "a", .asked = true}}; /* two sources may have one name */
    const struct target_list list = {4, v};

    (void)state;
    targets = &list;
    for (int form = EXPOSITION_TEXT; form <= EXPOSITION_OPENMETRICS; form++) {
        struct exposition_text e = scrape(NULL, 0, (enum exposition)form);
        assert_true(value(&e, "tocsin_scrape_targets", "job=\"a\",state=\"up\"") == 2);
        assert_true(value(&e, "tocsin_scrape_targets", "job=\"a\",state=\"down\"") == 1);
        assert_true(value(&e, "tocsin_scrape_targets", "job=\"a\",state=\"unknown\"") == 0);
        assert_true(value(&e, "tocsin_scrape_targets", "job=\"b\",state=\"unknown\"") == 1);
        exposition_done(&e);
    }
    targets = NULL;
}

static void a_ringing_entity_has_its_numbers(void **state)
{
    struct entity_view v;

    (void)state;
    fake(FAKE_RINGING, "web1", &v);
    struct exposition_text e = scrape(&v, 1, EXPOSITION_TEXT);
    /* floats keep their shortest form: exactly the decimal that was meant */
    assert_true(value(&e, "anomaly_score", "instance=\"web1\"") == 0.2871);
    assert_true(value(&e, "anomaly_threshold", "instance=\"web1\"") == 0.0342);
    assert_true(value(&e, "anomaly_detected", "instance=\"web1\"") == 1);
    const double error =
        value(&e, "anomaly_feature_error", "instance=\"web1\",feature=\"cpu_busy_ratio\"");
    assert_true(fabs(error - 0.583 * 0.2871) < 1e-6);
    assert_int_equal(exposition_count(&e, "anomaly_feature_error"), v.n_causes);
    assert_true(value(&e, "tocsin_last_score_timestamp_seconds", "instance=\"web1\"") ==
                NOW_S + 0.25);
    assert_true(value(&e, "tocsin_last_score_age_seconds", "instance=\"web1\"") == 2.5);
    assert_true(value(&e, "tocsin_confidence_ratio", "instance=\"web1\"") == 0.956);
    assert_true(value(&e, "tocsin_features", "instance=\"web1\"") == 45);
    assert_true(value(&e, "tocsin_features_absent", "instance=\"web1\"") == 2);
    assert_true(value(&e, "tocsin_features_frozen", "instance=\"web1\"") == 1);
    assert_true(value(&e, "tocsin_threshold_widening_ratio", "instance=\"web1\"") == 1.25);
    assert_true(value(&e, "tocsin_alarm_budget", "instance=\"web1\"") == 2);
    assert_true(value(&e, "tocsin_alarm_rate", "instance=\"web1\"") == 3);
    assert_true(value(&e, "tocsin_alarm_rate_lower", "instance=\"web1\"") == 0.5);
    assert_true(value(&e, "tocsin_alarm_rate_upper", "instance=\"web1\"") == 8.75);
    assert_true(value(&e, "tocsin_model_created_timestamp_seconds", "instance=\"web1\"") ==
                NOW_S + 0.25 - 3 * 3600);
    assert_true(value(&e, "tocsin_entity_phase", "instance=\"web1\",phase=\"watching\"") == 1);
    assert_true(value(&e, "tocsin_entity_phase", "instance=\"web1\",phase=\"learning\"") == 0);
    assert_true(value(&e, "tocsin_entity_phase", "instance=\"web1\",phase=\"training\"") == 0);
    exposition_done(&e);
}

static void a_slow_change_is_told_beside_the_score(void **state)
{
    struct entity_view v[2];

    (void)state;
    fake(FAKE_CREEPING, "a", &v[0]);
    fake(FAKE_RINGING, "b", &v[1]);
    struct exposition_text e = scrape(v, 2, EXPOSITION_TEXT);
    assert_true(value(&e, "tocsin_slow_change", "instance=\"a\"") == 1);
    assert_true(value(&e, "tocsin_slow_change", "instance=\"b\"") == 0);
    assert_true(value(&e, "anomaly_detected", "instance=\"a\"") == 0);
    exposition_done(&e);
}

static void an_entity_is_stale_ten_intervals_after_its_last_frame(void **state)
{
    static const struct {
        int64_t interval_ms, age_ms;
        int stale;
    } cases[] = {{1000, 10000, 0},   {1000, 10001, 1}, {15000, 150000, 0},
                 {15000, 150001, 1}, {0, 10001, 1},    {1000, -99999, 0}};
    struct entity_view v;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake(FAKE_QUIET, "w", &v);
        v.interval_ms = cases[i].interval_ms;
        v.ts_ms = NOW_MS + 2500 - cases[i].age_ms;
        struct exposition_text e = scrape(&v, 1, EXPOSITION_OPENMETRICS);
        assert_true(value(&e, "tocsin_entity_stale", "instance=\"w\"") == cases[i].stale);
        assert_true(value(&e, "tocsin_last_score_age_seconds", "instance=\"w\"") >= 0);
        exposition_done(&e);
    }
    v.ts_ms = NOW_MS + 2500; /* its source knows better than the clock */
    (void)snprintf(v.stale, sizeof v.stale, "connection refused");
    struct exposition_text said = scrape(&v, 1, EXPOSITION_OPENMETRICS);
    assert_true(value(&said, "tocsin_entity_stale", "instance=\"w\"") == 1);
    exposition_done(&said);
    fake(FAKE_LEARNING, "w", &v);
    v.ts_ms = 0; /* it is about to begin */
    struct exposition_text e = scrape(&v, 1, EXPOSITION_OPENMETRICS);
    assert_true(value(&e, "tocsin_entity_stale", "instance=\"w\"") == 0);
    assert_int_equal(exposition_count(&e, "tocsin_last_score_age_seconds"), 0);
    exposition_done(&e);
}

static void an_unconfirmed_anomaly_is_not_detected(void **state)
{
    struct entity_view v;

    (void)state;
    fake(FAKE_UNUSUAL, "w", &v);
    assert_true(v.anomalous);
    struct exposition_text e = scrape(&v, 1, EXPOSITION_TEXT);
    assert_true(value(&e, "anomaly_detected", "instance=\"w\"") == 0);
    exposition_done(&e);
}

static void a_learning_entity_has_progress_and_no_score(void **state)
{
    struct entity_view v;

    (void)state;
    fake(FAKE_LEARNING, "w", &v);
    struct exposition_text e = scrape(&v, 1, EXPOSITION_OPENMETRICS);
    assert_true(value(&e, "tocsin_learning_progress_ratio", "instance=\"w\"") == 0.42);
    assert_int_equal(exposition_count(&e, "anomaly_score"), 0);
    assert_int_equal(exposition_count(&e, "anomaly_detected"), 0);
    assert_int_equal(exposition_count(&e, "tocsin_model_created_timestamp_seconds"), 0);
    exposition_done(&e);

    v.wanted_rows = 0; /* not known yet */
    e = scrape(&v, 1, EXPOSITION_OPENMETRICS);
    assert_true(value(&e, "tocsin_learning_progress_ratio", "instance=\"w\"") == 0);
    exposition_done(&e);
}

static void a_score_that_could_not_be_made_is_nan(void **state)
{
    struct entity_view v;

    (void)state;
    fake(FAKE_QUIET, "w", &v);
    v.score = NAN;
    struct exposition_text e = scrape(&v, 1, EXPOSITION_OPENMETRICS);
    assert_true(isnan(value(&e, "anomaly_score", "instance=\"w\"")));
    exposition_done(&e);
}

static void label_values_are_escaped(void **state)
{
    struct entity_view v;

    (void)state;
    fake(FAKE_QUIET, "a\"b\\c\nd,}", &v);
    struct exposition_text e = scrape(&v, 1, EXPOSITION_TEXT);
    (void)value(&e, "anomaly_score", "instance=\"a\\\"b\\\\c\\nd,}\"");
    exposition_done(&e);
    fake(FAKE_QUIET, "\xc3\xa9t\xc3\xa9 \xff\xfe", &v); /* a name that is not UTF-8 */
    e = scrape(&v, 1, EXPOSITION_TEXT);
    assert_int_equal(exposition_count(&e, "anomaly_score"), 1);
    exposition_done(&e);
}

static void every_counter_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEL_COUNT; i++)
        telemetry_add(&telemetry, (enum telemetry_id)i, 1000 + i);
    struct exposition_text e = scrape(NULL, 0, EXPOSITION_TEXT);
    for (size_t i = 0; i < TEL_COUNT; i++)
        assert_true(value(&e, telemetry_rows[i].name, telemetry_rows[i].labels) ==
                    (double)telemetry_get(&telemetry, (enum telemetry_id)i));
    assert_true(value(&e, "tocsin_build_info", "version=\"1.2.3\"") == 1);
    assert_true(value(&e, "process_cpu_seconds_total", "") == 1.5);
    assert_true(value(&e, "process_resident_memory_bytes", "") == 9 << 20);
    assert_true(value(&e, "process_open_fds", "") == 12);
    assert_true(value(&e, "process_start_time_seconds", "") == NOW_S - 0.75);
    exposition_done(&e);
}

static void openmetrics_differs_where_it_must(void **state)
{
    char *text, *open;

    (void)state;
    struct exposition_text a = scrape_text(NULL, 0, EXPOSITION_TEXT, &text);
    struct exposition_text b = scrape_text(NULL, 0, EXPOSITION_OPENMETRICS, &open);
    assert_non_null(strstr(text, "# TYPE tocsin_scores_total counter\n"));
    assert_non_null(strstr(open, "# TYPE tocsin_scores counter\n"));
    assert_non_null(strstr(text, "# TYPE tocsin_build_info gauge\n"));
    assert_non_null(strstr(open, "# TYPE tocsin_build info\n"));
    assert_non_null(strstr(open, "# UNIT process_cpu_seconds seconds\n"));
    assert_null(strstr(text, "# UNIT"));
    assert_null(strstr(text, "# EOF"));
    assert_int_equal(a.n, b.n);
    free(text);
    free(open);
    exposition_done(&a);
    exposition_done(&b);
}

/* The reader above guards the tests: it must itself refuse what is wrong. */
static void the_strict_reader_refuses(void **state)
{
    static const struct {
        enum exposition form;
        const char *text;
    } bad[] = {
        {EXPOSITION_TEXT, "a 1\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\na 1"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\na{b=\"\\x\"} 1\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 2\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a counter\na 1\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\na one\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\nb 1\n"},
        {EXPOSITION_TEXT, "# EOF\n"},
        {EXPOSITION_TEXT, "# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\n"
                          "# HELP a x\n"},
        {EXPOSITION_OPENMETRICS, "# HELP a x\n# TYPE a gauge\na 1\n"},
        {EXPOSITION_OPENMETRICS, "# HELP a_total x\n# TYPE a_total counter\na_total 1\n# EOF\n"},
        {EXPOSITION_OPENMETRICS, "# HELP a x\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n"},
        {EXPOSITION_OPENMETRICS, "# EOF\n# EOF\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct exposition_text e;
        exposition_read(bad[i].text, bad[i].form, &e);
        if (!e.error[0])
            fail_msg("taken: %s", bad[i].text);
        exposition_done(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_well_formed_in_both_formats),
        cmocka_unit_test(targets_are_counted_by_job_and_state),
        cmocka_unit_test(a_ringing_entity_has_its_numbers),
        cmocka_unit_test(a_slow_change_is_told_beside_the_score),
        cmocka_unit_test(an_entity_is_stale_ten_intervals_after_its_last_frame),
        cmocka_unit_test(an_unconfirmed_anomaly_is_not_detected),
        cmocka_unit_test(a_learning_entity_has_progress_and_no_score),
        cmocka_unit_test(a_score_that_could_not_be_made_is_nan),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(every_counter_is_there),
        cmocka_unit_test(openmetrics_differs_where_it_must),
        cmocka_unit_test(the_strict_reader_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
