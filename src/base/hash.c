/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#define XXH_STATIC_LINKING_ONLY /* the size of XXH3_state_t */
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct hash_stream), "room for XXH3's state");
_Static_assert(alignof(XXH3_state_t) <= alignof(struct hash_stream), "on its boundary");

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

struct hash128 hash_bytes_128(const void *p, size_t n, uint64_t seed)
{
    const XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);

    return (struct hash128){h.low64, h.high64};
}

void hash_stream_init(struct hash_stream *s)
{
    (void)XXH3_64bits_reset((XXH3_state_t *)s); /* fails for NULL alone */
}

void hash_stream_add(struct hash_stream *s, const void *p, size_t n)
{
    (void)XXH3_64bits_update((XXH3_state_t *)s, p, n); /* fails for NULL alone */
}

uint64_t hash_stream_value(const struct hash_stream *s)
{
    return XXH3_64bits_digest((const XXH3_state_t *)s);
}
