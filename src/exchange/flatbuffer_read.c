/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/flatbuffer_read.h"

#include <assert.h>
#include <string.h>

enum {
    OFFSET = sizeof(uint32_t), /* size of one */
    VTABLE_HEAD = 4,           /* the vtable's own size and the table's */
};

/* n bytes from `at` are in the file. */
static bool within(const struct flatbuffer *f, size_t at, size_t n)
{
    return at <= f->n && n <= f->n - at;
}

/* Little-endian, of bytes that are within. */
static uint64_t scalar(const struct flatbuffer *f, size_t at, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)f->p[at + i] << 8 * i;
    return v;
}

static void fail(struct flatbuffer *f, size_t at, const char *what)
{
    if (!f->failed)
        (void)err_set(f->err, E_PARSE, "byte %zu: %s", at, what);
    f->failed = true;
}

/* The vtable of the table at t->at; false when something is wrong. */
static bool find_vtable(struct flatbuffer_table *t)
{
    struct flatbuffer *const f = t->f;
    const int64_t vtable = (int64_t)t->at - (int32_t)(uint32_t)scalar(f, t->at, OFFSET);

    if (vtable < 0 || vtable % 2 != 0 || !within(f, (size_t)vtable, VTABLE_HEAD)) {
        fail(f, t->at, "a table whose list of fields is outside of the file");
        return false;
    }
    t->vtable = (size_t)vtable;
    const size_t vtable_size = (size_t)scalar(f, t->vtable, 2);
    t->size = (size_t)scalar(f, t->vtable + 2, 2);
    if (vtable_size < VTABLE_HEAD || vtable_size % 2 != 0 || !within(f, t->vtable, vtable_size)) {
        fail(f, t->vtable, "a list of fields that does not end in the file");
        return false;
    }
    if (t->size < OFFSET || !within(f, t->at, t->size)) {
        fail(f, t->at, "a table that does not end in the file");
        return false;
    }
    t->ids = (vtable_size - VTABLE_HEAD) / 2;
    return true;
}

/* What the offset at `from`, which is within, leads to: at least `least` bytes at a multiple of
 * four. 0 when it leads nowhere. */
static size_t follow(struct flatbuffer *f, size_t from, size_t least)
{
    const size_t offset = (size_t)scalar(f, from, OFFSET);

    if (offset == 0 || offset > f->n || from + offset > f->n || (from + offset) % OFFSET != 0 ||
        !within(f, from + offset, least)) {
        fail(f, from, "an offset that leads nowhere");
        return 0;
    }
    return from + offset;
}

static struct flatbuffer_table table_by(struct flatbuffer *f, size_t from)
{
    struct flatbuffer_table t = {.f = f, .at = follow(f, from, OFFSET)};

    if (t.at == 0 || !find_vtable(&t))
        return (struct flatbuffer_table){.f = f};
    return t;
}

static struct flatbuffer_vector vector_by(struct flatbuffer *f, size_t from, size_t size)
{
    const size_t at = follow(f, from, OFFSET);

    if (at == 0)
        return (struct flatbuffer_vector){.f = f};
    const size_t n = (size_t)scalar(f, at, OFFSET);
    if (n > (f->n - at - OFFSET) / size) {
        fail(f, at, "a list that does not end in the file");
        return (struct flatbuffer_vector){.f = f};
    }
    return (struct flatbuffer_vector){.f = f, .at = at + OFFSET, .n = n};
}

struct flatbuffer_table flatbuffer_get_root(struct flatbuffer *f, const char identifier[4])
{
    if (!f->failed &&
        (!within(f, 0, (size_t)2 * OFFSET) || memcmp(f->p + OFFSET, identifier, 4) != 0))
        fail(f, OFFSET, "the letters that mark such a file are not there");
    if (f->failed)
        return (struct flatbuffer_table){.f = f};
    return table_by(f, 0);
}

/* Where field id of size bytes stands; 0 when it is absent, or not where it may be. */
static size_t field(struct flatbuffer_table t, uint16_t id, size_t size)
{
    if (t.at == 0 || t.f->failed || id >= t.ids)
        return 0;
    const size_t entry = t.vtable + VTABLE_HEAD + 2 * (size_t)id;
    const size_t in = (size_t)scalar(t.f, entry, 2);
    if (in == 0)
        return 0;
    if (in < OFFSET || in > t.size || size > t.size - in || (t.at + in) % size != 0) {
        fail(t.f, entry, "a field outside of its table");
        return 0;
    }
    return t.at + in;
}

uint8_t flatbuffer_get_u8(struct flatbuffer_table t, uint16_t id, uint8_t otherwise)
{
    const size_t at = field(t, id, sizeof otherwise);

    return at ? t.f->p[at] : otherwise;
}

uint32_t flatbuffer_get_u32(struct flatbuffer_table t, uint16_t id, uint32_t otherwise)
{
    const size_t at = field(t, id, sizeof otherwise);

    return at ? (uint32_t)scalar(t.f, at, sizeof otherwise) : otherwise;
}

uint64_t flatbuffer_get_u64(struct flatbuffer_table t, uint16_t id, uint64_t otherwise)
{
    const size_t at = field(t, id, sizeof otherwise);

    return at ? scalar(t.f, at, sizeof otherwise) : otherwise;
}

struct flatbuffer_table flatbuffer_get_table(struct flatbuffer_table t, uint16_t id)
{
    const size_t at = field(t, id, OFFSET);

    return at ? table_by(t.f, at) : (struct flatbuffer_table){.f = t.f};
}

struct flatbuffer_vector flatbuffer_get_vector(struct flatbuffer_table t, uint16_t id, size_t size)
{
    const size_t at = field(t, id, OFFSET);

    return at ? vector_by(t.f, at, size) : (struct flatbuffer_vector){.f = t.f};
}

struct str flatbuffer_get_string(struct flatbuffer_table t, uint16_t id)
{
    const struct flatbuffer_vector v = flatbuffer_get_vector(t, id, 1);

    return v.at ? (struct str){(const char *)t.f->p + v.at, v.n} : (struct str){"", 0};
}

uint32_t flatbuffer_u32_at(struct flatbuffer_vector v, size_t i)
{
    assert(i < v.n || v.f->failed);
    return i < v.n ? (uint32_t)scalar(v.f, v.at + i * OFFSET, OFFSET) : 0;
}

struct flatbuffer_table flatbuffer_table_at(struct flatbuffer_vector v, size_t i)
{
    assert(i < v.n || v.f->failed);
    if (v.f->failed)
        return (struct flatbuffer_table){.f = v.f};
    return table_by(v.f, v.at + i * OFFSET);
}
