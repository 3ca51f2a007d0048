/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* hash - 64-bit XXH3 of bytes (xxHash): checksums and table keys, not for secrets. Thread: any. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
