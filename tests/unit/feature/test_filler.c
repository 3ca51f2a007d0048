/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "feature/filler.h"

struct fixture {
    struct scaler scaler;
    struct filler *filler;
};

static int set_up(void **state)
{
    struct fixture *x = test_malloc(sizeof *x);
    struct err err;

    if (scaler_alloc(2, &x->scaler, &err) != OK || filler_new(2, &x->filler, &err) != OK)
        return 1;
    x->scaler.median[0] = 10;
    x->scaler.median[1] = 20;
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    filler_free(x->filler);
    scaler_done(&x->scaler);
    test_free(x);
    return 0;
}

static void before_any_value_came_the_training_median_stands_in(void **state)
{
    struct fixture *x = *state;
    const float frame[2] = {NAN, 3};
    float filled[2];
    uint8_t present[2];

    filler_apply(x->filler, &x->scaler, frame, filled, present);
    assert_float_equal(filled[0], 10, 0);
    assert_int_equal(present[0], 0);
    assert_float_equal(filled[1], 3, 0);
    assert_int_equal(present[1], 1);
}

static void the_last_value_stands_in_for_five_frames_then_the_median(void **state)
{
    struct fixture *x = *state;
    const float first[2] = {1, 2}, gap[2] = {NAN, INFINITY};
    float filled[2];
    uint8_t present[2];

    for (int round = 0; round < 2; round++) { /* a value that comes again starts the count anew */
        filler_apply(x->filler, &x->scaler, first, filled, present);
        for (int i = 0; i < FILL_TICKS; i++) {
            filler_apply(x->filler, &x->scaler, gap, filled, present);
            assert_float_equal(filled[0], 1, 0);
            assert_float_equal(filled[1], 2, 0);
            assert_int_equal(present[0] + present[1], 0);
        }
        for (int i = 0; i < 300; i++) {
            filler_apply(x->filler, &x->scaler, gap, filled, present);
            assert_float_equal(filled[0], 10, 0);
            assert_float_equal(filled[1], 20, 0);
        }
    }
}

static void filling_in_place_gives_the_same(void **state)
{
    struct fixture *x = *state;
    float frame[2] = {4, NAN};
    uint8_t present[2];

    filler_apply(x->filler, &x->scaler, frame, frame, present);
    assert_float_equal(frame[0], 4, 0);
    assert_float_equal(frame[1], 20, 0);
}

static void clearing_forgets_the_last_values(void **state)
{
    struct fixture *x = *state;
    const float first[2] = {1, 2}, gap[2] = {NAN, NAN};
    float filled[2];
    uint8_t present[2];

    filler_apply(x->filler, &x->scaler, first, filled, present);
    filler_clear(x->filler);
    filler_apply(x->filler, &x->scaler, gap, filled, present);
    assert_float_equal(filled[0], 10, 0);
    assert_float_equal(filled[1], 20, 0);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    struct filler *f = NULL;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(filler_new(3, &f, &err), E_NOMEM);
    assert_null(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_any_value_came_the_training_median_stands_in, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_last_value_stands_in_for_five_frames_then_the_median,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(filling_in_place_gives_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clearing_forgets_the_last_values, set_up, tear_down),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
