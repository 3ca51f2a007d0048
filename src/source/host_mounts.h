/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* host_mounts - the table of mounts (/proc/1/mounts) with Node Exporter's default exclusions
 *
 * statvfs on a network filesystem whose server is gone waits for ever. So a mount whose type is
 * not known to be local, and any mount below such a one, is marked `guarded`: its usage is asked
 * for in a thread of its own, see host_guard.h. Pure. Thread: its holder's. */

enum { HOST_MOUNTS_MAX = 4096 }; /* mounts that are not excluded */

enum {
    MOUNT_SIZE,
    MOUNT_FREE,
    MOUNT_AVAIL,
    MOUNT_FILES,
    MOUNT_FILES_FREE,
    MOUNT_READONLY,
    MOUNT_ERROR,
    MOUNT_COLUMNS
};

struct host_mount {
    struct str device, type;    /* as the file has them */
    struct str point;           /* unescaped, without the root filesystem's prefix */
    const char *path;           /* where to ask: the root filesystem's prefix and the point */
    bool guarded, readonly;     /* readonly: by its options */
    uint32_t id[MOUNT_COLUMNS]; /* the caller's: series, HOST_NO_ID at first */
};

struct host_mounts {
    struct host_mount *v;
    size_t n;
    char *text; /* what the strings point to */
};

/* E_PARSE, E_NOMEM; *ret is written on success. rootfs is "/" or a prefix without a last "/". */
MUST_CHECK enum rc host_mounts_parse(struct str text, const char *rootfs, struct host_mounts *ret,
                                     struct err *err);
void host_mounts_done(struct host_mounts *m);

/* ^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/) */
bool host_mount_point_is_excluded(struct str point);
/* ^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660
 * |mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs
 * |tracefs)$ */
bool host_mount_type_is_excluded(struct str type);
