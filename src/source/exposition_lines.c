/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition_lines.h"

#include "base/mem.h"
#include "source/exposition_lex.h"

enum { FIRST_LINES = 64, FIRST_BYTES = 4096 };

enum rc expo_grow(void **array, size_t *capacity, size_t need, size_t size, size_t first,
                  struct err *err)
{
    size_t n = *capacity ? *capacity : first;

    if (need <= *capacity)
        return OK;
    while (n < need)
        n *= 2; /* need is bounded by EXPOSITION_BODY_MAX */
    void *p = mem_grow(*array, n, size);
    if (!p)
        return err_set(err, E_NOMEM, "no memory for %zu lines of an exposition", n);
    *array = p;
    *capacity = n;
    return OK;
}

void expo_lines_done(struct expo_lines *t)
{
    mem_free(t->line);
    mem_free(t->keys);
    *t = (struct expo_lines){0};
}

/* Room for so many lines and bytes in all. */
static enum rc reserve(struct expo_lines *t, size_t lines, size_t bytes, struct err *err)
{
    void *line = t->line, *keys = t->keys;

    enum rc rc = expo_grow(&line, &t->capacity, lines, sizeof *t->line, FIRST_LINES, err);
    t->line = line;
    if (rc == OK)
        rc = expo_grow(&keys, &t->keys_capacity, bytes, 1, FIRST_BYTES, err);
    t->keys = keys;
    return rc;
}

enum rc expo_lines_add(struct expo_lines *t, struct str key, uint32_t id, struct err *err)
{
    const bool closed = expo_key_is_closed(key), kept = closed && expo_is_series(id);

    if (reserve(t, t->n + 1, t->keys_n + (kept ? key.n : 0), err) != OK)
        return err->rc;
    struct expo_line *line = &t->line[t->n++];
    *line = (struct expo_line){closed ? (uint32_t)key.n : 0, id, 0};
    if (kept) {
        line->key = t->keys_n;
        memcpy(t->keys + t->keys_n, key.p, key.n);
        t->keys_n += key.n;
    } else if (closed) {
        line->key = hash_bytes(key.p, key.n, 0);
    }
    return OK;
}

enum rc expo_lines_keep(struct expo_lines *t, const struct expo_lines *from, size_t i,
                        struct err *err)
{
    const struct expo_line *line = &from->line[i];

    if (expo_is_series(line->id) && line->key_n)
        return expo_lines_add(t, (struct str){from->keys + line->key, line->key_n}, line->id, err);
    if (reserve(t, t->n + 1, t->keys_n, err) != OK)
        return err->rc;
    t->line[t->n++] = *line;
    return OK;
}

/* Of the first n lines. */
static size_t bytes_of(const struct expo_lines *t, size_t n)
{
    while (n > 0 && (!expo_is_series(t->line[n - 1].id) || t->line[n - 1].key_n == 0))
        n--;
    return n ? t->line[n - 1].key + t->line[n - 1].key_n : 0;
}

enum rc expo_lines_copy(struct expo_lines *t, const struct expo_lines *from, size_t n,
                        struct err *err)
{
    const size_t bytes = bytes_of(from, n);

    if (reserve(t, n + 1, bytes, err) != OK)
        return err->rc;
    if (n)
        memcpy(t->line, from->line, n * sizeof *t->line);
    if (bytes)
        memcpy(t->keys, from->keys, bytes);
    t->n = n;
    t->keys_n = bytes;
    return OK;
}

void expo_lines_fit(struct expo_lines *t)
{
    struct expo_line *line = t->n ? mem_grow(t->line, t->n, sizeof *line) : NULL;
    if (line) {
        t->line = line;
        t->capacity = t->n;
    }
    char *keys = t->keys_n ? mem_grow(t->keys, t->keys_n, 1) : NULL;
    if (keys) {
        t->keys = keys;
        t->keys_capacity = t->keys_n;
    }
}
