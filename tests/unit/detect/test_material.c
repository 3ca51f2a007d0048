/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "detect/credible.h"
#include "detect/material.h"

static const struct material_margins margins = {.before_ms = 100, .after_ms = 10};

static int set_up(void **state)
{
    struct err err;

    return material_new(margins, (struct material **)state, &err) != OK;
}

static int tear_down(void **state)
{
    material_free(*state);
    return 0;
}

static void settle(struct material *m, size_t a_day)
{
    struct err err;

    assert_int_equal(material_settle(m, a_day, &err), OK);
}

static void all_is_taken_where_nothing_was(void **state)
{
    struct material *m = *state;

    settle(m, 1000);
    assert_true(material_takes(m, INT64_MIN) && material_takes(m, 0) &&
                material_takes(m, INT64_MAX));
}

static void an_incident_bars_itself_and_its_margins(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_incident(m, 1000, 2000, 2, &err), OK);
    settle(m, 1000);
    assert_true(material_takes(m, 899));
    assert_false(material_takes(m, 900));
    assert_false(material_takes(m, 1500));
    assert_false(material_takes(m, 2010));
    assert_true(material_takes(m, 2011));
}

static void an_open_incident_bars_all_that_follows(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_incident(m, 1000, INT64_MAX, 2, &err), OK);
    settle(m, 1000);
    assert_true(material_takes(m, 899));
    assert_false(material_takes(m, INT64_MAX));
}

static void what_an_operator_calls_normal_is_taken_from_an_incident(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_incident(m, 1000, 2000, 2, &err), OK);
    assert_int_equal(material_allow(m, 1200, 1300, &err), OK);
    settle(m, 1000);
    assert_false(material_takes(m, 1199));
    assert_true(material_takes(m, 1200) && material_takes(m, 1300));
    assert_false(material_takes(m, 1301));
}

static void what_is_barred_stays_so_whatever_is_allowed(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_bar(m, 1000, 2000, &err), OK);
    assert_int_equal(material_allow(m, 0, 5000, &err), OK);
    settle(m, 1000);
    assert_true(material_takes(m, 999)); /* no margin: an operator says what he means */
    assert_false(material_takes(m, 1000));
    assert_false(material_takes(m, 2000));
    assert_true(material_takes(m, 2001));
}

/* Against the plain way: look at each span. */
static void many_spans_in_any_order_are_looked_up_right(void **state)
{
    struct material *m = *state;
    struct rng rng;
    struct err err;
    enum { SPANS = 300, TIME = 100000 };
    static bool barred[TIME];

    rng_init(&rng, 1);
    for (int i = 0; i < SPANS; i++) {
        const int64_t from = rng_below(&rng, TIME), to = from + rng_below(&rng, 200) - 10;
        assert_int_equal(material_bar(m, from, to, &err), OK);
        for (int64_t t = from; t <= to && t < TIME; t++)
            barred[t] = true;
    }
    settle(m, 1000);
    for (int t = 0; t < TIME; t++)
        assert_int_equal(material_takes(m, t), !barred[t]);
}

static void a_short_history_is_quarantined_by_a_quarter(void **state)
{
    (void)state;
    assert_int_equal(material_quarantine_ms(0, 400, 1000), 100);
    assert_int_equal(material_quarantine_ms(0, 100000, 1000), 1000);
    assert_int_equal(material_quarantine_ms(0, 100000, 0), 0);
    assert_int_equal(material_quarantine_ms(500, 400, 1000), 0);
}

static void without_memory_it_says_so(void **state)
{
    struct material *m = *state;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(material_bar(m, 1, 2, &err), E_NOMEM);
    assert_int_equal(material_bar(m, 1, 2, &err), OK);
    settle(m, 1000);
    assert_false(material_takes(m, 1));
}

enum { A_DAY = 24 * 3600 * 1000 };

static void put(struct material *m, int64_t from, float loudness)
{
    struct err err;

    assert_int_equal(material_incident(m, from, from + 9, loudness, &err), OK);
}

static void only_the_loudest_of_too_many_are_believed(void **state)
{
    struct material *m = *state;
    struct err err;

    for (int i = 0; i < 20; i++)
        put(m, 1000 * (i + 1), (float)(1 + (i * 7) % 20)); /* each loudness from 1 to 20 once */
    assert_int_equal(material_confirm(m, 30000, 30009, &err), OK);
    put(m, 31000, NAN);
    settle(m, 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(material_takes(m, 1000 * (i + 1) + 5), 1 + (i * 7) % 20 < 18);
    assert_false(material_takes(m, 30005)); /* beside those three */
    assert_true(material_takes(m, 31005));
    assert_int_equal(material_disbelieved(m), 18);
    assert_true(material_doubts(m, 5000));
}

/* A bell that was wrong on its first day may be right on the next ones. */
static void each_day_is_believed_by_itself(void **state)
{
    struct material *m = *state;

    for (int i = 0; i < 40; i++)
        put(m, -A_DAY + 1000 * i, 9); /* before 1970: days are even so */
    for (int i = 0; i < 40; i++)
        put(m, A_DAY + 1000 * i, 4 + (float)i);
    put(m, 4 * (int64_t)A_DAY, 1.1f);
    settle(m, 8);
    assert_false(material_takes(m, 4 * (int64_t)A_DAY + 5));
    assert_true(material_doubts(m, A_DAY + 7) && material_doubts(m, -1));
    assert_false(material_doubts(m, 4 * (int64_t)A_DAY) || material_doubts(m, 0) ||
                 material_doubts(m, 9 * (int64_t)A_DAY));
    assert_int_equal(material_disbelieved(m), 32); /* of the first day all are as loud */
    assert_true(material_takes(m, A_DAY + 1000 * 31 + 5));
    assert_false(material_takes(m, A_DAY + 1000 * 32 + 5));
}

static void where_none_is_believed_the_confirmed_ones_are(void **state)
{
    struct material *m = *state;
    struct err err;

    put(m, 1000, 50);
    assert_int_equal(material_confirm(m, 2000, 2009, &err), OK);
    settle(m, 0);
    assert_true(material_takes(m, 1005));
    assert_false(material_takes(m, 2005));
}

/* 100 before and 10 after each; before all that are believed 48 together: 8 each of six. */
static void a_young_history_is_not_all_margins(void **state)
{
    const struct material_margins narrow = {.before_ms = 100, .after_ms = 10, .before_all_ms = 48};
    struct material *m;
    struct err err;

    (void)state;
    assert_int_equal(material_new(narrow, &m, &err), OK);
    for (int i = 0; i < 7; i++)
        put(m, 1000 * (i + 1), i < 5 ? 2 : 1);
    put(m, A_DAY, 1);
    settle(m, 5);
    assert_true(material_takes(m, 991) && material_takes(m, 1020));
    assert_false(material_takes(m, 992) || material_takes(m, 1019));
    assert_true(material_takes(m, A_DAY - 9));
    assert_false(material_takes(m, A_DAY - 8)); /* of a day that nobody doubts too */
    assert_true(material_takes(m, 6005));
    material_free(m);
}

static void what_is_credible_is_eight_and_what_a_budget_allows(void **state)
{
    (void)state;
    assert_int_equal(credible_a_day(0), 8);
    assert_int_equal(credible_a_day(2), 8 + 2); /* of 0.29, 2 in 99 of 100 days */
    assert_int_equal(credible_a_day(7), 8 + 4);
    assert_int_equal(credible_to_learn(7), 3 * (8 + 4));
    assert_in_range(credible_a_day(7000), 1000 + 8 + 60, 1000 + 8 + 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_taken_where_nothing_was),
        TEST(an_incident_bars_itself_and_its_margins),
        TEST(an_open_incident_bars_all_that_follows),
        TEST(what_an_operator_calls_normal_is_taken_from_an_incident),
        TEST(what_is_barred_stays_so_whatever_is_allowed),
        TEST(many_spans_in_any_order_are_looked_up_right),
        TEST(a_short_history_is_quarantined_by_a_quarter),
        TEST(only_the_loudest_of_too_many_are_believed),
        TEST(each_day_is_believed_by_itself),
        TEST(where_none_is_believed_the_confirmed_ones_are),
        TEST(a_young_history_is_not_all_margins),
        cmocka_unit_test(what_is_credible_is_eight_and_what_a_budget_allows),
        TEST(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
