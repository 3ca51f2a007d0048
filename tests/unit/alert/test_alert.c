/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "sample.h"

static char text[4096];

static const char *words(void (*fn)(const struct alert *, struct buf *), const struct alert *a)
{
    struct buf b;

    buf_init(&b, sizeof text);
    fn(a, &b);
    assert_false(b.failed);
    (void)snprintf(text, sizeof text, "%s", b.n ? b.p : "");
    buf_done(&b);
    return text;
}

static void words_name_causes_with_value_expected_and_unit(void **state)
{
    const struct alert a = sample_alert("web1");

    (void)state;
    assert_string_equal(
        words(alert_summarize, &a),
        "web1: anomaly, score 31.07 over the threshold 6.42, mostly cpu_busy_ratio");
    assert_string_equal(
        words(alert_describe, &a),
        "Anomaly since 2025-02-20T21:55:00.250Z: at most score 31.07 over the threshold 6.42."
        " Causes: cpu_busy_ratio 97.3 %, expected 12.1 % (58 %);"
        " disk_write_bytes 35.1 MiB/s, expected 977 KiB/s (20 %)."
        " With cpu_busy_ratio as expected it would not have rung.");
    assert_string_equal(words(alert_list_causes, &a), "cpu_busy_ratio, disk_write_bytes");
}

static void a_slow_change_is_told_as_one(void **state)
{
    struct alert a = sample_alert("web1");

    (void)state;
    a.kind = INCIDENT_SLOW;
    a.score = 1.25f;
    a.threshold = 1;
    a.causes[0].restore = false;
    assert_string_equal(words(alert_summarize, &a),
                        "web1: slow change, 1.25 times the limit, mostly cpu_busy_ratio");
    assert_non_null(strstr(words(alert_describe, &a), "Slow change since "));
    (void)snprintf(a.words, sizeof a.words, "slow change: memory_used +1 %%/h for 3d");
    assert_non_null(
        strstr(words(alert_describe, &a), "limit. memory_used +1 %/h for 3d. Causes: "));
    assert_null(strstr(text, "not have rung"));
}

static void restored_causes_are_listed_as_people_do(void **state)
{
    struct alert a = sample_alert("web1");

    (void)state;
    a.causes[1].restore = true;
    assert_non_null(
        strstr(words(alert_describe, &a), " With cpu_busy_ratio and disk_write_bytes as"));
    a.causes[a.n_causes++] = a.causes[0];
    assert_non_null(strstr(words(alert_describe, &a),
                           " With cpu_busy_ratio, disk_write_bytes and cpu_busy_ratio as"));
    a.n_causes = 0;
    assert_null(strstr(words(alert_describe, &a), "Causes"));
}

static void what_is_missing_is_called_so(void **state)
{
    struct alert a = sample_alert("web1");

    (void)state;
    a.causes[0].value = NAN;
    a.causes[0].share = NAN;
    assert_non_null(strstr(words(alert_describe, &a), "cpu_busy_ratio missing, expected 12.1 %;"));
}

static void an_instance_that_is_no_utf8_becomes_printable(void **state)
{
    const struct alert a = sample_alert("w\xff\n1");

    (void)state;
    assert_string_equal(a.instance, "w??1");
}

static struct store_incident stored(const char *causes)
{
    return (struct store_incident){.kind = INCIDENT_SLOW,
                                   .id = 7,
                                   .start_ms = 1000,
                                   .end_ms = 2000,
                                   .peak_score = 31.07f,
                                   .threshold = 6.42f,
                                   .instance = "web1",
                                   .causes_json = causes};
}

static void a_stored_incident_comes_back(void **state)
{
    const struct store_incident row =
        stored("[{\"feature\":\"a\",\"group\":\"g\",\"unit\":\"s\",\"value\":1.5,\"expected\":null,"
               "\"share\":0.5,\"restore\":true},"
               "{\"feature\":\"b\",\"unit\":\"\",\"value\":2,\"expected\":1,\"share\":0.25}]");
    struct alert a;
    struct err err;

    (void)state;
    assert_int_equal(alert_of_stored(&row, &a, &err), OK);
    assert_true(a.kind == INCIDENT_SLOW && a.start_ms == 1000 && a.end_ms == 2000);
    assert_string_equal(a.instance, "web1");
    assert_int_equal(a.n_causes, 2);
    assert_string_equal(a.causes[0].feature, "a");
    assert_string_equal(a.causes[0].unit, "s");
    assert_true(a.causes[0].value == 1.5f && isnan(a.causes[0].expected) && a.causes[0].restore);
    assert_true(a.causes[1].value == 2 && !a.causes[1].restore);
}

static void damaged_causes_are_refused_with_the_incident_named(void **state)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[",
                                      "[1]",
                                      "[{}]",
                                      "[{\"feature\":1,\"unit\":\"\"}]",
                                      "[{\"feature\":\"a\",\"unit\":\"\",\"value\":\"1\"}]"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct store_incident row = stored(bad[i]);
        struct alert a;
        struct err err;
        memset(&a, 0x5a, sizeof a);
        assert_int_equal(alert_of_stored(&row, &a, &err), E_PARSE);
        assert_non_null(strstr(err.msg, "incident 7"));
        assert_int_equal(a.n_causes, (size_t)0x5a5a5a5a5a5a5a5a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_name_causes_with_value_expected_and_unit),
        cmocka_unit_test(a_slow_change_is_told_as_one),
        cmocka_unit_test(restored_causes_are_listed_as_people_do),
        cmocka_unit_test(what_is_missing_is_called_so),
        cmocka_unit_test(an_instance_that_is_no_utf8_becomes_printable),
        cmocka_unit_test(a_stored_incident_comes_back),
        cmocka_unit_test(damaged_causes_are_refused_with_the_incident_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
