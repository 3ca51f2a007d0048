/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "daemon/entity.h"

/* Weeks of ticks through an entity: what its slow clocks say, and that they say it once. */

enum { MINUTE_MS = 60 * 1000, INTERVAL_MS = 5 * MINUTE_MS, DAY = 24 * 12, WANTED = 2 * DAY };

static const char profile_text[] =
    "name: test\n"
    "features:\n"
    "  - {name: load, expr: load, unit: ratio, group: cpu, resolution: 0.05}\n"
    "  - {name: memory, expr: memory, unit: ratio, group: memory, resolution: 0.05}\n"
    "  - {name: files, expr: files, unit: count, group: disk, resolution: 500}\n";

struct fixture {
    struct profile *profile;
    struct entity *entity;
    struct model *model;
    struct series_set *set;
    uint32_t load, memory, files;
    double leak, a_tick; /* of memory: so far, and what each tick adds */
    struct rng rng;
    int64_t t; /* ticks so far */
    struct continuity_clocks clocks;
    struct entity_step step;
    int opened, closed, drifts; /* slow incidents, findings */
    int64_t opened_t;
    struct slow_change slow; /* when it opened */
};

static int set_up(void **state)
{
    static struct fixture x;
    struct entity_options o = {
        .instance = "host-a", .interval_ms = INTERVAL_MS, .wanted_rows = WANTED, .confirm = {3, 5}};
    const struct str text = {profile_text, sizeof profile_text - 1};
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&x.rng, 1);
    x.clocks = (struct continuity_clocks){1700006400000, 50000, 60000}; /* a midnight */
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK)
        return 1;
    o.profile = x.profile;
    *state = &x;
    return entity_new(&o, &x.entity, &err) != OK || series_set_new(&x.set, &err) != OK ||
           series_set_intern(x.set, STR("load"), NULL, 0, METRIC_GAUGE, &x.load, &err) ||
           series_set_intern(x.set, STR("memory"), NULL, 0, METRIC_GAUGE, &x.memory, &err) ||
           series_set_intern(x.set, STR("files"), NULL, 0, METRIC_GAUGE, &x.files, &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    entity_free(x->entity);
    model_unref(x->model);
    profile_free(x->profile);
    series_set_unref(x->set);
    return 0;
}

static void count(struct fixture *x)
{
    const struct aging_step *a = &x->step.aging;

    x->drifts += a->drifted;
    x->closed += a->event == WATCH_CLOSED;
    if (a->event != WATCH_OPENED)
        return;
    x->opened++;
    x->opened_t = x->t;
    x->slow = a->slow;
}

static void tick(struct fixture *x)
{
    struct snapshot *s = snapshot_new(x->set, x->clocks.wall_ms);
    const double phase = sin(2 * 3.14159265 * (double)(x->t % DAY) / DAY);
    struct err err;

    assert_non_null(s);
    s->v[x->load] = 0.4 + 0.2 * phase + 0.01 * rng_normal(&x->rng);
    s->v[x->memory] = 0.2 + 0.05 * phase + 0.005 * rng_normal(&x->rng) + x->leak;
    s->v[x->files] = 2000 + 300 * phase + 20 * rng_normal(&x->rng);
    assert_int_equal(entity_tick(x->entity, s, &x->clocks, &x->step, &err), OK);
    snapshot_free(s);
    count(x);
    x->t++;
    x->leak += x->a_tick;
    x->clocks.wall_ms += INTERVAL_MS;
    x->clocks.mono_ms += INTERVAL_MS;
    x->clocks.boot_ms += INTERVAL_MS;
}

static void run_days(struct fixture *x, int days)
{
    for (int i = 0; i < days * DAY; i++)
        tick(x);
}

static void learn_and_train(struct fixture *x)
{
    const struct model_provenance provenance = {.created_ms = 1};
    const struct threshold_spec wide = {.method = THRESHOLD_FIXED, .value = 1e9};
    struct learn_spec learn;
    struct dataset *d;
    struct err err;

    settings_learn_defaults(&learn);
    do
        tick(x);
    while (!x->step.training_due);
    d = entity_take_training(x->entity);
    assert_int_equal(model_train(d, NULL, entity_schema(x->entity), &learn, &wide, &provenance,
                                 NULL, NULL, &x->model, &err),
                     OK);
    assert_int_equal(entity_set_model(x->entity, x->model, 42, &err), OK);
    dataset_free(d);
}

static void a_leak_of_days_opens_one_slow_incident_that_names_it(void **state)
{
    struct fixture *x = *state;
    struct entity_view view;
    struct slow_change end;
    char text[REFERENCE_TEXT_MAX];

    learn_and_train(x); /* days of learning count for the reference too */
    run_days(x, 14);
    assert_int_equal(x->opened, 0);
    assert_int_equal(x->drifts, 0);
    entity_view(x->entity, &view);
    assert_int_equal(view.reference_days, REFERENCE_DAYS);
    assert_true(view.drift_evidence < 1);

    const int64_t began = x->t;
    x->a_tick = 0.004 / 12; /* 0.4 % of all memory an hour */
    run_days(x, 7);
    assert_int_equal(x->opened, 1);
    assert_in_range(x->opened_t - began, DAY / 2, 5 * DAY);
    assert_int_equal(x->slow.incident.kind, INCIDENT_SLOW);
    assert_string_equal(entity_schema(x->entity)->f[x->slow.incident.causes[0].feature].name,
                        "memory");
    reference_describe(&x->slow, entity_schema(x->entity), text);
    assert_non_null(strstr(text, "slow change: memory "));
    assert_int_equal(entity_end_slow(x->entity, &end), WATCH_CLOSED);
    assert_true(end.incident.start_ms == x->slow.incident.start_ms && end.incident.end_ms > 0);
}

/* A promoted model starts drift anew, not the reference. */
static void the_model_drifts_with_it_and_a_new_one_ends_that_alone(void **state)
{
    struct fixture *x = *state;
    struct entity_view view;
    struct err err;

    learn_and_train(x);
    run_days(x, 14);
    x->a_tick = 0.004 / 12;
    run_days(x, 7);
    assert_true(x->drifts >= 1);
    entity_view(x->entity, &view);
    assert_true(view.drift_evidence >= 1);
    assert_int_equal(entity_set_model(x->entity, x->model, 43, &err), OK);
    entity_view(x->entity, &view);
    assert_true(view.drift_evidence == 0);
    assert_int_equal(view.reference_days, REFERENCE_DAYS);
    struct slow_change open;
    assert_int_equal(entity_end_slow(x->entity, &open), WATCH_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_leak_of_days_opens_one_slow_incident_that_names_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_model_drifts_with_it_and_a_new_one_ends_that_alone,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
