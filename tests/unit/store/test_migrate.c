/* SPDX-License-Identifier: Apache-2.0 */
/* From an older version to a newer one, with rows in it. */
#include "fixture.h"

#include "store/migrate.h"

enum { NOW = 11, STEPS = NOW + 3 };

/* The real versions, then three of a future, the last of which breaks half-way. */
static const char *const *future(void)
{
    static const char *steps[STEPS];

    assert_int_equal(store_steps_count, NOW);
    for (size_t i = 0; i < NOW; i++)
        steps[i] = store_steps[i];
    steps[NOW] = "ALTER TABLE scores ADD COLUMN widening REAL;"
                 "UPDATE scores SET widening = 1.5";
    steps[NOW + 1] = "CREATE TABLE later (id INTEGER PRIMARY KEY)";
    steps[NOW + 2] = "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)";
    return steps;
}

static void migrate(struct fixture *x, size_t n_steps, enum rc want, struct err *err)
{
    struct conn c;
    int64_t version;

    WORKS(conn_open(&c, x->path, SQLITE_OPEN_READWRITE, NULL, 0, E));
    WORKS(migrate_check(&c, n_steps, &version, E));
    assert_int_equal(migrate_apply(&c, future(), n_steps, version, err), want);
    conn_close(&c);
}

static void older_rows_live_on_in_the_newer_version(void **state)
{
    struct fixture *x = *state;
    struct err err;

    put_ticks(x, new_entity(x, "a"), 0, 1, 100);
    assert_int_equal(ask(x, "PRAGMA user_version"), NOW);
    store_close(x->store);
    x->store = NULL;

    migrate(x, NOW + 2, OK, &err);
    assert_int_equal(ask(x, "PRAGMA user_version"), NOW + 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores WHERE widening = 1.5"), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM later"), 0);
    migrate(x, NOW + 2, OK, &err); /* nothing left to do */

    assert_int_equal(store_open(x->path, &x->store, &err), E_STATE);
}

static void a_step_that_breaks_leaves_the_version_before_it(void **state)
{
    struct fixture *x = *state;
    struct err err;

    put_ticks(x, new_entity(x, "a"), 0, 1, 100);
    store_close(x->store);
    x->store = NULL;

    migrate(x, NOW + 3, E_IO, &err);
    assert_non_null(strstr(err.msg, "migration to version 14"));
    assert_non_null(strstr(err.msg, "nowhere"));
    assert_int_equal(ask(x, "PRAGMA user_version"), NOW + 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 100);
}

static void a_new_database_takes_every_step(void **state)
{
    struct fixture *x = *state;
    struct err err;

    store_close(x->store);
    x->store = NULL;
    assert_int_equal(unlink(x->path), 0);
    change(x->path, "PRAGMA journal_mode = WAL"); /* a tocsin killed in its first moment */
    migrate(x, NOW + 2, OK, &err);
    assert_int_equal(ask(x, "PRAGMA user_version"), NOW + 2);
    assert_int_equal(ask(x, "PRAGMA application_id"), STORE_APPLICATION_ID);
}

static bool copy_next(void *arg, const struct store_score *row)
{
    struct store_score **at = arg;

    *(*at)++ = *row;
    return true;
}

static void scores_of_an_older_version_have_no_evidence(void **state)
{
    struct fixture *x = *state;
    struct store_reader *r;
    struct store_score got[2];
    struct err err;

    store_close(x->store);
    x->store = NULL;
    assert_int_equal(unlink(x->path), 0);
    change(x->path, "PRAGMA journal_mode = WAL");
    migrate(x, 1, OK, &err);
    change(x->path, "INSERT INTO entities VALUES (1, 'a');"
                    "INSERT INTO scores VALUES (1, 10, 5, 0.5, 0.25, 1, 1)");

    WORKS(store_open(x->path, &x->store, E));
    const struct verdict v = {.ts_ms = 20, .score = 0.5f, .evidence = 0.75f};
    WORKS(store_put_score(x->store, 1, 5, &v, E));
    WORKS(store_reader_open(x->path, &r, E));
    struct store_score *at = got;
    WORKS(store_read_scores(r, "a", 0, 99, copy_next, &at, E));
    assert_true(at == got + 2 && isnan(got[0].evidence) && got[0].score == 0.5f);
    assert_true(got[1].evidence == 0.75f);
    store_reader_close(r);
}

static void of_the_models_of_version_1_the_last_one_put_is_live(void **state)
{
    struct fixture *x = *state;
    struct store_reader *r;
    struct store_model got;
    struct err err;

    store_close(x->store);
    x->store = NULL;
    assert_int_equal(unlink(x->path), 0);
    change(x->path, "PRAGMA journal_mode = WAL");
    migrate(x, 1, OK, &err);
    change(x->path,
           "INSERT INTO entities VALUES (1, 'a');"
           "INSERT INTO models (entity, created_ms, model_id, schema_hash, file,"
           " provenance) VALUES (1, 30, 1, 5, '1.tsm', '{}'), (1, 20, 2, 5, '2.tsm', '{}'),"
           " (1, 10, 3, 6, '3.tsm', '{}')");

    WORKS(store_open(x->path, &x->store, E));
    assert_int_equal(ask(x, "PRAGMA user_version"), NOW);
    assert_int_equal(ask(x, "SELECT count(*) FROM models WHERE state = 'live'"), 2);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_model(r, "a", 5, &got, E));
    assert_true(got.model_id == 2 && got.state_ms == 20);
    WORKS(store_read_model(r, "a", 6, &got, E));
    assert_true(got.model_id == 3);
    store_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(older_rows_live_on_in_the_newer_version),
        TEST(a_step_that_breaks_leaves_the_version_before_it),
        TEST(a_new_database_takes_every_step),
        TEST(scores_of_an_older_version_have_no_evidence),
        TEST(of_the_models_of_version_1_the_last_one_put_is_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
