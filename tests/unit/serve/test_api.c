/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
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
#include "data/schema.h"
#include "exposition.h"
#include "fake_entity.h"
#include "serve/api.h"
#include "serve/page.h"
#include "store/store.h"

static const int64_t NOW_MS = INT64_C(1740088500250);
enum { ROWS = 1500 }; /* scores in the store, one a second, the last at NOW_MS */

struct fixture {
    struct telemetry telemetry;
    struct board *board;
    struct api *api;
    char dir[64], database[96];
};

static void publish(struct fixture *f, size_t slot, enum fake_state s)
{
    struct entity_view v;

    fake_entity(s, NOW_MS, &v);
    board_publish(f->board, slot, &v);
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        fail_msg("%s", err->msg);
}

static void fill_store(const char *path)
{
    const struct feature features[] = {{.name = "cpu_busy_ratio", .unit = "ratio", .group = "cpu"}};
    struct store *s;
    struct schema *schema;
    struct err err;
    int64_t entity;

    must(schema_new(features, 1, &schema, &err), &err);
    must(store_open(path, &s, &err), &err);
    must(store_begin(s, &err), &err);
    must(store_entity(s, "a", &entity, &err), &err);
    must(store_put_schema(s, schema, &err), &err);
    for (int64_t i = 0; i < ROWS; i++) {
        const struct verdict v = {.ts_ms = NOW_MS - (ROWS - 1 - i) * 1000,
                                  .score = i == ROWS - 2 ? NAN : 0.1998f,
                                  .threshold = 0.25f,
                                  .confidence = 1,
                                  .anomalous = i == ROWS - 1};
        must(store_put_score(s, entity, 1, &v, &err), &err);
    }
    for (int64_t i = 0; i < 3; i++) {
        struct incident in = {.start_ms = NOW_MS - 3600000 + i * 600000,
                              .peak_ms = NOW_MS - 3590000 + i * 600000,
                              .end_ms = i == 2 ? 0 : NOW_MS - 3500000 + i * 600000,
                              .peak_score = 0.5f,
                              .threshold = 0.25f,
                              .n_causes = 1,
                              .causes = {{0, true, 0.97f, 0.1f, 0.8f, 0}}};
        must(store_put_incident(s, entity, schema, &in, &err), &err);
    }
    must(store_commit(s, &err), &err);
    store_close(s);
    schema_free(schema);
}

/* Two entities, "a" ringing and "b" learning. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err;
    size_t slot;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->database, sizeof f->database, "%s/t.db", f->dir);
    must(board_new(&f->telemetry, &f->board, &err), &err);
    must(board_add(f->board, "a", &slot, &err), &err);
    must(board_add(f->board, "b", &slot, &err), &err);
    publish(f, 0, FAKE_RINGING);
    publish(f, 1, FAKE_LEARNING);
    must(api_new(f->board, f->database, "1.2.3", NOW_MS - 5000, &f->api, &err), &err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    api_free(f->api);
    board_free(f->board);
    (void)snprintf(command, sizeof command, "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* GET target ("/path?key=value&…", nothing escaped). */
static struct api_answer ask_as(struct fixture *f, const char *method, const char *target)
{
    struct param_pair pairs[PARAMS_PAIRS_MAX];
    struct api_answer answer;
    static char text[512];
    size_t n = 0;

    (void)snprintf(text, sizeof text, "%s", target);
    char *rest = strchr(text, '?');
    if (rest)
        *rest++ = '\0';
    while (rest && *rest) {
        char *next = strchr(rest, '&'), *value = strchr(rest, '=');
        if (next)
            *next++ = '\0';
        *value++ = '\0';
        pairs[n++] = (struct param_pair){str_of(rest), str_of(value)};
        rest = next;
    }
    const struct api_request q = {
        .method = method, .path = text, .pairs = pairs, .n_pairs = n, .now_ms = NOW_MS};
    api_handle(f->api, &q, &answer);
    assert_false(answer.body.failed);
    return answer;
}

/* The body as JSON, which the caller owns. */
static json_t *ask(struct fixture *f, const char *target, unsigned status)
{
    struct api_answer answer = ask_as(f, "GET", target);
    json_error_t why;

    json_t *root = json_loadb(answer.body.p, answer.body.n, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        fail_msg("%s: %s in %s", target, why.text, answer.body.p);
    if (answer.status != status)
        fail_msg("%s: %u: %s", target, answer.status, answer.body.p);
    assert_string_equal(answer.type, "application/json");
    buf_done(&answer.body);
    return root;
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_number(v))
        fail_msg("%s is no number", key);
    return json_number_value(v);
}

static const char *text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_string(v))
        fail_msg("%s is no string", key);
    return json_string_value(v);
}

/* Refused with this status and a sentence that has these words. */
static void refused(struct fixture *f, const char *target, unsigned status, const char *words)
{
    json_t *root = ask(f, target, status);

    if (!strstr(text_of(root, "error"), words))
        fail_msg("%s: '%s' is not in '%s'", target, words, text_of(root, "error"));
    json_decref(root);
}

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

static void scores_come_in_time_order_and_say_when_cut(void **state)
{
    struct fixture *f = *state;

    fill_store(f->database);
    json_t *root = ask(f, "/api/v1/scores?from=1740087900.25", 200); /* the first entity */
    const json_t *rows = json_object_get(root, "scores");
    assert_string_equal(text_of(root, "instance"), "a");
    assert_int_equal(json_array_size(rows), 601);
    assert_true(json_is_false(json_object_get(root, "truncated")));
    const json_t *last = json_array_get(rows, 600), *before = json_array_get(rows, 599);
    assert_true(json_number_value(json_array_get(last, 0)) == 1740088500.25);
    assert_true(json_number_value(json_array_get(last, 1)) == 0.1998);
    assert_true(json_number_value(json_array_get(last, 2)) == 0.25);
    assert_true(json_is_true(json_array_get(last, 3)));
    assert_true(json_is_null(json_array_get(before, 1))); /* it was NaN */
    json_decref(root);

    root = ask(f, "/api/v1/scores?instance=a&from=0", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 1000);
    assert_true(json_is_true(json_object_get(root, "truncated")));
    json_decref(root);
    root = ask(f, "/api/v1/scores?from=0&limit=10000", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 1500);
    assert_true(json_is_false(json_object_get(root, "truncated")));
    json_decref(root);
    root = ask(f, "/api/v1/scores?from=2025-02-20T21:54:55.25Z&to=1740088497.25", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 3); /* both ends count */
    json_decref(root);
    root = ask(f, "/api/v1/scores?instance=b", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 0);
    json_decref(root);
    refused(f, "/api/v1/scores?limit=10001", 400, "'limit'");
    refused(f, "/api/v1/scores?instance=c", 404, "no entity 'c'");
}

static double first_time(const json_t *root)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(root, "scores"), 0), 0));
}

static void without_a_start_the_newest_scores_come(void **state)
{
    struct fixture *f = *state;

    fill_store(f->database);
    json_t *root = ask(f, "/api/v1/scores", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 1000);
    assert_true(first_time(root) == 1740088500.25 - 999);
    assert_true(json_is_true(json_object_get(root, "truncated")));
    json_decref(root);
    root = ask(f, "/api/v1/scores?limit=2&to=1740087501.25", 200); /* how to go on backwards */
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 2);
    assert_true(first_time(root) == 1740087500.25);
    assert_true(json_is_true(json_object_get(root, "truncated")));
    json_decref(root);
    root = ask(f, "/api/v1/scores?limit=1500", 200);
    assert_int_equal(json_array_size(json_object_get(root, "scores")), 1500);
    assert_true(json_is_false(json_object_get(root, "truncated")));
    json_decref(root);
}

static void a_slow_change_is_told_by_every_answer(void **state)
{
    struct fixture *f = *state;

    publish(f, 1, FAKE_CREEPING);
    json_t *root = ask(f, "/api/v1/entities", 200);
    const json_t *list = json_object_get(root, "entities");
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "slow")));
    const json_t *slow = json_object_get(json_array_get(list, 1), "slow");
    assert_true(number(slow, "start") == 1740088500.25 - 3 * 86400);
    assert_true(number(slow, "ratio") == 2.5);
    assert_non_null(strstr(text_of(slow, "words"), "slow change: memory_used"));
    json_decref(root);
    root = ask(f, "/predict?instance=b", 200);
    assert_true(json_is_false(json_object_get(root, "anomaly_detected")));
    assert_true(json_is_object(json_object_get(root, "slow")));
    json_decref(root);
    root = ask(f, "/predict?instance=a", 200);
    assert_true(json_is_null(json_object_get(root, "slow")));
    json_decref(root);
}

static void incidents_say_what_they_are(void **state)
{
    struct fixture *f = *state;
    const struct feature cpu = {.name = "cpu"};
    struct incident in = {
        .kind = INCIDENT_SLOW, .start_ms = 1000, .peak_ms = 1000, .accepted = true};
    struct schema *schema = NULL;
    struct store *s = NULL;
    struct err err;
    int64_t entity;

    must(store_open(f->database, &s, &err), &err);
    must(schema_new(&cpu, 1, &schema, &err), &err);
    must(store_entity(s, "a", &entity, &err), &err);
    must(store_put_incident(s, entity, schema, &in, &err), &err);
    must(store_put_incident_words(s, in.id, "slow change: cpu", &err), &err);
    in = (struct incident){
        .tier = INCIDENT_OBSERVE, .start_ms = 2000, .peak_ms = 2000, .maintenance = true};
    must(store_put_incident(s, entity, schema, &in, &err), &err);
    store_close(s);
    schema_free(schema);
    json_t *root = ask(f, "/api/v1/incidents", 200);
    const json_t *list = json_object_get(root, "incidents");
    const json_t *fast = json_array_get(list, 0), *slow = json_array_get(list, 1);
    assert_string_equal(text_of(slow, "kind"), "slow");
    assert_string_equal(text_of(slow, "words"), "slow change: cpu");
    assert_true(json_is_true(json_object_get(slow, "accepted")));
    assert_true(json_is_false(json_object_get(slow, "maintenance")));
    assert_string_equal(text_of(fast, "kind"), "departure");
    assert_string_equal(text_of(fast, "tier"), "observe");
    assert_string_equal(text_of(slow, "tier"), "page");
    assert_true(json_is_null(json_object_get(fast, "words")));
    assert_true(json_is_true(json_object_get(fast, "maintenance")));
    json_decref(root);
}

static void incidents_come_newest_first(void **state)
{
    struct fixture *f = *state;

    fill_store(f->database);
    json_t *root = ask(f, "/api/v1/incidents", 200);
    const json_t *list = json_object_get(root, "incidents");
    assert_int_equal(json_array_size(list), 3);
    const json_t *newest = json_array_get(list, 0), *oldest = json_array_get(list, 2);
    assert_true(json_is_null(json_object_get(newest, "end")));
    assert_true(number(newest, "start") > number(oldest, "start"));
    assert_true(number(oldest, "end") == 1740085000.25);
    assert_string_equal(text_of(oldest, "instance"), "a");
    assert_string_equal(text_of(json_array_get(json_object_get(oldest, "causes"), 0), "feature"),
                        "cpu_busy_ratio");
    json_decref(root);
    root = ask(f, "/api/v1/incidents?limit=1&instance=a", 200);
    assert_int_equal(json_array_size(json_object_get(root, "incidents")), 1);
    assert_true(json_is_true(json_object_get(root, "truncated")));
    json_decref(root);
    root = ask(f, "/api/v1/incidents?to=1740085000", 200);
    assert_int_equal(json_array_size(json_object_get(root, "incidents")), 1);
    json_decref(root);
    refused(f, "/api/v1/incidents?limit=1001", 400, "'limit'");
}

/* The daemon may make the database after the server's start, or lose it. */
static void a_store_that_is_not_there_is_a_503_until_it_is(void **state)
{
    struct fixture *f = *state;

    refused(f, "/api/v1/scores", 503, f->database);
    refused(f, "/api/v1/incidents", 503, f->database);
    fill_store(f->database);
    json_decref(ask(f, "/api/v1/scores", 200));
    json_decref(ask(f, "/api/v1/incidents", 200));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(targets_are_told_as_their_last_scrape_ended),
        TEST(predict_keeps_the_classic_contract),
        TEST(status_tells_the_least_advanced_phase),
        TEST(entities_show_all_that_is_known),
        TEST(a_hostile_name_is_still_json),
        TEST(scores_come_in_time_order_and_say_when_cut),
        TEST(without_a_start_the_newest_scores_come),
        TEST(a_slow_change_is_told_by_every_answer),
        TEST(incidents_say_what_they_are),
        TEST(incidents_come_newest_first),
        TEST(a_store_that_is_not_there_is_a_503_until_it_is),
        TEST(ready_means_watching_without_trouble),
        TEST(an_entity_without_fresh_scores_is_not_ready),
        TEST(paths_and_methods_are_exact),
        TEST(the_page_is_whole_and_loads_nothing_else),
        TEST(no_memory_is_an_answer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
