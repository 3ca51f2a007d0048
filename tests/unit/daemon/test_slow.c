/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../works.h"

#include "../rng_normal.h"
#include "base/mem.h"
#include "daemon/entity.h"
#include "daemon/restore.h"
#include "daemon/storekeeper.h"
#include "store/store.h"

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
    char folder[64], path[96];
    struct store *store; /* NULL unless the test restarts */
    int64_t number;      /* of the entity there */
    int64_t kept_ms;     /* reference_resume_ms of the state that is stored */
};

static enum rc new_entity(struct fixture *x, struct err *err)
{
    const struct entity_options o = {.instance = "host-a",
                                     .profile = x->profile,
                                     .interval_ms = INTERVAL_MS,
                                     .wanted_rows = WANTED,
                                     .confirm = {3, 5}};

    return entity_new(&o, &x->entity, err);
}

static int set_up(void **state)
{
    static struct fixture x;
    const struct str text = {profile_text, sizeof profile_text - 1};
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&x.rng, 1);
    x.clocks = (struct continuity_clocks){1700006400000, 50000, 60000}; /* a midnight */
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK)
        return 1;
    *state = &x;
    return new_entity(&x, &err) != OK || series_set_new(&x.set, &err) != OK ||
           series_set_intern(x.set, STR("load"), NULL, 0, METRIC_GAUGE, &x.load, &err) ||
           series_set_intern(x.set, STR("memory"), NULL, 0, METRIC_GAUGE, &x.memory, &err) ||
           series_set_intern(x.set, STR("files"), NULL, 0, METRIC_GAUGE, &x.files, &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    char command[96];

    entity_free(x->entity);
    model_unref(x->model);
    profile_free(x->profile);
    series_set_unref(x->set);
    if (!x->store)
        return 0;
    store_close(x->store);
    (void)snprintf(command, sizeof command, "rm -r %s", x->folder);
    return system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

static void open_store(struct fixture *x)
{
    (void)snprintf(x->folder, sizeof x->folder, "/tmp/tocsin-slow-XXXXXX");
    assert_non_null(mkdtemp(x->folder));
    (void)snprintf(x->path, sizeof x->path, "%s/t.db", x->folder);
    WORKS(store_open(x->path, &x->store, E));
    WORKS(store_put_schema(x->store, entity_schema(x->entity), E));
    WORKS(store_entity(x->store, "host-a", &x->number, E));
    WORKS(store_begin(x->store, E));
}

/* What the shard has kept: each frame, and the reference's state once an hour has ended. */
static void keep(struct fixture *x)
{
    const struct reference *r = entity_reference(x->entity);
    const struct schema *schema = entity_schema(x->entity);
    struct buf state;

    if (x->step.frame)
        WORKS(store_put_frame(x->store, x->number, x->clocks.wall_ms, schema->hash, x->step.frame,
                              schema->n, E));
    if (reference_resume_ms(r) == x->kept_ms)
        return;
    x->kept_ms = reference_resume_ms(r);
    buf_init(&state, STORE_STATE_MAX);
    reference_encode(r, &state);
    WORKS(store_put_state(x->store, x->number, REFERENCE_STATE, schema->hash, x->clocks.wall_ms,
                          state.p, state.n, E));
    buf_done(&state);
}

/* kill -9, and another run: all that it knows of slow change is in the store. */
static void restart(struct fixture *x)
{
    const struct restore_options o = {.database = x->path,
                                      .models_dir = x->folder,
                                      .threshold = {.confirm = {3, 5}},
                                      .now_ms = x->clocks.wall_ms,
                                      .wanted_rows = 1};
    int64_t trained_ms;

    WORKS(store_commit(x->store, E));
    entity_free(x->entity);
    x->entity = NULL;
    WORKS(new_entity(x, E));
    WORKS(restore_entity(x->entity, &o, &trained_ms, E));
    if (x->model)
        WORKS(entity_set_model(x->entity, x->model, 42, E));
    WORKS(store_begin(x->store, E));
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
    if (x->store)
        keep(x);
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
    struct slow_change open;
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
    assert_true(entity_slow(x->entity, &open));
    assert_true(open.incident.start_ms == x->slow.incident.start_ms && open.incident.end_ms == 0);
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
    assert_true(entity_slow(x->entity, &open));
}

/* Two weeks, and a leak of one, killed and started again every 19 hours and 25 minutes where
 * `restarts`; when it opened, in ticks. */
static int64_t leak_for_weeks(struct fixture *x, bool restarts)
{
    enum { RUN = 19 * 12 + 5 };

    learn_and_train(x);
    if (restarts)
        open_store(x);
    const int64_t began = x->t;
    while (x->t - began < 21 * DAY) {
        x->a_tick = x->t - began < 14 * DAY ? 0 : 0.004 / 12;
        tick(x);
        if (restarts && (x->t - began) % RUN == 0)
            restart(x);
    }
    return x->opened_t - began;
}

static void a_leak_that_restarts_cut_in_pieces_opens_when_it_would_without(void **state)
{
    struct fixture *x = *state;
    struct slow_change slow;

    const int64_t whole = leak_for_weeks(x, false);
    assert_int_equal(x->opened, 1);
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);

    assert_int_equal(leak_for_weeks(x, true), whole);
    assert_int_equal(x->opened, 1); /* restarts since then opened no second one */
    assert_int_equal(x->closed, 0);
    assert_true(x->t - x->opened_t > 2 * DAY);
    restart(x);
    assert_true(entity_slow(x->entity, &slow));
    assert_true(slow.incident.start_ms == x->slow.incident.start_ms);
    assert_int_equal(reference_days(entity_reference(x->entity)), REFERENCE_DAYS);
}

/* Days in which the machine was worked on are no part of what it was. */
static void maintenance_is_pushed_to_no_clock(void **state)
{
    struct fixture *x = *state;
    struct entity_view view;

    learn_and_train(x);
    run_days(x, 14);
    const uint32_t days = reference_days(entity_reference(x->entity));
    entity_hold(x->entity, true);
    x->leak = 0.5;
    run_days(x, 4);
    assert_int_equal(x->opened, 0);
    assert_int_equal(x->drifts, 0);
    entity_view(x->entity, &view);
    assert_true(view.drift_evidence < 1);
    entity_hold(x->entity, false);
    x->leak = 0;
    run_days(x, 3);
    assert_int_equal(x->opened, 0);
    assert_true(reference_days(entity_reference(x->entity)) >= days);
    x->leak = 0.5; /* the same without a mark is heard */
    run_days(x, 4);
    assert_int_equal(x->opened, 1);
}

static void a_damaged_state_is_refused_and_the_reference_begins_anew(void **state)
{
    struct fixture *x = *state;
    struct buf bytes;

    open_store(x);
    run_days(x, 5);
    restart(x);
    assert_int_equal(reference_days(entity_reference(x->entity)), 4); /* the fifth is not over */

    buf_init(&bytes, STORE_STATE_MAX);
    reference_encode(entity_reference(x->entity), &bytes);
    bytes.p[bytes.n / 2] ^= 1;
    WORKS(store_put_state(x->store, x->number, REFERENCE_STATE, entity_schema(x->entity)->hash, 1,
                          bytes.p, bytes.n, E));
    restart(x);
    assert_int_equal(reference_days(entity_reference(x->entity)), 0);

    for (size_t cut = 0; cut < 40; cut += 13) { /* and what is no state at all */
        WORKS(store_put_state(x->store, x->number, REFERENCE_STATE, entity_schema(x->entity)->hash,
                              1, bytes.p, cut, E));
        restart(x);
        assert_int_equal(reference_days(entity_reference(x->entity)), 0);
    }
    buf_done(&bytes);
}

static void a_state_of_other_features_is_left_alone(void **state)
{
    struct fixture *x = *state;
    struct buf bytes;

    open_store(x);
    run_days(x, 5);
    buf_init(&bytes, STORE_STATE_MAX);
    reference_encode(entity_reference(x->entity), &bytes);
    WORKS(store_put_state(x->store, x->number, REFERENCE_STATE, entity_schema(x->entity)->hash + 1,
                          1, bytes.p, bytes.n, E));
    buf_done(&bytes);
    restart(x);
    /* of its own features there are frames, of which the last day is recalled */
    assert_int_equal(reference_days(entity_reference(x->entity)), 1);
}

/* Nothing is stored when the watching ends: the frames are. */
static void an_end_within_the_first_hour_forgets_nothing(void **state)
{
    struct fixture *x = *state;
    struct buf before, after;

    open_store(x);
    buf_init(&before, STORE_STATE_MAX);
    buf_init(&after, STORE_STATE_MAX);
    for (int i = 0; i < 6; i++) /* half an hour */
        tick(x);
    restart(x);
    for (int i = 0; i < 8; i++)
        tick(x);
    reference_encode(entity_reference(x->entity), &after);
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
    for (int i = 0; i < 14; i++)
        tick(x);
    reference_encode(entity_reference(x->entity), &before);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n);
    buf_done(&before);
    buf_done(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_leak_of_days_opens_one_slow_incident_that_names_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_model_drifts_with_it_and_a_new_one_ends_that_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(maintenance_is_pushed_to_no_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_leak_that_restarts_cut_in_pieces_opens_when_it_would_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_state_is_refused_and_the_reference_begins_anew,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_of_other_features_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_within_the_first_hour_forgets_nothing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
