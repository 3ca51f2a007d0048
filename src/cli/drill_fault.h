/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* drill_fault - real disturbances of this machine that do no harm, one row a fault
 *
 * prepare measures the machine and fills a plan, which bounds the fault; body carries the plan
 * out in a process of its own and goes on until it is killed. Whatever a body holds (memory,
 * sockets, an unlinked file, children) is gone with its process, and that dies with its parent. */

enum { DRILL_GROUPS_MAX = 6, DRILL_DIR_MAX = 512 };

struct drill_plan {
    uint32_t n;              /* threads, connections, forks a second, or files */
    uint64_t bytes;          /* held, or the size of the file */
    uint64_t bytes_a_second; /* at most; 0 = does not apply */
    char dir[DRILL_DIR_MAX]; /* disk: where; before prepare: where the user wants it, or "" */
    char what[256];          /* what will be done, in words */
};

struct drill_fault {
    const char *name, *help;
    const char *groups[DRILL_GROUPS_MAX]; /* of features that are a right cause; closed by NULL */
    enum rc (*prepare)(struct drill_plan *plan, struct err *err);
    enum rc (*body)(const struct drill_plan *plan, struct err *err); /* returns on failure only */
};

extern const struct drill_fault drill_faults[];
extern const size_t drill_n_faults;
const struct drill_fault *drill_fault_find(struct str name); /* or NULL */

/* drill_disk.c, drill_network.c */
enum rc drill_disk_prepare(struct drill_plan *plan, struct err *err);
enum rc drill_disk_body(const struct drill_plan *plan, struct err *err);
/* A file without a name, so that nothing is left whatever happens; past the page cache when the
 * file system can. -1 with errno set when it cannot be made. */
int drill_disk_open(const char *dir);
/* Bytes that no disk could squeeze, aligned as O_DIRECT wants them; NULL without memory. */
void *drill_disk_block(size_t bytes);
enum rc drill_network_prepare(struct drill_plan *plan, struct err *err);
enum rc drill_network_body(const struct drill_plan *plan, struct err *err);

/* A pace of at most `a_second` units: sleeps until `done` units may have been done since
 * started_ns (CLOCK_MONOTONIC). */
void drill_pace(uint64_t started_ns, double done, double a_second);

/* A fault under way: a process group of its own. */
struct drill_process {
    pid_t pid;
    int complaint; /* pipe: the body's sentence when it fails */
};

MUST_CHECK enum rc drill_process_start(const struct drill_fault *f, const struct drill_plan *plan,
                                       struct drill_process *ret, struct err *err);
/* OK while it runs; E_STATE with its own sentence when it has ended. */
MUST_CHECK enum rc drill_process_check(const struct drill_process *p, struct err *err);
/* Ends it and all its children, and waits until they are gone. */
void drill_process_stop(struct drill_process *p);
