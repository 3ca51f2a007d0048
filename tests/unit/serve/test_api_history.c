/* SPDX-License-Identifier: Apache-2.0 */
#include "api_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scores_come_in_time_order_and_say_when_cut),
        TEST(without_a_start_the_newest_scores_come),
        TEST(a_slow_change_is_told_by_every_answer),
        TEST(incidents_say_what_they_are),
        TEST(incidents_come_newest_first),
        TEST(a_store_that_is_not_there_is_a_503_until_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
