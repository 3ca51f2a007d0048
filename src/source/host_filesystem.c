/* SPDX-License-Identifier: Apache-2.0 */
/* The collector filesystem: the table of mounts, and statvfs on each that is not excluded.
 *
 * The table is read again only when the kernel says that it changed. statvfs of a local mount
 * costs a third of a microsecond, so it is asked for each time; what may hang goes by
 * host_guard, and its answer is at most one collect old. */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/host_private.h"

enum { FIRST_ANSWER_MS = 100 }; /* a collect waits so long for a mount that it never met before */

static const char *const names[MOUNT_COLUMNS] = {
    [MOUNT_SIZE] = "node_filesystem_size_bytes",
    [MOUNT_FREE] = "node_filesystem_free_bytes",
    [MOUNT_AVAIL] = "node_filesystem_avail_bytes",
    [MOUNT_FILES] = "node_filesystem_files",
    [MOUNT_FILES_FREE] = "node_filesystem_files_free",
    [MOUNT_READONLY] = "node_filesystem_readonly",
    [MOUNT_ERROR] = "node_filesystem_device_error",
};

static bool has_prefix(const struct host *h)
{
    return strcmp(h->rootfs, "/") != 0;
}

static enum rc emit(struct host *h, struct host_mount *m, unsigned column, double v,
                    struct err *err)
{
    if (m->id[column] == HOST_NO_ID) {
        char buf[3][HOST_LABEL_MAX];
        const struct label labels[] = {
            {STR("device"), host_label_value(m->device, buf[0], HOST_LABEL_MAX)},
            {STR("fstype"), host_label_value(m->type, buf[1], HOST_LABEL_MAX)},
            {STR("mountpoint"), host_label_value(m->point, buf[2], HOST_LABEL_MAX)},
        };
        if (series_set_intern(h->set, str_of(names[column]), labels, 3, METRIC_GAUGE,
                              &m->id[column], err) != OK)
            return err->rc;
    }
    return host_samples_add(&h->samples, m->id[column], v, err);
}

/* The table is read again when mounts change; that an error has made a filesystem read-only is
 * no such change, but its flags say so. Seen through a prefix, they would be those of the way
 * that leads there: the root filesystem is often lent to a container read-only. */
static bool is_readonly(const struct host *h, const struct host_mount *m, const struct statvfs *u)
{
    return m->readonly || (!has_prefix(h) && (u->f_flag & ST_RDONLY));
}

static enum rc emit_usage(struct host *h, struct host_mount *m, const struct statvfs *u,
                          struct err *err)
{
    /* f_bsize, not f_frsize, as Node Exporter has it: the two hardly ever differ on Linux */
    const double block = (double)u->f_bsize;
    const double v[MOUNT_COLUMNS] = {
        [MOUNT_SIZE] = (double)u->f_blocks * block,
        [MOUNT_FREE] = (double)u->f_bfree * block,
        [MOUNT_AVAIL] = (double)u->f_bavail * block,
        [MOUNT_FILES] = (double)u->f_files,
        [MOUNT_FILES_FREE] = (double)u->f_ffree,
        [MOUNT_READONLY] = is_readonly(h, m, u) ? 1 : 0,
        [MOUNT_ERROR] = 0,
    };
    for (unsigned i = 0; i < MOUNT_COLUMNS; i++)
        if (emit(h, m, i, v[i], err) != OK)
            return err->rc;
    return OK;
}

static enum rc emit_mount(struct host *h, struct host_mount *m, size_t guard, int64_t now_ms,
                          struct err *err)
{
    enum host_guard_state state = GUARD_FAILED;
    struct statvfs u;

    if (m->guarded)
        state = host_guards_usage(h->guards, guard, now_ms, &u);
    else if (statvfs(m->path, &u) == 0)
        state = GUARD_KNOWN;

    switch (state) {
    case GUARD_KNOWN:
        return emit_usage(h, m, &u, err);
    case GUARD_UNKNOWN:
        return OK; /* no answer yet, and not overdue */
    case GUARD_FAILED:
    case GUARD_STUCK:
        break;
    }
    return emit(h, m, MOUNT_ERROR, 1, err);
}

/* With hidepid=2 the mounts of process 1 are out of sight; then our own must do. */
static enum rc read_table(struct host *h, struct str *ret, struct err *err)
{
    struct host_file *f = &h->mounts_file;

    if (f->retry == 0) {
        const enum rc rc = host_read(h, f, h->procfs, "1/mounts", ret, err);
        if (rc == OK || rc == E_NOMEM)
            return rc;
        f->retry = 0;
    }
    return host_read(h, &h->mounts_file, h->procfs, "mounts", ret, err);
}

/* Where the table is the kernel's, a poll tells whether it changed since the last poll. */
static bool has_changed(struct host *h)
{
    struct pollfd fd = {.fd = h->mounts_file.fd, .events = POLLPRI};

    if (h->mounts_file.fd < 0 || !h->mounts_is_proc || has_prefix(h))
        return true; /* see is_readonly */
    return poll(&fd, 1, 0) != 0;
}

static void note_kind(struct host *h)
{
    struct statfs fs;
    h->mounts_is_proc = h->mounts_file.fd >= 0 && fstatfs(h->mounts_file.fd, &fs) == 0 &&
                        fs.f_type == PROC_SUPER_MAGIC;
    if (h->mounts_is_proc)
        (void)has_changed(h); /* from here on */
}

static enum rc set_guards(struct host *h, const struct host_mounts *m, struct err *err)
{
    size_t n = 0;

    CLEANUP(mem_freep) const char **paths = mem_array(m->n, sizeof *paths);
    if (!paths)
        return err_set(err, E_NOMEM, "no memory for %zu mounts", m->n);
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].guarded)
            paths[n++] = m->v[i].path;
    if (n == 0 && !h->guards)
        return OK;
    if (!h->guards && host_guards_new(statvfs, &h->guards, err) != OK)
        return err->rc;
    if (host_guards_set(h->guards, paths, n, err) != OK ||
        host_guards_ask(h->guards, clock_mono_ms(), err) != OK)
        return err->rc;
    host_guards_wait(h->guards, FIRST_ANSWER_MS);
    return OK;
}

static enum rc refresh_table(struct host *h, struct err *err)
{
    CLEANUP(host_mounts_done) struct host_mounts m = {0};
    const bool was_open = h->mounts_file.fd >= 0;
    struct str text;

    if (!has_changed(h))
        return OK;
    const enum rc rc = read_table(h, &text, err);
    if (rc != OK || host_mounts_parse(text, h->rootfs, &m, err) != OK ||
        set_guards(h, &m, err) != OK) {
        host_mounts_done(&h->mounts); /* an old table would be a lie */
        h->mounts_is_proc = false;    /* so it is read again next time */
        return err->rc;
    }
    host_mounts_done(&h->mounts);
    h->mounts = m;
    m = (struct host_mounts){0};
    if (!was_open)
        note_kind(h);
    return OK;
}

void host_filesystem_ask(struct host *h)
{
    struct err err;
    if (h->guards && host_guards_ask(h->guards, clock_mono_ms(), &err) != OK)
        (void)host_note(h, &err);
}

enum rc host_collect_filesystem(struct host *h, struct err *err)
{
    const enum rc rc = refresh_table(h, err);
    size_t guard = 0;

    if (rc == E_STATE)
        return rc;
    if (rc != OK)
        return host_note(h, err);
    const int64_t now_ms = h->guards ? clock_mono_ms() : 0;
    if (h->guards)
        host_guards_wait(h->guards, 0);
    for (size_t i = 0; i < h->mounts.n; i++) {
        struct host_mount *m = &h->mounts.v[i];
        if (emit_mount(h, m, m->guarded ? guard++ : 0, now_ms, err) != OK)
            return err->rc;
    }
    return OK;
}
