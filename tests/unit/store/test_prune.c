/* SPDX-License-Identifier: Apache-2.0 */
/* Retention by age and by size, in bounded steps. */
#include "fixture.h"

#include <sys/stat.h>

static uint64_t size_of(const struct fixture *x)
{
    struct stat db, wal;

    assert_int_equal(stat(x->path, &db), 0);
    return (uint64_t)db.st_size + (stat(x->wal, &wal) == 0 ? (uint64_t)wal.st_size : 0);
}

/* Call until a call has nothing more to delete; the most that one call deleted. */
static uint64_t prune_age(struct fixture *x, int64_t now_ms, int64_t max_age_ms)
{
    uint64_t most = 0, deleted = 1;

    for (int calls = 0; deleted > 0; calls++) {
        assert_in_range(calls, 0, 1000);
        WORKS(store_prune(x->store, now_ms, max_age_ms, UINT64_MAX, &deleted, E));
        most = deleted > most ? deleted : most;
    }
    return most;
}

static void put_hosts(struct fixture *x, int hosts, int64_t first_ms, int64_t ticks)
{
    char name[16];

    WORKS(store_begin(x->store, E));
    for (int i = 0; i < hosts; i++) {
        snprintf(name, sizeof name, "host%d", i);
        const int64_t id = new_entity(x, name);
        for (int64_t t = 0; t < ticks; t++)
            WORKS(put_tick(x, id, first_ms + t * 1000, E));
    }
    WORKS(store_commit(x->store, E));
}

static void rows_past_their_age_go_and_no_others(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");

    put_ticks(x, a, 0, 1000, 100);
    put_ticks(x, b, 500, 1000, 100);
    prune_age(x, 100000, 60000); /* before 40000 */
    assert_int_equal(ask(x, "SELECT min(ts_ms) FROM frames WHERE entity = 1"), 40000);
    assert_int_equal(ask(x, "SELECT min(ts_ms) FROM scores WHERE entity = 1"), 40000);
    assert_int_equal(ask(x, "SELECT min(ts_ms) FROM frames WHERE entity = 2"), 40500);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 120);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores"), 120);

    prune_age(x, INT64_MIN, INT64_MAX); /* a clock that makes no sense deletes nothing */
    assert_int_equal(ask(x, "SELECT count(*) FROM scores"), 120);
    prune_age(x, INT64_MAX, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores"), 0);
}

static void one_call_does_a_bounded_part(void **state)
{
    struct fixture *x = *state;
    uint64_t deleted;

    put_ticks(x, new_entity(x, "a"), 0, 1, 5000);
    WORKS(store_prune(x->store, 5000, 0, UINT64_MAX, &deleted, E));
    assert_in_range(deleted, STORE_PRUNE_ROWS, 4 * STORE_PRUNE_ROWS);
    assert_in_range(prune_age(x, 5000, 0), 1, 4 * STORE_PRUNE_ROWS);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 0);
}

static void every_entity_has_its_turn(void **state)
{
    struct fixture *x = *state;

    put_hosts(x, 700, 0, 3); /* more than one call visits */
    prune_age(x, 2000, 1000);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 1400);
    assert_int_equal(ask(x, "SELECT min(ts_ms) FROM scores"), 1000);
}

static void open_incidents_and_the_newest_model_stay(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct incident open = {.start_ms = 10}, closed = {.start_ms = 10, .end_ms = 20},
                    late = {.start_ms = 10, .end_ms = 5000};
    const struct store_model
        first = {.created_ms = 1, .model_id = 1, .schema_hash = 1, .file = "1", .provenance = "{}"},
        second = {.created_ms = 2,
                  .model_id = 2,
                  .schema_hash = 1,
                  .file = "2",
                  .provenance = "{}"},
        other = {.created_ms = 3, .model_id = 3, .schema_hash = 1, .file = "3", .provenance = "{}"};

    WORKS(store_put_incident(x->store, a, x->schema, &open, E));
    WORKS(store_put_incident(x->store, a, x->schema, &closed, E));
    WORKS(store_put_incident(x->store, a, x->schema, &late, E));
    WORKS(store_put_model(x->store, a, &first, E));
    WORKS(store_put_model(x->store, a, &second, E));
    WORKS(store_put_model(x->store, b, &other, E));
    prune_age(x, 1000, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents"), 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents WHERE end_ms = 20"), 0);
    assert_int_equal(ask(x, "SELECT sum(model_id) FROM models"), 5);
}

static void a_schema_goes_with_its_last_frame(void **state)
{
    enum { HOUR = 3600000 };
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    struct schema *const five = x->schema;
    struct store_model model = {0};

    put_ticks(x, a, 0, HOUR, 3);
    five->hash++; /* as if of other names */
    WORKS(store_put_schema(x->store, five, E));
    put_ticks(x, a, 3 * (int64_t)HOUR, HOUR, 3);
    model.schema_hash = five->hash;
    WORKS(store_put_model(x->store, a, &model, E));
    reopen(x);
    five->hash++;
    WORKS(store_put_schema(x->store, five, E));
    put_ticks(x, a, 6 * (int64_t)HOUR, HOUR, 3);
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas"), 3);

    prune_age(x, 2 * (int64_t)HOUR, 0); /* a frame of the first one is left */
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas"), 3);
    prune_age(x, 8 * (int64_t)HOUR, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas"), 2); /* a model names the second */
    prune_age(x, 1000 * (int64_t)HOUR, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 0);
    put_ticks(x, a, 2000 * (int64_t)HOUR, 1, 1); /* the process still knows its own */
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas"), 2);
}

static void the_files_shrink_to_the_size_and_the_newest_rows_stay(void **state)
{
    enum { ROWS = 40000, LIMIT = 1 << 20 };
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    int calls = 0;

    put_ticks(x, a, 0, 10, ROWS);
    put_ticks(x, b, 5, 10, ROWS);
    assert_true(size_of(x) > 4 * LIMIT);
    while (size_of(x) > LIMIT) {
        uint64_t deleted;
        WORKS(store_prune(x->store, 0, 0, LIMIT, &deleted, E));
        assert_in_range(deleted, 0, 4 * STORE_PRUNE_ROWS);
        assert_in_range(calls++, 0, 1000);
    }
    const int64_t left = ask(x, "SELECT count(*) FROM frames");
    assert_in_range(left, 5000, ROWS); /* not more than it took */
    /* What stays is the newest, without a hole, and of both entities alike. */
    assert_int_equal(ask(x, "SELECT max(ts_ms) FROM frames WHERE entity = 1"), 10 * (ROWS - 1));
    assert_int_equal(
        ask(x, "SELECT count(*) FROM frames WHERE entity = 1"),
        ask(x, "SELECT (max(ts_ms) - min(ts_ms)) / 10 + 1 FROM frames WHERE entity = 1"));
    assert_in_range(ask(x, "SELECT count(*) FROM frames WHERE entity = 1"), left / 2 - 2000,
                    left / 2 + 2000);
    assert_int_equal(ask(x, "SELECT count(*) FROM pragma_integrity_check WHERE "
                            "integrity_check = 'ok'"),
                     1);
}

static void a_database_that_fits_loses_nothing(void **state)
{
    struct fixture *x = *state;
    uint64_t deleted;

    put_ticks(x, new_entity(x, "a"), 0, 1, 5000);
    for (int i = 0; i < 20; i++) {
        WORKS(store_prune(x->store, 0, 0, 1 << 20, &deleted, E));
        assert_int_equal(deleted, 0);
    }
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 5000);
}

static void making_room_does_not_empty_small_entities(void **state)
{
    struct fixture *x = *state;
    uint64_t deleted;

    put_hosts(x, 200, 0, 50);
    WORKS(store_prune(x->store, 0, 0, 0, &deleted, E)); /* as small as can be */
    assert_in_range(deleted, STORE_PRUNE_ROWS, 4 * STORE_PRUNE_ROWS);
    assert_int_equal(ask(x, "SELECT count(DISTINCT entity) FROM frames"), 200);
}

static void making_room_begins_with_the_oldest_row(void **state)
{
    struct fixture *x = *state;
    uint64_t deleted;

    put_hosts(x, 600, 1000, 1);
    WORKS(store_prune(x->store, 0, 0, UINT64_MAX, &deleted, E)); /* half-way through a round */
    put_hosts(x, 1, 0, 1);
    WORKS(store_prune(x->store, 0, 0, 0, &deleted, E));
    assert_int_equal(ask(x, "SELECT min(ts_ms) FROM frames"), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_past_their_age_go_and_no_others),
        TEST(one_call_does_a_bounded_part),
        TEST(every_entity_has_its_turn),
        TEST(open_incidents_and_the_newest_model_stay),
        TEST(a_schema_goes_with_its_last_frame),
        TEST(the_files_shrink_to_the_size_and_the_newest_rows_stay),
        TEST(a_database_that_fits_loses_nothing),
        TEST(making_room_does_not_empty_small_entities),
        TEST(making_room_begins_with_the_oldest_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
