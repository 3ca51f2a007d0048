/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* protobuf_wire - reads and writes Protocol Buffers' wire format, field by field
 *
 * A struct wire is what is left of a message. Every length is checked against it; nothing is
 * copied, nothing recurses: an embedded message is a struct wire of its own, so depth costs
 * nothing. Each function is false when the bytes are cut off or no protobuf, and then w->p is not
 * to be used. Inline, since a sample costs some ten of these calls.
 * Source: protobuf.dev/programming-guides/encoding. Thread: any. */

struct wire {
    const uint8_t *p, *end;
};

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2, /* length-delimited: texts, embedded messages, packed arrays */
    WIRE_GROUP = 3, /* of proto2, like WIRE_GROUP_END: refused */
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

bool wire_varint_long(struct wire *w, uint64_t *ret); /* wire_varint, of more than one byte */

/* At most 10 bytes, and no more than 64 bits. */
static inline bool wire_varint(struct wire *w, uint64_t *ret)
{
    if (w->p < w->end && *w->p < 0x80) {
        *ret = *w->p++;
        return true;
    }
    return wire_varint_long(w, ret);
}

/* The number of the next field (1 .. 2^29 - 1) and its enum wire_type. */
static inline bool wire_tag(struct wire *w, uint32_t *ret_number, unsigned *ret_type)
{
    uint64_t tag;

    if (!wire_varint(w, &tag) || tag < 8 || tag > UINT32_MAX)
        return false;
    *ret_number = (uint32_t)tag >> 3;
    *ret_type = (unsigned)tag & 7;
    return true;
}

/* The value of a field of WIRE_BYTES. */
static inline bool wire_bytes(struct wire *w, struct wire *ret)
{
    uint64_t n;

    if (!wire_varint(w, &n) || n > (uint64_t)(w->end - w->p))
        return false;
    ret->p = w->p;
    ret->end = w->p + n;
    w->p += n;
    return true;
}

/* The value of a field of WIRE_FIXED64 that is a double. */
static inline bool wire_double(struct wire *w, double *ret)
{
    uint64_t bits;

    if (w->end - w->p < 8)
        return false;
    memcpy(&bits, w->p, 8);
    bits = le64toh(bits);
    memcpy(ret, &bits, 8);
    w->p += 8;
    return true;
}

/* Past the value of a field. */
bool wire_skip(struct wire *w, unsigned type);

/* Writing, to where there is room: each returns the byte after what it wrote. A field's number up
 * to 15 and its type make a tag of one byte. */
enum { WIRE_VARINT_MAX = 10 }; /* bytes */

static inline uint8_t wire_tag_of(unsigned number, enum wire_type type)
{
    return (uint8_t)(number << 3 | type);
}

static inline size_t wire_varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

static inline uint8_t *wire_put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *to++ = (uint8_t)(v | 0x80);
    *to++ = (uint8_t)v;
    return to;
}

/* Tag, length and text: 1 + wire_varint_size(s.n) + s.n bytes. */
static inline uint8_t *wire_put_bytes(uint8_t *to, uint8_t tag, struct str s)
{
    *to++ = tag;
    to = wire_put_varint(to, s.n);
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}
