/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tune_pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"

struct worker {
    struct tune_pool *pool;
    struct queue *inbox;
    pthread_t thread;
    bool busy;                  /* the holder's */
    _Atomic uint32_t epoch, of; /* written by the thread, for the bar */
};

struct tune_pool {
    const struct trial_material *material;
    struct queue *finished;
    atomic_bool stopping;
    size_t n;
    struct worker workers[];
};

static bool on_epoch(void *arg, uint32_t done, uint32_t of, double validation_mse)
{
    struct worker *w = arg;

    (void)validation_mse;
    atomic_store_explicit(&w->of, of, memory_order_relaxed);
    atomic_store_explicit(&w->epoch, done, memory_order_relaxed);
    return !atomic_load_explicit(&w->pool->stopping, memory_order_relaxed);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct tune_task *t;

    while ((t = queue_wait(w->inbox, -1))) {
        const int64_t start_ms = clock_mono_ms();

        t->rc = trial_run(w->pool->material, &t->spec, on_epoch, w, &t->result, &t->err);
        t->took_ms = clock_mono_ms() - start_ms;
        atomic_store_explicit(&w->epoch, 0, memory_order_relaxed);
        const bool put = queue_push(w->pool->finished, t);
        assert(put); /* it has room for one of each thread */
        (void)put;
    }
    return NULL;
}

enum rc tune_pool_new(size_t threads, const struct trial_material *material, struct tune_pool **ret,
                      struct err *err)
{
    CLEANUP(tune_pool_freep)
    struct tune_pool *p = mem_alloc(sizeof *p + threads * sizeof *p->workers);

    if (!p)
        return err_set(err, E_NOMEM, "no memory for %zu jobs", threads);
    p->material = material;
    if (queue_new(threads, &p->finished, err) != OK)
        return err->rc;
    for (p->n = 0; p->n < threads; p->n++) {
        struct worker *w = &p->workers[p->n];

        w->pool = p;
        if (queue_new(1, &w->inbox, err) != OK)
            return err->rc;
        errno = pthread_create(&w->thread, NULL, run, w);
        if (errno) {
            (void)err_set(err, E_IO, "a thread for job %zu of %zu: %m", p->n + 1, threads);
            queue_free(w->inbox, NULL);
            return err->rc;
        }
    }
    *ret = TAKE(p);
    return OK;
}

void tune_pool_free(struct tune_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stopping, true);
    for (size_t i = 0; i < p->n; i++)
        queue_close(p->workers[i].inbox);
    for (size_t i = 0; i < p->n; i++) {
        (void)pthread_join(p->workers[i].thread, NULL);
        queue_free(p->workers[i].inbox, mem_free);
    }
    queue_free(p->finished, mem_free);
    mem_free(p);
}

bool tune_pool_idle(const struct tune_pool *p)
{
    return tune_pool_running(p) < p->n;
}

void tune_pool_start(struct tune_pool *p, struct tune_task *t)
{
    t->worker = 0;
    while (p->workers[t->worker].busy)
        t->worker++;
    p->workers[t->worker].busy = true;
    const bool put = queue_push(p->workers[t->worker].inbox, t);
    assert(put); /* it was idle */
    (void)put;
}

struct tune_task *tune_pool_wait(struct tune_pool *p, int timeout_ms)
{
    struct tune_task *t = queue_wait(p->finished, timeout_ms);

    if (t)
        p->workers[t->worker].busy = false;
    return t;
}

size_t tune_pool_running(const struct tune_pool *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += p->workers[i].busy ? 1 : 0;
    return n;
}

double tune_pool_progress(const struct tune_pool *p)
{
    double sum = 0;

    for (size_t i = 0; i < p->n; i++) {
        const uint32_t epoch = atomic_load_explicit(&p->workers[i].epoch, memory_order_relaxed);
        const uint32_t of = atomic_load_explicit(&p->workers[i].of, memory_order_relaxed);
        /* one that stops early, or was read between the two, is never more than one */
        if (p->workers[i].busy && of > 0)
            sum += epoch < of ? (double)epoch / of : 1;
    }
    return sum;
}
