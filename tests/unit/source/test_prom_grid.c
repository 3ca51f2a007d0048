/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/prom_grid.h"

/* An answer of one series. */
struct one {
    struct prom_series series;
    struct prom_answer a;
};

static const struct prom_answer *answer(struct one *o, char *entity, int64_t *ts, double *v,
                                        size_t n)
{
    o->series = (struct prom_series){.entity = entity, .n = n};
    o->a = (struct prom_answer){
        .series = &o->series, .n_series = 1, .n_points = n, .ts_ms = ts, .v = v};
    return &o->a;
}

static struct prom_grid *grid(size_t n_features)
{
    struct prom_grid *g = NULL;
    struct err err;

    assert_int_equal(prom_grid_new(n_features, &g, &err), OK);
    return g;
}

static void answers_become_frames_of_each_entity(void **state)
{
    struct prom_grid *g = grid(2);
    char a[] = "a", b[] = "b", c[] = "c";
    int64_t ts[] = {1000, 1020};
    double v[] = {1, 2}, w[] = {7, 8};
    struct err err;
    struct one o;

    (void)state;
    assert_int_equal(prom_grid_entity(g, "a", true), 0);
    assert_int_equal(prom_grid_entity(g, "b", true), 1);
    assert_int_equal(prom_grid_begin(g, 1000, 10, 3, &err), OK);
    assert_int_equal(prom_grid_add(g, 0, answer(&o, a, ts, v, 2), false, &err), OK);
    assert_int_equal(prom_grid_add(g, 1, answer(&o, a, ts, w, 1), false, &err), OK);
    assert_int_equal(prom_grid_add(g, 1, answer(&o, b, ts + 1, w + 1, 1), false, &err), OK);
    assert_int_equal(prom_grid_add(g, 1, answer(&o, c, ts, w, 2), false, &err), OK); /* nobody */

    const double *row = prom_grid_row(g, 0, 0);
    assert_true(row[0] == 1 && row[1] == 7);
    assert_null(prom_grid_row(g, 0, 1));
    row = prom_grid_row(g, 0, 2);
    assert_true(row[0] == 2 && isnan(row[1]));
    assert_null(prom_grid_row(g, 1, 0));
    row = prom_grid_row(g, 1, 2);
    assert_true(isnan(row[0]) && row[1] == 8);
    assert_int_equal(prom_grid_entities(g), 2);
    /* who is named while a span goes on belongs to the next one */
    assert_int_equal(prom_grid_entity(g, "c", true), 2);
    assert_int_equal(prom_grid_add(g, 1, answer(&o, c, ts, w, 2), false, &err), OK);
    assert_null(prom_grid_row(g, 2, 0));
    /* the next span is empty */
    assert_int_equal(prom_grid_begin(g, 1030, 10, 3, &err), OK);
    assert_null(prom_grid_row(g, 0, 0));
    prom_grid_free(g);
}

static void two_values_at_an_instant_are_none(void **state)
{
    struct prom_grid *g = grid(2);
    char a[] = "a";
    int64_t ts[] = {0, 10};
    double v[] = {1, 2};
    struct err err;
    struct one o;

    (void)state;
    assert_int_equal(prom_grid_entity(g, "a", true), 0);
    assert_int_equal(prom_grid_begin(g, 0, 10, 2, &err), OK);
    assert_int_equal(prom_grid_add(g, 0, answer(&o, a, ts, v, 2), false, &err), OK);
    assert_int_equal(prom_grid_add(g, 0, answer(&o, a, ts, v, 1), false, &err), OK);
    assert_int_equal(prom_grid_add(g, 0, answer(&o, a, ts, v, 1), false, &err), OK); /* three */
    assert_null(prom_grid_row(g, 0, 0));
    assert_true(prom_grid_row(g, 0, 1)[0] == 2);
    /* another feature counts by itself */
    assert_int_equal(prom_grid_add(g, 1, answer(&o, a, ts, v, 1), false, &err), OK);
    assert_true(prom_grid_row(g, 0, 0)[1] == 1);
    prom_grid_free(g);
}

static void values_that_no_frame_can_hold_are_missing(void **state)
{
    struct prom_grid *g = grid(1);
    char a[] = "a";
    int64_t ts[] = {0, 10, 20, 30, 35, 40};
    double v[] = {(double)INFINITY, 1e300, (double)NAN, -3e38, 9, 9};
    struct err err;
    struct one o;

    (void)state;
    assert_int_equal(prom_grid_entity(g, "a", true), 0);
    assert_int_equal(prom_grid_begin(g, 0, 10, 4, &err), OK);
    /* 35 is no instant of the span, 40 after its end */
    assert_int_equal(prom_grid_add(g, 0, answer(&o, a, ts, v, 6), false, &err), OK);
    for (size_t i = 0; i < 3; i++)
        assert_null(prom_grid_row(g, 0, i));
    assert_true(prom_grid_row(g, 0, 3)[0] == -3e38);
    prom_grid_free(g);
}

static void an_instant_names_who_is_new(void **state)
{
    struct prom_grid *g = grid(2);
    char name[8];
    int64_t ts[] = {995};
    double v[] = {1};
    struct err err;
    struct one o;

    (void)state;
    assert_int_equal(prom_grid_begin(g, 1000, 15, 1, &err), OK);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "h%d", i);
        v[0] = i;
        assert_int_equal(prom_grid_add(g, (size_t)(i % 2), answer(&o, name, ts, v, 1), true, &err),
                         OK);
    }
    assert_int_equal(prom_grid_entities(g), 200);
    for (size_t i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "h%d", (int)i);
        assert_int_equal(prom_grid_entity(g, name, false), i);
        assert_string_equal(prom_grid_name(g, i), name);
        assert_true(prom_grid_row(g, i, 0)[i % 2] == (double)i);
    }
    assert_int_equal(prom_grid_entity(g, "other", false), -1);
    prom_grid_free(g);
}

static void who_is_dropped_is_found_no_more_and_the_others_are(void **state)
{
    struct prom_grid *g = grid(1);
    char name[8];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "h%d", i);
        assert_int_equal(prom_grid_entity(g, name, true), i);
    }
    for (int left = 100; left > 1; left--) {
        const size_t at = (size_t)(left * 7) % (size_t)left;
        char gone[8];
        (void)snprintf(gone, sizeof gone, "%s", prom_grid_name(g, at));
        prom_grid_drop(g, at);
        assert_int_equal(prom_grid_entity(g, gone, false), -1);
        for (size_t i = 0; i < prom_grid_entities(g); i++)
            assert_int_equal(prom_grid_entity(g, prom_grid_name(g, i), false), i);
    }
    assert_int_equal(prom_grid_entities(g), 1);
    prom_grid_free(g);
}

static void spans_are_bounded_by_what_there_is_room_for(void **state)
{
    struct prom_grid *g = grid(1024);
    char name[16];
    struct err err;

    (void)state;
    assert_int_equal(prom_grid_points_max(g), PROM_GRID_CELLS_MAX / 1024);
    for (int i = 0; i < 9000; i++) {
        (void)snprintf(name, sizeof name, "h%d", i);
        const int64_t at = prom_grid_entity(g, name, true);
        assert_int_equal(at, i < PROM_GRID_CELLS_MAX / 1024 ? i : -1);
    }
    assert_int_equal(prom_grid_points_max(g), 1);
    assert_int_equal(prom_grid_begin(g, 0, 1, 2, &err), E_LIMIT);
    assert_true(err.msg[0]);
    prom_grid_free(g);

    g = grid(1);
    assert_int_equal(prom_grid_points_max(g), PROM_GRID_SERIES_MAX);
    assert_int_equal(prom_grid_entity(g, "a", true), 0);
    assert_int_equal(prom_grid_begin(g, 0, 1, PROM_GRID_SERIES_MAX + 1, &err), E_LIMIT);
    prom_grid_free(g);
}

static void want_of_memory_is_said(void **state)
{
    char a[] = "a";
    int64_t ts[] = {0};
    double v[] = {1};
    struct err err;

    (void)state;
    for (uint64_t n = 1; n < 20; n++) {
        struct prom_grid *g = grid(1);
        struct one o;
        mem_fail_at(n);
        enum rc rc = prom_grid_begin(g, 0, 1, 1, &err);
        if (rc == OK)
            rc = prom_grid_add(g, 0, answer(&o, a, ts, v, 1), true, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        prom_grid_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_frames_of_each_entity),
        cmocka_unit_test(two_values_at_an_instant_are_none),
        cmocka_unit_test(values_that_no_frame_can_hold_are_missing),
        cmocka_unit_test(an_instant_names_who_is_new),
        cmocka_unit_test(who_is_dropped_is_found_no_more_and_the_others_are),
        cmocka_unit_test(spans_are_bounded_by_what_there_is_room_for),
        cmocka_unit_test(want_of_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
