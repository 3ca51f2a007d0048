/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the files of /proc and /sys, which stay open from one collect to the next. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/host_private.h"

enum { PATH_BYTES = 4096, READ_AHEAD = 2048 };

void host_file_close(struct host_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd); /* only ever read */
    f->fd = -1;
}

/* What an absent file, or one that the kernel was not told to offer, answers. */
static bool means_absent(int e)
{
    return e == ENOENT || e == ENOTDIR || e == EOPNOTSUPP;
}

static enum rc absent(struct host_file *f, const char *path, struct err *err)
{
    host_file_close(f);
    f->retry = HOST_RETRY;
    return err_set(err, E_STATE, "%s: not offered here", path);
}

static enum rc open_file(struct host_file *f, const char *dir, const char *path, struct err *err)
{
    char full[PATH_BYTES];

    const int n = snprintf(full, sizeof full, "%s/%s", dir, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return err_set(err, E_IO, "%s: the path is too long", path);
    f->fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a fixture may be a pipe */
    if (f->fd >= 0)
        return OK;
    if (means_absent(errno))
        return absent(f, path, err);
    return err_set(err, E_IO, "%s: open: %m", full);
}

static enum rc grow_text(struct host *h, const char *path, struct err *err)
{
    const size_t capacity = h->capacity ? 2 * h->capacity : 16384;
    if (h->capacity >= HOST_FILE_MAX)
        return err_set(err, E_IO, "%s: more than %d bytes", path, HOST_FILE_MAX);
    char *text = mem_grow(h->text, capacity, 1);
    if (!text)
        return err_set(err, E_NOMEM, "%s: no memory for %zu bytes", path, capacity);
    h->text = text;
    h->capacity = capacity;
    return OK;
}

/* *ret_errno is what read answered when it failed, and 0 otherwise. */
static enum rc read_all(struct host *h, struct host_file *f, const char *path, size_t *ret_n,
                        int *ret_errno, struct err *err)
{
    size_t n = 0;

    for (;;) {
        if (n + 1 >= h->capacity && grow_text(h, path, err) != OK)
            return err->rc;
        size_t ask = h->capacity - 1 - n;
        if (ask > f->last_n + READ_AHEAD)
            ask = f->last_n + READ_AHEAD;
        const ssize_t got = pread(f->fd, h->text + n, ask, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *ret_errno = got < 0 ? errno : 0;
            break;
        }
        n += (size_t)got;
    }
    h->text[n] = '\0';
    *ret_n = n;
    return OK;
}

enum rc host_read(struct host *h, struct host_file *f, const char *dir, const char *path,
                  struct str *ret, struct err *err)
{
    int e = 0;

    h->stat.n = 0; /* its text is overwritten */
    if (f->fd < 0 && f->retry > 0) {
        f->retry--;
        return err_set(err, E_STATE, "%s: not offered here", path);
    }
    /* Twice: what it was opened for may be gone and be there again (a device, process 1). */
    for (int attempt = 0; attempt < 2; attempt++) {
        size_t n = 0;
        if (f->fd < 0 && open_file(f, dir, path, err) != OK)
            return err->rc;
        if (read_all(h, f, path, &n, &e, err) != OK)
            return err->rc;
        if (e == 0) {
            f->last_n = n;
            *ret = (struct str){h->text, n};
            return OK;
        }
        host_file_close(f);
    }
    if (means_absent(e))
        return absent(f, path, err);
    errno = e;
    return err_set(err, E_IO, "%s/%s: read: %m", dir, path);
}

enum rc host_note(struct host *h, struct err *err)
{
    if (err->rc == E_NOMEM || err->rc == E_LIMIT)
        return err->rc;
    h->errors++;
    memcpy(h->last_error, err->msg, sizeof h->last_error);
    return OK;
}

enum rc host_collect_files(struct host *h, enum host_format_id first, enum host_format_id last,
                           struct err *err)
{
    bool any = false;

    for (unsigned i = first; i <= last; i++) {
        struct str text = {"", 0};
        enum rc rc = host_read(h, &h->file[i], h->procfs, host_formats[i].file, &text, err);
        if (rc == E_STATE)
            continue;
        any = true;
        if (rc == OK)
            rc = host_rows_parse(&h->rows[i], text, &h->samples, err);
        if (rc != OK && host_note(h, err) != OK)
            return err->rc;
    }
    return any ? OK : err_set(err, E_STATE, "%s: not offered here", host_formats[first].file);
}
