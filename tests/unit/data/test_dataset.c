/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include <math.h>
#include <string.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"

static struct dataset *new_filled(size_t rows)
{
    struct dataset *d = NULL;
    struct err err;

    assert_int_equal(dataset_new(3, &d, &err), OK);
    for (size_t i = 0; i < rows; i++) {
        const float frame[] = {(float)i, NAN, (float)-(int)i};
        assert_int_equal(dataset_append(d, 1000 * (int64_t)i, frame, &err), OK);
    }
    return d;
}

static void rows_are_kept_in_order_with_their_gaps(void **state)
{
    (void)state;
    CLEANUP(dataset_freep) struct dataset *d = new_filled(1000);

    assert_int_equal(d->rows, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(d->ts_ms[i], 1000 * i);
        assert_true(d->X[i * 3] == (float)i);
        assert_true(isnan(d->X[i * 3 + 1]));
        assert_true(d->X[i * 3 + 2] == -(float)i);
    }
}

static void row_that_does_not_come_after_the_last_is_refused(void **state)
{
    (void)state;
    CLEANUP(dataset_freep) struct dataset *d = new_filled(5);
    const float frame[3] = {0};
    struct err err;

    assert_int_equal(dataset_append(d, 4000, frame, &err), E_STATE);
    assert_string_equal(err.msg, "dataset: a row of 4000 ms does not come after the last, 4000 ms");
    assert_int_equal(dataset_append(d, -1, frame, &err), E_STATE);
    assert_int_equal(d->rows, 5);
    assert_int_equal(dataset_append(d, 4001, frame, &err), OK);
}

static void frame_without_features_is_refused(void **state)
{
    (void)state;
    struct dataset *d = NULL;
    struct err err;

    assert_int_equal(dataset_new(0, &d, &err), E_LIMIT);
    dataset_free(NULL);
}

static void dataset_without_memory_stays_whole(void **state)
{
    (void)state;
    CLEANUP(dataset_freep) struct dataset *d = new_filled(64);
    const float frame[] = {1, 2, 3};
    struct err err;

    for (uint64_t at = 1; at <= 2; at++) {
        mem_fail_at(at);
        assert_int_equal(dataset_append(d, 64000, frame, &err), E_NOMEM);
        assert_int_equal(d->rows, 64);
    }
    mem_fail_at(0);
    assert_int_equal(dataset_append(d, 64000, frame, &err), OK);
    assert_memory_equal(d->X + 64 * 3, frame, sizeof frame);
}

static void cells_are_limited_before_memory_is(void **state)
{
    (void)state;
    enum { WIDE = DATASET_CELLS_MAX / 3 }; /* never written: no memory is really taken */
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    int64_t times[] = {1, 2, 3};
    const float frame[1] = {0}; /* not read */
    struct err err;

    assert_int_equal(dataset_new(WIDE, &d, &err), OK);
    d->rows = d->capacity = 3; /* as if it had them */
    d->ts_ms = times;
    assert_int_equal(dataset_append(d, 4, frame, &err), E_LIMIT);
    d->ts_ms = NULL;
    assert_string_equal(err.msg, "dataset: more than 3 rows of 89478485 features");
    d->rows = d->capacity = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_limited_before_memory_is),
        cmocka_unit_test(rows_are_kept_in_order_with_their_gaps),
        cmocka_unit_test(row_that_does_not_come_after_the_last_is_refused),
        cmocka_unit_test(frame_without_features_is_refused),
        cmocka_unit_test(dataset_without_memory_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
