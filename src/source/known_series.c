/* SPDX-License-Identifier: Apache-2.0 */
#include "source/known_series.h"

#include "base/mem.h"

enum { FIRST = 1024 };

struct known_series {
    uint64_t seed;
    uint8_t now;     /* the present step */
    size_t n, size;  /* size: a power of two */
    struct known *v; /* [size], open addressing, at most three quarters full; print 0: free */
};

enum rc known_series_new(uint64_t seed, struct known_series **ret, struct err *err)
{
    CLEANUP(mem_freep) struct known_series *k = mem_alloc(sizeof *k);

    if (!k)
        return err_set(err, E_NOMEM, "no memory for series");
    k->v = mem_array(FIRST, sizeof *k->v);
    if (!k->v)
        return err_set(err, E_NOMEM, "no memory for series");
    k->seed = seed;
    k->size = FIRST;
    *ret = TAKE(k);
    return OK;
}

void known_series_free(struct known_series *k)
{
    if (!k)
        return;
    mem_free(k->v);
    mem_free(k);
}

size_t known_series_count(const struct known_series *k)
{
    return k->n;
}

static bool is_free(const struct known *e)
{
    return (e->print.low | e->print.high) == 0;
}

/* Where print stands, or would. */
static struct known *place(struct known *v, size_t size, struct hash128 print)
{
    size_t i = print.low & (size - 1);

    while (!is_free(&v[i]) && (v[i].print.low != print.low || v[i].print.high != print.high))
        i = (i + 1) & (size - 1);
    return &v[i];
}

/* The same entries, less those that did not come for so many steps, in a table of size. False: no
 * memory, and nothing changed. */
static bool rebuild(struct known_series *k, size_t size, unsigned steps)
{
    struct known *v = mem_array(size, sizeof *v);
    size_t n = 0;

    if (!v)
        return false;
    for (size_t i = 0; i < k->size; i++) {
        const struct known *e = &k->v[i];
        if (is_free(e) || (uint8_t)(k->now - e->seen) >= steps)
            continue;
        *place(v, size, e->print) = *e;
        n++;
    }
    mem_free(k->v);
    k->v = v;
    k->size = size;
    k->n = n;
    return true;
}

enum rc known_series_find(struct known_series *k, struct str labels, struct known **ret,
                          bool *ret_new, struct err *err)
{
    struct hash128 print = hash_bytes_128(labels.p, labels.n, k->seed);

    print.high |= is_free(&(struct known){.print = print}); /* 0 marks what is free */
    struct known *e = place(k->v, k->size, print);
    *ret_new = is_free(e);
    if (*ret_new) {
        if (k->n == KNOWN_MAX)
            return err_set(err, E_LIMIT, "more than %d series", KNOWN_MAX);
        if ((k->n + 1) * 4 > k->size * 3) {
            if (!rebuild(k, 2 * k->size, UINT8_MAX + 1))
                return err_set(err, E_NOMEM, "no memory for %zu series", k->n + 1);
            e = place(k->v, k->size, print);
        }
        *e = (struct known){.print = print};
        k->n++;
    }
    e->seen = k->now;
    *ret = e;
    return OK;
}

/* Nothing was put behind it since, so no other entry was pushed on by it. */
void known_series_take_back(struct known_series *k, struct known *entry)
{
    *entry = (struct known){0};
    k->n--;
}

/* A table that is less than an eighth full is made smaller. Without memory for another one all
 * stays as it is, until the next step. */
void known_series_age(struct known_series *k)
{
    const size_t size = k->size > FIRST && k->n < k->size / 8 ? k->size / 2 : k->size;

    k->now++;
    (void)rebuild(k, size, KNOWN_STEPS);
}
