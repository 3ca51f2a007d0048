/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* file - whole files, read with a limit and written so that nobody sees half of one. Thread: any.
 */

/* The whole file at path, NUL added after *ret_n bytes; the caller owns *ret (mem_free). Reads
 * files without a size (/proc, pipes) as well. E_IO, E_NOMEM, E_LIMIT when over limit bytes. */
MUST_CHECK enum rc file_read(const char *path, size_t limit, char **ret, size_t *ret_n,
                             struct err *err);

/* Replace path by n bytes: temporary name in the same folder, fsync, rename, fsync of the folder.
 * On failure the old file is untouched and the temporary one removed (only when the last sync
 * fails, the new one is there). Mode 0644 less the umask. A symbolic link stays: its target is
 * replaced. Devices and pipes (/dev/stdout) are written into. */
MUST_CHECK enum rc file_write(const char *path, const void *p, size_t n, struct err *err);

/* The same of bytes that come in pieces. file_writer_free without a commit that worked leaves the
 * old file as it was (but for a device or pipe). Thread: its holder's. */
struct file_writer;
MUST_CHECK enum rc file_writer_open(const char *path, struct file_writer **ret, struct err *err);
MUST_CHECK enum rc file_writer_add(struct file_writer *w, const void *p, size_t n, struct err *err);
MUST_CHECK enum rc file_writer_commit(struct file_writer *w,
                                      struct err *err); /* once, at the end */
void file_writer_free(struct file_writer *w);           /* NULL is fine */
static inline void file_writer_freep(struct file_writer **w)
{
    file_writer_free(*w);
}

/* Whether file_write would get as far as writing: what would take an hour to make is not made for
 * nothing. E_IO. */
MUST_CHECK enum rc file_expect_writable(const char *path, struct err *err);
/* Whether both are there and are the same file, by whatever names; not for devices and pipes. */
bool file_same(const char *a, const char *b);

/* mkdir -p with mode 0750 for what is made. */
MUST_CHECK enum rc file_mkdirs(const char *path, struct err *err);

void file_closep(FILE **f); /* for CLEANUP */
void fd_closep(int *fd);    /* for CLEANUP; -1 is fine */
