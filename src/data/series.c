/* SPDX-License-Identifier: Apache-2.0 */
#include "data/series.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/mem.h"

/* The first chunk has CHUNK entries, the next one as many, and each further one twice as many: a
 * set is made for each entity, and most have a hundred series or two. */
enum { CHUNK = 64, CHUNK_BITS = 6, CHUNKS = 11, FIRST_SLOTS = 256 };
static_assert(CHUNK == 1 << CHUNK_BITS && SERIES_MAX == CHUNK << (CHUNKS - 1), "see chunk_of");

struct slot {
    uint32_t hash; /* upper half of the series' hash */
    uint32_t id1;  /* number + 1; 0 is a free slot */
};

/* Entries live in chunks that never move, so that a reader's pointers stay good while the owner
 * adds more. The table of slots is the owner's alone. */
struct series_set {
    _Atomic size_t refs;
    _Atomic size_t count;
    struct slot *slots; /* open addressing, at most half full */
    size_t n_slots;     /* a power of two */
    struct series *chunks[CHUNKS];
};

static size_t chunk_of(uint32_t id)
{
    return id < CHUNK ? 0 : (size_t)(32 - __builtin_clz(id)) - CHUNK_BITS;
}

/* Entries of all chunks before it; from the second on that is as many as it has itself. */
static uint32_t chunk_begin(size_t chunk)
{
    return chunk == 0 ? 0 : (uint32_t)CHUNK << (chunk - 1);
}

static struct series *at(const struct series_set *s, uint32_t id)
{
    const size_t chunk = chunk_of(id);

    return &s->chunks[chunk][id - chunk_begin(chunk)];
}

bool label_name_is_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.n > 0;
}

enum rc series_set_new(struct series_set **ret, struct err *err)
{
    struct series_set *s = mem_alloc(sizeof *s);
    struct slot *slots = s ? mem_array(FIRST_SLOTS, sizeof *slots) : NULL;

    if (!slots) {
        mem_free(s);
        return err_set(err, E_NOMEM, "series: no memory for a set");
    }
    atomic_init(&s->refs, 1);
    s->slots = slots;
    s->n_slots = FIRST_SLOTS;
    *ret = s;
    return OK;
}

struct series_set *series_set_ref(struct series_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void series_set_unref(struct series_set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t id = 0; id < s->count; id++)
        mem_free((void *)(uintptr_t)at(s, id)->labels); /* the block of labels and text */
    for (size_t i = 0; i < CHUNKS; i++)
        mem_free(s->chunks[i]);
    mem_free(s->slots);
    mem_free(s);
}

static int compare(struct str a, struct str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* The labels that count, sorted by name, into out[SERIES_LABELS_MAX]; and the bytes of it all. */
static enum rc sort_labels(struct str name, const struct label *labels, size_t n, struct label *out,
                           size_t *ret_n, size_t *ret_text, struct err *err)
{
    size_t kept = 0, text = name.n;

    for (size_t i = 0; i < n; i++) {
        if (labels[i].value.n == 0)
            continue;
        if (kept == SERIES_LABELS_MAX)
            return err_set(err, E_LIMIT, "series '%.*s' has more than %d labels",
                           (int)(name.n < 200 ? name.n : 200), name.p, SERIES_LABELS_MAX);
        size_t j = kept++; /* senders mostly sort already: then nothing moves */
        for (; j > 0 && compare(out[j - 1].name, labels[i].name) > 0; j--)
            out[j] = out[j - 1];
        out[j] = labels[i];
        if (j > 0 && str_eq(out[j - 1].name, labels[i].name))
            return err_set(err, E_PARSE, "series '%.*s': label '%.*s' comes twice",
                           (int)(name.n < 100 ? name.n : 100), name.p,
                           (int)(out[j].name.n < 100 ? out[j].name.n : 100), out[j].name.p);
        if (__builtin_add_overflow(text, labels[i].name.n, &text) ||
            __builtin_add_overflow(text, labels[i].value.n, &text))
            text = SIZE_MAX;
        if (text > SERIES_TEXT_MAX)
            break;
    }
    if (text > SERIES_TEXT_MAX)
        return err_set(err, E_LIMIT, "series '%.*s': name and labels have more than %d bytes",
                       (int)(name.n < 200 ? name.n : 200), name.p, SERIES_TEXT_MAX);
    *ret_n = kept;
    *ret_text = text;
    return OK;
}

/* Chained, each piece seeded by the hash of those before it, the first by where the set is: who
 * sends series does not know that, and cannot make up ones that all want the same slot. */
static uint32_t hash_series(const struct series_set *s, struct str name, const struct label *labels,
                            size_t n)
{
    uint64_t h = hash_bytes(name.p, name.n, (uint64_t)(uintptr_t)s + n);

    for (size_t i = 0; i < n; i++) {
        h = hash_bytes(labels[i].name.p, labels[i].name.n, h);
        h = hash_bytes(labels[i].value.p, labels[i].value.n, h);
    }
    return (uint32_t)(h >> 32);
}

static bool same(const struct series *e, struct str name, const struct label *labels, size_t n)
{
    if (e->n_labels != n || !str_eq(e->name, name))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(e->labels[i].name, labels[i].name) ||
            !str_eq(e->labels[i].value, labels[i].value))
            return false;
    return true;
}

static bool grow_slots(struct series_set *s)
{
    const size_t n = s->n_slots * 2;
    struct slot *slots = mem_array(n, sizeof *slots);

    if (!slots)
        return false;
    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i].id1 == 0)
            continue;
        size_t k = s->slots[i].hash & (n - 1);
        while (slots[k].id1)
            k = (k + 1) & (n - 1);
        slots[k] = s->slots[i];
    }
    mem_free(s->slots);
    s->slots = slots;
    s->n_slots = n;
    return true;
}

static struct str append(char **to, struct str s)
{
    char *p = *to;

    if (s.n)
        memcpy(p, s.p, s.n);
    *to += s.n;
    return (struct str){p, s.n};
}

/* The entry with copies of all text in one block that starts with the labels. */
static bool fill_entry(struct series *e, struct str name, const struct label *labels, size_t n,
                       size_t text, enum metric_type type)
{
    struct label *copy = mem_alloc(n * sizeof *copy + text);
    if (!copy)
        return false;
    char *to = (char *)(copy + n);

    e->name = append(&to, name);
    for (size_t i = 0; i < n; i++) {
        copy[i].name = append(&to, labels[i].name);
        copy[i].value = append(&to, labels[i].value);
    }
    e->labels = copy;
    e->n_labels = (uint16_t)n;
    e->type = type;
    return true;
}

enum rc series_set_intern(struct series_set *s, struct str name, const struct label *labels,
                          size_t n_labels, enum metric_type type, uint32_t *ret_id, struct err *err)
{
    struct label sorted[SERIES_LABELS_MAX];
    size_t n = 0, text = 0;

    const enum rc rc = sort_labels(name, labels, n_labels, sorted, &n, &text, err);
    if (rc)
        return rc;
    const uint32_t hash = hash_series(s, name, sorted, n);
    size_t k = hash & (s->n_slots - 1);
    for (; s->slots[k].id1; k = (k + 1) & (s->n_slots - 1))
        if (s->slots[k].hash == hash && same(at(s, s->slots[k].id1 - 1), name, sorted, n)) {
            *ret_id = s->slots[k].id1 - 1;
            return OK;
        }

    const uint32_t id = (uint32_t)atomic_load_explicit(&s->count, memory_order_relaxed);
    if (id == SERIES_MAX)
        return err_set(err, E_LIMIT, "more than %d series", SERIES_MAX);
    const size_t chunk = chunk_of(id);
    if (!s->chunks[chunk])
        s->chunks[chunk] = mem_array(chunk ? chunk_begin(chunk) : CHUNK, sizeof(struct series));
    if (!s->chunks[chunk] || ((id + 1) * 2 > s->n_slots && !grow_slots(s)) ||
        !fill_entry(at(s, id), name, sorted, n, text, type))
        return err_set(err, E_NOMEM, "series: no memory for number %u", id);
    for (k = hash & (s->n_slots - 1); s->slots[k].id1;)
        k = (k + 1) & (s->n_slots - 1);
    s->slots[k] = (struct slot){hash, id + 1};
    atomic_store_explicit(&s->count, id + 1, memory_order_release);
    *ret_id = id;
    return OK;
}

size_t series_set_count(const struct series_set *s)
{
    return atomic_load_explicit(&s->count, memory_order_acquire);
}

const struct series *series_set_at(const struct series_set *s, uint32_t id)
{
    return at(s, id);
}

struct str series_label(const struct series *s, struct str name)
{
    for (size_t i = 0; i < s->n_labels; i++)
        if (str_eq(s->labels[i].name, name))
            return s->labels[i].value;
    return STR("");
}

struct snapshot *snapshot_new(struct series_set *set, int64_t ts_ms)
{
    const size_t n = series_set_count(set);
    struct snapshot *s = mem_alloc(sizeof *s + n * sizeof *s->v);

    if (!s)
        return NULL;
    s->ts_ms = ts_ms;
    s->set = series_set_ref(set);
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->v[i] = series_stale();
    return s;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    series_set_unref(s->set);
    mem_free(s);
}
