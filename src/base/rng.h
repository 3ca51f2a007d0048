/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* rng - seeded randomness: same seed, same numbers, on every machine
 *
 * xoshiro256++ seeded by splitmix64 (Blackman & Vigna, ACM TOMS 47, 2021).
 * Thread: a struct rng belongs to its holder. Not for secrets. */

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 <= x < n, unbiased; n >= 1 */
float rng_float(struct rng *r);                /* [0, 1), 24 bits */
