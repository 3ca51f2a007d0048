/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <string.h>

#include "../test.h"
#include "base/mem.h"

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = NULL;
    struct err err;
    static const char zeros[32];

    assert_int_equal(arena_new(4096, &a, &err), OK);
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < 32; n++) {
            char *p = arena_alloc(a, n, 1);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_memory_equal(p, zeros, n);
            memset(p, 0xff, n);
        }
        arena_clear(a);
    }
}

static void full_arena_answers_null_and_never_grows(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = NULL;
    struct err err;

    assert_int_equal(arena_new(64, &a, &err), OK);
    assert_null(arena_alloc(a, 65, 1));
    assert_non_null(arena_alloc(a, 33, 1)); /* takes 48 */
    assert_null(arena_alloc(a, 17, 1));
    assert_non_null(arena_alloc(a, 16, 1));
    assert_null(arena_alloc(a, 1, 1));
    arena_clear(a);
    assert_non_null(arena_alloc(a, 64, 1));
}

static void arena_refuses_a_product_that_overflows(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = NULL;
    struct err err;

    assert_int_equal(arena_new(64, &a, &err), OK);
    assert_null(arena_alloc(a, SIZE_MAX / 8 + 2, 8));
    assert_null(arena_alloc(a, SIZE_MAX, 1));
    struct str s;
    assert_false(arena_copy(a, (struct str){"", SIZE_MAX}, &s));
    assert_int_equal(arena_new(SIZE_MAX, &a, &err), E_LIMIT);
}

static void arena_copy_adds_a_nul_and_fails_when_full(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = NULL;
    struct err err;
    struct str s;

    assert_int_equal(arena_new(16, &a, &err), OK);
    assert_false(arena_copy(a, STR("sixteen bytes, no"), &s));
    assert_true(arena_copy(a, STR("fifteen bytes.."), &s));
    assert_string_equal(s.p, "fifteen bytes..");
    assert_int_equal(s.n, 15);
    assert_false(arena_copy(a, STR(""), &s));
}

static void arena_new_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct err err;

    for (uint64_t n = 1; n <= 2; n++) {
        struct arena *a = NULL;
        mem_fail_at(n);
        assert_int_equal(arena_new(64, &a, &err), E_NOMEM);
        assert_null(a);
    }
    mem_fail_at(0);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(full_arena_answers_null_and_never_grows),
        cmocka_unit_test(arena_refuses_a_product_that_overflows),
        cmocka_unit_test(arena_copy_adds_a_nul_and_fails_when_full),
        cmocka_unit_test(arena_new_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
