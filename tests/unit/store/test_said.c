/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/writer.h"

static void what_is_said_once_survives_a_rollback(void **state)
{
    struct fixture *x = *state;
    const struct store_model model = {
        .created_ms = 1, .model_id = 2, .schema_hash = 3, .file = "m.tsm", .provenance = "{}"};
    struct incident lost = {.start_ms = 1}, other = {.start_ms = 2};
    int64_t id, again, second;
    struct err err;

    WORKS(store_begin(x->store, E));
    WORKS(store_put_schema(x->store, x->schema, E));
    WORKS(store_entity(x->store, "a", &id, E));
    WORKS(store_put_model(x->store, id, &model, E));
    WORKS(store_put_incident(x->store, id, x->schema, &lost, E));
    WORKS(put_tick(x, id, 1, E));
    limit_files(0);
    assert_int_equal(store_commit(x->store, &err), E_IO);
    limit_files(RLIM_INFINITY);

    WORKS(store_entity(x->store, "a", &again, E)); /* not committed, and yet known */
    assert_int_equal(again, id);
    WORKS(store_entity(x->store, "b", &second, E));
    assert_int_not_equal(second, id);
    WORKS(store_put_incident(x->store, second, x->schema, &other, E));
    assert_int_not_equal(other.id, lost.id);
    lost.end_ms = 5;
    WORKS(store_put_incident(x->store, id, x->schema, &lost, E));
    put_ticks(x, id, 2, 1, 1);

    assert_int_equal(ask(x, "SELECT count(*) FROM schemas WHERE used_ms = 2"), 1);
    assert_int_equal(ask(x, "SELECT id FROM entities WHERE instance = 'a'"), id);
    assert_int_equal(ask(x, "SELECT count(*) FROM models WHERE file = 'm.tsm'"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents"), 2);
    assert_int_equal(ask(x, "SELECT end_ms FROM incidents WHERE start_ms = 1"), 5);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 1);
}

/* As when the disk is full for an hour: the daemon says it all again each second. */
static void what_is_said_again_and_again_is_kept_once(void **state)
{
    struct fixture *x = *state;
    struct store_model model = {.created_ms = 1,
                                .model_id = 2,
                                .schema_hash = 3,
                                .file = "m.tsm",
                                .provenance = "{}"},
                       next = {.created_ms = 1,
                               .model_id = 4,
                               .schema_hash = 3,
                               .file = "next.tsm",
                               .provenance = "{}"};
    int64_t id;
    struct err err;

    for (int second = 0; second < 100; second++) {
        WORKS(store_begin(x->store, E));
        WORKS(store_put_schema(x->store, x->schema, E));
        WORKS(store_entity(x->store, "a", &id, E));
        WORKS(store_put_model(x->store, id, &next, E));
        WORKS(store_put_model(x->store, id, &model, E));
        WORKS(store_put_model(x->store, id, &next, E));
        limit_files(0);
        assert_int_equal(store_commit(x->store, &err), E_IO);
        limit_files(RLIM_INFINITY);
        assert_int_equal(x->store->n_said, 4);
    }
    put_ticks(x, id, 1, 1, 1);
    assert_int_equal(x->store->n_said, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 2);
    assert_int_equal(ask(x, "SELECT model_id FROM models ORDER BY id DESC"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_once_survives_a_rollback),
        TEST(what_is_said_again_and_again_is_kept_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
