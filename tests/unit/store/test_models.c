/* SPDX-License-Identifier: Apache-2.0 */
/* States of models: which one is in use, and which ones stay. */
#include "fixture.h"

static struct store_model model_of(uint64_t id, enum store_model_state state)
{
    struct store_model m = {.created_ms = (int64_t)id,
                            .model_id = id,
                            .schema_hash = 7,
                            .state = state,
                            .state_ms = (int64_t)id,
                            .provenance = "{}"};

    snprintf(m.file, sizeof m.file, "%d.tsm", (int)id);
    return m;
}

static void put(struct fixture *x, int64_t entity, uint64_t id, enum store_model_state state)
{
    const struct store_model m = model_of(id, state);

    WORKS(store_put_model(x->store, entity, &m, E));
}

static uint64_t live(struct fixture *x)
{
    struct store_reader *r;
    struct store_model got = {0};

    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_model(r, "a", 7, &got, E));
    store_reader_close(r);
    return got.model_id;
}

static void one_model_is_live_and_the_one_before_is_retired(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");

    put(x, a, 1, STORE_MODEL_LIVE);
    put(x, a, 2, STORE_MODEL_CANDIDATE);
    assert_int_equal(live(x), 1);
    put(x, a, 2, STORE_MODEL_LIVE); /* promoted: the same row */
    assert_int_equal(live(x), 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 2);
    assert_int_equal(ask(x, "SELECT state = 'retired' AND state_ms = 2 FROM models WHERE id = 1"),
                     1);
    put(x, a, 3, STORE_MODEL_REJECTED);
    assert_int_equal(live(x), 2);
    WORKS(store_set_live(x->store, a, 1, 99, "taken back", E));
    assert_int_equal(live(x), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM models WHERE state = 'live'"), 1);
    assert_int_equal(
        ask(x, "SELECT reason = 'taken back' AND state_ms = 99 FROM models WHERE id = 1"), 1);
}

static void a_model_that_a_crash_left_unjudged_is_rejected(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");

    put(x, a, 1, STORE_MODEL_LIVE);
    put(x, a, 2, STORE_MODEL_CANDIDATE);
    WORKS(store_close_orphans(x->store, E));
    assert_int_equal(live(x), 1);
    assert_int_equal(ask(x, "SELECT state = 'rejected' AND reason <> '' FROM models WHERE id = 2"),
                     1);
}

static void prune(struct fixture *x, int64_t now_ms, int64_t age_ms)
{
    uint64_t deleted;

    for (int i = 0; i < 3; i++)
        WORKS(store_prune(x->store, now_ms, age_ms, 1 << 30, &deleted, E));
}

static void the_live_model_stays_however_old_and_others_are_few(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");

    put(x, a, 1, STORE_MODEL_LIVE);
    for (uint64_t id = 2; id < 2 + 3 * STORE_MODELS_KEPT; id++)
        put(x, a, id, STORE_MODEL_REJECTED);
    prune(x, 1000, 1000000);
    assert_int_equal(live(x), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 1 + STORE_MODELS_KEPT);
    assert_int_equal(ask(x, "SELECT max(id) FROM models"), 1 + 3 * STORE_MODELS_KEPT);
    prune(x, 1000000, 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 1);
    assert_int_equal(live(x), 1);
}

struct seen_models {
    size_t n;
    int64_t last_id;
    enum store_model_state state;
};

static bool see_model(void *arg, const struct store_model_row *row)
{
    struct seen_models *s = arg;

    assert_true(s->n == 0 || row->id < s->last_id);
    assert_string_equal(row->instance, "a");
    s->last_id = row->id;
    s->state = row->model.state;
    s->n++;
    return true;
}

static void all_models_are_read_newest_first(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    struct seen_models seen = {0};
    struct store_reader *r;

    put(x, a, 1, STORE_MODEL_RETIRED);
    for (uint64_t id = 2; id <= 40; id++)
        put(x, a, id, STORE_MODEL_LIVE);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_models(r, NULL, see_model, &seen, E));
    assert_int_equal(seen.n, 40);
    assert_int_equal(seen.state, STORE_MODEL_RETIRED);
    seen = (struct seen_models){0};
    WORKS(store_read_models(r, "b", see_model, &seen, E));
    assert_int_equal(seen.n, 0);
    store_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_model_is_live_and_the_one_before_is_retired),
        TEST(a_model_that_a_crash_left_unjudged_is_rejected),
        TEST(the_live_model_stays_however_old_and_others_are_few),
        TEST(all_models_are_read_newest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
