/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

static enum rc refuse(const char *path, int fd, struct err *err)
{
    char text[32];
    const ssize_t n = pread(fd, text, sizeof text, 0);
    uint64_t pid;

    if (n > 0 && str_to_u64(str_trim((struct str){text, (size_t)n}), &pid))
        return err_set(err, E_STATE, "store '%s': in use by another tocsin (process %llu)", path,
                       (unsigned long long)pid);
    return err_set(err, E_STATE, "store '%s': in use by another tocsin", path);
}

static enum rc lock(const char *path, int fd, struct err *err)
{
    int got;

    do {
        got = flock(fd, LOCK_EX | LOCK_NB);
    } while (got != 0 && errno == EINTR);
    if (got != 0 && errno == EWOULDBLOCK)
        return refuse(path, fd, err);
    if (got != 0)
        return err_set(err, E_IO, "store '%s': lock: %m", path);

    /* Only words for the second one's message: a full disk must not keep the first from running. */
    (void)!ftruncate(fd, 0);
    (void)dprintf(fd, "%ld\n", (long)getpid());
    return OK;
}

enum rc lock_take(const char *path, int *ret_fd, struct err *err)
{
    const size_t size = strlen(path) + sizeof ".lock";
    CLEANUP(mem_freep) char *name = mem_alloc(size);

    if (!name)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    (void)snprintf(name, size, "%s.lock", path);
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(err, E_IO, "store '%s': lock file '%s': %m", path, name);
    const enum rc rc = lock(path, fd, err);
    if (rc == OK)
        *ret_fd = fd;
    else
        (void)close(fd);
    return rc;
}
