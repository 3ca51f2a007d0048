/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* flatbuffer_write - builds a FlatBuffer, without a schema compiler
 *
 * The file grows from its end to its beginning: what is referred to is put first, and so always
 * stands at a higher address than what refers to it, as the format's unsigned offsets ask. A
 * reference is therefore known when it is needed, as the distance from the file's end, which does
 * not change when more is put in front. Alignment is by that distance too, and holds since the
 * finished file's size is a multiple of the largest alignment in it. A table comes with its vtable
 * right in front of it; vtables are not shared, which costs some bytes a table.
 *
 * Like base/buf: a put that fails (limit, memory) marks the writer failed, later ones do nothing
 * and give 0, and the caller looks once, at the end.
 * Thread: its holder's. Source: flatbuffers.dev, "FlatBuffer Internals". */
struct flatbuffer_writer {
    uint8_t *block; /* [capacity]; what was put is its last n bytes */
    size_t capacity, n, limit;
    size_t alignment; /* the largest so far */
    bool failed;
};

/* Something that was put: its distance from the file's end; 0 for nothing. */
typedef uint32_t flatbuffer_ref;

enum flatbuffer_kind { FLATBUFFER_U8, FLATBUFFER_U32, FLATBUFFER_U64, FLATBUFFER_REF };

/* A field of a table: its number in the schema (a union has two: its type, then its value). */
struct flatbuffer_field {
    uint16_t id;
    enum flatbuffer_kind kind; /* signed values and enums as their two's complement */
    uint64_t value;            /* FLATBUFFER_REF: a flatbuffer_ref; of 0 the field is left out */
};

/* limit in bytes, up to what 31 bits can address. */
void flatbuffer_put_init(struct flatbuffer_writer *w, size_t limit);
void flatbuffer_put_done(struct flatbuffer_writer *w); /* frees */

/* A vector of n scalars of size bytes each (1, 2, 4, 8), little-endian at p; its elements begin at
 * a multiple of alignment (a power of two, at least size; 0 for size). */
flatbuffer_ref flatbuffer_put_vector(struct flatbuffer_writer *w, const void *p, size_t n,
                                     size_t size, size_t alignment);
flatbuffer_ref flatbuffer_put_refs(struct flatbuffer_writer *w, const flatbuffer_ref *refs,
                                   size_t n); /* a vector of references; none of them 0 */
flatbuffer_ref flatbuffer_put_string(struct flatbuffer_writer *w, const char *z);

enum { FLATBUFFER_FIELDS_MAX = 32 }; /* of one table, and one past the largest id */
flatbuffer_ref flatbuffer_put_table(struct flatbuffer_writer *w, const struct flatbuffer_field *f,
                                    size_t n);

/* Put the head: root's place and the schema's four letters. The file is then *ret_n bytes from the
 * pointer that comes back, the writer's until it is done; NULL when something failed. */
const uint8_t *flatbuffer_put_root(struct flatbuffer_writer *w, flatbuffer_ref root,
                                   const char identifier[4], size_t *ret_n);
