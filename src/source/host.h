/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "data/series.h"

/* host - this machine's metrics, read in-process from /proc and /sys
 *
 * Names, labels, units and types are Node Exporter's, with its default exclusions (loop devices,
 * virtual filesystems). What a kernel does not offer is absent, and host_missing says so.
 * A filesystem that does not answer does not hold up a collect: what is not surely local is asked
 * in threads of the host's own, see host_guard.h.
 * Thread: one thread holds a host. No allocation in steady state but the snapshot.
 * Source: prometheus/node_exporter, collector/; proc(5). */

struct host_paths {
    const char *procfs, *sysfs, *rootfs; /* "/proc", "/sys", "/"; others for containers and tests */
};

struct host;

/* Copies the paths. E_IO when procfs has no stat file; E_NOMEM. */
MUST_CHECK enum rc host_open(const struct host_paths *paths, struct host **ret, struct err *err);
void host_close(struct host *h); /* NULL is fine */
static inline void host_closep(struct host **h)
{
    host_close(*h);
}

/* Read everything once. The caller owns *ret. Its set is the last one's, unless that was full of
 * series that are gone (devices of containers): then a new set begins. A file that is malformed or
 * gone leaves its families absent and is counted in *host_errors; E_NOMEM and E_LIMIT are the only
 * failures. */
MUST_CHECK enum rc host_collect(struct host *h, int64_t ts_ms, struct snapshot **ret,
                                struct err *err);

/* Collectors that this kernel does not offer, comma-separated ("pressure"); "" when none.
 * Known after the first host_collect; valid until host_close. */
const char *host_missing(const struct host *h);
uint64_t host_errors(const struct host *h); /* files that could not be read or parsed, since open */
const char *host_last_error(const struct host *h); /* the last of them as a sentence, or "" */
const char *host_nodename(const struct host *h);   /* uname's; valid until host_close */

/* The identity of this boot and the time it began, for telling a reboot from a clock jump. */
const char *host_boot_id(const struct host *h); /* /proc/sys/kernel/random/boot_id, or "" */
