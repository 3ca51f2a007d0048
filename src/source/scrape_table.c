/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "source/scrape_private.h"

void scrape_table_done(struct scrape_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        scrape_target_free(t->v[i]);
    mem_free(t->v);
    mem_free(t->heap);
    *t = (struct scrape_table){0};
}

/* -- the heap: parent of i is (i - 1) / 2 -- */

static void sift_down(struct scrape_target **heap, size_t n, size_t i)
{
    for (;;) {
        size_t least = 2 * i + 1;
        if (least >= n)
            return;
        if (least + 1 < n && heap[least + 1]->due_mono_ms < heap[least]->due_mono_ms)
            least++;
        if (heap[i]->due_mono_ms <= heap[least]->due_mono_ms)
            return;
        struct scrape_target *swap = heap[i];
        heap[i] = heap[least];
        heap[least] = swap;
        i = least;
    }
}

void scrape_table_sift(struct scrape_table *t)
{
    if (t->n)
        sift_down(t->heap, t->n, 0);
}

/* -- a new list of targets -- */

static int by_place(const struct scrape_target *a, const struct scrape_target *b)
{
    if (a->job != b->job)
        return a->job < b->job ? -1 : 1;
    return strcmp(a->instance, b->instance);
}

/* What comes first in the configuration comes first among equals: due_mono_ms holds its number
 * until it is planned. */
static int compare(const void *a, const void *b)
{
    const struct scrape_target *x = *(struct scrape_target *const *)a;
    const struct scrape_target *y = *(struct scrape_target *const *)b;
    const int c = by_place(x, y);

    return c ? c : (x->due_mono_ms > y->due_mono_ms) - (x->due_mono_ms < y->due_mono_ms);
}

static size_t drop_twice(struct scrape_target **v, size_t n,
                         const struct scrape_table_events *events)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_place(v[kept - 1], v[i]) == 0) {
            if (v[kept - 1]->hash != v[i]->hash) /* the same twice is once, as in Prometheus */
                events->twice(events->arg, v[i]);
            scrape_target_free(v[i]);
        } else {
            v[kept++] = v[i];
        }
    }
    return kept;
}

/* Both are in order: walk along them. Old ones that stay take their place in v, the others go to
 * gone[], whose number is returned. */
static size_t merge(const struct scrape_table *old, struct scrape_target **v, size_t n,
                    struct scrape_target **gone, const struct scrape_table_events *events)
{
    size_t i = 0, n_gone = 0;

    for (size_t j = 0; j < n || i < old->n;) {
        const int c = i == old->n ? 1 : j == n ? -1 : by_place(old->v[i], v[j]);
        if (c == 0 && old->v[i]->hash == v[j]->hash) {
            scrape_target_free(v[j]);
            v[j++] = old->v[i++];
            continue;
        }
        if (c <= 0) {
            old->v[i]->replaced = c == 0;
            gone[n_gone++] = old->v[i++];
        }
        if (c >= 0)
            events->come(events->arg, v[j++]);
    }
    return n_gone;
}

static enum rc no_room(struct scrape_target **v, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        scrape_target_free(v[i]);
    mem_free(v);
    return err_set(err, E_NOMEM, "no memory for %zu targets", n);
}

enum rc scrape_table_set(struct scrape_table *t, struct scrape_target **v, size_t n,
                         pthread_mutex_t *lock, const struct scrape_table_events *events,
                         struct err *err)
{
    CLEANUP(mem_freep) struct scrape_target **gone = mem_array(t->n, sizeof(void *));
    struct scrape_target **heap = gone ? mem_array(n, sizeof(void *)) : NULL;

    if (!heap)
        return no_room(v, n, err);
    for (size_t i = 0; i < n; i++)
        v[i]->due_mono_ms = (int64_t)i;
    if (n)
        qsort(v, n, sizeof(void *), compare);
    n = drop_twice(v, n, events);
    const size_t n_gone = merge(t, v, n, gone, events);
    if (n)
        memcpy(heap, v, n * sizeof(void *));
    for (size_t i = n / 2; i-- > 0;)
        sift_down(heap, n, i);

    (void)pthread_mutex_lock(lock);
    const struct scrape_table old = *t;
    *t = (struct scrape_table){v, heap, n};
    (void)pthread_mutex_unlock(lock);
    mem_free(old.v);
    mem_free(old.heap);
    for (size_t i = 0; i < n_gone; i++) {
        events->gone(events->arg, gone[i], gone[i]->replaced);
        scrape_target_free(gone[i]);
    }
    return OK;
}
