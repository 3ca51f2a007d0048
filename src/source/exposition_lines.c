/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition_lines.h"

#include <string.h>

#include "base/mem.h"
#include "source/exposition_lex.h"

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

enum rc expo_lines_add(struct expo_lines *t, struct str key, uint32_t id, struct err *err)
{
    void *line = t->line, *keys = t->keys;

    enum rc rc = expo_grow(&line, &t->capacity, t->n + 1, sizeof *t->line, 64, err);
    t->line = line;
    if (rc == OK)
        rc = expo_grow(&keys, &t->keys_capacity, t->keys_n + key.n, 1, 4096, err);
    t->keys = keys;
    if (rc != OK)
        return rc;
    memcpy(t->keys + t->keys_n, key.p, key.n);
    t->line[t->n++] = (struct expo_line){(uint32_t)t->keys_n, (uint32_t)key.n, id,
                                    expo_key_is_closed(key)};
    t->keys_n += key.n;
    return OK;
}

enum rc expo_lines_copy(struct expo_lines *t, const struct expo_lines *from, size_t n, struct err *err)
{
    const size_t bytes = n == 0 ? 0 : from->line[n - 1].key_at + from->line[n - 1].key_n;
    void *line = NULL, *keys = NULL;

    enum rc rc = expo_grow(&line, &t->capacity, n + 1, sizeof *t->line, from->n + 64, err);
    t->line = line;
    if (rc == OK)
        rc = expo_grow(&keys, &t->keys_capacity, bytes + 1, 1, from->keys_n + 4096, err);
    t->keys = keys;
    if (rc != OK)
        return rc;
    if (n) {
        memcpy(t->line, from->line, n * sizeof *t->line);
        memcpy(t->keys, from->keys, bytes);
    }
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
