/* SPDX-License-Identifier: Apache-2.0 */
#include "assembler_fixture.h"

static void a_full_intake_refuses_the_next_push_as_a_whole(void **state)
{
    (void)state;
    struct assembler_result r;
    struct err err;

    start_h();
    fake.full = true;
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "y", T0 + INTERVAL, 4);
    add("g", "x", T0, 1);
    assert_int_equal(push().taken, 3); /* it was not known yet */
    for (int i = 0; i < 3; i++) {
        add("h", "x", T0 + 2 * INTERVAL, 5);
        add("g", "x", T0 + INTERVAL, 2);
        assert_int_equal(assembler_take(a, batch, n_batch, wall, mono, &r, &err), E_LIMIT);
        n_batch = 0;
        pass(1000);
    }
    fake.full = false;
    add("h", "x", T0 + 2 * INTERVAL, 5);
    assert_int_equal(push().taken, 1); /* what had waited went first */
    check_tick(1, T0 + INTERVAL, 3, 4);
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 4);
    check_tick(2, T0 + 2 * INTERVAL, 5, 4);
    assert_string_equal(fake.ticks[3].instance, "g");
    assert_int_equal(assembler_cell_bytes(a), 0);
}

/* Part of a scrape was taken, then the intake was full for long: the rest is still waited for. */
static void what_is_refused_because_of_a_full_intake_is_waited_for(void **state)
{
    (void)state;
    struct assembler_result r;
    struct err err;

    start_h();
    fake.full = true;
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "y", T0 + INTERVAL, 4);
    add("h", "x", T0 + 2 * INTERVAL, 5);
    (void)push();
    for (int i = 0; i < 20; i++) {
        add("h", "y", T0 + 2 * INTERVAL, 6);
        assert_int_equal(assembler_take(a, batch, n_batch, wall, mono, &r, &err), E_LIMIT);
        n_batch = 0;
        pass(2000);
    }
    fake.full = false;
    pass(2000);
    add("h", "y", T0 + 2 * INTERVAL, 6);
    r = push();
    assert_true(r.taken == 1 && r.late == 0);
    check_tick(1, T0 + INTERVAL, 3, 4);
    check_tick(2, T0 + 2 * INTERVAL, 5, 6);
}

static void an_entity_that_the_intake_does_not_like_is_offered_again_later(void **state)
{
    (void)state;
    fake.unlike = "h";
    add("h", "x", T0, 1);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.asked, 1);
    add("h", "x", T0 + INTERVAL, 1);
    assert_int_equal(push().refused, 1);
    pass(60 * 1000);
    fake.unlike = NULL;
    add("h", "x", T0 + 5 * INTERVAL, 6);
    add("h", "y", T0 + 5 * INTERVAL, 7);
    assert_int_equal(push().taken, 2);
    pass(ASSEMBLER_SETTLE_MS);
    check_tick(0, T0 + 5 * INTERVAL, 6, 7);
}

static void too_many_open_cells_refuse_a_push_as_a_whole(void **state)
{
    (void)state;
    struct assembler_result r;
    struct err err;

    for (int i = 0; i < ASSEMBLER_CELLS_MAX; i++)
        add("h", "x", T0 + i * INTERVAL, i);
    wall = T0 + 1000 * INTERVAL;
    (void)push();
    const size_t bytes = assembler_cell_bytes(a);
    add("g", "x", T0, 1);
    add("h", "x", T0 + ASSEMBLER_CELLS_MAX * INTERVAL, 1);
    assert_int_equal(assembler_take(a, batch, n_batch, wall, mono, &r, &err), E_LIMIT);
    assert_int_equal(assembler_cell_bytes(a), bytes); /* g has nothing either */
    n_batch = 0;
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, ASSEMBLER_CELLS_MAX);
    assert_int_equal(assembler_cell_bytes(a), 0);
}

static void entities_long_gone_are_forgotten_and_numbers_used_again(void **state)
{
    (void)state;
    uint32_t h = 0, again = 0;
    struct err err;

    start_h();
    assert_int_equal(assembler_entity(a, STR("h"), &h, &err), OK);
    const uint8_t generation = assembler_generation(a, h);
    assembler_expire(a, mono);
    assert_int_equal(assembler_entities(a), 1);
    pass(ASSEMBLER_EXPIRE_MS + 1);
    assembler_expire(a, mono);
    assert_int_equal(assembler_entities(a), 0);
    assert_int_not_equal(assembler_generation(a, h), generation);
    assert_int_equal(assembler_entity(a, STR("other"), &again, &err), OK);
    assert_int_equal(again, h);
    assert_int_equal(assembler_entity(a, STR("h"), &again, &err), OK);
    assert_int_not_equal(again, h);
    assert_int_not_equal(assembler_generation(a, h), generation);
}

/* Series that come and go, as those of containers do. */
static void a_set_full_of_ended_series_is_made_anew(void **state)
{
    (void)state;
    uint32_t h = 0;
    struct err err;
    char name[32];

    start_h();
    assert_int_equal(assembler_entity(a, STR("h"), &h, &err), OK);
    const uint8_t generation = assembler_generation(a, h);
    for (int i = 0; i < 4100; i++) {
        uint32_t id;
        (void)snprintf(name, sizeof name, "gone%d", i);
        assert_int_equal(assembler_series(a, h, str_of(name), NULL, 0, METRIC_UNTYPED, &id, &err),
                         OK);
    }
    pass(10 * 60 * 1000); /* h has been stale for long by then */
    const size_t before = fake.n;
    add("h", "x", T0 + 50 * INTERVAL, 3);
    add("h", "y", T0 + 50 * INTERVAL, 4);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, before + 1);
    assert_int_not_equal(assembler_generation(a, h), generation);
    add("h", "x", T0 + 51 * INTERVAL, 5);
    add("h", "y", T0 + 51 * INTERVAL, 6);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, before + 2);
    assert_int_equal(fake.ticks[before + 1].s->n, 2);
    check_tick(before + 1, T0 + 51 * INTERVAL, 5, 6);
}

static void names_that_cannot_be_an_entity_s_are_refused(void **state)
{
    (void)state;
    char name[INSTANCE_MAX + 1];
    uint32_t number;
    struct err err;

    memset(name, 'a', sizeof name);
    assert_int_equal(assembler_entity(a, STR(""), &number, &err), E_CONFIG);
    assert_int_equal(assembler_entity(a, STR("\xff"), &number, &err), E_CONFIG);
    assert_int_equal(assembler_entity(a, (struct str){name, INSTANCE_MAX}, &number, &err),
                     E_CONFIG);
    assert_int_equal(assembler_entity(a, (struct str){name, INSTANCE_MAX - 1}, &number, &err), OK);
}

static void many_entities_keep_apart(void **state)
{
    (void)state;
    char name[32];

    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "host%d", i);
        add(name, "x", T0 + i, i);
    }
    (void)push();
    mono += ASSEMBLER_SETTLE_MS;
    assert_true(assembler_poll(a, wall, mono)); /* others must not wait until all are handed on */
    assert_int_equal(fake.n, ASSEMBLER_POLL_TICKS);
    pass(0);
    assert_int_equal(fake.n, 1000);
    for (size_t i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "host%zu", i);
        assert_string_equal(fake.ticks[i].instance, name);
        assert_true(fake_tick_value(&fake.ticks[i], "x") == (double)i);
    }
}

/* Whatever allocation fails: nothing was taken, or all was; and the sender's next try works. */
static void without_memory_a_push_is_taken_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    struct assembler_result r;
    struct err err;

    start_h();
    for (int nth = 1; nth < 20; nth++) {
        const int64_t ts = T0 + nth * INTERVAL;
        add("h", "x", ts, nth);
        add("h", "y", ts, -nth);
        mem_fail_at((uint64_t)nth);
        enum rc rc = assembler_take(a, batch, n_batch, wall, mono, &r, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        if (rc == E_NOMEM)
            assert_int_equal(assembler_take(a, batch, n_batch, wall, mono, &r, &err), OK);
        n_batch = 0;
        pass(1000); /* a tick that could not be made is made now */
        assert_int_equal(fake.n, nth + 1);
        check_tick((size_t)nth, ts, nth, -nth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_A(a_full_intake_refuses_the_next_push_as_a_whole),
        TEST_A(what_is_refused_because_of_a_full_intake_is_waited_for),
        TEST_A(an_entity_that_the_intake_does_not_like_is_offered_again_later),
        TEST_A(too_many_open_cells_refuse_a_push_as_a_whole),
        TEST_A(entities_long_gone_are_forgotten_and_numbers_used_again),
        TEST_A(a_set_full_of_ended_series_is_made_anew),
        TEST_A(names_that_cannot_be_an_entity_s_are_refused),
        TEST_A(many_entities_keep_apart),
        TEST_A(without_memory_a_push_is_taken_as_a_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
