/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "measure/causes.h"

enum { ROWS = 12, METRICS = 5 };

static struct causes parse(const char *text)
{
    struct causes c = {0};
    struct err err = {0};

    if (causes_parse(text, strlen(text), "C.txt", ROWS, METRICS, &c, &err) != OK)
        fail_msg("%s", err.msg);
    return c;
}

static void lines_become_events(void **state)
{
    (void)state;
    struct causes c = parse("0-3:1,4\r\n\n 5-12 : 5 , 2\n7-7:3");

    assert_int_equal(c.n, 3);
    assert_true(c.v[0].first == 0 && c.v[0].last == 3 && c.v[0].n == 2);
    assert_true(c.v[0].metric[0] == 0 && c.v[0].metric[1] == 3);
    assert_true(c.v[1].last == 12 && c.v[1].metric[0] == 4 && c.v[1].metric[1] == 1);
    assert_true(c.v[2].line == 4 && c.v[2].n == 1 && c.v[2].metric[0] == 2);
    causes_done(&c);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *sentence;
    } wrong[] = {
        {"", "C.txt: expected lines such as 10-19:1,4,5, found none"},
        {"\n\n", "C.txt: expected lines such as 10-19:1,4,5, found none"},
        {"0-3:1\n4-5", "C.txt:2: expected an event such as 10-19:1,4,5, found '4-5'"},
        {"3:1", "C.txt:1: expected rows such as 10-19, found '3'"},
        {":1", "C.txt:1: expected rows such as 10-19, found ':1'"},
        {"3-1:1", "C.txt:1: expected rows such as 10-19, from 0 and rising, found '3-1'"},
        {"-3:1", "C.txt:1: expected rows such as 10-19, from 0 and rising, found '-3'"},
        {"12-12:1", "C.txt:1: expected rows from 0 to 11, found '12-12'"},
        {"0-13:1", "C.txt:1: expected rows from 0 to 11, found '0-13'"},
        {"0-3:", "C.txt:1: expected metrics such as 1,4,5, from 1, found ''"},
        {"0-3:1,", "C.txt:1: expected metrics such as 1,4,5, from 1, found ''"},
        {"0-3:0", "C.txt:1: expected metrics such as 1,4,5, from 1, found '0'"},
        {"0-3:x", "C.txt:1: expected metrics such as 1,4,5, from 1, found 'x'"},
        {"0-3:6", "C.txt:1: expected metrics up to 5, found '6'"},
        {"0-3:2,2", "C.txt:1: expected each metric once, found '2'"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct causes c = {0};
        struct err err = {0};
        assert_int_equal(
            causes_parse(wrong[i].text, strlen(wrong[i].text), "C.txt", ROWS, METRICS, &c, &err),
            E_PARSE);
        assert_string_equal(err.msg, wrong[i].sentence);
        assert_true(!c.v && !c.metrics);
    }
}

struct rated {
    enum rc rc;
    struct hit_rates h;
    struct err err;
};

static struct rated rate(const char *text, const char *labelled, const float C[ROWS][METRICS])
{
    struct causes c = parse(text);
    struct events e = {0};
    uint8_t label[ROWS];
    struct rated r = {0};

    for (size_t i = 0; i < ROWS; i++)
        label[i] = labelled[i] == '1';
    assert_int_equal(events_find(label, ROWS, &e, &r.err), OK);
    r.rc = causes_measure(&c, &e, &C[0][0], METRICS, &r.h, &r.err);
    events_done(&e);
    causes_done(&c);
    return r;
}

static void hit_rates_are_shares_of_true_causes_among_the_first(void **state)
{
    (void)state;
    const float C[ROWS][METRICS] = {
        [2] = {5, 4, 3, 2, 1}, [3] = {5, 4, 3, 2, 1}, [8] = {1, 9, 2, 3, 4}};
    const char *labelled = "001100001000";

    /* ranked 1 2 3 4 5: of {1, 4} the first 2 hold one, the first 3 too */
    struct rated r = rate("2-3:1,4", labelled, C);
    assert_true(r.rc == OK && r.h.events == 1);
    CHECK_NEAR(r.h.at_100, 0.5, 1e-12);
    CHECK_NEAR(r.h.at_150, 0.5, 1e-12);
    /* of {1, 3} the first 3 hold both */
    r = rate("2-3:3,1", labelled, C);
    CHECK_NEAR(r.h.at_100, 0.5, 1e-12);
    CHECK_NEAR(r.h.at_150, 1, 1e-12);
    /* one and a half of one cause is one; averaged over both events */
    r = rate("2-3:2\n8-8:2", labelled, C);
    assert_int_equal(r.h.events, 2);
    CHECK_NEAR(r.h.at_100, 0.5, 1e-12);
    CHECK_NEAR(r.h.at_150, 0.5, 1e-12);
}

static void a_metric_counts_by_its_highest_row(void **state)
{
    (void)state;
    const float C[ROWS][METRICS] = {
        [2] = {0, 8, 0, 3, 0}, [3] = {3, 1, 0, 3, 0}, [4] = {9, 1, (float)NAN, 3, 0}};

    CHECK_NEAR(rate("2-4:1", "001110000000", C).h.at_100, 1, 1e-12); /* 2 and 4 have the sums */
    CHECK_NEAR(rate("2-4:2", "001110000000", C).h.at_100, 0, 1e-12);
    CHECK_NEAR(rate("2-4:2", "001100000000", C).h.at_100, 1, 1e-12);
}

static void rows_that_are_not_labelled_are_not_the_event(void **state)
{
    (void)state;
    const float C[ROWS][METRICS] = {
        [2] = {1, 0, 0, 0, 0}, [3] = {0, 1, 0, 0, 0}, [4] = {0, 1, 0, 0, 0}};
    const float last[ROWS][METRICS] = {[11] = {1, 0, 0, 0, 0}};

    CHECK_NEAR(rate("2-4:1", "001000000000", C).h.at_100, 1, 1e-12);
    CHECK_NEAR(rate("11-12:1", "000000000001", last).h.at_100, 1, 1e-12);
    const struct rated none = rate("0-4:1\n3-4:2", "001000000000", C);
    assert_int_equal(none.rc, E_STATE);
    assert_string_equal(none.err.msg, "line 2: none of the rows 3-4 is labelled");
}

static void what_contributes_nothing_is_not_a_hit(void **state)
{
    (void)state;
    const float C[ROWS][METRICS] = {[2] = {0, 0, 0, 0, 1}};

    CHECK_NEAR(rate("2-2:1,2,5", "001000000000", C).h.at_150, 1.0 / 3, 1e-12);
}

static void negative_contributions_are_refused_with_their_row(void **state)
{
    (void)state;
    const float C[] = {0, 1, 2, -0.5f, (float)NAN, 0};
    struct err err = {0};

    assert_int_equal(causes_check(C, 1, 3, &err), OK);
    assert_int_equal(causes_check(C, 2, 3, &err), E_PARSE);
    assert_string_equal(err.msg,
                        "row 1, metric 1: expected a contribution of at least 0, found -0.5");
}

static void no_memory_is_said(void **state)
{
    (void)state;
    struct causes c = {0};
    struct events e = {0};
    struct hit_rates h;
    struct err err;
    const uint8_t label[ROWS] = {1};
    const float C[ROWS][METRICS] = {{1}};

    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(causes_parse("0-1:1", 5, "C.txt", ROWS, METRICS, &c, &err), E_NOMEM);
    }
    mem_fail_at(0);
    assert_int_equal(causes_parse("0-1:1", 5, "C.txt", ROWS, METRICS, &c, &err), OK);
    assert_int_equal(events_find(label, ROWS, &e, &err), OK);
    mem_fail_at(1);
    assert_int_equal(causes_measure(&c, &e, &C[0][0], METRICS, &h, &err), E_NOMEM);
    mem_fail_at(0);
    causes_done(&c);
    events_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_events),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(hit_rates_are_shares_of_true_causes_among_the_first),
        cmocka_unit_test(a_metric_counts_by_its_highest_row),
        cmocka_unit_test(rows_that_are_not_labelled_are_not_the_event),
        cmocka_unit_test(what_contributes_nothing_is_not_a_hit),
        cmocka_unit_test(negative_contributions_are_refused_with_their_row),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
