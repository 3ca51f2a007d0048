/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/postable.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "sample.h"

enum { RESEND_MS = 60000 };
static const int64_t NOW_MS = INT64_C(1740088600500);

static struct label_text team[] = {{(char[]){"team"}, (char[]){"storage"}},
                                   {(char[]){"severity"}, (char[]){"page"}}};

static struct alertmanager_spec spec_of(size_t n_labels)
{
    return (struct alertmanager_spec){.n_labels = n_labels, .labels = team, .resend_ms = RESEND_MS};
}

/* The alerts as Alertmanager would read them. */
static json_t *post(const struct alertmanager_spec *spec, const struct alert *a, size_t n)
{
    const struct postable p = {spec, "http://web1:8001"};
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++)
        postable_add(&p, &a[i], NOW_MS, i == 0, &b);
    buf_puts(&b, "]");
    assert_false(b.failed);
    json_t *list = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_array_size(list), n);
    buf_done(&b);
    return list;
}

static const char *at(const json_t *alert, const char *group, const char *key)
{
    const json_t *o = group ? json_object_get(alert, group) : alert;
    const char *z = json_string_value(json_object_get(o, key));

    if (!z)
        fail_msg("no %s.%s", group ? group : "", key);
    return z;
}

static void an_open_incident_fires_until_four_resends_from_now(void **state)
{
    const struct alertmanager_spec spec = spec_of(0);
    const struct alert a = sample_alert("web1");
    json_t *list = post(&spec, &a, 1);
    const json_t *one = json_array_get(list, 0);

    (void)state;
    assert_string_equal(at(one, "labels", "alertname"), "TocsinAnomaly");
    assert_string_equal(at(one, "labels", "instance"), "web1");
    assert_string_equal(at(one, "labels", "kind"), "departure");
    assert_string_equal(at(one, "labels", "severity"), "warning");
    assert_int_equal(json_object_size(json_object_get(one, "labels")), 4);
    assert_string_equal(at(one, NULL, "startsAt"), "2025-02-20T21:55:00.250Z");
    assert_string_equal(at(one, NULL, "endsAt"), "2025-02-20T22:00:40.500Z"); /* 4 min on */
    assert_string_equal(at(one, NULL, "generatorURL"), "http://web1:8001/?instance=web1");
    assert_string_equal(at(one, "annotations", "score"), "31.07");
    assert_string_equal(at(one, "annotations", "threshold"), "6.42");
    assert_string_equal(at(one, "annotations", "causes"), "cpu_busy_ratio, disk_write_bytes");
    assert_non_null(strstr(at(one, "annotations", "description"), "97.3 %, expected 12.1 %"));
    assert_non_null(strstr(at(one, "annotations", "summary"), "web1: anomaly"));
    json_decref(list);
}

static void labels_stay_the_same_to_the_end(void **state)
{
    const struct alertmanager_spec spec = spec_of(2);
    struct alert a[2] = {sample_alert("web1"), sample_alert("web1")};

    (void)state;
    a[1].score = 99;
    a[1].n_causes = 0;
    a[1].end_ms = a[1].start_ms + 30000;
    json_t *list = post(&spec, a, 2);
    const json_t *open = json_array_get(list, 0), *over = json_array_get(list, 1);
    assert_true(json_equal(json_object_get(open, "labels"), json_object_get(over, "labels")));
    assert_string_equal(at(over, "labels", "team"), "storage");
    assert_string_equal(at(over, "labels", "severity"), "page");
    assert_string_equal(at(over, NULL, "startsAt"), at(open, NULL, "startsAt"));
    assert_string_equal(at(over, NULL, "endsAt"), "2025-02-20T21:55:30.250Z");
    json_decref(list);
}

static void a_slow_change_is_of_its_own_kind(void **state)
{
    const struct alertmanager_spec spec = spec_of(0);
    struct alert a = sample_alert("web1");

    (void)state;
    a.kind = INCIDENT_SLOW;
    json_t *list = post(&spec, &a, 1);
    assert_string_equal(at(json_array_get(list, 0), "labels", "kind"), "slow");
    assert_string_equal(at(json_array_get(list, 0), "labels", "severity"), "info");
    json_decref(list);
}

/* Alertmanager refuses what ends before it begins; what ends in the future would go on firing. */
static void clocks_that_differ_make_no_alert_that_is_refused(void **state)
{
    const struct alertmanager_spec spec = spec_of(0);
    struct alert a[3] = {sample_alert("future"), sample_alert("future"), sample_alert("back")};

    (void)state;
    a[0].start_ms = NOW_MS + 3600000;
    a[1].start_ms = NOW_MS + 3600000;
    a[1].end_ms = NOW_MS + 7200000;
    a[2].end_ms = a[2].start_ms - 5000;
    json_t *list = post(&spec, a, 3);
    assert_string_equal(at(json_array_get(list, 0), NULL, "startsAt"), "2025-02-20T21:56:40.500Z");
    assert_string_equal(at(json_array_get(list, 1), NULL, "startsAt"), "2025-02-20T21:56:40.500Z");
    assert_string_equal(at(json_array_get(list, 1), NULL, "endsAt"), "2025-02-20T21:56:40.500Z");
    assert_string_equal(at(json_array_get(list, 2), NULL, "endsAt"), "2025-02-20T21:55:00.250Z");
    json_decref(list);
}

static void the_link_is_a_url_whatever_the_instance(void **state)
{
    struct alertmanager_spec spec = spec_of(0);
    const struct alert a = sample_alert("db 1/\xc3\xa9?&");

    (void)state;
    spec.external_url = (char[]){"https://tocsin.example/ops/"};
    json_t *list = post(&spec, &a, 1);
    assert_string_equal(at(json_array_get(list, 0), NULL, "generatorURL"),
                        "https://tocsin.example/ops/?instance=db%201%2F%C3%A9%3F%26");
    json_decref(list);
}

static void a_label_that_cannot_be_sent_is_refused_by_name(void **state)
{
    struct label_text bad[][2] = {
        {{(char[]){"1st"}, (char[]){"x"}}},       {{(char[]){"a-b"}, (char[]){"x"}}},
        {{(char[]){""}, (char[]){"x"}}},          {{(char[]){"instance"}, (char[]){"x"}}},
        {{(char[]){"alertname"}, (char[]){"x"}}}, {{(char[]){"kind"}, (char[]){"x"}}},
        {{(char[]){"a"}, (char[]){""}}},          {{(char[]){"a"}, (char[]){"\xff"}}},
    };
    struct label_text twice[] = {{(char[]){"a"}, (char[]){"1"}}, {(char[]){"a"}, (char[]){"2"}}};
    struct alertmanager_spec spec = {.n_labels = 1};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        spec.labels = bad[i];
        assert_int_equal(postable_check(&spec, &err), E_CONFIG);
        assert_non_null(strstr(err.msg, bad[i][0].name));
    }
    spec = (struct alertmanager_spec){.n_labels = 2, .labels = twice};
    assert_int_equal(postable_check(&spec, &err), E_CONFIG);
    spec = spec_of(2);
    assert_int_equal(postable_check(&spec, &err), OK);
    assert_int_equal(postable_resend_ms(&spec), RESEND_MS);
    spec.resend_ms = 0;
    assert_int_equal(postable_resend_ms(&spec), 60000);
    spec.resend_ms = -1;
    assert_int_equal(postable_check(&spec, &err), E_CONFIG);
}

static void without_memory_the_body_fails(void **state)
{
    const struct alertmanager_spec spec = spec_of(2);
    const struct postable p = {&spec, "http://web1:8001"};
    const struct alert a = sample_alert("web1");

    (void)state;
    for (uint64_t n = 1;; n++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        mem_fail_at(n);
        postable_add(&p, &a, NOW_MS, true, &b);
        mem_fail_at(0);
        buf_puts(&b, "]");
        const bool failed = b.failed;
        json_t *list = failed ? NULL : json_loadb(b.p, b.n, 0, NULL);
        assert_true(failed || json_array_size(list) == 1); /* never half of one */
        json_decref(list);
        buf_done(&b);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_incident_fires_until_four_resends_from_now),
        cmocka_unit_test(labels_stay_the_same_to_the_end),
        cmocka_unit_test(a_slow_change_is_of_its_own_kind),
        cmocka_unit_test(clocks_that_differ_make_no_alert_that_is_refused),
        cmocka_unit_test(the_link_is_a_url_whatever_the_instance),
        cmocka_unit_test(a_label_that_cannot_be_sent_is_refused_by_name),
        cmocka_unit_test(without_memory_the_body_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
