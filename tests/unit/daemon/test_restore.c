/* SPDX-License-Identifier: Apache-2.0 */
/* A run that ended, and the one after it, which has nothing but the store and the models' folder.
 */
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
#include "daemon/model_files.h"
#include "daemon/restore.h"
#include "store/edit.h"
#include "store/store.h"

enum { INTERVAL_MS = 5 * 60 * 1000, DAY = 24 * 12, LEARNED = 6 * DAY, N = 3, MODEL_ID = 7 };

static const int64_t HOUR_MS = 3600 * 1000;

static const char profile_text[] = "name: test\n"
                                   "features:\n"
                                   "  - {name: load, expr: load}\n"
                                   "  - {name: users, expr: users}\n"
                                   "  - {name: memory, expr: memory}\n";

static const struct threshold_spec percentile = {
    .method = THRESHOLD_PERCENTILE, .value = 99.5, .confirm = {3, 5}};

struct fixture {
    struct threshold_spec threshold;
    struct profile *profile;
    struct entity *entity;
    char folder[64], path[96];
    struct store *store;
    int64_t number; /* of the entity there */
    struct rng rng;
};

static enum rc new_entity(struct fixture *x, struct err *err)
{
    const struct entity_options o = {.instance = "host-a",
                                     .profile = x->profile,
                                     .interval_ms = INTERVAL_MS,
                                     .wanted_rows = LEARNED,
                                     .confirm = {3, 5}};

    return entity_new(&o, &x->entity, err);
}

static int set_up(void **state)
{
    static struct fixture x;
    const struct str text = {profile_text, sizeof profile_text - 1};
    struct err err;

    memset(&x, 0, sizeof x);
    *state = &x;
    rng_init(&x.rng, 1);
    x.threshold = percentile;
    (void)snprintf(x.folder, sizeof x.folder, "/tmp/tocsin-restore-XXXXXX");
    if (!mkdtemp(x.folder))
        return 1;
    (void)snprintf(x.path, sizeof x.path, "%s/t.db", x.folder);
    return profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK ||
           new_entity(&x, &err) != OK || store_open(x.path, &x.store, &err) != OK ||
           store_put_schema(x.store, entity_schema(x.entity), &err) != OK ||
           store_entity(x.store, "host-a", &x.number, &err) != OK;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    char command[96];

    entity_free(x->entity);
    profile_free(x->profile);
    store_close(x->store);
    (void)snprintf(command, sizeof command, "rm -r %s", x->folder);
    return system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

/* Of an office whose day comes so much sooner. */
static void frame_at(struct fixture *x, int64_t ts_ms, int64_t sooner_ms, float frame[N])
{
    const double day = 2 * M_PI * (double)(ts_ms + sooner_ms) / (24 * 3600e3);

    frame[0] = (float)(10 + 4 * sin(day) + 0.5 * rng_normal(&x->rng));
    frame[1] = (float)(50 + 30 * sin(day) + 3 * rng_normal(&x->rng));
    frame[2] = (float)(7 + 0.2 * rng_normal(&x->rng));
}

static void learn_and_keep_the_model(struct fixture *x)
{
    const struct schema *schema = entity_schema(x->entity);
    const struct model_provenance provenance = {.created_ms = 1};
    struct store_model row;
    struct learn_spec learn;
    struct dataset *d = NULL;
    struct model *m = NULL;

    settings_learn_defaults(&learn);
    WORKS(dataset_new(N, &d, E));
    for (int64_t r = 0; r < LEARNED; r++) {
        float frame[N];
        frame_at(x, r * INTERVAL_MS, 0, frame);
        WORKS(dataset_append(d, r * INTERVAL_MS, frame, E));
    }
    WORKS(model_train(d, NULL, schema, &learn, &percentile, &provenance, NULL, NULL, &m, E));
    assert_true(m->season.slots > 0);
    WORKS(model_files_save(x->folder, m, MODEL_ID, E));
    model_files_describe(m, MODEL_ID, &row);
    row.state = STORE_MODEL_LIVE;
    WORKS(store_put_model(x->store, x->number, &row, E));
    model_unref(m);
    dataset_free(d);
}

/* Three days of frames that were watched; now_ms follows them. */
static int64_t watch_days(struct fixture *x, int64_t sooner_ms)
{
    const struct schema *schema = entity_schema(x->entity);
    int64_t t = LEARNED;

    WORKS(store_begin(x->store, E));
    for (; t < LEARNED + 3 * DAY; t++) {
        float frame[N];
        frame_at(x, t * INTERVAL_MS, sooner_ms, frame);
        WORKS(store_put_frame(x->store, x->number, t * INTERVAL_MS, schema->hash, frame, N, E));
    }
    WORKS(store_commit(x->store, E));
    return t * INTERVAL_MS;
}

static void restart(struct fixture *x, int64_t now_ms)
{
    struct learn_spec learn;
    int64_t trained_ms;

    settings_learn_defaults(&learn);
    const struct restore_options o = {.database = x->path,
                                      .models_dir = x->folder,
                                      .threshold = x->threshold,
                                      .settings = settings_learn_hash(&learn),
                                      .now_ms = now_ms,
                                      .wanted_rows = LEARNED};
    entity_free(x->entity);
    x->entity = NULL;
    WORKS(new_entity(x, E));
    WORKS(restore_entity(x->entity, &o, &trained_ms, E));
    assert_int_equal(entity_phase(x->entity), PHASE_WATCHING);
    assert_int_equal(entity_model_id(x->entity), MODEL_ID);
}

static void the_hour_of_a_day_that_comes_sooner_is_known_again(void **state)
{
    struct fixture *x = *state;
    struct entity_view view;

    learn_and_keep_the_model(x);
    restart(x, watch_days(x, HOUR_MS));
    assert_int_equal(entity_day_shift_ms(x->entity), HOUR_MS);
    entity_view(x->entity, &view);
    assert_int_equal(view.day_shift_ms, HOUR_MS);
}

static void a_day_as_it_was_learned_has_none(void **state)
{
    struct fixture *x = *state;

    learn_and_keep_the_model(x);
    restart(x, watch_days(x, 0));
    assert_int_equal(entity_day_shift_ms(x->entity), 0);
}

/* As each night: until an hour ends and it is asked itself, the old one's hour is the best guess.
 */
static void a_new_model_begins_with_the_hour_of_the_one_before(void **state)
{
    struct fixture *x = *state;
    struct model *other = NULL;

    learn_and_keep_the_model(x);
    restart(x, watch_days(x, -HOUR_MS));
    assert_int_equal(entity_day_shift_ms(x->entity), -HOUR_MS);
    WORKS(model_with_threshold(entity_model(x->entity), &percentile, &other, E));
    other->unit_level[0] *= 1.5f;
    WORKS(entity_set_model(x->entity, other, MODEL_ID + 1, E));
    assert_int_equal(entity_day_shift_ms(x->entity), -HOUR_MS);
    model_unref(other);
}

/* As while it was watched, one incident stays one over a frame of maintenance. */
static void incidents_are_counted_as_they_were_lived(void **state)
{
    struct fixture *x = *state;
    enum { SCORES = 100, MARKED = 54, MARKED_ROWS = 1 };
    const int64_t from_ms = LEARNED * (int64_t)INTERVAL_MS;
    const struct store_mark mark = {.kind = STORE_MARK_MAINTENANCE,
                                    .start_ms = from_ms + MARKED * INTERVAL_MS,
                                    .end_ms = from_ms + (MARKED + MARKED_ROWS - 1) * INTERVAL_MS,
                                    .made_ms = from_ms,
                                    .instance = "host-a"};
    struct store_editor *editor = NULL;
    struct entity_view view;
    int64_t id;

    learn_and_keep_the_model(x);
    WORKS(store_begin(x->store, E));
    for (int64_t r = 0; r < SCORES; r++) {
        const bool anomalous = r >= 50 && r < 61;
        const struct verdict v = {.ts_ms = from_ms + r * INTERVAL_MS,
                                  .score = anomalous ? 99 : 0.1f,
                                  .evidence = anomalous ? 99 : 0.1f,
                                  .threshold = 9,
                                  .confidence = 1,
                                  .anomalous = anomalous};
        WORKS(store_put_score(x->store, x->number, MODEL_ID, &v, E));
    }
    WORKS(store_commit(x->store, E));
    WORKS(store_editor_open(x->path, &editor, E));
    WORKS(store_edit_mark(editor, &mark, &id, E));
    store_editor_close(editor);
    x->threshold.method = THRESHOLD_BUDGET;
    x->threshold.value = 2;
    restart(x, from_ms + SCORES * INTERVAL_MS);
    entity_view(x->entity, &view);
    const double weeks = (SCORES - MARKED_ROWS) * (double)INTERVAL_MS / (7 * 24 * (double)HOUR_MS);
    assert_true(fabs(view.alarm_rate * weeks - 1) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_hour_of_a_day_that_comes_sooner_is_known_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_day_as_it_was_learned_has_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_model_begins_with_the_hour_of_the_one_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(incidents_are_counted_as_they_were_lived, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
