/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/drill_machine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { PROC_FILE_MAX = 1 << 16 };

/* A file that holds one number; false for none, or "max". */
static bool read_number(const char *path, uint64_t *ret)
{
    CLEANUP(mem_freep) char *text = NULL;
    struct err err;
    size_t n;

    return file_read(path, PROC_FILE_MAX, &text, &n, &err) == OK &&
           str_to_u64(str_trim((struct str){text, n}), ret);
}

/* Room that a control group leaves: limit less use. False when it sets none. */
static bool group_room(const char *group, uint64_t *ret)
{
    char path[PATH_MAX];
    uint64_t most, used;

    (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    if (!read_number(path, &most))
        return false;
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", group);
    if (!read_number(path, &used))
        return false;
    *ret = used < most ? most - used : 0;
    return true;
}

/* The least room of our control group (version 2) and of all above it. */
static void limit_by_groups(uint64_t *available)
{
    CLEANUP(mem_freep) char *text = NULL;
    struct err err;
    uint64_t room;
    size_t n;

    if (file_read("/proc/self/cgroup", PROC_FILE_MAX, &text, &n, &err) != OK)
        return; /* a kernel without them */
    char *group = strstr(text, "0::/");
    if (!group || (group != text && group[-1] != '\n'))
        return;
    group += strlen("0::");
    group[strcspn(group, "\n")] = '\0';
    for (char *slash = group + strlen(group); slash; slash = strrchr(group, '/')) {
        *slash = '\0';
        if (group_room(group, &room) && room < *available)
            *available = room;
    }
}

enum rc drill_memory_available(uint64_t *ret, struct err *err)
{
    static const char key[] = "\nMemAvailable:";
    CLEANUP(mem_freep) char *text = NULL;
    uint64_t kib;
    size_t n;

    if (file_read("/proc/meminfo", PROC_FILE_MAX, &text, &n, err) != OK)
        return err->rc;
    const char *p = strstr(text, key);
    if (!p)
        return err_set(err, E_PARSE, "/proc/meminfo: no MemAvailable");
    p += strlen(key);
    const struct str number = {p, strcspn(p, "k\n")};
    if (!str_to_u64(str_trim(number), &kib) || kib > UINT64_MAX / 1024)
        return err_set(err, E_PARSE, "/proc/meminfo: MemAvailable is not a number");
    uint64_t available = 1024 * kib;
    limit_by_groups(&available);
    *ret = available;
    return OK;
}

enum rc drill_files_most(uint64_t *ret, struct err *err)
{
    if (!read_number("/proc/sys/fs/file-max", ret))
        return err_set(err, E_PARSE, "/proc/sys/fs/file-max: expected a number");
    return OK;
}

void drill_first_for_oom(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return; /* best effort: half of what is free does not need it */
    (void)!write(fd, "1000", 4);
    (void)close(fd);
}
