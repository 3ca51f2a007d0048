/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/flatbuffer_write.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum {
    FIRST_CAPACITY = 4096,
    LIMIT_MAX = INT32_MAX, /* readers keep offsets in 31 bits */
    HEAD = 4,              /* bytes of a table before its fields: where its vtable is */
    VTABLE_HEAD = 4,       /* the vtable's own size and the table's */
};

void flatbuffer_put_init(struct flatbuffer_writer *w, size_t limit)
{
    *w = (struct flatbuffer_writer){
        .limit = limit < LIMIT_MAX ? limit : LIMIT_MAX,
        .alignment = sizeof(uint32_t),
    };
}

void flatbuffer_put_done(struct flatbuffer_writer *w)
{
    mem_free(w->block);
    *w = (struct flatbuffer_writer){.limit = w->limit, .alignment = sizeof(uint32_t)};
}

static bool reserve(struct flatbuffer_writer *w, size_t n)
{
    if (w->failed)
        return false;
    if (n > w->limit - w->n) {
        w->failed = true;
        return false;
    }
    if (n <= w->capacity - w->n)
        return true;

    size_t capacity = w->capacity ? w->capacity : FIRST_CAPACITY;
    while (capacity - w->n < n)
        capacity *= 2; /* limit is 31 bits: no overflow */
    uint8_t *const block = mem_alloc(capacity);
    if (!block) {
        w->failed = true;
        return false;
    }
    if (w->n)
        memcpy(block + capacity - w->n, w->block + w->capacity - w->n, w->n);
    mem_free(w->block);
    w->block = block;
    w->capacity = capacity;
    return true;
}

/* In front of all that is there. */
static void put(struct flatbuffer_writer *w, const void *p, size_t n)
{
    if (!n || !reserve(w, n))
        return;
    w->n += n;
    memcpy(w->block + w->capacity - w->n, p, n);
}

/* v's low `size` bytes. */
static void put_scalar(struct flatbuffer_writer *w, uint64_t v, size_t size)
{
    uint8_t bytes[sizeof v];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(v >> 8 * i);
    put(w, bytes, size);
}

/* Zeros, so many that what is `n` bytes long and put next begins at a multiple of alignment. */
static void align(struct flatbuffer_writer *w, size_t n, size_t alignment)
{
    static const uint8_t zeros[64];

    assert(alignment <= sizeof zeros && (alignment & (alignment - 1)) == 0);
    put(w, zeros, -(w->n + n) & (alignment - 1));
    if (alignment > w->alignment)
        w->alignment = alignment;
}

static flatbuffer_ref place(const struct flatbuffer_writer *w)
{
    return w->failed ? 0 : (flatbuffer_ref)w->n;
}

flatbuffer_ref flatbuffer_put_vector(struct flatbuffer_writer *w, const void *p, size_t n,
                                     size_t size, size_t alignment)
{
    const size_t least = size > sizeof(uint32_t) ? size : sizeof(uint32_t);

    if (n > LIMIT_MAX / size) {
        w->failed = true;
        return 0;
    }
    align(w, n * size, alignment > least ? alignment : least);
    put(w, p, n * size);
    put_scalar(w, n, sizeof(uint32_t));
    return place(w);
}

flatbuffer_ref flatbuffer_put_string(struct flatbuffer_writer *w, const char *z)
{
    const size_t n = strlen(z);

    if (n >= LIMIT_MAX) {
        w->failed = true;
        return 0;
    }
    align(w, n + 1, sizeof(uint32_t));
    put(w, z, n + 1); /* the NUL is there, but not counted */
    put_scalar(w, n, sizeof(uint32_t));
    return place(w);
}

/* An offset counts from where it stands, forwards. */
static void put_offset(struct flatbuffer_writer *w, flatbuffer_ref to)
{
    if (w->failed)
        return;
    assert(to > 0 && to <= w->n);
    put_scalar(w, w->n + sizeof(uint32_t) - to, sizeof(uint32_t));
}

flatbuffer_ref flatbuffer_put_refs(struct flatbuffer_writer *w, const flatbuffer_ref *refs,
                                   size_t n)
{
    if (n > LIMIT_MAX / sizeof(uint32_t)) {
        w->failed = true;
        return 0;
    }
    align(w, n * sizeof(uint32_t), sizeof(uint32_t));
    for (size_t i = n; i > 0; i--)
        put_offset(w, refs[i - 1]);
    put_scalar(w, n, sizeof(uint32_t));
    return place(w);
}

static size_t kind_size(enum flatbuffer_kind kind)
{
    switch (kind) {
    case FLATBUFFER_U8:
        return 1;
    case FLATBUFFER_U64:
        return 8;
    case FLATBUFFER_U32:
    case FLATBUFFER_REF:
        break;
    }
    return 4;
}

/* Where a table's fields stand in it, by id: 0 for those that are not there. */
struct layout {
    uint16_t at[FLATBUFFER_FIELDS_MAX];
    size_t ids;  /* one past the largest */
    size_t size; /* of the table */
    size_t alignment;
};

/* Four-byte fields first, then those of eight, then of one: no more than one hole. */
static void lay_out(const struct flatbuffer_field *f, size_t n, struct layout *ret)
{
    static const size_t order[] = {4, 8, 1};
    struct layout l = {.size = HEAD, .alignment = HEAD};

    for (size_t s = 0; s < sizeof order / sizeof order[0]; s++)
        for (size_t i = 0; i < n; i++) {
            const size_t size = kind_size(f[i].kind);
            if (size != order[s] || (f[i].kind == FLATBUFFER_REF && f[i].value == 0))
                continue;
            assert(f[i].id < FLATBUFFER_FIELDS_MAX && l.at[f[i].id] == 0);
            l.size = (l.size + size - 1) & ~(size - 1);
            l.at[f[i].id] = (uint16_t)l.size;
            l.size += size;
            l.ids = f[i].id + 1u > l.ids ? f[i].id + 1u : l.ids;
            l.alignment = size > l.alignment ? size : l.alignment;
        }
    l.size = (l.size + HEAD - 1) & ~(size_t)(HEAD - 1);
    *ret = l;
}

flatbuffer_ref flatbuffer_put_table(struct flatbuffer_writer *w, const struct flatbuffer_field *f,
                                    size_t n)
{
    uint8_t table[3 * HEAD + 8 * FLATBUFFER_FIELDS_MAX] = {0}; /* with holes */
    struct layout l;

    assert(n <= FLATBUFFER_FIELDS_MAX);
    lay_out(f, n, &l);
    align(w, l.size, l.alignment);
    const size_t end = w->n; /* the table's, as a distance */
    const size_t vtable_size = VTABLE_HEAD + sizeof(uint16_t) * l.ids;

    table[0] = (uint8_t)vtable_size; /* so far back is the vtable: FIELDS_MAX keeps it in a byte */
    for (size_t i = 0; i < n; i++) {
        const size_t at = l.at[f[i].id];
        const uint64_t here = end + l.size - at; /* the field's own distance */
        const uint64_t v = f[i].kind == FLATBUFFER_REF ? here - f[i].value : f[i].value;
        if (at == 0)
            continue;
        for (size_t b = 0; b < kind_size(f[i].kind); b++)
            table[at + b] = (uint8_t)(v >> 8 * b);
    }
    put(w, table, l.size);
    const flatbuffer_ref ret = place(w);

    for (size_t id = l.ids; id > 0; id--)
        put_scalar(w, l.at[id - 1], sizeof(uint16_t));
    put_scalar(w, l.size, sizeof(uint16_t));
    put_scalar(w, vtable_size, sizeof(uint16_t));
    return w->failed ? 0 : ret;
}

const uint8_t *flatbuffer_put_root(struct flatbuffer_writer *w, flatbuffer_ref root,
                                   const char identifier[4], size_t *ret_n)
{
    align(w, 2 * sizeof(uint32_t), w->alignment);
    put(w, identifier, sizeof(uint32_t));
    put_offset(w, root);
    if (w->failed)
        return NULL;
    *ret_n = w->n;
    return w->block + w->capacity - w->n;
}
