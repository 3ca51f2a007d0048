/* SPDX-License-Identifier: Apache-2.0 */
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

static void all_is_taken_where_nothing_was(void **state)
{
    struct material *m = *state;

    material_settle(m, 1000);
    assert_true(material_takes(m, INT64_MIN) && material_takes(m, 0) &&
                material_takes(m, INT64_MAX));
}

static void an_incident_bars_itself_and_its_margins(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_incident(m, 1000, 2000, 2, &err), OK);
    material_settle(m, 1000);
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
    material_settle(m, 1000);
    assert_true(material_takes(m, 899));
    assert_false(material_takes(m, INT64_MAX));
}

static void what_an_operator_calls_normal_is_taken_from_an_incident(void **state)
{
    struct material *m = *state;
    struct err err;

    assert_int_equal(material_incident(m, 1000, 2000, 2, &err), OK);
    assert_int_equal(material_allow(m, 1200, 1300, &err), OK);
    material_settle(m, 1000);
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
    material_settle(m, 1000);
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
    material_settle(m, 1000);
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
    material_settle(m, 1000);
    assert_false(material_takes(m, 1));
}

static void put(struct material *m, int64_t from, double loudness)
{
    struct err err;

    assert_int_equal(material_incident(m, from, from + 9, loudness, &err), OK);
}

static void only_the_loudest_incidents_are_believed(void **state)
{
    struct material *m = *state;

    for (int i = 0; i < 20; i++)
        put(m, 1000 * (i + 1), 1 + (i * 7) % 20); /* each loudness from 1 to 20 once */
    put(m, 30000, MATERIAL_CONFIRMED);
    put(m, 31000, NAN);
    material_settle(m, 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(material_takes(m, 1000 * (i + 1) + 5), 1 + (i * 7) % 20 < 18);
    assert_false(material_takes(m, 30005) || material_takes(m, 31005)); /* beside those three */
    assert_int_equal(material_disbelieved(m), 17);
    assert_true(material_believes(m, 18) && material_believes(m, NAN) &&
                !material_believes(m, 17.9));
}

static void equally_loud_ones_are_believed_together(void **state)
{
    struct material *m = *state;

    for (int i = 0; i < 5; i++)
        put(m, 1000 * (i + 1), 2);
    material_settle(m, 2);
    for (int i = 0; i < 5; i++)
        assert_false(material_takes(m, 1000 * (i + 1) + 5));
    assert_int_equal(material_disbelieved(m), 0);
}

static void where_none_is_believed_the_confirmed_ones_are(void **state)
{
    struct material *m = *state;

    put(m, 1000, 50);
    put(m, 2000, MATERIAL_CONFIRMED);
    material_settle(m, 0);
    assert_true(material_takes(m, 1005));
    assert_false(material_takes(m, 2005));
}

/* 100 before and 10 after each, and of all 40 at most: 8 each of five. */
static void margins_of_a_young_history_are_bounded_together(void **state)
{
    const struct material_margins narrow = {.before_ms = 100, .after_ms = 10, .all_ms = 40};
    struct material *m;
    struct err err;

    (void)state;
    assert_int_equal(material_new(narrow, &m, &err), OK);
    for (int i = 0; i < 5; i++)
        put(m, 1000 * (i + 1), 2);
    material_settle(m, 1000);
    assert_true(material_takes(m, 991) && material_takes(m, 1018));
    assert_false(material_takes(m, 992) || material_takes(m, 1017));
    material_free(m);
}

static void what_is_credible_grows_with_time_and_with_the_budget(void **state)
{
    const int64_t day = 24 * 3600 * 1000;

    (void)state;
    assert_int_equal(credible_incidents(-5, 2), 8);
    assert_int_equal(credible_incidents(0, 2), 8);
    assert_int_equal(credible_incidents(4 * day, 0), 8);
    assert_int_equal(credible_incidents(14 * day, 0), 28);
    assert_int_equal(credible_incidents(14 * day, 2), 28 + 9); /* of 4, 9 in 99 of 100 */
    assert_in_range(credible_incidents(day, 7000), 1000 + 8 + 60, 1000 + 8 + 100);
    assert_int_equal(credible_incidents(INT64_MAX, 604800), CREDIBLE_MOST);
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
        TEST(only_the_loudest_incidents_are_believed),
        TEST(equally_loud_ones_are_believed_together),
        TEST(where_none_is_believed_the_confirmed_ones_are),
        TEST(margins_of_a_young_history_are_bounded_together),
        cmocka_unit_test(what_is_credible_grows_with_time_and_with_the_budget),
        TEST(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
