/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/csv_columns.h"

static const char *const names[] = {"score", "threshold", CSV_COLUMNS_FIRST};
enum { N = 3 };

static struct csv_columns parse(const char *text)
{
    struct csv_columns c = {0};
    struct err err = {0};

    if (csv_columns_parse(text, strlen(text), "F.csv", names, N, &c, &err) != OK)
        fail_msg("%s", err.msg);
    return c;
}

static void columns_are_found_by_name_and_others_passed_over(void **state)
{
    (void)state;
    struct csv_columns c = parse(
        "host,timestamp,score,note\n1,1700000000,0.1234567890123,\"a, b\"\n2,1700000060,,c\n");

    assert_int_equal(c.rows, 2);
    assert_true(c.ts_ms[0] == 1700000000000 && c.ts_ms[1] == 1700000060000);
    assert_true(c.v[0][0] == 0.1234567890123 && isnan(c.v[0][1]));
    assert_null(c.v[1]);
    assert_true(c.v[2][0] == 1 && c.v[2][1] == 2);
    csv_columns_done(&c);
}

static void the_first_column_is_the_first_that_is_not_time(void **state)
{
    (void)state;
    struct csv_columns c = parse("timestamp,m0,m1\n1,5,6\n\n");

    assert_true(c.rows == 1 && c.v[2][0] == 5 && !c.v[0]);
    csv_columns_done(&c);
    c = parse("\xef\xbb\xbfscore\r\n-3\r\n");
    assert_true(c.rows == 1 && c.v[0][0] == -3 && !c.ts_ms);
    csv_columns_done(&c);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *sentence;
    } wrong[] = {
        {"", "F.csv:1: expected a header, found an empty file"},
        {"score,score\n", "F.csv:1: expected one column 'score', found two"},
        {"timestamp,a,timestamp\n", "F.csv:1: expected one column 'timestamp', found two"},
        {"a,score\n1,2\n1\n", "F.csv:3: expected 2 fields as in the header, found 1"},
        {"a,score\n1,2,3\n", "F.csv:2: expected 2 fields as in the header, found 3"},
        {"a,score\n1,x\n", "F.csv:2: column 'score': expected a number, NaN or nothing, found 'x'"},
        {"a,score\n1,-inf\n",
         "F.csv:2: column 'score': expected a finite number, NaN or nothing, found '-inf'"},
        {"timestamp,score\n2,1\n2,1\n", "F.csv:3: expected a time after the row before, found '2'"},
        {"a,score\n1,2\n\n1,2\n", "F.csv:3: expected a row, found an empty line"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct csv_columns c = {0};
        struct err err = {0};
        assert_int_equal(
            csv_columns_parse(wrong[i].text, strlen(wrong[i].text), "F.csv", names, N, &c, &err),
            E_PARSE);
        assert_string_equal(err.msg, wrong[i].sentence);
        assert_true(!c.ts_ms && !c.v[0] && !c.v[2]);
    }
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    const char *text = "timestamp,score,threshold\n1,2,3\n";
    struct csv_columns c = {0};
    struct err err;
    uint64_t n = 0;
    enum rc rc;

    do {
        mem_fail_at(++n);
        rc = csv_columns_parse(text, strlen(text), "F.csv", names, N, &c, &err);
        assert_true(rc == OK || rc == E_NOMEM);
    } while (rc != OK);
    mem_fail_at(0);
    assert_true(n > 3 && c.rows == 1);
    csv_columns_done(&c);
}

static void many_rows_are_kept(void **state)
{
    (void)state;
    enum { ROWS = 5000, LINE = 8 };
    char *text = mem_alloc(16 + (size_t)ROWS * LINE);
    size_t n = (size_t)sprintf(text, "score\n");

    for (int i = 0; i < ROWS; i++)
        n += (size_t)sprintf(text + n, "%d\n", i);
    struct csv_columns c = parse(text);
    assert_int_equal(c.rows, ROWS);
    for (int i = 0; i < ROWS; i++)
        assert_true(c.v[0][i] == i);
    csv_columns_done(&c);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name_and_others_passed_over),
        cmocka_unit_test(the_first_column_is_the_first_that_is_not_time),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
        cmocka_unit_test(many_rows_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
