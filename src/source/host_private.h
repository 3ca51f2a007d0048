/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <sys/utsname.h>

#include "source/host.h"
#include "source/host_guard.h"
#include "source/host_mounts.h"
#include "source/host_parse.h"

/* The state of a host, shared by the collectors. Thread: the holder's of the host. */

enum {
    HOST_FILE_MAX = 8 << 20, /* bytes of one file of /proc */
    HOST_RETRY = 60,         /* collects after which what was absent or may change is looked at */
};

struct host_file {
    int fd;         /* -1 when closed */
    unsigned retry; /* collects until a file that was absent is tried again */
    size_t last_n;  /* what it held last time: a read need not ask for much more. The kernel
                       allocates as much as is asked for when it reads a sysctl (file-nr) */
};

struct host {
    char *procfs, *sysfs, *rootfs;
    struct series_set *set;
    struct host_samples samples;
    struct host_rows rows[HOST_FORMATS];
    struct host_file file[HOST_FORMATS]; /* [HOST_STAT] is not used: the file is HOST_CPU's */
    char *text;                          /* the file being parsed */
    size_t capacity;
    struct str stat; /* /proc/stat of this collect, read by cpu for stat; n 0: none */
    enum rc stat_rc; /* how that went */

    int *netdev; /* one a row of net/dev: where its receive_nohandler is read, or -1 */
    size_t netdev_n, netdev_open;
    uint32_t netdev_generation;

    struct host_samples disk_info; /* what udev says, told again each time */
    uint32_t disk_generation;
    unsigned disk_retry;

    struct host_file mounts_file;
    bool mounts_is_proc; /* a change can be waited for, so an unchanged table is not read */
    struct host_mounts mounts;
    struct host_guards *guards;

    struct utsname uts;
    uint32_t uts_id; /* HOST_NO_ID until known */

    uint64_t errors;
    char last_error[ERR_MSG_MAX];
    char missing[128];
    char boot_id[40];
};

/* The collectors: read, parse, add to h->samples. E_STATE: not offered by this kernel. E_NOMEM,
 * E_LIMIT: the collect fails. What else goes wrong is noted with host_note and answered OK. */
enum rc host_collect_cpu(struct host *h, struct err *err);
enum rc host_collect_stat(struct host *h, struct err *err);
enum rc host_collect_loadavg(struct host *h, struct err *err);
enum rc host_collect_meminfo(struct host *h, struct err *err);
enum rc host_collect_vmstat(struct host *h, struct err *err);
enum rc host_collect_pressure(struct host *h, struct err *err);
enum rc host_collect_diskstats(struct host *h, struct err *err);
enum rc host_collect_filesystem(struct host *h, struct err *err);
enum rc host_collect_netdev(struct host *h, struct err *err);
enum rc host_collect_netstat(struct host *h, struct err *err);
enum rc host_collect_sockstat(struct host *h, struct err *err);
enum rc host_collect_filefd(struct host *h, struct err *err);
enum rc host_collect_uname(struct host *h, struct err *err);

/* Count a failure that leaves a family absent; E_NOMEM and E_LIMIT pass through. */
enum rc host_note(struct host *h, struct err *err);

/* Read DIR/PATH whole into h->text, NUL added; the file stays open. E_STATE when it is absent. */
MUST_CHECK enum rc host_read(struct host *h, struct host_file *f, const char *dir, const char *path,
                             struct str *ret, struct err *err);
void host_file_close(struct host_file *f);
/* Files first..last of the formats: each is read, parsed, or noted. E_STATE when all are absent. */
enum rc host_collect_files(struct host *h, enum host_format_id first, enum host_format_id last,
                           struct err *err);

void host_disk_forget(struct host *h);
void host_netdev_forget(struct host *h);
/* Ask for the usage of mounts that may hang, so that it is there when its turn comes. */
void host_filesystem_ask(struct host *h);
