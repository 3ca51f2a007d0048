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

/* Rows at these distances, from a start of `first`. */
static int64_t interval_of(int64_t first, const int64_t *distance, size_t n)
{
    CLEANUP(dataset_freep) struct dataset *d = new_filled(0);
    const float frame[3] = {0};
    struct err err;

    assert_int_equal(dataset_append(d, first, frame, &err), OK);
    for (size_t i = 0; i < n; i++) {
        first = (int64_t)((uint64_t)first + (uint64_t)distance[i]);
        assert_int_equal(dataset_append(d, first, frame, &err), OK);
    }
    return dataset_interval_ms(d);
}

static void interval_is_the_usual_distance_of_two_rows(void **state)
{
    (void)state;
    static const int64_t gaps[] = {1000, 3600000, 1000, 86400000, 1000, 1000, 1};
    static const int64_t whole[] = {INT64_MAX, INT64_MAX};
    static int64_t many[5000];

    assert_int_equal(interval_of(0, NULL, 0), 0); /* one row */
    assert_int_equal(interval_of(-500, gaps, 1), 1000);
    assert_int_equal(interval_of(-500, gaps, 7), 1000);
    assert_int_equal(interval_of(INT64_MIN, whole, 2), INT64_MAX);
    for (size_t i = 0; i < 5000; i++) /* many are sampled all over */
        many[i] = i < 1000 ? 1 : 60000;
    assert_int_equal(interval_of(0, many, 5000), 60000);
    CLEANUP(dataset_freep) struct dataset *none = new_filled(0);
    assert_int_equal(dataset_interval_ms(none), 0);
}

static void interval_beyond_the_clock_is_the_longest_there_is(void **state)
{
    (void)state;
    CLEANUP(dataset_freep) struct dataset *d = new_filled(0);
    const float frame[3] = {0};
    struct err err;

    assert_int_equal(dataset_append(d, INT64_MIN, frame, &err), OK);
    assert_int_equal(dataset_append(d, INT64_MAX, frame, &err), OK);
    assert_int_equal(dataset_interval_ms(d), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_limited_before_memory_is),
        cmocka_unit_test(rows_are_kept_in_order_with_their_gaps),
        cmocka_unit_test(row_that_does_not_come_after_the_last_is_refused),
        cmocka_unit_test(frame_without_features_is_refused),
        cmocka_unit_test(dataset_without_memory_stays_whole),
        cmocka_unit_test(interval_is_the_usual_distance_of_two_rows),
        cmocka_unit_test(interval_beyond_the_clock_is_the_longest_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
