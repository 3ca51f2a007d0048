/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/rng.h"

static void a_stream_of_pieces_has_the_hash_of_the_whole(void **state)
{
    (void)state;
    static unsigned char bytes[5000];
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)rng_u64(&rng);
    for (int round = 0; round < 200; round++) {
        const size_t n = rng_below(&rng, sizeof bytes + 1);
        struct hash_stream s;
        hash_stream_init(&s);
        for (size_t at = 0; at < n;) {
            const size_t left = n - at, part = rng_below(&rng, 600);
            hash_stream_add(&s, bytes + at, part < left ? part : left);
            at += part < left ? part : left;
        }
        assert_true(hash_stream_value(&s) == hash_bytes(bytes, n, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_of_pieces_has_the_hash_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
