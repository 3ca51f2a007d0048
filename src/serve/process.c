/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { PROC_FILE_MAX = 4096 };

/* The number in field `at` (0 = the first) of space-separated text. */
static uint64_t field(const char *text, int at)
{
    uint64_t v = 0;

    for (; at > 0 && (text = strchr(text, ' ')); at--)
        text++;
    if (!text || !str_to_u64((struct str){text, strspn(text, "0123456789")}, &v))
        return 0;
    return v;
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");

    if (!dir)
        return 0;
    /* this stream is ours alone, so readdir is safe */
    for (const struct dirent *d; (d = readdir(dir));) /* NOLINT(concurrency-mt-unsafe) */
        n += d->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* less the one that listed them */
}

void process_cost(struct process_cost *ret)
{
    struct process_cost c = {0};
    struct timespec cpu;
    struct rlimit limit;
    struct err err;
    size_t n;
    CLEANUP(mem_freep) char *statm = NULL;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        c.cpu_seconds = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    if (file_read("/proc/self/statm", PROC_FILE_MAX, &statm, &n, &err) == OK) {
        const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        c.virtual_bytes = field(statm, 0) * page;
        c.resident_bytes = field(statm, 1) * page;
    }
    c.open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        c.max_fds = limit.rlim_cur;
    *ret = c;
}

int64_t process_start_ms(int64_t now_ms)
{
    struct err err;
    size_t n;
    CLEANUP(mem_freep) char *stat = NULL;

    if (file_read("/proc/self/stat", PROC_FILE_MAX, &stat, &n, &err) != OK)
        return now_ms; /* no /proc: the server's own start is the best that is known */
    const char *after_name = strrchr(stat, ')'); /* the name may hold spaces and brackets */
    const uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);
    /* field 22 of proc(5); ") S ..." makes the state field 1 of what follows */
    const uint64_t ticks = after_name ? field(after_name, 20) : 0;
    if (ticks == 0 || hertz == 0)
        return now_ms;
    return now_ms - (clock_boot_ms() - (int64_t)(ticks * 1000 / hertz));
}
