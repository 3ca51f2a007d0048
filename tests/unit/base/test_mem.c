/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <string.h>

#include "../test.h"
#include "base/cleanup.h"

static void memory_comes_zeroed(void **state)
{
    (void)state;
    static const char zeros[1000];

    for (int i = 0; i < 50; i++) {
        CLEANUP(mem_freep) char *p = mem_alloc(1000), *q = mem_array_aligned(100, 10);
        assert_memory_equal(p, zeros, 1000);
        assert_memory_equal(q, zeros, 1000);
        assert_int_equal((uintptr_t)q % 64, 0);
        memset(p, 1, 1000);
        memset(q, 1, 1000);
    }
}

static void nothing_is_a_pointer_of_its_own(void **state)
{
    (void)state;
    CLEANUP(mem_freep) void *a = mem_alloc(0), *b = mem_array(0, 8), *c = mem_array_aligned(8, 0);
    CLEANUP(mem_freep) void *d = mem_grow(NULL, 0, 8);

    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_non_null(d);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    volatile size_t many = SIZE_MAX / 2; /* the compiler shall not see it coming */

    assert_null(mem_array(many, 3));
    assert_null(mem_grow(NULL, many, 3));
    assert_null(mem_array_aligned(many, 3));
    assert_null(mem_array_aligned(many * 2 + 1, 1));
    assert_null(mem_strndup("x", many * 2 + 1));
}

static void growing_keeps_what_was_there(void **state)
{
    (void)state;
    int *p = mem_array(2, sizeof *p);

    p[1] = 42;
    p = mem_grow(p, 1000, sizeof *p);
    assert_non_null(p);
    assert_int_equal(p[1], 42);
    mem_free(p);
}

static void room_is_made_when_it_is_full_and_kept_when_there_is_no_memory(void **state)
{
    (void)state;
    size_t room = 0;
    int *v = NULL, *same;

    for (size_t n = 0; n < 1000; n++) {
        v = mem_make_room(v, n, &room, sizeof *v);
        assert_true(v && room > n && room >= 16);
        v[n] = (int)n;
    }
    assert_int_equal(room, 1024);
    mem_fail_at(1);
    same = mem_make_room(v, room, &room, sizeof *v);
    mem_fail_at(0);
    assert_null(same);
    assert_int_equal(room, 1024);
    for (int n = 0; n < 1000; n++)
        assert_int_equal(v[n], n);
    mem_free(v);
    room = SIZE_MAX / 2 + 1; /* twice as many are none */
    assert_null(mem_make_room(NULL, room, &room, 1));
}

static void strndup_copies_n_bytes_and_ends_them(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *s = mem_strndup("abcdef", 3), *nothing = mem_strndup(NULL, 0);

    assert_string_equal(s, "abc");
    assert_string_equal(nothing, "");
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    CLEANUP(mem_freep) void *a = NULL, *b = NULL, *c = NULL;

    mem_fail_at(2);
    a = mem_alloc(1);
    assert_non_null(a);
    assert_null(mem_grow(NULL, 1, 1));
    b = mem_array(1, 1);
    assert_non_null(b);
    mem_fail_at(1);
    assert_null(mem_strndup("x", 1));
    mem_fail_at(1);
    assert_null(mem_array_aligned(1, 1));
    mem_fail_at(1);
    mem_fail_at(0);
    c = mem_alloc(1);
    assert_non_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_comes_zeroed),
        cmocka_unit_test(nothing_is_a_pointer_of_its_own),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(room_is_made_when_it_is_full_and_kept_when_there_is_no_memory),
        cmocka_unit_test(strndup_copies_n_bytes_and_ends_them),
        cmocka_unit_test(the_nth_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
