/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <string.h>

#include "base/mem.h"
#include "source/prom_answer.h"

static enum rc parse(const char *text, long status, struct prom_answer *a, struct err *err)
{
    *err = (struct err){0};
    return prom_answer_parse(str_of(text), status, "instance", a, err);
}

static void a_matrix_becomes_points_of_entities(void **state)
{
    struct prom_answer a = {0};
    struct err err;

    (void)state;
    assert_int_equal(
        parse("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
              "{\"metric\":{\"instance\":\"db1:9100\"},\"values\":[[1700000000,\"1.5\"],"
              "[1700000015.25,\"NaN\"]]},"
              "{\"metric\":{\"instance\":\"db2:9100\",\"x\":\"y\"},\"values\":[[1700000000,"
              "\"+Inf\"]]}]}}",
              200, &a, &err),
        OK);
    assert_int_equal(a.n_series, 2);
    assert_int_equal(a.n_points, 3);
    assert_string_equal(a.series[0].entity, "db1:9100");
    assert_true(a.series[0].first == 0 && a.series[0].n == 2);
    assert_true(a.ts_ms[0] == 1700000000000 && a.ts_ms[1] == 1700000015250);
    assert_true(a.v[0] == 1.5 && isnan(a.v[1]) && isinf(a.v[2]));
    assert_string_equal(a.series[1].entity, "db2:9100");
    assert_true(a.series[1].first == 2 && a.series[1].n == 1 && a.unnamed == 0);
    prom_answer_done(&a);
}

static void a_vector_is_one_point_each(void **state)
{
    struct prom_answer a = {0};
    struct err err;

    (void)state;
    assert_int_equal(parse("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
                           "[{\"metric\":{\"instance\":\"a\"},\"value\":[1.5,\"-2\"]}]},"
                           "\"warnings\":[\"half of it\",\"more\"]}",
                           200, &a, &err),
                     OK);
    assert_true(a.n_series == 1 && a.n_points == 1 && a.v[0] == -2 && a.ts_ms[0] == 1500);
    assert_int_equal(a.n_warnings, 2);
    assert_string_equal(a.warning, "half of it");
    prom_answer_done(&a);
    assert_int_equal(parse("{\"status\":\"success\",\"isPartial\":false,\"data\":{\"resultType\":"
                           "\"vector\",\"result\":[]}}",
                           200, &a, &err),
                     OK);
    assert_true(a.n_series == 0 && a.n_warnings == 0);
    prom_answer_done(&a);
}

static void elements_without_a_name_are_left_out_and_counted(void **state)
{
    struct prom_answer a = {0};
    struct err err;

    (void)state;
    assert_int_equal(
        parse("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
              "{\"metric\":{},\"values\":[[1,\"1\"]]},"
              "{\"metric\":{\"instance\":\"\"},\"values\":[[1,\"1\"]]},"
              "{\"metric\":{\"instance\":\"h\"},\"histograms\":[[1,{}]]},"
              "{\"metric\":{\"instance\":\"a\"},\"values\":[[1,\"7\"]]}]}}",
              200, &a, &err),
        OK);
    assert_true(a.n_series == 1 && a.unnamed == 3 && a.n_points == 1 && a.v[0] == 7);
    prom_answer_done(&a);
}

static void a_failure_says_what_helps(void **state)
{
    static const struct {
        long status;
        const char *body;
        enum rc rc;
        const char *sentence;
    } cases[] = {
        {400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"query\\\": 1:5: parse error\"}",
         E_CONFIG, "bad_data: invalid parameter \"query\": 1:5: parse error"},
        {422,
         "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"query processing would "
         "load too many samples into memory in query execution\"}",
         E_LIMIT,
         "execution: query processing would load too many samples into memory in query execution"},
        {422,
         "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series for "
         "the match group\"}",
         E_STATE, "execution: found duplicate series for the match group"},
        {503,
         "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out in "
         "expression "
         "evaluation\"}",
         E_LIMIT, "timeout: query timed out in expression evaluation"},
        {400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"exceeded maximum resolution "
         "of 11,000 points per timeseries.\"}",
         E_LIMIT, "bad_data: exceeded maximum resolution of 11,000 points per timeseries."},
        {422,
         "{\"status\":\"error\",\"errorType\":\"422\",\"error\":\"cannot select more than "
         "-search.maxSamplesPerQuery=10 samples\"}",
         E_LIMIT, "422: cannot select more than -search.maxSamplesPerQuery=10 samples"},
        {429,
         "{\"status\":\"error\",\"errorType\":\"429\",\"error\":\"couldn't start executing the "
         "request, since -search.maxConcurrentRequests=1\"}",
         E_IO, NULL},
        {503, "Service Unavailable\n", E_IO, "HTTP 503: Service Unavailable"},
        {200,
         "{\"status\":\"success\",\"isPartial\":true,\"data\":{\"resultType\":\"vector\","
         "\"result\":[]}}",
         E_IO, "answers in part: some of its storage is away"},
        {401, "", E_CONFIG, "wants other credentials (HTTP 401)"},
        {403, "<html>", E_CONFIG, "does not allow it (HTTP 403)"},
        {404, "404 page not found", E_CONFIG,
         "is there, but not the API of a Prometheus server (HTTP 404)"},
        {418, "{}", E_CONFIG, "HTTP 418, which is no answer of a Prometheus server"},
        {500, "{\"status\":\"error\"}", E_IO, "refused: no reason given"},
    };
    struct prom_answer a = {0};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum rc rc = parse(cases[i].body, cases[i].status, &a, &err);
        if (rc != cases[i].rc)
            fail_msg("%s: rc %d, expected %d: %s", cases[i].body, rc, cases[i].rc, err.msg);
        if (cases[i].sentence)
            assert_string_equal(err.msg, cases[i].sentence);
        assert_null(a.series);
    }
}

static void other_json_is_refused_with_a_sentence(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{",
        "{}",
        "<html></html>",
        "{\"status\":7}",
        "{\"status\":\"success\"}",
        "{\"status\":\"success\",\"data\":[]}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":{}}}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[7]}}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":7,"
        "\"values\":[]}]}}",
#define MATRIX(points)                                                                             \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{"        \
    "\"instance\":\"a\"},\"values\":[" points "]}]}}"
        MATRIX("7"),
        MATRIX("[]"),
        MATRIX("[1]"),
        MATRIX("[1,2]"),
        MATRIX("[\"1\",\"2\"]"),
        MATRIX("[1,\"x\"]"),
        MATRIX("[1,\"\"]"),
        MATRIX("[1e300,\"2\"]"),
        MATRIX("[1,\"2\",3]"),
        MATRIX("[1,\"2\"],null"),
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{"
        "\"instance\":\"a\"},\"value\":7}]}}",
    };
    struct prom_answer a = {0};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], 200, &a, &err) != E_PARSE)
            fail_msg("'%s': rc %d", bad[i], err.rc);
        assert_true(err.msg[0] && !a.series && !a.ts_ms && !a.v);
    }
}

static void names_are_a_list_of_texts(void **state)
{
    struct prom_names n = {0};
    struct err err;

    (void)state;
    assert_int_equal(prom_names_parse(STR("{\"status\":\"success\",\"data\":[\"b\",\"\",\"a\"]}"),
                                      200, &n, &err),
                     OK);
    assert_int_equal(n.n, 2);
    assert_string_equal(n.v[0], "b");
    assert_string_equal(n.v[1], "a");
    prom_names_done(&n);
    assert_int_equal(
        prom_names_parse(STR("{\"status\":\"success\",\"data\":[\"b\",7]}"), 200, &n, &err),
        E_PARSE);
    assert_int_equal(prom_names_parse(STR("{\"status\":\"success\",\"data\":{}}"), 200, &n, &err),
                     E_PARSE);
    assert_null(n.v);
}

static void want_of_memory_is_said(void **state)
{
    static const char text[] = MATRIX("[1,\"1\"],[2,\"2\"]");
    struct err err;
    enum rc rc = E_NOMEM;

    (void)state;
    for (uint64_t n = 1; rc != OK; n++) {
        struct prom_answer a = {0};
        mem_fail_at(n);
        rc = parse(text, 200, &a, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !a.series));
        prom_answer_done(&a);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_matrix_becomes_points_of_entities),
        cmocka_unit_test(a_vector_is_one_point_each),
        cmocka_unit_test(elements_without_a_name_are_left_out_and_counted),
        cmocka_unit_test(a_failure_says_what_helps),
        cmocka_unit_test(other_json_is_refused_with_a_sentence),
        cmocka_unit_test(names_are_a_list_of_texts),
        cmocka_unit_test(want_of_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
