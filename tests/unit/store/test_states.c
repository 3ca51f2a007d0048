/* SPDX-License-Identifier: Apache-2.0 */
/* The states that outlive a restart, and the incident that one goes on with. */
#include "fixture.h"

static enum rc read_state(struct fixture *x, const char *instance, uint64_t hash, struct buf *out,
                          int64_t *ret_ms, struct err *err)
{
    struct store_reader *r = NULL;

    WORKS(store_reader_open(x->path, &r, E));
    buf_init(out, STORE_STATE_MAX);
    const enum rc rc = store_read_state(r, instance, "reference", hash, out, ret_ms, err);
    store_reader_close(r);
    return rc;
}

static void a_state_is_read_back_and_replaced(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct buf got;
    struct err err;
    int64_t ms;

    WORKS(store_put_state(x->store, a, "reference", 7, 10, "one\0two", 7, E));
    WORKS(store_put_state(x->store, a, "reference", 7, 20, "three", 5, E));
    WORKS(store_put_state(x->store, b, "reference", 7, 30, "other", 5, E));
    assert_int_equal(read_state(x, "a", 7, &got, &ms, &err), OK);
    assert_true(got.n == 5 && memcmp(got.p, "three", 5) == 0 && ms == 20);
    buf_done(&got);
    assert_int_equal(read_state(x, "a", 8, &got, &ms, &err), E_STATE); /* other features */
    assert_int_equal(read_state(x, "c", 7, &got, &ms, &err), E_STATE);
    assert_int_equal(ask(x, "SELECT count(*) FROM states"), 2);
}

static void a_state_that_is_too_large_is_refused_both_ways(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    char *large = mem_alloc(STORE_STATE_MAX + 1);
    struct buf got;
    struct err err;
    int64_t ms;

    assert_non_null(large);
    WORKS(store_put_state(x->store, a, "reference", 7, 10, large, STORE_STATE_MAX, E));
    assert_int_equal(read_state(x, "a", 7, &got, &ms, &err), OK);
    assert_int_equal(got.n, STORE_STATE_MAX);
    buf_done(&got);
    assert_int_equal(
        store_put_state(x->store, a, "reference", 7, 10, large, STORE_STATE_MAX + 1, &err),
        E_LIMIT);
    change(x->path, "UPDATE states SET state = zeroblob(1000001)");
    assert_int_equal(read_state(x, "a", 7, &got, &ms, &err), E_LIMIT);
    mem_free(large);
}

static void what_is_learned_anew_has_no_state(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");

    WORKS(store_put_state(x->store, a, "reference", 7, 10, "a", 1, E));
    WORKS(store_put_state(x->store, b, "reference", 7, 10, "b", 1, E));
    WORKS(store_forget(x->store, "a", E));
    assert_int_equal(ask(x, "SELECT count(*) FROM states"), 1);
}

static void a_slow_incident_is_found_by_its_start(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct incident slow = {.kind = INCIDENT_SLOW, .start_ms = 10, .peak_ms = 20},
                    fast = {.start_ms = 10, .peak_ms = 20};
    int64_t id;

    WORKS(store_put_incident(x->store, a, x->schema, &slow, E));
    WORKS(store_put_incident(x->store, a, x->schema, &fast, E));
    WORKS(store_find_incident(x->store, a, INCIDENT_SLOW, 10, &id, E));
    assert_int_equal(id, slow.id);
    WORKS(store_find_incident(x->store, a, INCIDENT_SLOW, 11, &id, E));
    assert_int_equal(id, 0);
    WORKS(store_find_incident(x->store, b, INCIDENT_SLOW, 10, &id, E));
    assert_int_equal(id, 0);

    /* a restart closes it, and who still knows it opens it again: one row */
    reopen(x);
    WORKS(store_close_orphans(x->store, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents WHERE end_ms IS NULL"), 0);
    WORKS(store_put_incident(x->store, a, x->schema, &slow, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents"), 2);
    assert_int_equal(ask(x, "SELECT id FROM incidents WHERE end_ms IS NULL"), slow.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_is_read_back_and_replaced),
        TEST(a_state_that_is_too_large_is_refused_both_ways),
        TEST(what_is_learned_anew_has_no_state),
        TEST(a_slow_incident_is_found_by_its_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
