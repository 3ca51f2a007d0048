/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum { FIRST_READ = 4096, TMP_TRIES = 100 };

void file_closep(FILE **f)
{
    if (*f)
        (void)fclose(*f); /* writers check fflush or fclose themselves */
}

void fd_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* writers check fsync themselves */
}

static ssize_t read_some(int fd, char *p, size_t n)
{
    ssize_t got;

    do
        got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

enum rc file_read(const char *path, size_t limit, char **ret, size_t *ret_n, struct err *err)
{
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, E_IO, "'%s': open: %m", path);

    if (limit > SIZE_MAX / 2)
        limit = SIZE_MAX / 2;
    CLEANUP(mem_freep) char *p = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        if (n + 1 >= capacity) { /* one byte stays free for the NUL */
            capacity = capacity ? capacity * 2 : FIRST_READ;
            if (capacity > limit + 2) /* one more than allowed, to see that there is more */
                capacity = limit + 2;
            char *grown = mem_grow(p, capacity, 1);
            if (!grown)
                return err_set(err, E_NOMEM, "'%s': no memory for %zu bytes", path, capacity);
            p = grown;
        }
        const ssize_t got = read_some(fd, p + n, capacity - n - 1);
        if (got < 0)
            return err_set(err, E_IO, "'%s': read: %m", path);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > limit)
            return err_set(err, E_LIMIT, "'%s': more than %zu bytes", path, limit);
    }
    p[n] = '\0';
    *ret = TAKE(p);
    *ret_n = n;
    return OK;
}

static bool write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n) {
        const ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* The folder of path, so that the rename itself is on the disk. */
static enum rc sync_folder(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash)
        (void)snprintf(folder, sizeof folder, ".");
    else /* "/x" lies in "/" */
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash == path ? 1 : slash - path),
                       path);
    CLEANUP(fd_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) /* EINVAL: this file system cannot */
        return err_set(err, E_IO, "'%s': sync of its folder: %m", path);
    return OK;
}

static int open_tmp(const char *path, char tmp[PATH_MAX])
{
    for (int i = 0; i < TMP_TRIES; i++) {
        const int n = snprintf(tmp, PATH_MAX, "%s.%d-%d.tmp", path, (int)getpid(), i);
        if (n < 0 || n >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Where what is written to a path goes. */
struct target {
    const char *path; /* itself, or what the link there names; into t or the caller's */
    bool through;     /* no file (a device, a pipe), and written into */
    int fd;           /* of the temporary file beside it, else -1 */
    char resolved[PATH_MAX], tmp[PATH_MAX];
};

static enum rc target_open(const char *path, struct target *t, struct err *err)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;

    t->path = path;
    t->fd = -1;
    t->through = there && !S_ISREG(st.st_mode);
    if (there && S_ISDIR(st.st_mode))
        return err_set(err, E_IO, "'%s': is a directory", path);
    if (t->through)
        return OK;
    if (there)
        t->path = realpath(path, t->resolved); /* a symbolic link stays one */
    if (!t->path)
        return err_set(err, E_IO, "'%s': %m", path);
    t->fd = open_tmp(t->path, t->tmp);
    if (t->fd < 0)
        return err_set(err, E_IO, "'%s': create a temporary file beside it: %m", path);
    return OK;
}

static void target_done(struct target *t)
{
    fd_closep(&t->fd);
}

struct file_writer {
    const char *path; /* of the caller, behind this */
    struct target t;
    bool committed;
};

enum rc file_writer_open(const char *path, struct file_writer **ret, struct err *err)
{
    const size_t n = strlen(path) + 1;
    CLEANUP(file_writer_freep) struct file_writer *w = mem_alloc(sizeof *w + n);

    if (!w)
        return err_set(err, E_NOMEM, "'%s': no memory", path);
    w->path = memcpy(w + 1, path, n);
    const enum rc rc = target_open(w->path, &w->t, err);
    if (rc != OK)
        return rc;
    if (w->t.through) { /* a device or pipe cannot be replaced by a file (think of /dev/null) */
        w->t.fd = open(path, O_WRONLY | O_CLOEXEC);
        if (w->t.fd < 0)
            return err_set(err, E_IO, "'%s': open: %m", path);
    }
    *ret = TAKE(w);
    return OK;
}

enum rc file_writer_add(struct file_writer *w, const void *p, size_t n, struct err *err)
{
    return write_all(w->t.fd, p, n) ? OK : err_set(err, E_IO, "'%s': write: %m", w->path);
}

enum rc file_writer_commit(struct file_writer *w, struct err *err)
{
    if (w->t.through)
        return OK;
    if (fsync(w->t.fd) != 0 || rename(w->t.tmp, w->t.path) != 0)
        return err_set(err, E_IO, "'%s': write: %m", w->path);
    w->committed = true;
    return sync_folder(w->t.path, err);
}

void file_writer_free(struct file_writer *w)
{
    if (!w)
        return;
    if (!w->t.through && !w->committed && w->t.fd >= 0)
        (void)unlink(w->t.tmp); /* best effort */
    target_done(&w->t);
    mem_free(w);
}

enum rc file_write(const char *path, const void *p, size_t n, struct err *err)
{
    CLEANUP(file_writer_freep) struct file_writer *w = NULL;

    if (file_writer_open(path, &w, err) != OK || file_writer_add(w, p, n, err) != OK)
        return err->rc;
    return file_writer_commit(w, err);
}

enum rc file_expect_writable(const char *path, struct err *err)
{
    CLEANUP(target_done) struct target t;

    if (target_open(path, &t, err) != OK)
        return err->rc;
    if (!t.through)
        (void)unlink(t.tmp); /* best effort */
    else if (access(path, W_OK) != 0)
        return err_set(err, E_IO, "'%s': open: %m", path);
    return OK;
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

enum rc file_mkdirs(const char *path, struct err *err)
{
    char part[PATH_MAX];
    struct stat st;
    const size_t n = strlen(path);

    if (n == 0 || n >= sizeof part)
        return err_set(err, E_IO, "'%s': the path of a folder has 1 to %d bytes", path,
                       PATH_MAX - 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return err_set(err, E_IO, "'%s': make folder: %m", part);
    }
    if (stat(path, &st) != 0)
        return err_set(err, E_IO, "'%s': %m", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, E_IO, "'%s': exists and is not a folder", path);
    return OK;
}
