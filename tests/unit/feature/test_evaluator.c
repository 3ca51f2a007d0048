/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

/* Four series of one metric and one of another; most tests ask about these. */
static const char *const SERIES[] = {"m{a=1,b=1}", "m{a=1,b=2}", "m{a=2,b=1}", "m{a=2,b=2}", "k"};
static const double VALUES[] = {1, 2, 4, 8, 100};

static double ask(const char *expression)
{
    return world_instant(expression, SERIES, VALUES, 5);
}

static void selectors_match_by_every_matcher(void **state)
{
    (void)state;
    assert_true(ask("sum(m)") == 15);
    assert_true(ask("sum(m{a=\"1\"})") == 3);
    assert_true(ask("sum(m{a!=\"1\", b=\"2\"})") == 8);
    assert_true(ask("sum(m{b=~\"1|3\"})") == 5);
    assert_true(ask("sum(m{b!~\"1|3\"})") == 10);
    assert_true(ask("sum(m{c=\"\"})") == 15); /* an absent label is an empty one */
    assert_true(ask("k{a!=\"1\"}") == 100);
    assert_true(isnan(ask("sum(m{a=\"3\"})")));
    assert_true(isnan(ask("sum(mm)")));
}

static void an_answer_that_is_not_one_value_is_missing(void **state)
{
    (void)state;
    assert_true(ask("m{a=\"1\",b=\"2\"}") == 2);
    assert_true(isnan(ask("m")));
    assert_true(isnan(ask("m{a=\"3\"}")));
    assert_true(isnan(ask("k > 100")));
    assert_true(ask("k >= 100") == 100);
}

static void aggregations_group_by_and_without_labels(void **state)
{
    (void)state;
    assert_true(ask("max(sum by (a) (m))") == 12);
    assert_true(ask("min(sum(m) by (b))") == 5);
    assert_true(ask("max(sum without (b) (m))") == 12);
    assert_true(ask("count(count by (a, b, c) (m))") == 4);
    assert_true(ask("avg(m)") == 3.75);
    assert_true(ask("count(m)") == 4);
    assert_true(ask("count(sum by () (m))") == 1);
    assert_true(ask("count(sum without () (m))") == 4);
}

static void vectors_match_one_to_one_on_their_labels(void **state)
{
    (void)state;
    assert_true(ask("sum(m + m)") == 30);
    assert_true(ask("sum(m * (m > 2))") == 80); /* what has no partner drops out */
    assert_true(ask("sum(m{b=\"1\"} - on (a) m{b=\"2\"})") == -5);
    assert_true(ask("sum(m{b=\"1\"} - ignoring (b) m{b=\"2\"})") == -5);
    assert_true(isnan(ask("sum(m{b=\"1\"} - m{b=\"2\"})")));
    /* more than one on a side of a group is an error at the server: no value */
    assert_true(isnan(ask("sum(m / on (a) m{b=\"1\"})")));
    assert_true(isnan(ask("sum(m{b=\"1\"} / on (a) m)")));
    assert_true(isnan(ask("sum(m / on (a) m{b=\"1\"}) or vector(1)")));
}

static void an_empty_side_matches_nothing_before_duplicates_are_looked_for(void **state)
{
    (void)state;
    assert_true(ask("(mm + on () m) or vector(7)") == 7);
    assert_true(ask("(m + on () mm) or vector(7)") == 7);
    assert_true(ask("((k > 100) - on () m) or vector(7)") == 7);
    assert_true(ask("(m - on () (k > 100)) or vector(7)") == 7);
    assert_true(isnan(ask("(k - on () m) or vector(7)")));
}

static void comparisons_filter_or_say_one_and_zero(void **state)
{
    (void)state;
    assert_true(ask("sum(m > 2)") == 12);
    assert_true(ask("sum(2 < m)") == 12); /* the vector's values pass, not the scalar's */
    assert_true(ask("sum(m > bool 2)") == 2);
    assert_true(ask("sum(m == m)") == 15);
    assert_true(isnan(ask("count(m != m)")));
    assert_true(ask("sum(m{b=\"1\"} < ignoring (b) m{b=\"2\"})") == 5);
}

static void set_operators_keep_elements_by_their_labels(void **state)
{
    (void)state;
    assert_true(ask("sum(m and m{a=\"1\"})") == 3);
    assert_true(ask("sum(m unless m{a=\"1\"})") == 12);
    assert_true(ask("sum(m{a=\"1\"} or m)") == 15);
    assert_true(ask("sum(m{a=\"1\"} or on (b) m * 10)") == 3);
    assert_true(ask("sum(m and on (b) m{a=\"1\", b=\"2\"})") == 10);
    assert_true(ask("sum(no) or vector(3)") == 3);
    assert_true(ask("sum(m) or vector(3)") == 15);
}

static void functions_and_scalars_work_on_values(void **state)
{
    (void)state;
    assert_true(ask("sum(abs(m - 3))") == 2 + 1 + 1 + 5);
    assert_true(ask("sum(clamp_min(m, 3))") == 3 + 3 + 4 + 8);
    assert_true(ask("sum(clamp_max(m, scalar(k) - 97))") == 1 + 2 + 3 + 3);
    assert_true(ask("scalar(k) + 1") == 101);
    assert_true(isnan(ask("scalar(m)")));
    assert_true(ask("time()") == 1);
    assert_true(ask("-k") == -100);
}

static void min_and_max_prefer_numbers_to_nan(void **state)
{
    const double v[] = {(double)NAN, 2, 4, (double)NAN, 100};

    (void)state;
    assert_true(world_instant("max(m)", SERIES, v, 5) == 4);
    assert_true(world_instant("min(m)", SERIES, v, 5) == 2);
    assert_true(world_instant("count(m)", SERIES, v, 5) == 4);
    assert_true(isnan(world_instant("sum(m)", SERIES, v, 5)));
}

static void an_instant_value_lasts_five_minutes(void **state)
{
    static const char *const e[] = {"k"};
    const double v = 7;
    struct world w;

    (void)state;
    world_init(&w, e, 1);
    world_series(&w, "k");
    assert_true(isnan(world_ask(&w, 1000, 0)));
    assert_int_equal(world_push(&w, 1000, &v, 1), OK);
    assert_true(world_ask(&w, 1000, 0) == 7);
    assert_true(world_ask(&w, 301000, 0) == 7);
    assert_true(isnan(world_ask(&w, 301001, 0)));
    assert_true(isnan(world_ask(&w, 999, 0))); /* before the last push: not known any more */
    world_done(&w);
}

static void a_series_that_goes_is_absent_at_once_and_may_come_back(void **state)
{
    static const char *const e[] = {"k", "count_over_time(k[10s])", "rate(k[10s])"};
    const double first = 10, gone = series_stale(), back = 30;
    struct world w;

    (void)state;
    world_init(&w, e, 3);
    world_series(&w, "k");
    assert_int_equal(world_push(&w, 1000, &first, 1), OK);
    assert_int_equal(world_push(&w, 2000, &gone, 1), OK);
    assert_true(isnan(world_ask(&w, 2000, 0)));
    assert_true(world_ask(&w, 2000, 1) == 1);
    assert_true(isnan(world_ask(&w, 2000, 2)));
    assert_int_equal(world_push(&w, 3000, &back, 1), OK);
    assert_true(world_ask(&w, 3000, 0) == 30);
    assert_true(world_ask(&w, 3000, 1) == 2);
    assert_true(world_ask(&w, 3000, 2) > 0);
    world_done(&w);
}

static void windows_are_closed_at_both_ends(void **state)
{
    static const char *const e[] = {"count_over_time(k[3s])"};
    struct world w;

    (void)state;
    world_init(&w, e, 1);
    world_series(&w, "k");
    for (int t = 1; t <= 20; t++) {
        const double v = t;
        assert_int_equal(world_push(&w, 1000 * t, &v, 1), OK);
        assert_true(world_ask(&w, 1000 * t, 0) == (t < 4 ? t : 4));
        assert_true(world_ask(&w, 1000 * t + 1, 0) == (t < 3 ? t : 3));
    }
    world_done(&w);
}

static void ticks_faster_than_expected_do_not_cut_windows_short(void **state)
{
    static const char *const e[] = {"count_over_time(k[5s])", "sum_over_time(j[60s])", "k"};
    struct world w;

    (void)state;
    world_init(&w, e, 3);
    world_series(&w, "k");
    world_series(&w, "j");
    for (int t = 1; t <= 3000; t++) {
        const double v[] = {1, t};
        assert_int_equal(world_push(&w, 50 * t, v, 2), OK); /* twenty times the interval's pace */
    }
    assert_true(world_ask(&w, 150000, 0) == 101);
    assert_true(world_ask(&w, 150000, 1) == 1201 * (1800 + 3000) / 2.0);
    world_done(&w);
}

static void a_series_that_appears_later_takes_part_from_then_on(void **state)
{
    static const char *const e[] = {"sum(m)", "sum(increase(m[2s]))", "count(m)"};
    const double v[] = {10, 20};
    struct world w;

    (void)state;
    world_init(&w, e, 3);
    world_series(&w, "m{a=1}");
    assert_int_equal(world_push(&w, 1000, v, 1), OK);
    world_series(&w, "other");
    world_series(&w, "m{a=2}");
    assert_int_equal(world_push(&w, 2000, (double[]){12, 99, 20}, 3), OK);
    assert_true(world_ask(&w, 2000, 0) == 32);
    assert_true(world_ask(&w, 2000, 2) == 2);
    assert_int_equal(world_push(&w, 3000, (double[]){14, 99, 25}, 3), OK);
    assert_true(fabs(world_ask(&w, 3000, 1) - (4 + 10)) < 1e-12);
    world_done(&w);
}

static void time_must_move_on(void **state)
{
    static const char *const e[] = {"k"};
    const double v[] = {1, 2};
    struct world w;

    (void)state;
    world_init(&w, e, 1);
    world_series(&w, "k");
    assert_int_equal(world_push(&w, 5000, &v[0], 1), OK);
    assert_int_equal(world_push(&w, 5000, &v[1], 1), E_STATE);
    assert_string_equal(w.err.msg, "samples of 5000 ms do not come after those of 5000 ms");
    assert_int_equal(world_push(&w, 4000, &v[1], 1), E_STATE);
    assert_true(world_ask(&w, 5000, 0) == 1); /* nothing was taken */
    evaluator_clear(w.evaluator);
    assert_true(isnan(world_ask(&w, 5000, 0)));
    assert_int_equal(world_push(&w, 4000, &v[1], 1), OK);
    assert_true(world_ask(&w, 4000, 0) == 2);
    world_done(&w);
}

static void another_series_set_starts_afresh(void **state)
{
    static const char *const e[] = {"sum(m)", "count_over_time(k[10s])"};
    struct world w;

    (void)state;
    world_init(&w, e, 2);
    world_series(&w, "m{a=1}");
    world_series(&w, "k");
    assert_int_equal(world_push(&w, 5000, (double[]){1, 2}, 2), OK);
    series_set_unref(w.set);
    assert_int_equal(series_set_new(&w.set, &w.err), OK);
    world_series(&w, "k");
    world_series(&w, "m{a=1}");
    assert_int_equal(world_push(&w, 4000, (double[]){20, 10}, 2), OK);
    assert_true(world_ask(&w, 4000, 0) == 10);
    assert_true(world_ask(&w, 4000, 1) == 1);
    world_done(&w);
}

static void a_push_that_finds_no_memory_takes_nothing_and_may_be_repeated(void **state)
{
    static const char *const e[] = {"sum by (a) (rate(m[5s])) / on (a) k", "count(m)", "sum(m)"};
    unsigned failures = 0;
    enum rc rc = E_NOMEM;

    (void)state;
    for (uint64_t n = 1; rc != OK; n++) {
        struct world w;
        world_init(&w, e, 3);
        world_series(&w, "m{a=1}");
        assert_int_equal(world_push(&w, 1000, (double[]){1}, 1), OK);
        for (int i = 2; i < 40; i++) {
            char text[32];
            (void)snprintf(text, sizeof text, "m{a=%d}", i);
            world_series(&w, text);
        }
        double v[39];
        for (int i = 0; i < 39; i++)
            v[i] = i;
        struct snapshot *s = snapshot_new(w.set, 2000);
        memcpy(s->v, v, sizeof v);
        mem_fail_at(n);
        rc = evaluator_push(w.evaluator, s, &w.err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        if (rc != OK) {
            failures++;
            assert_true(world_ask(&w, 1000, 1) == 1);
            assert_int_equal(evaluator_push(w.evaluator, s, &w.err), OK);
        }
        assert_true(world_ask(&w, 2000, 1) == 39);
        assert_true(world_ask(&w, 2000, 2) == 38 * 39 / 2.0);
        snapshot_free(s);
        world_done(&w);
    }
    assert_true(failures > 10);
}

/* Ten counters and ten gauges that are asked for as they are. */
static void most_counters_that_fall_at_once_are_a_reboot(void **state)
{
    static const char *const e[] = {"sum(rate(c[5s]))", "sum(g)"};
    enum { COUNTERS = 10, ALL = 20 };
    double v[ALL];
    char name[16];
    struct world w;

    (void)state;
    world_init(&w, e, 2);
    for (int i = 0; i < ALL; i++) {
        (void)snprintf(name, sizeof name, "%c{n=%d}", i < COUNTERS ? 'c' : 'g', i);
        (void)world_series(&w, name);
        v[i] = 100;
    }
    assert_int_equal(world_push(&w, 1000, v, ALL), OK);
    for (int i = COUNTERS; i < ALL; i++)
        v[i] = 1; /* gauges may fall */
    for (int i = 0; i < COUNTERS / 2; i++)
        v[i] = 1; /* and half of the counters: a device went */
    assert_int_equal(world_push(&w, 2000, v, ALL), OK);
    assert_false(evaluator_rebooted(w.evaluator));
    assert_false(isnan(world_ask(&w, 2000, 0)));
    for (int i = 0; i < COUNTERS; i++)
        v[i] = 0.5;
    assert_int_equal(world_push(&w, 3000, v, ALL), OK);
    assert_true(evaluator_rebooted(w.evaluator));
    assert_true(isnan(world_ask(&w, 3000, 0))); /* what came before is forgotten */
    assert_true(world_ask(&w, 3000, 1) == 10);
    for (int i = 0; i < COUNTERS; i++)
        v[i] += 1;
    assert_int_equal(world_push(&w, 4000, v, ALL), OK);
    assert_false(evaluator_rebooted(w.evaluator));
    assert_false(isnan(world_ask(&w, 4000, 0)));
    world_done(&w);
}

static void a_frame_has_no_infinite_value(void **state)
{
    static const char *const e[] = {"1 / 0", "k * 1e300"};
    const double v = 1;
    double base[2];
    struct world w;

    (void)state;
    world_init(&w, e, 2);
    world_series(&w, "k");
    assert_int_equal(world_push(&w, 1000, &v, 1), OK);
    evaluator_eval(w.evaluator, 1000, base);
    assert_true(isnan(base[0]));
    assert_true(isnan(base[1])); /* over float's largest */
    world_done(&w);
}

static void windows_that_no_memory_could_hold_are_refused(void **state)
{
    struct world w = {0};

    (void)state;
    assert_int_equal(world_compile(&w, "rate(k[7d])"), OK);
    assert_int_equal(evaluator_new(w.profile, 1, &w.evaluator, &w.err), E_LIMIT);
    assert_non_null(strstr(w.err.msg, "33554432 samples"));
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_match_by_every_matcher),
        cmocka_unit_test(an_answer_that_is_not_one_value_is_missing),
        cmocka_unit_test(aggregations_group_by_and_without_labels),
        cmocka_unit_test(vectors_match_one_to_one_on_their_labels),
        cmocka_unit_test(an_empty_side_matches_nothing_before_duplicates_are_looked_for),
        cmocka_unit_test(comparisons_filter_or_say_one_and_zero),
        cmocka_unit_test(set_operators_keep_elements_by_their_labels),
        cmocka_unit_test(functions_and_scalars_work_on_values),
        cmocka_unit_test(min_and_max_prefer_numbers_to_nan),
        cmocka_unit_test(an_instant_value_lasts_five_minutes),
        cmocka_unit_test(a_series_that_goes_is_absent_at_once_and_may_come_back),
        cmocka_unit_test(windows_are_closed_at_both_ends),
        cmocka_unit_test(ticks_faster_than_expected_do_not_cut_windows_short),
        cmocka_unit_test(a_series_that_appears_later_takes_part_from_then_on),
        cmocka_unit_test(time_must_move_on),
        cmocka_unit_test(another_series_set_starts_afresh),
        cmocka_unit_test(a_push_that_finds_no_memory_takes_nothing_and_may_be_repeated),
        cmocka_unit_test(most_counters_that_fall_at_once_are_a_reboot),
        cmocka_unit_test(a_frame_has_no_infinite_value),
        cmocka_unit_test(windows_that_no_memory_could_hold_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
