/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "../test.h"

/* Model files carry these numbers, so they must be the same with every xxHash. The values are
 * those of `xxhsum -H3` and of XXH3's own sanity tests. */
static void hash_is_xxh3_of_64_bits(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes("", 0, 0), 0x2d06800538d394c2u);
    assert_int_equal(hash_bytes("a", 1, 0), 0xe6c632b61e964e1fu);
}

static void hash_depends_on_seed_and_on_every_byte(void **state)
{
    (void)state;
    assert_int_not_equal(hash_bytes("abc", 3, 0), hash_bytes("abc", 3, 1));
    assert_int_not_equal(hash_bytes("abc", 3, 0), hash_bytes("abd", 3, 0));
    assert_int_not_equal(hash_bytes("abc", 3, 0), hash_bytes("abc", 4, 0));
}

static void hash_128_is_xxh3_of_128_bits(void **state)
{
    (void)state;
    const struct hash128 none = hash_bytes_128("", 0, 0), a = hash_bytes_128("a", 1, 0);
    const struct hash128 seeded = hash_bytes_128("a", 1, 1);

    assert_int_equal(none.high, 0x99aa06d3014798d8u);
    assert_int_equal(none.low, 0x6001c324468d497fu);
    assert_int_equal(a.high, 0xa96faf705af16834u);
    assert_int_equal(a.low, 0xe6c632b61e964e1fu);
    assert_true(seeded.low != a.low && seeded.high != a.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_xxh3_of_64_bits),
        cmocka_unit_test(hash_depends_on_seed_and_on_every_byte),
        cmocka_unit_test(hash_128_is_xxh3_of_128_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
