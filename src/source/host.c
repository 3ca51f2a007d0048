/* SPDX-License-Identifier: Apache-2.0 */
#include "source/host.h"

#include <assert.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/host_private.h"

/* In the order in which they are read. A collector is one row here. */
static const struct collector {
    const char *name; /* Node Exporter's */
    enum rc (*collect)(struct host *h, struct err *err);
} collectors[] = {
    {"cpu", host_collect_cpu},
    {"stat", host_collect_stat}, /* after cpu: it parses the text that cpu has read */
    {"loadavg", host_collect_loadavg},
    {"meminfo", host_collect_meminfo},
    {"vmstat", host_collect_vmstat},
    {"pressure", host_collect_pressure},
    {"diskstats", host_collect_diskstats},
    {"netdev", host_collect_netdev},
    {"netstat", host_collect_netstat},
    {"sockstat", host_collect_sockstat},
    {"filefd", host_collect_filefd},
    {"uname", host_collect_uname},
    {"filesystem", host_collect_filesystem}, /* last: what it asked for had time to be answered */
};
enum { COLLECTORS = sizeof collectors / sizeof *collectors };

/* A copy without slashes at the end, but for "/". */
static char *copy_path(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return mem_strndup(path, n);
}

static void read_boot_id(struct host *h)
{
    struct host_file f = {.fd = -1};
    struct err err;
    struct str text;

    const enum rc rc = host_read(h, &f, h->procfs, "sys/kernel/random/boot_id", &text, &err);
    host_file_close(&f);
    if (rc != OK)
        return; /* "" as the header says: nothing depends on it but the naming of a reboot */
    text = str_trim(text);
    if (text.n < sizeof h->boot_id && str_is_utf8(text)) {
        memcpy(h->boot_id, text.p, text.n);
        h->boot_id[text.n] = '\0';
    }
}

enum rc host_open(const struct host_paths *paths, struct host **ret, struct err *err)
{
    struct str text;

    CLEANUP(host_closep) struct host *h = mem_alloc(sizeof *h);
    if (!h)
        return err_set(err, E_NOMEM, "host: no memory");
    for (size_t i = 0; i < HOST_FORMATS; i++)
        h->file[i].fd = -1;
    h->mounts_file.fd = -1;
    h->uts_id = HOST_NO_ID;
    h->procfs = copy_path(paths->procfs);
    h->sysfs = copy_path(paths->sysfs);
    h->rootfs = copy_path(paths->rootfs);
    if (!h->procfs || !h->sysfs || !h->rootfs)
        return err_set(err, E_NOMEM, "host: no memory");
    if (series_set_new(&h->set, err) != OK)
        return err_wrap(err, "host");
    for (size_t i = 0; i < HOST_FORMATS; i++)
        host_rows_init(&h->rows[i], &host_formats[i], h->set);

    const enum rc rc = host_read(h, &h->file[HOST_CPU], h->procfs, "stat", &text, err);
    if (rc == E_STATE)
        return err_set(err, E_IO, "host: '%s' has no file 'stat': is it a procfs?", h->procfs);
    if (rc != OK)
        return err_wrap(err, "host");
    if (uname(&h->uts) != 0) /* for host_nodename before the first collect */
        return err_set(err, E_IO, "host: uname: %m");
    read_boot_id(h);
    *ret = TAKE(h);
    return OK;
}

/* Forget every layout and number: they belong to h->set. */
static void forget(struct host *h)
{
    host_netdev_forget(h);
    host_disk_forget(h);
    host_mounts_done(&h->mounts);
    h->mounts_is_proc = false; /* so the table is read again */
    host_file_close(&h->mounts_file);
    for (size_t i = 0; i < HOST_FORMATS; i++)
        host_rows_done(&h->rows[i]);
    h->uts_id = HOST_NO_ID;
}

void host_close(struct host *h)
{
    if (!h)
        return;
    forget(h);
    host_guards_free(h->guards);
    for (size_t i = 0; i < HOST_FORMATS; i++)
        host_file_close(&h->file[i]);
    host_samples_done(&h->samples);
    series_set_unref(h->set);
    mem_free(h->text);
    mem_free(h->procfs);
    mem_free(h->sysfs);
    mem_free(h->rootfs);
    mem_free(h);
}

static void add_missing(struct host *h, const char *name)
{
    const size_t n = strlen(h->missing);
    const size_t room = sizeof h->missing - n;
    const size_t add = strlen(name) + (n > 0);

    assert(add < room); /* all the names together fit */
    (void)snprintf(h->missing + n, room, "%s%s", n ? "," : "", name);
}

static enum rc collect_all(struct host *h, struct err *err)
{
    h->samples.n = 0;
    h->stat.n = 0;
    h->missing[0] = '\0';
    host_filesystem_ask(h);
    for (size_t i = 0; i < COLLECTORS; i++) {
        const enum rc rc = collectors[i].collect(h, err);
        if (rc == E_STATE)
            add_missing(h, collectors[i].name);
        else if (rc != OK)
            return err_wrap(err, "host: %s", collectors[i].name);
    }
    return OK;
}

/* A set only grows, and a machine that makes network devices for containers all day fills it
 * with those that are gone. Then a new one begins. */
static enum rc renew_set(struct host *h, struct err *err)
{
    struct series_set *set;

    if (series_set_new(&set, err) != OK)
        return err_wrap(err, "host");
    forget(h);
    series_set_unref(h->set);
    h->set = set;
    for (size_t i = 0; i < HOST_FORMATS; i++)
        host_rows_init(&h->rows[i], &host_formats[i], h->set);
    return OK;
}

enum rc host_collect(struct host *h, int64_t ts_ms, struct snapshot **ret, struct err *err)
{
    enum rc rc = collect_all(h, err);
    if (rc == E_LIMIT) {
        if (renew_set(h, err) != OK)
            return err->rc;
        rc = collect_all(h, err);
    }
    if (rc != OK)
        return rc;

    struct snapshot *s = snapshot_new(h->set, ts_ms);
    if (!s)
        return err_set(err, E_NOMEM, "host: no memory for %zu samples", h->samples.n);
    for (size_t i = 0; i < h->samples.n; i++)
        s->v[h->samples.p[i].id] = h->samples.p[i].v;
    *ret = s;
    return OK;
}

const char *host_missing(const struct host *h)
{
    return h->missing;
}

uint64_t host_errors(const struct host *h)
{
    return h->errors;
}

const char *host_last_error(const struct host *h)
{
    return h->last_error;
}

const char *host_nodename(const struct host *h)
{
    return h->uts.nodename;
}

const char *host_boot_id(const struct host *h)
{
    return h->boot_id;
}
