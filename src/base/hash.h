/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

/* hash - 64-bit XXH3 of bytes (xxHash): checksums and table keys, not for secrets. Thread: any. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

/* 128 bits of the same family: with a seed that nobody knows, a name for the bytes. */
struct hash128 {
    uint64_t low, high;
};
struct hash128 hash_bytes_128(const void *p, size_t n, uint64_t seed);

/* The same of bytes that come in pieces, with seed 0. Its holder's, on the stack. */
struct hash_stream {
    alignas(64) unsigned char state[576];
};
void hash_stream_init(struct hash_stream *s);
void hash_stream_add(struct hash_stream *s, const void *p, size_t n);
uint64_t hash_stream_value(const struct hash_stream *s); /* of all so far; more may follow */
