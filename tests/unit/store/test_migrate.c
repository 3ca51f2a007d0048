/* SPDX-License-Identifier: Apache-2.0 */
/* From an older version to a newer one, with rows in it. */
#include "fixture.h"

#include "store/migrate.h"

enum { STEPS = 4 };

/* The real first version, then three of a future, the last of which breaks half-way. */
static const char *const *future(void)
{
    static const char *steps[STEPS];

    steps[0] = store_steps[0];
    steps[1] = "ALTER TABLE scores ADD COLUMN widening REAL;"
               "UPDATE scores SET widening = 1.5";
    steps[2] = "CREATE TABLE outbox (id INTEGER PRIMARY KEY)";
    steps[3] = "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)";
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
    assert_int_equal(ask(x, "PRAGMA user_version"), 1);
    store_close(x->store);
    x->store = NULL;

    migrate(x, 3, OK, &err);
    assert_int_equal(ask(x, "PRAGMA user_version"), 3);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores WHERE widening = 1.5"), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0);
    migrate(x, 3, OK, &err); /* nothing left to do */

    assert_int_equal(store_open(x->path, &x->store, &err), E_STATE);
}

static void a_step_that_breaks_leaves_the_version_before_it(void **state)
{
    struct fixture *x = *state;
    struct err err;

    put_ticks(x, new_entity(x, "a"), 0, 1, 100);
    store_close(x->store);
    x->store = NULL;

    migrate(x, 4, E_IO, &err);
    assert_non_null(strstr(err.msg, "migration to version 4"));
    assert_non_null(strstr(err.msg, "nowhere"));
    assert_int_equal(ask(x, "PRAGMA user_version"), 3);
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
    migrate(x, 3, OK, &err);
    assert_int_equal(ask(x, "PRAGMA user_version"), 3);
    assert_int_equal(ask(x, "PRAGMA application_id"), STORE_APPLICATION_ID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(older_rows_live_on_in_the_newer_version),
        TEST(a_step_that_breaks_leaves_the_version_before_it),
        TEST(a_new_database_takes_every_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
