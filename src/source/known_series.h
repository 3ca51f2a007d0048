/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

/* known_series - what became of a series when it came first, by its encoded labels, so that a
 * steady push costs a hash and a look-up a series
 *
 * A series is told by 128 bits of XXH3 of its encoded labels with a secret seed. Two series among n
 * share them with a probability of n^2 / 2^129: nobody will see it, so the bytes themselves (some
 * 150 a series) are not kept, which for the many series that no feature asks for would be most of
 * the memory of a fleet. 24 bytes an entry, no allocation but when the table grows.
 * Thread: its holder's. */

struct known {
    struct hash128 print;
    uint32_t entity;
    uint16_t series;    /* in the entity's set */
    uint8_t generation; /* of that set; another one: to be looked up anew */
    uint8_t seen;       /* when it came last, in steps that known_series_age counts */
};

enum {
    KNOWN_UNWANTED = UINT32_MAX, /* as entity: no feature asks for it */
    KNOWN_STEPS = 6,             /* an entry that did not come for so many steps is forgotten */
    KNOWN_MAX = 1 << 25,         /* entries: 32 million series */
};

struct known_series;

MUST_CHECK enum rc known_series_new(uint64_t seed, struct known_series **ret, struct err *err);
void known_series_free(struct known_series *k); /* NULL is fine */

/* The entry of these labels, marked as seen; new and all 0 but for its print when *ret_new. Good
 * until the next call. E_NOMEM; E_LIMIT past KNOWN_MAX. */
MUST_CHECK enum rc known_series_find(struct known_series *k, struct str labels, struct known **ret,
                                     bool *ret_new, struct err *err);
/* Take back a new entry that could not be filled in: it is the one that known_series_find gave
 * last. */
void known_series_take_back(struct known_series *k, struct known *entry);
/* A step of time: what did not come for KNOWN_STEPS of them is forgotten. */
void known_series_age(struct known_series *k);
size_t known_series_count(const struct known_series *k);
