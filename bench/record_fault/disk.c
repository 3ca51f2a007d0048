/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "record_fault.h"

enum {
    BLOCK = 1 << 20,
    BLOCKS_A_SYNC = 8,
    PAGE = 4096,
    FSYNC_PAGES = 1024, /* of each thread's file */
};

/* -- write: rate bytes a second, over and over into a file of so many bytes -- */

enum rc record_write(const struct drill_plan *plan, struct err *err)
{
    const uint64_t blocks = plan->bytes / BLOCK, started = clock_mono_ns();
    CLEANUP(fd_closep) int fd = drill_disk_open(plan->dir);
    void *block = drill_disk_block(BLOCK); /* freed by the end */

    if (fd < 0)
        return err_set(err, E_IO, "a temporary file in '%s': %m", plan->dir);
    if (!block || blocks == 0)
        return err_set(err, E_STATE, "write: expected at least %d bytes", BLOCK);
    for (uint64_t i = 0;; i++) {
        if (pwrite(fd, block, BLOCK, (off_t)(i % blocks * BLOCK)) != BLOCK)
            return err_set(err, E_IO, "writing a file in '%s': %m", plan->dir);
        if (i % BLOCKS_A_SYNC == BLOCKS_A_SYNC - 1 && fdatasync(fd) != 0)
            return err_set(err, E_IO, "syncing a file in '%s': %m", plan->dir);
        record_pace(started, (double)(i + 1) * BLOCK, (double)plan->bytes_a_second);
    }
}

/* -- read: rate bytes a second, over and over, of the file `ballast` in the folder -- */

static int open_ballast(const struct drill_plan *plan, char path[DRILL_DIR_MAX + 16])
{
    (void)snprintf(path, DRILL_DIR_MAX + 16, "%s/ballast", plan->dir);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    return fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

enum rc record_read(const struct drill_plan *plan, struct err *err)
{
    char path[DRILL_DIR_MAX + 16];
    const uint64_t started = clock_mono_ns();
    CLEANUP(fd_closep) int fd = open_ballast(plan, path);
    void *block = drill_disk_block(BLOCK); /* freed by the end */
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, E_IO, "'%s': %m", path);
    const uint64_t blocks = (uint64_t)st.st_size / BLOCK;
    if (!block || blocks == 0)
        return err_set(err, E_STATE, "'%s': expected at least %d bytes", path, BLOCK);
    for (uint64_t i = 0;; i++) {
        const off_t at = (off_t)(i % blocks * BLOCK);
        if (pread(fd, block, BLOCK, at) != BLOCK)
            return err_set(err, E_IO, "reading '%s': %m", path);
        /* without O_DIRECT the next round would read from memory */
        (void)posix_fadvise(fd, at, BLOCK, POSIX_FADV_DONTNEED);
        record_pace(started, (double)(i + 1) * BLOCK, (double)plan->bytes_a_second);
    }
}

/* -- fsync: n threads write a page and sync it, rate syncs a second together -- */

static enum rc sync_pages(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    CLEANUP(fd_closep) int fd = drill_disk_open(plan->dir);
    void *block = drill_disk_block(PAGE); /* freed by the end */

    if (fd < 0 || !block)
        return err_set(err, E_IO, "a temporary file in '%s': %m", plan->dir);
    for (uint64_t i = 0;; i++) {
        if (pwrite(fd, block, PAGE, (off_t)(i % FSYNC_PAGES * PAGE)) != PAGE || fsync(fd) != 0)
            return err_set(err, E_IO, "syncing a file in '%s': %m", plan->dir);
        record_pace(started, (double)(i + 1), (double)plan->bytes_a_second);
    }
}

enum rc record_fsync(const struct drill_plan *plan, struct err *err)
{
    return record_threads(plan, sync_pages, err);
}

/* -- inodes: rate new empty files a second; the oldest goes when there are n -- */

enum rc record_inodes(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    char path[DRILL_DIR_MAX + 64];

    if (plan->n == 0)
        return err_set(err, E_STATE, "inodes: expected at least one file");
    for (uint64_t i = 0;; i++) {
        (void)snprintf(path, sizeof path, "%s/inode-%" PRIu64, plan->dir, i % plan->n);
        if (i >= plan->n)
            (void)unlink(path);
        const int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_set(err, E_IO, "'%s': %m", path);
        (void)close(fd);
        record_pace(started, (double)(i + 1), (double)plan->bytes_a_second);
    }
}
