/* SPDX-License-Identifier: Apache-2.0 */
#include "data/pool.h"

#include <string.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { MINUTE = 60000, ENTITIES = 5, MANY = 100 };
static const int64_t DAY = 24 * 3600 * 1000,
                     NOON = INT64_C(20000) * 24 * 3600 * 1000 + 12 * 3600 * 1000;

/* Frames a minute apart from start_ms on; the first feature tells the entity, the second the row.
 */
static struct dataset *entity(size_t number, int64_t start_ms, size_t rows)
{
    struct dataset *d = NULL;
    struct err err;

    assert_int_equal(dataset_new(2, &d, &err), OK);
    for (size_t r = 0; r < rows; r++) {
        const float frame[] = {(float)number, (float)r};
        assert_int_equal(dataset_append(d, start_ms + (int64_t)r * MINUTE, frame, &err), OK);
    }
    return d;
}

static struct dataset *pool(struct dataset **v, size_t n, size_t rows_max)
{
    const struct dataset *list[MANY];
    struct dataset *d = NULL;
    struct err err;

    for (size_t i = 0; i < n; i++)
        list[i] = v[i];
    assert_int_equal(pool_datasets(list, n, rows_max, &d, &err), OK);
    return d;
}

static void free_all(struct dataset **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dataset_free(v[i]);
}

/* Rows of one entity in d, and how many follow the row before them without a gap. */
static size_t rows_of(const struct dataset *d, size_t number, size_t *ret_neighbours)
{
    size_t n = 0;

    *ret_neighbours = 0;
    for (size_t r = 0; r < d->rows; r++) {
        if (d->X[2 * r] != (float)number)
            continue;
        n++;
        *ret_neighbours +=
            r > 0 && d->X[2 * r - 2] == (float)number && d->ts_ms[r] == d->ts_ms[r - 1] + MINUTE;
    }
    return n;
}

static void where_there_is_room_every_row_is_in_it(void **state)
{
    struct dataset *v[ENTITIES];
    size_t neighbours;

    (void)state;
    for (size_t i = 0; i < ENTITIES; i++)
        v[i] = entity(i, NOON + (int64_t)i * 7000, 40 + i);
    CLEANUP(dataset_freep) struct dataset *d = pool(v, ENTITIES, 16384);
    assert_int_equal(d->rows, 40 + 41 + 42 + 43 + 44);
    for (size_t i = 0; i < ENTITIES; i++) {
        assert_int_equal(rows_of(d, i, &neighbours), 40 + i);
        assert_int_equal(neighbours, 40 + i - 1); /* one run: nothing is cut without need */
    }
    free_all(v, ENTITIES);
}

static void thinned_it_has_runs_of_each_over_all_the_time(void **state)
{
    enum { ROWS = 20000, MAX = 4000 };
    struct dataset *v[ENTITIES];

    (void)state;
    for (size_t i = 0; i < ENTITIES; i++)
        v[i] = entity(i, NOON, ROWS);
    CLEANUP(dataset_freep) struct dataset *d = pool(v, ENTITIES, MAX);
    assert_in_range(d->rows, MAX / 2, MAX);
    for (size_t i = 0; i < ENTITIES; i++) {
        size_t neighbours;
        const size_t n = rows_of(d, i, &neighbours);
        assert_in_range(n, MAX / 2 / ENTITIES, MAX / ENTITIES);
        assert_true(neighbours > n / 2); /* runs, not single rows */
        int64_t last = 0;
        for (size_t r = 0; r < d->rows; r++)
            last = d->X[2 * r] == (float)i ? d->ts_ms[r] : last;
        assert_true(last > NOON + (int64_t)ROWS * MINUTE * 9 / 10);
    }
    free_all(v, ENTITIES);
}

/* feature/season.h tells one day from the next by rows that follow one another. */
static void a_day_stands_together(void **state)
{
    struct dataset *v[ENTITIES];
    size_t changes = 0;

    (void)state;
    for (size_t i = 0; i < ENTITIES; i++)
        v[i] = entity(i, NOON, 3 * 1440);
    CLEANUP(dataset_freep) struct dataset *d = pool(v, ENTITIES, 16384);
    for (size_t r = 1; r < d->rows; r++) {
        assert_true(d->ts_ms[r] / DAY >= d->ts_ms[r - 1] / DAY);
        changes += d->ts_ms[r] / DAY != d->ts_ms[r - 1] / DAY;
    }
    assert_int_equal(changes, 3);
    free_all(v, ENTITIES);
}

static void no_row_seems_to_follow_one_of_another_entity(void **state)
{
    enum { ROWS = 5 * 1440 };
    const size_t rows_max[] = {200000, 5000, 700};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct dataset *v[ENTITIES];
        for (size_t i = 0; i < ENTITIES; i++) /* some begin where others end */
            v[i] = entity(i, NOON + (int64_t)i * ROWS / 2 * MINUTE, ROWS);
        CLEANUP(dataset_freep) struct dataset *d = pool(v, ENTITIES, rows_max[k]);
        assert_true(d->rows > rows_max[k] / 10 || d->rows > ENTITIES * ROWS * 9 / 10);
        for (size_t r = 1; r < d->rows; r++) {
            const int64_t since_ms = d->ts_ms[r] - d->ts_ms[r - 1];
            if (d->X[2 * r] != d->X[2 * r - 2])
                assert_true(since_ms < 0 || since_ms > POOL_GAP * MINUTE);
        }
        free_all(v, ENTITIES);
    }
}

static void more_entities_than_there_is_room_for_are_chosen_evenly(void **state)
{
    struct dataset *v[MANY];
    size_t neighbours, taken = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        v[i] = entity(i, NOON, 50);
    CLEANUP(dataset_freep) struct dataset *d = pool(v, MANY, 10 * POOL_RUN);
    for (size_t i = 0; i < MANY; i++)
        taken += rows_of(d, i, &neighbours) > 0;
    assert_int_equal(taken, 10);
    assert_true(rows_of(d, 90, &neighbours) > 0);
    assert_int_equal(d->rows, 10 * POOL_RUN);
    free_all(v, MANY);
}

static void one_without_rows_is_no_harm(void **state)
{
    struct dataset *v[2] = {entity(0, NOON, 0), entity(1, NOON, 20)};

    (void)state;
    CLEANUP(dataset_freep) struct dataset *d = pool(v, 2, 1000);
    assert_int_equal(d->rows, 20);
    CLEANUP(dataset_freep) struct dataset *none = pool(v, 1, 1000);
    assert_int_equal(none->rows, 0);
    free_all(v, 2);
}

static void without_memory_it_says_so(void **state)
{
    struct dataset *v[2] = {entity(0, NOON, 30), entity(1, NOON, 30)};
    const struct dataset *list[2] = {v[0], v[1]};
    struct dataset *d = NULL;
    struct err err;

    (void)state;
    for (unsigned long long k = 1; k <= 3; k++) {
        mem_fail_at(k);
        assert_int_equal(pool_datasets(list, 2, 1000, &d, &err), E_NOMEM);
        mem_fail_at(0);
    }
    free_all(v, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_there_is_room_every_row_is_in_it),
        cmocka_unit_test(thinned_it_has_runs_of_each_over_all_the_time),
        cmocka_unit_test(a_day_stands_together),
        cmocka_unit_test(no_row_seems_to_follow_one_of_another_entity),
        cmocka_unit_test(more_entities_than_there_is_room_for_are_chosen_evenly),
        cmocka_unit_test(one_without_rows_is_no_harm),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
