/* SPDX-License-Identifier: Apache-2.0 */
#include "assembler_fixture.h"

static void the_first_tick_comes_when_samples_stop(void **state)
{
    (void)state;
    add("h", "x", T0, 1);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS - 1);
    assert_int_equal(fake.n, 0);
    add("h", "y", T0, 2); /* the rest of the scrape, in another request */
    (void)push();
    pass(ASSEMBLER_SETTLE_MS - 1);
    assert_int_equal(fake.n, 0);
    pass(1);
    assert_int_equal(fake.n, 1);
    check_tick(0, T0, 1, 2);
}

static void a_tick_comes_at_once_when_all_series_have_a_sample(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    (void)push();
    assert_int_equal(fake.n, 1);
    add("h", "y", T0 + INTERVAL, 4);
    (void)push();
    assert_int_equal(fake.n, 2);
    check_tick(1, T0 + INTERVAL, 3, 4);
}

static void a_new_series_makes_its_tick_wait_for_others(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "y", T0 + INTERVAL, 4);
    add("h", "z", T0 + INTERVAL, 5);
    (void)push();
    assert_int_equal(fake.n, 1); /* where one is new, more may be */
    add("h", "zz", T0 + INTERVAL, 6);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 2);
    assert_true(fake_tick_value(&fake.ticks[1], "z") == 5);
    assert_true(fake_tick_value(&fake.ticks[1], "zz") == 6);
}

static void samples_of_one_cell_make_one_tick_at_the_newest_time(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL + 400, 3);
    add("h", "y", T0 + INTERVAL - 700, 4); /* jitter over what would be an edge of a fixed grid */
    (void)push();
    assert_int_equal(fake.n, 2);
    check_tick(1, T0 + INTERVAL + 400, 3, 4);
}

static void of_several_samples_in_a_cell_the_newest_stands(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL + 100, 30);
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "x", T0 + INTERVAL + 200, 31);
    (void)push();
    add("h", "x", T0 + INTERVAL + 50, 29); /* out of order within the open cell */
    assert_int_equal(push().taken, 1);
    add("h", "y", T0 + INTERVAL, 4);
    (void)push();
    assert_int_equal(fake.n, 2);
    check_tick(1, T0 + INTERVAL + 200, 31, 4);
}

static void a_sample_that_comes_after_its_cell_went_counts_for_the_next(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + 3000, 3); /* of the cell that went, but newer than its tick */
    (void)push();
    add("h", "y", T0 + INTERVAL, 4);
    (void)push();
    assert_int_equal(fake.n, 1); /* x may have more to say at this time */
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 2);
    check_tick(1, T0 + INTERVAL, 3, 4);
}

static void nothing_but_the_rest_of_a_cell_that_went_is_a_tick_in_the_end(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + 3000, series_stale());
    add("h", "y", T0 + 3000, 5);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS + INTERVAL - 1);
    assert_int_equal(fake.n, 1);
    pass(1);
    assert_int_equal(fake.n, 2);
    check_tick(1, T0 + 3000, series_stale(), 5);
}

/* Scrapes each 7 s where a tick is asked for each 15 s: as they come, and an hour at once. */
static void samples_more_often_than_cells_are_thinned(void **state)
{
    (void)state;
    enum { STEP = 7000, SCRAPES = 500 };
    size_t before = 0;

    for (int at_once = 0; at_once < 2; at_once++) {
        const int64_t from = T0 + (int64_t)at_once * SCRAPES * STEP;
        wall = T0 + INT64_C(2) * SCRAPES * STEP;
        for (int i = 0; i < SCRAPES; i++) {
            add("h", "x", from + (int64_t)i * STEP, i);
            add("h", "y", from + (int64_t)i * STEP, -i);
            if (at_once)
                continue;
            (void)push();
            for (int s = 0; s < STEP / 1000; s++)
                pass(1000);
        }
        if (at_once)
            (void)push();
        pass(ASSEMBLER_SETTLE_MS + INTERVAL);
        const size_t n = fake.n - before;
        assert_in_range(n, SCRAPES * STEP / INTERVAL - 2, SCRAPES * STEP / INTERVAL + 2);
        for (size_t i = before + 1; i < fake.n; i++) {
            const int64_t apart = fake.ticks[i].ts_ms - fake.ticks[i - 1].ts_ms;
            assert_in_range(apart, 1, 2 * INTERVAL);
        }
        before = fake.n;
    }
}

static void the_same_sample_again_is_taken_in_silence(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0, 1); /* its sender never got the answer */
    add("h", "y", T0, 2);
    struct assembler_result r = push();
    assert_true(r.taken == 2 && r.late == 0);
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "x", T0 + INTERVAL, 3);
    r = push();
    assert_true(r.taken == 2 && r.conflicting == 0);
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 2);
}

static void another_value_at_the_same_time_conflicts(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "x", T0 + INTERVAL, 33);
    const struct assembler_result r = push();
    assert_true(r.taken == 1 && r.conflicting == 1);
    pass(ASSEMBLER_SETTLE_MS);
    check_tick(1, T0 + INTERVAL, 3, 2);
}

static void what_is_older_than_the_last_tick_is_late(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 - 1, 7);
    add("h", "x", T0, 7); /* of another value than was taken */
    add("h", "x", -5, 7);
    const struct assembler_result r = push();
    assert_true(r.late == 3 && r.taken == 0);
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 1);
}

static void what_lies_in_the_future_is_not_taken(void **state)
{
    (void)state;
    start_h();
    add("h", "x", wall + ASSEMBLER_AHEAD_MS + 1, 7);
    add("h", "x", INT64_MAX, 7);
    const struct assembler_result r = push();
    assert_int_equal(r.future, 2);
    add("h", "x", wall + ASSEMBLER_AHEAD_MS, 7);
    assert_int_equal(push().taken, 1);
}

static void a_stale_marker_ends_its_series(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "y", T0 + INTERVAL, series_stale());
    (void)push();
    check_tick(1, T0 + INTERVAL, 3, series_stale());
    add("h", "x", T0 + 2 * INTERVAL, 4); /* complete without y */
    (void)push();
    assert_int_equal(fake.n, 3);
    check_tick(2, T0 + 2 * INTERVAL, 4, series_stale());
}

static void a_stale_marker_that_comes_late_ends_its_series_too(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    check_tick(1, T0 + INTERVAL, 3, 2);
    add("h", "y", T0 + INTERVAL, series_stale());
    add("h", "x", T0, series_stale()); /* older than what x had since */
    struct assembler_result r = push();
    assert_true(r.taken == 2 && r.late == 0);
    add("h", "x", T0 + 2 * INTERVAL, 4);
    (void)push();
    assert_int_equal(fake.n, 3);
    check_tick(2, T0 + 2 * INTERVAL, 4, series_stale());
}

static void an_entity_whose_series_all_ended_is_stale(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, series_stale());
    add("h", "y", T0 + INTERVAL, series_stale());
    (void)push();
    assert_int_equal(fake.n, 2);
    assert_null(fake.ticks[1].s);
    assert_true(fake.ticks[1].ts_ms == T0 + INTERVAL);
    assert_string_equal(fake.ticks[1].why, "all its series were marked stale");
    add("h", "x", T0 + 2 * INTERVAL, 1); /* and back */
    add("h", "y", T0 + 2 * INTERVAL, 2);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 3);
    check_tick(2, T0 + 2 * INTERVAL, 1, 2);
}

static void a_series_of_another_rhythm_keeps_its_value_for_five_minutes(void **state)
{
    (void)state;
    int i = 0;

    start_h();
    for (i = 1; i * INTERVAL <= ASSEMBLER_LOOKBACK_MS; i++) {
        add("h", "x", T0 + i * INTERVAL, i);
        (void)push();
        pass(ASSEMBLER_SETTLE_MS);
        check_tick((size_t)i, T0 + i * INTERVAL, i, 2);
    }
    add("h", "x", T0 + i * INTERVAL, i);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    check_tick((size_t)i, T0 + i * INTERVAL, i, series_stale());
}

static void a_silent_entity_is_stale_once(void **state)
{
    (void)state;
    start_h();
    pass(4 * INTERVAL - ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 1);
    pass(1);
    assert_int_equal(fake.n, 2);
    assert_string_equal(fake.ticks[1].why, "nothing came for 1m");
    assert_true(fake.ticks[1].ts_ms == wall);
    pass(INTERVAL);
    assert_int_equal(fake.n, 2);
}

static void whom_an_entity_is_like_is_told_once_before_its_tick(void **state)
{
    uint32_t h;
    struct err err;

    (void)state;
    assert_int_equal(assembler_entity(a, STR("h"), &h, &err), OK);
    assembler_set_group(a, h, STR("db"));
    assembler_set_group(a, h, STR("")); /* a series that does not tell */
    assert_int_equal(fake.groups, 0);   /* nobody knows yet whether it will have a tick */
    start_h();
    assert_int_equal(fake.groups, 1);
    assert_string_equal(fake.group, "db");
    assert_string_equal(fake.grouped, "h");
    assembler_set_group(a, h, STR("db"));
    add("h", "x", T0 + INTERVAL, 1);
    add("h", "y", T0 + INTERVAL, 2);
    (void)push();
    assert_int_equal(fake.groups, 1);
    assembler_set_group(a, h, STR("web")); /* another one from now on */
    add("h", "x", T0 + 2 * INTERVAL, 1);
    add("h", "y", T0 + 2 * INTERVAL, 2);
    (void)push();
    assert_int_equal(fake.groups, 2);
    assert_string_equal(fake.group, "web");
    pass(10 * INTERVAL); /* silent: it may be forgotten */
    add("h", "x", T0 + 13 * INTERVAL, 1);
    add("h", "y", T0 + 13 * INTERVAL, 2);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.groups, 3);
}

static void the_past_is_fed_in_order_as_it_comes(void **state)
{
    (void)state;
    start_h();
    for (int i = 1; i <= 200; i++) { /* one request with an hour's scrapes, series by series */
        add("h", "x", T0 + i * INTERVAL, i);
    }
    for (int i = 1; i <= 200; i++)
        add("h", "y", T0 + i * INTERVAL, -i);
    assert_int_equal(push().taken, 400);
    assert_int_equal(fake.n, 201);
    for (int i = 1; i <= 200; i++)
        check_tick((size_t)i, T0 + i * INTERVAL, i, -i);
}

/* A sender's shards each keep the order of their series, and may be far apart. */
static void shards_that_run_ahead_lose_nothing(void **state)
{
    (void)state;
    enum { SHARDS = 4, CELLS = 60 };
    static const char *const names[SHARDS] = {"x", "y", "z", "w"};
    int next[SHARDS] = {0};
    struct rng rng;

    rng_init(&rng, 3);
    for (int done = 0; done < SHARDS * CELLS;) {
        const int shard = (int)rng_below(&rng, SHARDS);
        const int some = 1 + (int)rng_below(&rng, 20);
        for (int i = 0; i < some && next[shard] < CELLS; i++, done++, next[shard]++)
            add("h", names[shard], T0 + next[shard] * INTERVAL, next[shard]);
        (void)push();
        pass(rng_below(&rng, 50));
    }
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, CELLS);
    for (int i = 0; i < CELLS; i++) {
        check_tick((size_t)i, T0 + i * INTERVAL, i, i);
        assert_true(fake_tick_value(&fake.ticks[i], "z") == i);
        assert_true(fake_tick_value(&fake.ticks[i], "w") == i);
    }
}

static void flush_hands_on_what_is_open(void **state)
{
    (void)state;
    start_h();
    add("h", "x", T0 + INTERVAL, 3);
    add("h", "x", T0 + 2 * INTERVAL, 4);
    (void)push();
    assembler_flush(a);
    assert_int_equal(fake.n, 3);
    check_tick(1, T0 + INTERVAL, 3, 2);
    check_tick(2, T0 + 2 * INTERVAL, 4, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_A(the_first_tick_comes_when_samples_stop),
        TEST_A(a_tick_comes_at_once_when_all_series_have_a_sample),
        TEST_A(a_new_series_makes_its_tick_wait_for_others),
        TEST_A(samples_of_one_cell_make_one_tick_at_the_newest_time),
        TEST_A(of_several_samples_in_a_cell_the_newest_stands),
        TEST_A(a_sample_that_comes_after_its_cell_went_counts_for_the_next),
        TEST_A(nothing_but_the_rest_of_a_cell_that_went_is_a_tick_in_the_end),
        TEST_A(samples_more_often_than_cells_are_thinned),
        TEST_A(the_same_sample_again_is_taken_in_silence),
        TEST_A(another_value_at_the_same_time_conflicts),
        TEST_A(what_is_older_than_the_last_tick_is_late),
        TEST_A(what_lies_in_the_future_is_not_taken),
        TEST_A(a_stale_marker_ends_its_series),
        TEST_A(a_stale_marker_that_comes_late_ends_its_series_too),
        TEST_A(an_entity_whose_series_all_ended_is_stale),
        TEST_A(a_series_of_another_rhythm_keeps_its_value_for_five_minutes),
        TEST_A(a_silent_entity_is_stale_once),
        TEST_A(whom_an_entity_is_like_is_told_once_before_its_tick),
        TEST_A(the_past_is_fed_in_order_as_it_comes),
        TEST_A(shards_that_run_ahead_lose_nothing),
        TEST_A(flush_hands_on_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
