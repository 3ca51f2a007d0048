/* SPDX-License-Identifier: Apache-2.0 */
#include "source/host_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"

struct job { /* a question; owned by the guard, then by the thread, then by the guard again */
    uint64_t serial; /* of the guard that asks */
    size_t worker;
    int error;
    struct statvfs usage;
    char path[];
};

struct worker {
    struct pool *pool;
    struct queue *asks;
    pthread_t thread;
    bool started;
    size_t out; /* jobs that it has; the holder's count */
};

/* What holder and threads share; the last of them frees it. */
struct pool {
    _Atomic int refs;
    host_statvfs_fn fn;
    struct queue *replies;
    struct worker worker[HOST_GUARD_THREADS];
};

struct guard {
    uint64_t serial;
    char *path;
    struct job *job; /* NULL while it is out */
    size_t worker;
    int64_t asked_ms;
    bool known, waited;
    int error;
    struct statvfs usage;
};

struct host_guards {
    struct pool *pool;
    struct guard *v;
    size_t n;
    uint64_t serial;
};

static void pool_release(struct pool *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (size_t i = 0; i < HOST_GUARD_THREADS; i++)
        if (p->worker[i].asks)
            queue_free(p->worker[i].asks, mem_free);
    if (p->replies)
        queue_free(p->replies, mem_free);
    mem_free(p);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *pool = w->pool;
    struct job *job;

    while ((job = queue_wait(w->asks, -1))) {
        job->error = pool->fn(job->path, &job->usage) == 0 ? 0 : errno;
        if (!queue_push(pool->replies, job))
            mem_free(job); /* the guards are gone */
    }
    pool_release(pool);
    return NULL;
}

/* Signals are the main thread's; the stack need not hold more than one statvfs. */
static int start_thread(struct worker *w)
{
    enum { STACK_BYTES = 256 << 10 };
    pthread_attr_t attr;
    sigset_t all, before;

    int e = pthread_attr_init(&attr);
    if (e)
        return e;
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* else the default one */
    (void)sigfillset(&all);
    e = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (e == 0) {
        e = pthread_create(&w->thread, &attr, work, w);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attr);
    return e;
}

static enum rc worker_start(struct pool *pool, struct worker *w, struct err *err)
{
    if (w->started)
        return OK;
    if (!w->asks && queue_new(HOST_GUARD_JOBS, &w->asks, err) != OK)
        return err->rc;
    w->pool = pool;
    atomic_fetch_add(&pool->refs, 1);
    errno = start_thread(w);
    if (errno) {
        atomic_fetch_sub(&pool->refs, 1); /* never the last: the holder has one */
        return err_set(err, E_IO, "a thread for network filesystems: %m");
    }
    (void)pthread_setname_np(w->thread, "tocsin-mount"); /* for ps only */
    w->started = true;
    return OK;
}

enum rc host_guards_new(host_statvfs_fn fn, struct host_guards **ret, struct err *err)
{
    CLEANUP(host_guards_freep) struct host_guards *g = mem_alloc(sizeof *g);
    if (!g || !(g->pool = mem_alloc(sizeof *g->pool)))
        return err_set(err, E_NOMEM, "no memory to guard mounts");
    atomic_init(&g->pool->refs, 1);
    g->pool->fn = fn;
    /* room for every job, and for the one at hand in each thread: a reply is never refused */
    if (queue_new(HOST_GUARD_THREADS * (HOST_GUARD_JOBS + 1), &g->pool->replies, err) != OK)
        return err->rc;
    *ret = TAKE(g);
    return OK;
}

static void take_reply(struct host_guards *g, struct job *job)
{
    g->pool->worker[job->worker].out--;
    for (size_t i = 0; i < g->n; i++) {
        struct guard *v = &g->v[i];
        if (v->serial != job->serial)
            continue;
        v->known = true;
        v->error = job->error;
        v->usage = job->usage;
        v->job = job;
        return;
    }
    mem_free(job); /* its path is not guarded any more */
}

static void drain(struct host_guards *g)
{
    struct job *job;
    while ((job = queue_pop(g->pool->replies)))
        take_reply(g, job);
}

static void guard_done(struct guard *v)
{
    mem_free(v->job);
    mem_free(v->path);
}

static void guards_done(struct guard *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        guard_done(&v[i]);
    mem_free(v);
}

static enum rc guard_init(struct host_guards *g, const char *path, struct guard *v, struct err *err)
{
    const size_t n = strlen(path) + 1;

    v->serial = ++g->serial;
    v->worker = v->serial % HOST_GUARD_THREADS;
    v->path = mem_strndup(path, n - 1);
    v->job = mem_alloc(sizeof *v->job + n);
    if (!v->path || !v->job)
        return err_set(err, E_NOMEM, "no memory to guard '%s'", path);
    v->job->serial = v->serial;
    v->job->worker = v->worker;
    memcpy(v->job->path, path, n);
    return OK;
}

static struct guard *find(struct host_guards *g, const char *path)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].path && strcmp(g->v[i].path, path) == 0)
            return &g->v[i];
    return NULL;
}

enum rc host_guards_set(struct host_guards *g, const char *const *paths, size_t n, struct err *err)
{
    struct guard *v = mem_array(n, sizeof *v);
    enum rc rc = v ? OK : err_set(err, E_NOMEM, "no memory to guard %zu mounts", n);

    for (size_t i = 0; rc == OK && i < n; i++) {
        struct guard *old = find(g, paths[i]);
        if (old) {
            v[i] = *old;
            *old = (struct guard){0}; /* moved */
        } else {
            rc = guard_init(g, paths[i], &v[i], err);
        }
    }
    if (rc != OK) {
        guards_done(v, v ? n : 0);
        return rc; /* what had moved is forgotten: it will be asked for anew */
    }
    guards_done(g->v, g->n);
    g->v = v;
    g->n = n;
    return OK;
}

enum rc host_guards_ask(struct host_guards *g, int64_t now_ms, struct err *err)
{
    drain(g);
    for (size_t i = 0; i < g->n; i++) {
        struct guard *v = &g->v[i];
        struct worker *w = &g->pool->worker[v->worker];
        if (!v->job)
            continue;
        if (worker_start(g->pool, w, err) != OK)
            return err->rc;
        v->job->error = 0;
        if (!queue_push(w->asks, v->job))
            continue; /* full of others that wait: asked again next time */
        v->job = NULL;
        v->asked_ms = now_ms;
        w->out++;
    }
    return OK;
}

static bool has_fresh(const struct host_guards *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!g->v[i].known && !g->v[i].waited)
            return true;
    return false;
}

void host_guards_wait(struct host_guards *g, int timeout_ms)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    int64_t left = timeout_ms;

    drain(g);
    for (; left > 0 && has_fresh(g); left = end - clock_mono_ms()) {
        struct job *job = queue_wait(g->pool->replies, (int)left);
        if (job)
            take_reply(g, job);
    }
    for (size_t i = 0; i < g->n; i++)
        g->v[i].waited = true;
}

enum host_guard_state host_guards_usage(const struct host_guards *g, size_t i, int64_t now_ms,
                                        struct statvfs *ret)
{
    const struct guard *v = &g->v[i];

    if (!v->job && now_ms - v->asked_ms >= HOST_GUARD_STUCK_MS)
        return GUARD_STUCK;
    if (!v->known)
        return GUARD_UNKNOWN;
    if (v->error)
        return GUARD_FAILED;
    *ret = v->usage;
    return GUARD_KNOWN;
}

static size_t jobs_out(const struct pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < HOST_GUARD_THREADS; i++)
        n += p->worker[i].out;
    return n;
}

static void stop_threads(struct host_guards *g)
{
    enum { PATIENCE_MS = 100 };
    struct pool *p = g->pool;
    const int64_t end = clock_mono_ms() + PATIENCE_MS;
    int64_t left = PATIENCE_MS;

    for (size_t i = 0; i < HOST_GUARD_THREADS; i++)
        if (p->worker[i].started)
            queue_close(p->worker[i].asks);
    for (; left > 0 && jobs_out(p) > 0; left = end - clock_mono_ms()) {
        struct job *job = queue_wait(p->replies, (int)left);
        if (job)
            take_reply(g, job);
    }
    if (p->replies)
        queue_close(p->replies);
    for (size_t i = 0; i < HOST_GUARD_THREADS; i++) {
        struct worker *w = &p->worker[i];
        if (w->started && w->out == 0)
            (void)pthread_join(w->thread, NULL); /* at once: it has nothing to do */
        else if (w->started)
            (void)pthread_detach(w->thread); /* hangs in the kernel */
    }
}

void host_guards_free(struct host_guards *g)
{
    if (!g)
        return;
    if (g->pool) {
        stop_threads(g);
        pool_release(g->pool);
    }
    guards_done(g->v, g->n);
    mem_free(g);
}
