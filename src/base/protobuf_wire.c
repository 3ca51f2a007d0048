/* SPDX-License-Identifier: Apache-2.0 */
#include "base/protobuf_wire.h"

bool wire_varint_long(struct wire *w, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        const uint8_t b = *w->p++;
        if (shift == 63 && b > 1)
            return false; /* more than 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool wire_skip(struct wire *w, unsigned type)
{
    uint64_t value;
    struct wire bytes;
    ptrdiff_t n;

    switch (type) {
    case WIRE_VARINT:
        return wire_varint(w, &value);
    case WIRE_BYTES:
        return wire_bytes(w, &bytes);
    case WIRE_FIXED64:
        n = 8;
        break;
    case WIRE_FIXED32:
        n = 4;
        break;
    default: /* groups are no part of proto3 */
        return false;
    }
    if (w->end - w->p < n)
        return false;
    w->p += n;
    return true;
}
