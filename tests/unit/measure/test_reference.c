/* SPDX-License-Identifier: Apache-2.0 */
/* What an independent program measured on the cases of tests/data/evaluate; they were made by
 * tests/tools/make_evaluate_cases.py. */
#include "../test.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure/alarms.h"
#include "measure/ranking.h"
#include "measure/vus.h"
#include "measure/window.h"
#include "source/csv_columns.h"

#define TOLERANCE 1e-12

static void path_of(char out[512], const char *name, const char *ending)
{
    (void)snprintf(out, 512, "%s/evaluate/%s%s", getenv("TOCSIN_TEST_DATA"), name, ending);
}

static struct csv_columns read_column(const char *name, const char *ending, const char *column)
{
    const char *const names[] = {column};
    struct csv_columns c = {0};
    struct err err = {0};
    char path[512];

    path_of(path, name, ending);
    if (csv_columns_read(path, names, 1, &c, &err) != OK)
        fail_msg("%s", err.msg);
    assert_non_null(c.v[0]);
    return c;
}

static json_t *read_json(const char *name)
{
    json_error_t error;
    char path[512];

    path_of(path, name, ".json");
    json_t *o = json_load_file(path, 0, &error);
    if (!o)
        fail_msg("%s: %s", path, error.text);
    return o;
}

static void expect(const json_t *o, const char *key, double found)
{
    const json_t *v = json_object_get(o, key);

    assert_non_null(v);
    if (!(fabs(json_number_value(v) - found) <= TOLERANCE))
        fail_msg("%s: expected %.17g, found %.17g", key, json_number_value(v), found);
}

struct measured {
    struct point_measures point;
    struct vus vus;
    struct alarms alarms;
};

static struct measured measure(const char *name, size_t window, double threshold)
{
    struct csv_columns label = read_column(name, ".label.csv", "label");
    struct csv_columns score = read_column(name, ".score.csv", "score");
    uint8_t *marks = mem_alloc(label.rows), *flag = mem_alloc(label.rows);
    struct ranking r = {0};
    struct events e = {0};
    struct measured m;
    struct err err;

    assert_int_equal(label.rows, score.rows);
    (void)ranking_fill(score.v[0], score.rows);
    for (size_t i = 0; i < label.rows; i++) {
        marks[i] = label.v[0][i] == 1;
        flag[i] = score.v[0][i] >= threshold;
    }
    assert_int_equal(events_find(marks, label.rows, &e, &err), OK);
    assert_int_equal(ranking_new(score.v[0], score.rows, &r, &err), OK);
    assert_int_equal(ranking_measure(&r, &e, &m.point, &err), OK);
    assert_int_equal(vus_measure(&r, &e, window, &m.vus, &err), OK);
    assert_int_equal(alarms_measure(flag, &e, score.ts_ms, &m.alarms, &err), OK);
    ranking_done(&r);
    events_done(&e);
    mem_free(marks);
    mem_free(flag);
    csv_columns_done(&label);
    csv_columns_done(&score);
    return m;
}

static void every_measure_is_that_of_the_reference(void **state)
{
    (void)state;
    const char *cases[] = {"plain", "ties", "short", "blind"};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *o = read_json(cases[i]);
        const json_t *at = json_object_get(o, "at-threshold");
        const struct measured m =
            measure(cases[i], (size_t)json_integer_value(json_object_get(o, "window")),
                    json_number_value(json_object_get(at, "threshold")));
        expect(o, "VUS-PR", m.vus.vus_pr);
        expect(o, "VUS-ROC", m.vus.vus_roc);
        expect(o, "R-AUC-PR", m.vus.r_auc_pr);
        expect(o, "R-AUC-ROC", m.vus.r_auc_roc);
        expect(o, "AUC-PR", m.point.auc_pr);
        expect(o, "AUC-ROC", m.point.auc_roc);
        expect(o, "F1", m.point.f1);
        expect(o, "F1-threshold", m.point.f1_threshold);
        expect(o, "PA-F1", m.point.pa_f1);
        expect(o, "PA-F1-threshold", m.point.pa_f1_threshold);
        expect(o, "Event-F1", m.point.event_f1);
        expect(at, "precision", m.alarms.precision);
        expect(at, "recall", m.alarms.recall);
        expect(at, "F1", m.alarms.f1);
        expect(at, "events", (double)m.alarms.events);
        expect(at, "events-detected", (double)m.alarms.events_found);
        expect(at, "false-alarm-events", (double)m.alarms.false_alarm_events);
        expect(at, "false-alarm-events-per-1000", m.alarms.false_alarm_events_per_1000);
        expect(at, "mean-delay-samples", m.alarms.delay_mean);
        json_decref(o);
    }
}

static void the_window_is_that_of_the_reference(void **state)
{
    (void)state;
    struct csv_columns c = read_column("series", ".csv", CSV_COLUMNS_FIRST);
    json_t *o = read_json("series");

    assert_int_equal(window_of(c.v[0], c.rows), json_integer_value(json_object_get(o, "window")));
    json_decref(o);
    csv_columns_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_measure_is_that_of_the_reference),
        cmocka_unit_test(the_window_is_that_of_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
