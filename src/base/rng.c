/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64: never all zeros, whatever the seed */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->s[i] = z ^ (z >> 31);
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t *s = r->s;
    const uint64_t out = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    const uint32_t bias = -n % n; /* draws under this would make low values likelier */

    for (;;) {
        const uint64_t m = (rng_u64(r) >> 32) * n;
        if ((uint32_t)m >= bias)
            return (uint32_t)(m >> 32);
    }
}

float rng_float(struct rng *r)
{
    return (float)(rng_u64(r) >> 40) * 0x1p-24f;
}
