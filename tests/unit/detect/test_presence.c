/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "detect/presence.h"

enum { MOVES, RESTS, NEVER_CAME, CONSTANT, WEIGHTLESS, N };

struct fixture {
    struct scaler scaler;
    struct presence *presence;
    float t;
};

/* Trained on 1,000 rows: one feature that stood still for 4 steps at most, one for 400. */
static int set_up(void **state)
{
    static struct fixture x;
    struct err err;

    if (scaler_alloc(N, &x.scaler, &err) != OK)
        return 1;
    x.scaler.rows = 1000;
    for (int i = 0; i < N; i++)
        x.scaler.seen[i] = i == NEVER_CAME ? 0 : 1000;
    x.scaler.longest_still[MOVES] = 4;
    x.scaler.longest_still[RESTS] = 400;
    x.scaler.longest_still[CONSTANT] = 999;
    x.scaler.constant[CONSTANT] = SCALER_CONSTANT;
    x.scaler.constant[WEIGHTLESS] = SCALER_WEIGHTLESS; /* a counter: it moved each time */
    x.scaler.constant[NEVER_CAME] = SCALER_UNSEEN;
    x.t = 0;
    *state = &x;
    return presence_new(&x.scaler, &x.presence, &err) != OK;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    presence_free(x->presence);
    scaler_done(&x->scaler);
    return 0;
}

/* n frames in which MOVES and WEIGHTLESS have these values (NAN: missing) or, with INFINITY, a new
 * one each time. */
static bool push_both(struct fixture *x, int n, float moves, float weightless)
{
    bool changed = false;

    for (int i = 0; i < n; i++) {
        x->t++;
        const float frame[N] = {isinf(moves) ? x->t : moves, 7, NAN, 3,
                                isinf(weightless) ? x->t : weightless};
        changed |= presence_push(x->presence, frame);
    }
    return changed;
}

static bool push(struct fixture *x, int n, float moves)
{
    return push_both(x, n, moves, INFINITY);
}

static void a_feature_that_moves_is_fine(void **state)
{
    struct fixture *x = *state;

    assert_false(push(x, 5000, INFINITY));
}

static void a_feature_that_stops_coming_is_absent_until_it_is_back(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 10, INFINITY);
    assert_false(push(x, PRESENCE_ABSENT_TICKS - 1, NAN));
    assert_true(push(x, 1, NAN));
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_ABSENT);
    assert_true(push(x, 1, INFINITY));
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_FINE);
}

static void what_never_came_in_training_is_not_missed(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 100, INFINITY);
    assert_int_equal(presence_of(x->presence, NEVER_CAME), PRESENCE_FINE);
}

static void a_moving_feature_that_stands_still_is_frozen_until_it_moves(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 10, INFINITY);
    assert_false(push(x, 60, 42));
    assert_true(push(x, 1, 42));
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_FROZEN);
    assert_true(push(x, 1, INFINITY));
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_FINE);
}

static void the_same_lull_is_cried_out_once(void **state)
{
    struct fixture *x = *state;

    assert_true(push(x, 70, 5));
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_FROZEN);
    assert_true(push(x, 10, INFINITY));
    presence_clear(x->presence); /* nor does a gap make it forget */
    assert_false(push(x, 600, 5));
    assert_true(push(x, 100, 5)); /* ten times as long is another matter */
    assert_int_equal(presence_of(x->presence, MOVES), PRESENCE_FROZEN);
}

static void features_that_rested_in_training_may_rest(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 5000, INFINITY);
    assert_int_equal(presence_of(x->presence, RESTS), PRESENCE_FINE);
    assert_int_equal(presence_of(x->presence, CONSTANT), PRESENCE_FINE);
}

static void a_weightless_feature_is_missed_and_found_frozen_as_any(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 10, INFINITY);
    assert_true(push_both(x, PRESENCE_ABSENT_TICKS, INFINITY, NAN));
    assert_int_equal(presence_of(x->presence, WEIGHTLESS), PRESENCE_ABSENT);
    assert_true(push_both(x, 1, INFINITY, 8));
    assert_false(push_both(x, 59, INFINITY, 8));
    assert_true(push_both(x, 1, INFINITY, 8));
    assert_int_equal(presence_of(x->presence, WEIGHTLESS), PRESENCE_FROZEN);
}

static void a_gap_starts_the_count_anew(void **state)
{
    struct fixture *x = *state;

    (void)push(x, 50, 42);
    presence_clear(x->presence);
    assert_false(push(x, 50, 42));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_feature_that_moves_is_fine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_feature_that_stops_coming_is_absent_until_it_is_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_never_came_in_training_is_not_missed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_moving_feature_that_stands_still_is_frozen_until_it_moves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_lull_is_cried_out_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(features_that_rested_in_training_may_rest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_weightless_feature_is_missed_and_found_frozen_as_any,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gap_starts_the_count_anew, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
