/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/drill_fault.h"
#include "config/config.h"
#include "data/units.h"

/* The fault must be strong, and still wear no disk: 20 s write at most 5 GiB. */
static const uint64_t file_most = UINT64_C(512) << 20, rate = UINT64_C(256) << 20;
enum { BLOCK = 1 << 20, BLOCKS_A_SYNC = 32, FILE_LEAST_MIB = 16 };

static bool is_in_memory(const char *dir)
{
    struct statfs s;

    return statfs(dir, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC);
}

/* The first folder on a real disk that can be written to. */
static enum rc choose_dir(char out[DRILL_DIR_MAX], struct err *err)
{
    struct config c;

    config_defaults(&c);
    const char *const candidates[] = {c.data_dir, getenv("TMPDIR"), "/var/tmp", getenv("HOME"),
                                      "/tmp"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *dir = candidates[i];

        if (!dir || dir[0] != '/' || access(dir, W_OK | X_OK) != 0 || is_in_memory(dir))
            continue;
        if (snprintf(out, DRILL_DIR_MAX, "%s", dir) < DRILL_DIR_MAX)
            return OK;
    }
    return err_set(err, E_IO, "no folder on a disk can be written to; name one with --dir");
}

enum rc drill_disk_prepare(struct drill_plan *plan, struct err *err)
{
    struct statvfs s;
    char size[UNITS_MAX];

    if (plan->dir[0] == '\0' && choose_dir(plan->dir, err) != OK)
        return err->rc;
    if (statvfs(plan->dir, &s) != 0 || access(plan->dir, W_OK | X_OK) != 0)
        return err_set(err, E_IO, "'%s' is no folder that can be written to: %m", plan->dir);
    if (is_in_memory(plan->dir))
        return err_set(err, E_CONFIG, "'%s' is in memory (tmpfs); name a folder on a disk",
                       plan->dir);
    const uint64_t quarter = (uint64_t)s.f_bavail * s.f_frsize / 4;
    plan->bytes = quarter < file_most ? quarter : file_most;
    plan->bytes -= plan->bytes % BLOCK;
    plan->bytes_a_second = rate;
    if (plan->bytes < (uint64_t)FILE_LEAST_MIB * BLOCK)
        return err_set(err, E_STATE, "'%s' has too little free space for a drill", plan->dir);
    units_format((double)plan->bytes, "bytes", size);
    (void)snprintf(plan->what, sizeof plan->what, "writes, syncs and reads a file of %s in %.150s",
                   size, plan->dir);
    return OK;
}

int drill_disk_open(const char *dir)
{
    char path[DRILL_DIR_MAX + 32];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);

    if (fd < 0)
        fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    (void)snprintf(path, sizeof path, "%s/.tocsin-drill-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

/* The whole file once in one direction. */
static enum rc pass(const struct drill_plan *plan, int fd, void *block, bool writes,
                    struct err *err)
{
    const uint64_t started = clock_mono_ns();

    for (uint64_t at = 0; at < plan->bytes; at += BLOCK) {
        const ssize_t n =
            writes ? pwrite(fd, block, BLOCK, (off_t)at) : pread(fd, block, BLOCK, (off_t)at);
        if (n != BLOCK)
            return err_set(err, E_IO, "%s a file in '%s': %m", writes ? "writing" : "reading",
                           plan->dir);
        if (writes && at / BLOCK % BLOCKS_A_SYNC == BLOCKS_A_SYNC - 1 && fdatasync(fd) != 0)
            return err_set(err, E_IO, "syncing a file in '%s': %m", plan->dir);
        drill_pace(started, (double)(at + BLOCK), (double)plan->bytes_a_second);
    }
    if (fsync(fd) != 0)
        return err_set(err, E_IO, "syncing a file in '%s': %m", plan->dir);
    /* without O_DIRECT the next pass would read from memory */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return OK;
}

void *drill_disk_block(size_t bytes)
{
    struct rng r;
    void *block = NULL;

    if (posix_memalign(&block, 4096, bytes) != 0)
        return NULL;
    rng_init(&r, clock_mono_ns());
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        ((uint64_t *)block)[i] = rng_u64(&r);
    return block;
}

enum rc drill_disk_body(const struct drill_plan *plan, struct err *err)
{
    CLEANUP(fd_closep) int fd = drill_disk_open(plan->dir);

    if (fd < 0)
        return err_set(err, E_IO, "a temporary file in '%s': %m", plan->dir);
    void *block = drill_disk_block(BLOCK); /* freed by the end */
    if (!block)
        return err_set(err, E_NOMEM, "no memory for a block");
    for (;;)
        if (pass(plan, fd, block, true, err) != OK || pass(plan, fd, block, false, err) != OK)
            return err->rc;
}
