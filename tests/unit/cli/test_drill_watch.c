/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/drill_watch.h"

static enum rc watch(const char *text, const char *instance, struct drill_view *ret,
                     struct err *err)
{
    CLEANUP(json_decrefp) json_t *j = json_loads(text, 0, NULL);

    assert_non_null(j);
    return drill_watch_parse(j, instance, ret, err);
}

static const char two[] =
    "{\"entities\": ["
    "{\"instance\": \"a\", \"phase\": \"learning\", \"progress\": 0.25, \"score\": null,"
    " \"threshold\": null, \"incident\": null},"
    "{\"instance\": \"b\", \"phase\": \"watching\", \"progress\": 1, \"score\": 0.5,"
    " \"threshold\": 0.25, \"incident\": {\"start\": 1700000000.25, \"peak\": 1700000001,"
    " \"peak_score\": 0.75, \"threshold\": 0.125, \"causes\": ["
    "{\"feature\": \"x\", \"group\": \"cpu\", \"unit\": \"ratio\", \"value\": 1, \"expected\":"
    " null, \"share\": 0.75},"
    "{\"feature\": \"y\", \"group\": \"tcp\", \"unit\": \"\", \"value\": 2, \"expected\": 3,"
    " \"share\": 0.25}]}}]}";

static void entity_is_read_by_name(void **state)
{
    struct drill_view v;
    struct err err = {0};
    (void)state;

    assert_int_equal(watch(two, "a", &v, &err), OK);
    assert_string_equal(v.phase, "learning");
    assert_float_equal(v.progress, 0.25, 0);
    assert_true(isnan(v.score));
    assert_false(v.ringing);
    assert_int_equal(watch(two, "b", &v, &err), OK);
    assert_true(v.ringing);
    assert_float_equal(v.start, 1700000000.25, 0);
    assert_float_equal(v.peak_score, 0.75, 0);
    assert_float_equal(v.opened_over, 0.125, 0);
    assert_float_equal(v.threshold, 0.25, 0);
    assert_int_equal(v.n_causes, 2);
    assert_string_equal(v.causes[0].feature, "x");
    assert_true(isnan(v.causes[0].expected));
    assert_float_equal(v.causes[1].expected, 3, 0);
}

static void entity_must_be_one(void **state)
{
    struct drill_view v = {.phase = "as it was"};
    struct err err = {0};
    (void)state;

    assert_int_equal(watch(two, "", &v, &err), E_STATE);
    assert_string_equal(err.msg, "it watches 2 entities; choose one with --instance");
    assert_int_equal(watch(two, "c", &v, &err), E_STATE);
    assert_string_equal(err.msg, "it does not watch 'c'");
    assert_int_equal(
        watch("{\"entities\": [{\"instance\": \"a\", \"phase\": \"watching\"}]}", "", &v, &err),
        OK);
    assert_false(v.ringing);
}

static void more_causes_than_there_is_room_for_are_cut(void **state)
{
    char text[2048] = "{\"entities\": [{\"instance\": \"a\", \"phase\": \"watching\", \"incident\":"
                      " {\"start\": 1, \"causes\": [{\"feature\": \"f\"}";
    struct drill_view v;
    struct err err = {0};
    (void)state;

    for (int i = 0; i < 20; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ", {\"feature\": \"f\"}");
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "]}}]}");
    assert_int_equal(watch(text, "", &v, &err), OK);
    assert_int_equal(v.n_causes, CAUSES_MAX);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
    struct drill_view v;
    struct err err = {0};
    (void)state;

    assert_int_equal(watch("{\"entities\": [{\"instance\": \"\\u001b[2J\", \"phase\": \"x\\n\"}]}",
                           "", &v, &err),
                     OK);
    assert_string_equal(v.instance, "?[2J");
    assert_string_equal(v.phase, "x?");
}

static void right_cause_has_its_place(void **state)
{
    static const char *const tcp[] = {"network", "tcp", NULL}, *const disk[] = {"disk", NULL};
    struct drill_view v;
    struct err err = {0};
    (void)state;

    assert_int_equal(watch(two, "b", &v, &err), OK);
    assert_int_equal(drill_right_cause(&v, tcp), 2);
    assert_int_equal(drill_right_cause(&v, disk), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entity_is_read_by_name),
        cmocka_unit_test(entity_must_be_one),
        cmocka_unit_test(more_causes_than_there_is_room_for_are_cut),
        cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
        cmocka_unit_test(right_cause_has_its_place),
    };
    return cmocka_run_group_tests_name("drill_watch", tests, NULL, NULL);
}
