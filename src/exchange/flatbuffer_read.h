/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* flatbuffer_read - what is in a FlatBuffer that somebody else wrote; nothing is believed
 *
 * Every offset, vtable, length and alignment is checked against the file before it is followed. In
 * the spirit of base/buf: the first thing that is wrong marks the file failed and writes the
 * sentence, with the offset in bytes; that read and all later ones give the default, an absent
 * table or an empty vector, which are safe to go on with, and the caller looks at `failed` before
 * it believes what it has. Nothing here recurses or loops over what the file says; how deep and how
 * often tables are followed is the caller's to bound, for a file may refer to one table many times.
 * Thread: its holder's. Source: flatbuffers.dev, "FlatBuffer Internals". */
struct flatbuffer {
    const uint8_t *p; /* lent */
    size_t n;
    struct err *err; /* lent; E_PARSE once failed */
    bool failed;
};

struct flatbuffer_table {
    struct flatbuffer *f;
    size_t at; /* 0: absent; all its fields have their defaults */
    size_t size;
    size_t vtable, ids;
};

struct flatbuffer_vector {
    struct flatbuffer *f;
    size_t at; /* of the first element; 0: absent */
    size_t n;  /* elements */
};

/* The root, when the four letters of the schema are there. */
struct flatbuffer_table flatbuffer_get_root(struct flatbuffer *f, const char identifier[4]);

/* By id, the field's number in the schema. Signed numbers and enums come as their bits. */
uint8_t flatbuffer_get_u8(struct flatbuffer_table t, uint16_t id, uint8_t otherwise);
uint32_t flatbuffer_get_u32(struct flatbuffer_table t, uint16_t id, uint32_t otherwise);
uint64_t flatbuffer_get_u64(struct flatbuffer_table t, uint16_t id, uint64_t otherwise);
struct flatbuffer_table flatbuffer_get_table(struct flatbuffer_table t, uint16_t id);
struct str flatbuffer_get_string(struct flatbuffer_table t, uint16_t id); /* absent: n is 0 */
/* Of elements of size bytes: 1 or 4. */
struct flatbuffer_vector flatbuffer_get_vector(struct flatbuffer_table t, uint16_t id, size_t size);

/* Element i < v.n of a vector of 4-byte numbers; of one of tables. (Of a file that failed any i,
 * for a list that was longer may be empty since: 0, absent.) */
uint32_t flatbuffer_u32_at(struct flatbuffer_vector v, size_t i);
struct flatbuffer_table flatbuffer_table_at(struct flatbuffer_vector v, size_t i);
