/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/events.h"

#include "base/mem.h"

static size_t count(const uint8_t *marks, size_t rows)
{
    size_t n = 0;

    for (size_t i = 0; i < rows; i++)
        n += marks[i] && (i == 0 || !marks[i - 1]) ? 1 : 0;
    return n;
}

enum rc events_find(const uint8_t *marks, size_t rows, struct events *ret, struct err *err)
{
    struct events e = {.rows = rows};
    const size_t n = count(marks, rows);

    e.v = mem_array(n, sizeof *e.v);
    if (!e.v)
        return err_set(err, E_NOMEM, "no memory for %zu events", n);
    for (size_t i = 0; i < rows; i++) {
        if (!marks[i])
            continue;
        if (i == 0 || !marks[i - 1])
            e.v[e.n++].first = i;
        e.v[e.n - 1].last = i;
        e.marked++;
    }
    *ret = e;
    return OK;
}

void events_done(struct events *e)
{
    mem_free(e->v);
    *e = (struct events){0};
}

ptrdiff_t events_at(const struct events *e, size_t row)
{
    size_t lo = 0, hi = e->n; /* the first event that ends at row or later is in [lo, hi] */

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (e->v[mid].last < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < e->n && e->v[lo].first <= row ? (ptrdiff_t)lo : -1;
}
