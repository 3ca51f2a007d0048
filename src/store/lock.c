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
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* Somebody who asks whether it is held holds it for a moment. */
enum { TRIES = 10, RETRY_US = 5000 };

static int64_t written_pid(int fd)
{
    char text[32];
    const ssize_t n = pread(fd, text, sizeof text, 0);
    int64_t pid;

    return n > 0 && str_to_i64(str_trim((struct str){text, (size_t)n}), &pid) && pid > 0 ? pid : 0;
}

static enum rc refuse(const char *path, int fd, struct err *err)
{
    const int64_t pid = written_pid(fd);

    if (pid)
        return err_set(err, E_STATE, "store '%s': in use by another tocsin (process %lld)", path,
                       (long long)pid);
    return err_set(err, E_STATE, "store '%s': in use by another tocsin", path);
}

static int try_lock(int fd, int how)
{
    int got;

    do {
        got = flock(fd, how | LOCK_NB);
    } while (got != 0 && errno == EINTR);
    return got;
}

static enum rc lock(const char *path, int fd, struct err *err)
{
    int got = try_lock(fd, LOCK_EX);

    for (int i = 1; i < TRIES && got != 0 && errno == EWOULDBLOCK; i++) {
        usleep(RETRY_US);
        got = try_lock(fd, LOCK_EX);
    }
    if (got != 0 && errno == EWOULDBLOCK)
        return refuse(path, fd, err);
    if (got != 0)
        return err_set(err, E_IO, "store '%s': lock: %m", path);

    /* Only words for the second one's message: a full disk must not keep the first from running. */
    (void)!ftruncate(fd, 0);
    (void)dprintf(fd, "%ld\n", (long)getpid());
    return OK;
}

static char *lock_name(const char *path)
{
    const size_t size = strlen(path) + sizeof ".lock";
    char *name = mem_alloc(size);

    if (name)
        (void)snprintf(name, size, "%s.lock", path);
    return name;
}

enum rc lock_take(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(mem_freep) char *name = lock_name(path);

    if (!name)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
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

enum rc lock_holder(const char *path, int64_t *ret_pid, bool *ret_held, struct err *err)
{
    CLEANUP(mem_freep) char *name = lock_name(path);
    CLEANUP(fd_closep) int fd = -1;

    if (!name)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return err_set(err, E_IO, "store '%s': lock file '%s': %m", path, name);
    *ret_held = fd >= 0 && try_lock(fd, LOCK_SH) != 0 && errno == EWOULDBLOCK;
    *ret_pid = *ret_held ? written_pid(fd) : 0;
    return OK;
}
