/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "base/err.h"

/* host_guard - statvfs where it may hang, away from the thread that collects
 *
 * A dead NFS server leaves statvfs waiting for ever, in a sleep that only SIGKILL ends. So the
 * call is made in one of at most HOST_GUARD_THREADS threads, which exist only where such mounts
 * do; each path belongs to one of them. A question that is not answered within
 * HOST_GUARD_STUCK_MS makes the path stuck, until the answer comes (Node Exporter's rule and
 * time), and with it the later paths of the same thread.
 * Thread: one thread holds the guards; jobs travel by queues. When the guards are freed, a
 * thread that hangs is left behind and frees what it holds if it ever wakes. */

enum {
    HOST_GUARD_THREADS = 8,
    HOST_GUARD_STUCK_MS = 5000,
    HOST_GUARD_JOBS = 1024, /* questions that one thread has before it */
};

struct host_guards;

typedef int (*host_statvfs_fn)(const char *path, struct statvfs *ret); /* 0, or -1 and errno */

MUST_CHECK enum rc host_guards_new(host_statvfs_fn fn, struct host_guards **ret, struct err *err);
void host_guards_free(struct host_guards *g); /* waits a tenth of a second at most; NULL is fine */
static inline void host_guards_freep(struct host_guards **g)
{
    host_guards_free(*g);
}

/* From now on guard these paths, numbered as they come; what is known of a path stays known. */
MUST_CHECK enum rc host_guards_set(struct host_guards *g, const char *const *paths, size_t n,
                                   struct err *err);

/* Ask for each path whose last answer is in. Never waits. E_NOMEM, E_IO. */
MUST_CHECK enum rc host_guards_ask(struct host_guards *g, int64_t now_ms, struct err *err);

/* Take the answers that have come; wait up to timeout_ms for paths that were never waited for. */
void host_guards_wait(struct host_guards *g, int timeout_ms);

enum host_guard_state { GUARD_UNKNOWN, GUARD_KNOWN, GUARD_FAILED, GUARD_STUCK };

/* What is known of path number i: *ret is written when GUARD_KNOWN. */
enum host_guard_state host_guards_usage(const struct host_guards *g, size_t i, int64_t now_ms,
                                        struct statvfs *ret);
