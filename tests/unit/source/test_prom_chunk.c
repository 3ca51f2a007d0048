/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdbool.h>

#include "source/prom_chunk.h"

static void pieces_cover_every_instant_once(void **state)
{
    struct prom_chunk c;
    int64_t start, end, expected = 1000;
    uint64_t n = 0;

    (void)state;
    prom_chunk_init(&c, 1000, 1000 + 15 * 100 + 7, 15, 7); /* the end is no instant */
    while (prom_chunk_next(&c, &start, &end)) {
        assert_int_equal(start, expected);
        assert_true(prom_chunk_count(start, end, 15) <= 7);
        n += prom_chunk_count(start, end, 15);
        expected = end + 15;
        prom_chunk_done(&c, end);
    }
    assert_int_equal(n, 101);
    assert_int_equal(n, prom_chunk_count(1000, 1000 + 15 * 100 + 7, 15));
    assert_int_equal(expected, 1000 + 15 * 101);
}

static void a_piece_stays_until_it_is_done(void **state)
{
    struct prom_chunk c;
    int64_t start, end, again_start, again_end;

    (void)state;
    prom_chunk_init(&c, 0, 100, 10, 4);
    assert_true(prom_chunk_next(&c, &start, &end));
    assert_true(prom_chunk_next(&c, &again_start, &again_end));
    assert_true(start == again_start && end == again_end && end == 30);
}

static void a_piece_that_is_too_much_is_halved_down_to_one_instant(void **state)
{
    struct prom_chunk c;
    int64_t start, end;

    (void)state;
    prom_chunk_init(&c, 0, 1000000, 10, 11000);
    assert_true(prom_chunk_halve(&c) && c.points == 5500);
    assert_true(prom_chunk_next(&c, &start, &end));
    assert_true(start == 0 && end == 10 * (5500 - 1));
    prom_chunk_done(&c, end);
    assert_true(prom_chunk_next(&c, &start, &end));
    assert_true(start == 55000 && prom_chunk_count(start, end, 10) == 5500); /* it stays small */
    int n = 0;
    while (prom_chunk_halve(&c))
        n++;
    assert_int_equal(n, 12);
    assert_true(c.points == 1 && prom_chunk_next(&c, &start, &end) && start == end);

    prom_chunk_init(&c, 0, 30, 10, 11000); /* four are left: half of those, not of the most */
    assert_true(prom_chunk_halve(&c) && c.points == 2);
    prom_chunk_init(&c, 0, 0, 10, 11000);
    assert_false(prom_chunk_halve(&c));
}

static void an_empty_span_has_no_piece(void **state)
{
    struct prom_chunk c;
    int64_t start, end;

    (void)state;
    prom_chunk_init(&c, 20, 10, 10, 5);
    assert_false(prom_chunk_next(&c, &start, &end));
    assert_int_equal(prom_chunk_count(20, 10, 10), 0);
    assert_int_equal(prom_chunk_count(20, 20, 10), 1);
}

static void times_are_aligned_on_both_sides_of_zero(void **state)
{
    (void)state;
    assert_int_equal(prom_chunk_floor(29, 15), 15);
    assert_int_equal(prom_chunk_floor(30, 15), 30);
    assert_int_equal(prom_chunk_floor(-1, 15), -15);
    assert_int_equal(prom_chunk_ceil(29, 15), 30);
    assert_int_equal(prom_chunk_ceil(30, 15), 30);
    assert_int_equal(prom_chunk_ceil(-1, 15), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_cover_every_instant_once),
        cmocka_unit_test(a_piece_stays_until_it_is_done),
        cmocka_unit_test(a_piece_that_is_too_much_is_halved_down_to_one_instant),
        cmocka_unit_test(an_empty_span_has_no_piece),
        cmocka_unit_test(times_are_aligned_on_both_sides_of_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
