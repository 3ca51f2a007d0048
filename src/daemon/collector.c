/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/collector.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/shard.h"

struct collector {
    struct collector_options o;
    pthread_t thread;
    int stop_fd;
    uint64_t errors; /* host_errors at the last tick */
    enum rc last_rc; /* of host_collect: a failure is logged once, until it changes */
};

/* Sleep until the monotonic time, or until told to stop: true. */
static bool told_to_stop(const struct collector *c, int64_t until_ms)
{
    for (;;) {
        const int64_t left = until_ms - clock_mono_ms();
        struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};
        const int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0 && clock_mono_ms() >= until_ms)
            return false;
    }
}

static void count_errors(struct collector *c, enum rc rc, const struct err *err)
{
    const uint64_t errors = host_errors(c->o.host);

    telemetry_add(c->o.telemetry, TEL_COLLECT_ERRORS, errors - c->errors + (rc != OK));
    if (errors != c->errors && c->errors == 0)
        log_event(LOG_WARN, "a file of the host source could not be read or parsed", "hint",
                  "tocsin_collect_errors_total counts them", NULL);
    c->errors = errors;
    if (rc != OK && rc != c->last_rc)
        log_event(LOG_ERROR, "collection failed", "err", err->msg, NULL);
    c->last_rc = rc;
}

static void collect(struct collector *c)
{
    CLEANUP(mem_freep) struct shard_message *m = mem_alloc(sizeof *m);
    struct err err;

    if (!m) {
        telemetry_add(c->o.telemetry, TEL_COLLECT_ERRORS, 1);
        return;
    }
    m->kind = SHARD_TICK;
    m->slot = c->o.slot;
    m->clocks = (struct continuity_clocks){
        .wall_ms = clock_wall_ms(), .mono_ms = clock_mono_ms(), .boot_ms = clock_boot_ms()};
    const enum rc rc = host_collect(c->o.host, m->clocks.wall_ms, &m->snapshot, &err);
    count_errors(c, rc, &err);
    if (rc != OK)
        return;
    telemetry_add(c->o.telemetry, TEL_TICKS, 1);
    telemetry_add(c->o.telemetry, TEL_SAMPLES, m->snapshot->n);
    if (queue_push(c->o.shard, m)) {
        m = NULL; /* the shard's now */
    } else {
        telemetry_add(c->o.telemetry, TEL_DROPPED_SHARD_FULL, 1);
        snapshot_free(m->snapshot);
    }
}

static void *run(void *arg)
{
    struct collector *c = arg;
    const int64_t interval = c->o.interval_ms;
    int64_t next = clock_mono_ms();
    bool first = true;

    pthread_setname_np(pthread_self(), "collect");
    while (!told_to_stop(c, next)) {
        collect(c);
        if (first && host_missing(c->o.host)[0])
            log_event(LOG_INFO, "not offered by this kernel, their features are absent",
                      "collectors", host_missing(c->o.host), NULL);
        first = false;
        const int64_t late = clock_mono_ms() - next;
        next += interval * (1 + (late > 0 ? late / interval : 0));
    }
    return NULL;
}

enum rc collector_start(const struct collector_options *o, struct collector **ret, struct err *err)
{
    CLEANUP(mem_freep) struct collector *c = mem_alloc(sizeof *c);

    if (!c)
        return err_set(err, E_NOMEM, "collector: no memory");
    c->o = *o;
    CLEANUP(fd_closep) int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, E_IO, "collector: eventfd: %m");
    c->stop_fd = fd;
    errno = pthread_create(&c->thread, NULL, run, c);
    if (errno)
        return err_set(err, E_IO, "collector: thread: %m");
    fd = -1;
    *ret = TAKE(c);
    return OK;
}

void collector_stop(struct collector *c)
{
    const uint64_t one = 1;

    if (!c)
        return;
    while (write(c->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(c->thread, NULL);
    close(c->stop_fd);
    mem_free(c);
}
