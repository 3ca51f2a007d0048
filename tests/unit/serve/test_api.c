/* SPDX-License-Identifier: Apache-2.0 */
#include "api_fixture.h"

static void predict_keeps_the_classic_contract(void **state)
{
    struct fixture *f = *state;
    struct entity_view v;

    json_t *root = ask(f, "/predict", 200);
    assert_true(number(root, "anomaly_score") == 0.2871); /* not 0.28709998726 */
    assert_true((float)number(root, "reconstruction_error") == 0.2871f / 8);
    assert_true(number(root, "threshold") == 0.0342);
    assert_true(json_is_true(json_object_get(root, "anomaly_detected")));
    assert_true(number(root, "timestamp") == 1740088500.25);
    assert_string_equal(text_of(root, "instance"), "a");
    const json_t *cause = json_array_get(json_object_get(root, "causes"), 0);
    assert_string_equal(text_of(cause, "feature"), "cpu_busy_ratio");
    assert_string_equal(text_of(cause, "group"), "cpu");
    assert_string_equal(text_of(cause, "unit"), "ratio");
    assert_true(number(cause, "value") == 0.973 && number(cause, "expected") == 0.121 &&
                number(cause, "share") == 0.583 && json_is_true(json_object_get(cause, "restore")));
    json_decref(root);

    refused(f, "/predict?instance=b", 503, "'b' is learning (42 %)");
    fake_entity(FAKE_LEARNING, NOW_MS, &v);
    v.phase = PHASE_WATCHING;
    board_publish(f->board, 1, &v);
    refused(f, "/predict?instance=b", 503, "its first frame is not scored yet");
    refused(f, "/predict?instance=c", 404, "no entity 'c'");
    refused(f, "/predict?from=1", 400, "unknown parameter 'from'");

    fake_entity(FAKE_UNUSUAL, NOW_MS - 2500, &v);
    v.causes[0].value = NAN;
    v.reconstruction = 0.123456789f;
    board_publish(f->board, 0, &v);
    root = ask(f, "/predict?instance=a", 200);
    assert_true(json_is_false(json_object_get(root, "anomaly_detected")));
    assert_true(json_is_true(json_object_get(root, "anomalous")));
    assert_true(number(root, "age_seconds") == 2.5);
    assert_true((float)number(root, "reconstruction_error") == 0.123456789f); /* to the last bit */
    cause = json_array_get(json_object_get(root, "causes"), 0);
    assert_true(json_is_null(json_object_get(cause, "value")));
    json_decref(root);
}

static void status_tells_the_least_advanced_phase(void **state)
{
    struct fixture *f = *state;

    board_set_trouble(f->board, "store: disk full");
    json_t *root = ask(f, "/api/v1/status", 200);
    assert_string_equal(text_of(root, "version"), "1.2.3");
    assert_string_equal(text_of(root, "phase"), "learning");
    assert_string_equal(text_of(root, "trouble"), "store: disk full");
    assert_true(number(root, "entities") == 2 && number(root, "ringing") == 1);
    assert_true(number(root, "uptime_seconds") == 5 && number(root, "now") == 1740088500.25);
    json_decref(root);
    publish(f, 1, FAKE_QUIET);
    root = ask(f, "/api/v1/status", 200);
    assert_string_equal(text_of(root, "phase"), "watching");
    json_decref(root);
}

static void entities_show_all_that_is_known(void **state)
{
    struct fixture *f = *state;
    json_t *root = ask(f, "/api/v1/entities", 200);
    const json_t *list = json_object_get(root, "entities"), *a = json_array_get(list, 0),
                 *b = json_array_get(list, 1);

    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_true(json_object_get(a, "ringing")));
    assert_true(number(a, "progress") == 1 && number(a, "confidence") == 0.956);
    const json_t *model = json_object_get(a, "model"), *incident = json_object_get(a, "incident");
    assert_string_equal(text_of(model, "id"), "9f3a6c21b04de587");
    assert_true(number(model, "rows") == 600 && number(model, "widening") == 1.25);
    const json_t *alarms = json_object_get(a, "alarms");
    assert_true(number(alarms, "budget") == 2 && number(alarms, "rate") == 3);
    assert_true(number(alarms, "lower") == 0.5 && number(alarms, "upper") == 8.75);
    assert_true(number(incident, "start") == 1740088367.25);
    assert_int_equal(json_array_size(json_object_get(incident, "causes")), 6);
    assert_int_equal(json_array_size(json_object_get(a, "absent")), 2);
    assert_int_equal(json_array_size(json_object_get(a, "frozen")), 1);
    assert_string_equal(text_of(b, "phase"), "learning");
    assert_true(number(b, "progress") == 0.42);
    assert_true(json_is_null(json_object_get(b, "score")));
    assert_true(json_is_null(json_object_get(b, "model")));
    assert_true(json_is_null(json_object_get(b, "incident")));
    assert_true(json_is_null(json_object_get(b, "discontinuity")));
    json_decref(root);

    root = ask(f, "/api/v1/entities?instance=b", 200);
    assert_int_equal(json_array_size(json_object_get(root, "entities")), 1);
    json_decref(root);
    refused(f, "/api/v1/entities?instance=nobody", 404, "no entity 'nobody'");
}

static void a_hostile_name_is_still_json(void **state)
{
    struct fixture *f = *state;
    struct err err;
    size_t slot;

    must(board_add(f->board, "\"<\\\xff\n\x01>", &slot, &err), &err);
    json_t *root = ask(f, "/api/v1/entities", 200);
    assert_string_equal(text_of(json_array_get(json_object_get(root, "entities"), 2), "instance"),
                        "\"<\\??\?>");
    json_decref(root);
}

static void ready_means_watching_without_trouble(void **state)
{
    struct fixture *f = *state;

    /* one of two learns: it is named, and the other one is watched */
    json_t *root = ask(f, "/readyz", 200);
    assert_true(json_is_true(json_object_get(root, "ready")));
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "reasons"), 0)),
                        "b: learning, 42 %");
    json_decref(root);
    publish(f, 0, FAKE_LEARNING);
    root = ask(f, "/readyz", 503);
    assert_true(json_is_false(json_object_get(root, "ready")));
    assert_int_equal(json_array_size(json_object_get(root, "reasons")), 2);
    json_decref(root);
    publish(f, 0, FAKE_QUIET);
    publish(f, 1, FAKE_QUIET);
    root = ask(f, "/readyz", 200);
    assert_int_equal(json_array_size(json_object_get(root, "reasons")), 0);
    json_decref(root);
    board_set_trouble(f->board, "store: disk full");
    root = ask(f, "/readyz", 503);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "reasons"), 0)),
                        "store: disk full");
    json_decref(root);
}

/* The one sentence of /readyz about an entity whose last frame is so old; NULL: it is ready. */
static void readiness(struct fixture *f, int64_t age_ms, int64_t interval_ms, const char *want)
{
    struct entity_view v;

    fake_entity(FAKE_QUIET, NOW_MS - age_ms, &v);
    v.interval_ms = interval_ms;
    board_publish(f->board, 0, &v);
    json_t *root = ask(f, "/readyz", want ? 503 : 200);
    const char *got = json_string_value(json_array_get(json_object_get(root, "reasons"), 0));
    if (want)
        assert_string_equal(got, want);
    else
        assert_null(got);
    json_decref(root);
}

static void an_entity_without_fresh_scores_is_not_ready(void **state)
{
    struct fixture *f = *state;
    struct entity_view v;

    board_remove(f->board, 1); /* alone: of several, those that are watched would make it ready */
    readiness(f, 10000, 0, NULL);
    readiness(f, 10001, 0, "a: no score for 10s");
    readiness(f, 10001, 100, "a: no score for 10s");
    readiness(f, 60000, 15000, NULL);
    readiness(f, 150001, 15000, "a: no score for 150s");
    readiness(f, -5000, 1000, NULL); /* the clock was set back */

    fake_entity(FAKE_QUIET, NOW_MS, &v);
    v.scored = false;
    board_publish(f->board, 0, &v);
    json_t *root = ask(f, "/readyz", 503);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "reasons"), 0)),
                        "a: its first frame is not scored yet");
    json_decref(root);

    v.scored = true; /* its source knows before the clock does */
    (void)snprintf(v.stale, sizeof v.stale, "connection refused");
    board_publish(f->board, 0, &v);
    root = ask(f, "/readyz", 503);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "reasons"), 0)),
                        "a: connection refused");
    json_decref(root);
}

static void paths_and_methods_are_exact(void **state)
{
    static const char *const strange[] = {"/Metrics", "/metrics/", "//",          "/api/v1",
                                          "",         "metrics",   "/../healthz", "/%6detrics"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        refused(f, strange[i], 404, "there is nothing at");
    struct api_answer answer = ask_as(f, "POST", "/metrics");
    assert_int_equal(answer.status, 405);
    assert_string_equal(answer.allow, "GET, HEAD");
    buf_done(&answer.body);
    answer = ask_as(f, "HEAD", "/metrics");
    assert_int_equal(answer.status, 200);
    buf_done(&answer.body);
    answer = ask_as(f, "GET", "/healthz?probe=1");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body.p, "ok\n");
    buf_done(&answer.body);
}

static void the_page_is_whole_and_loads_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct api_answer answer = ask_as(f, "GET", "/");

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.type, "text/html; charset=utf-8");
    assert_int_equal(answer.body.n, page_html_size);
    assert_int_equal(strlen(answer.body.p), page_html_size);
    assert_ptr_equal(strstr(answer.body.p, "<!doctype html>"), answer.body.p);
    assert_non_null(strstr(answer.body.p, "</html>\n"));
    assert_null(strstr(answer.body.p, "src=\"http"));
    assert_non_null(strstr(answer.csp, "default-src 'none'"));
    assert_null(strstr(answer.csp, "unsafe"));
    buf_done(&answer.body);
}

static void no_memory_is_an_answer_too(void **state)
{
    struct fixture *f = *state;
    static const char *const targets[] = {"/metrics", "/api/v1/entities", "/predict", "/readyz"};

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        for (uint64_t n = 1; n < 4; n++) {
            struct api_answer answer;
            const struct api_request q = {
                .method = "GET", .path = targets[i], .accept = STR(""), .now_ms = NOW_MS};
            mem_fail_at(n);
            api_handle(f->api, &q, &answer);
            mem_fail_at(0);
            assert_true(answer.status == 200 || answer.status == 503);
            if (!answer.body.failed)
                assert_true(answer.body.n > 0);
            buf_done(&answer.body);
        }
    }
}

/* Two targets: one that answers, and one that was not asked yet. */
static struct target_list *two_targets(void *arg)
{
    struct target_list *l = mem_alloc(sizeof *l + 2 * sizeof *l->v);

    (void)arg;
    assert_non_null(l);
    l->v = (struct target_view *)(l + 1);
    l->n = 2;
    l->v[0] = (struct target_view){.job = "node",
                                   .instance = "a:9100",
                                   .url = "http://a:9100/metrics",
                                   .asked = true,
                                   .up = true,
                                   .last_ms = NOW_MS,
                                   .duration_s = 0.25,
                                   .scrapes = 7,
                                   .failures = 2,
                                   .samples = 507,
                                   .taken = 105,
                                   .error = ""};
    l->v[1] = (struct target_view){
        .job = "node", .instance = "b:9100", .url = "http://b:9100/metrics", .error = ""};
    return l;
}

static void targets_are_told_as_their_last_scrape_ended(void **state)
{
    struct fixture *f = *state;

    json_t *root = ask(f, "/api/v1/targets", 200);
    assert_int_equal(json_array_size(json_object_get(root, "targets")), 0); /* nobody is scraped */
    json_decref(root);
    api_set_targets(f->api, &(struct target_lister){NULL, two_targets});
    root = ask(f, "/api/v1/targets", 200);
    const json_t *list = json_object_get(root, "targets");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text_of(json_array_get(list, 0), "state"), "up");
    assert_true(number(json_array_get(list, 0), "failures") == 2);
    assert_true(number(json_array_get(list, 0), "taken") == 105);
    assert_string_equal(text_of(json_array_get(list, 1), "state"), "unknown");
    assert_true(json_is_null(json_object_get(json_array_get(list, 1), "timestamp")));
    json_decref(root);
    root = ask(f, "/api/v1/targets?instance=b:9100", 200);
    assert_int_equal(json_array_size(json_object_get(root, "targets")), 1);
    json_decref(root);
    json_decref(ask(f, "/api/v1/targets?instance=c:9100", 404));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(targets_are_told_as_their_last_scrape_ended),
        TEST(predict_keeps_the_classic_contract),
        TEST(status_tells_the_least_advanced_phase),
        TEST(entities_show_all_that_is_known),
        TEST(a_hostile_name_is_still_json),
        TEST(ready_means_watching_without_trouble),
        TEST(an_entity_without_fresh_scores_is_not_ready),
        TEST(paths_and_methods_are_exact),
        TEST(the_page_is_whole_and_loads_nothing_else),
        TEST(no_memory_is_an_answer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
