/* SPDX-License-Identifier: Apache-2.0 */
/* record-fault KIND SECONDS N BYTES RATE DIR: one real fault of this machine, for bench/record.
 *
 * Ends by itself after so many seconds, on SIGINT, SIGTERM or SIGHUP, and with its parent; the
 * fault is in a process group of its own, which ends with it. Prints nothing but what went wrong.
 * Exit codes: 0 ended as told, 1 the fault could not be carried out, 2 a word is wrong. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "record_fault.h"

/* The most of each figure that is still harmless: a mistyped command line is refused. */
struct kind {
    const char *name;
    enum rc (*body)(const struct drill_plan *plan, struct err *err);
    const char *drill; /* instead of body: that of this drill */
    uint64_t n_most, bytes_most, rate_most;
};

#define GIB (UINT64_C(1) << 30)
enum { SECONDS_MOST = 600, CHECK_MS = 100 };

static const struct kind kinds[] = {
    {"spin", record_spin, NULL, 1024, 0, 100},          /* threads; percent of a core each */
    {"memory", NULL, "memory", 0, 64 * GIB, 0},         /* bytes held */
    {"leak", record_leak, NULL, 0, 64 * GIB, 4 * GIB},  /* bytes at most; bytes/s */
    {"write", record_write, NULL, 0, GIB, GIB},         /* size of the file; bytes/s */
    {"read", record_read, NULL, 0, 0, GIB},             /* bytes/s */
    {"fsync", record_fsync, NULL, 64, 0, 100000},       /* threads; syncs/s */
    {"inodes", record_inodes, NULL, 100000, 0, 100000}, /* files at most; files/s */
    {"bandwidth", NULL, "network", 0, 0, GIB},          /* bytes/s */
    {"connections", record_connections, NULL, 20000, 0, 20000}, /* connections; opened/s */
    {"churn", record_churn, NULL, 0, 0, 5000},                  /* connections/s */
    {"refused", record_refused, NULL, 0, 0, 50000},             /* attempts/s */
    {"forks", NULL, "forks", 5000, 0, 0},                       /* processes/s */
    {"files", NULL, "files", 200000, 0, 0},                     /* files held open */
    {"processes", record_processes, NULL, 10000, 0, 5000},      /* processes; started/s */
    {"timers", record_timers, NULL, 1024, 0, 1000000},          /* threads; wakes/s */
    {"switches", record_switches, NULL, 64, 0, 1000000}, /* pairs of threads; round trips/s */
    {"page_faults", record_page_faults, NULL, 64, 0, 10000000}, /* threads; pages/s */
};

static int usage(const char *sentence, const char *word)
{
    (void)fprintf(stderr, "record-fault: %s '%s'\n", sentence, word);
    (void)fputs("usage: record-fault KIND SECONDS N BYTES RATE DIR\nkinds:", stderr);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        (void)fprintf(stderr, " %s", kinds[i].name);
    (void)fputc('\n', stderr);
    return 2;
}

static bool number(const char *word, double most, double *ret)
{
    char *end;

    *ret = strtod(word, &end);
    return word[0] && *end == '\0' && *ret >= 0 && *ret <= most;
}

static const struct kind *find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* Until the time is over or a signal comes; E_STATE when the fault ended before. */
static enum rc wait_for_end(const struct drill_process *p, double seconds, const sigset_t *ends,
                            struct err *err)
{
    const struct timespec step = {.tv_nsec = CHECK_MS * 1000000};
    const int64_t until = clock_mono_ms() + (int64_t)(1000 * seconds);

    while (clock_mono_ms() < until) {
        if (drill_process_check(p, err) != OK)
            return err->rc;
        if (sigtimedwait(ends, NULL, &step) > 0)
            break;
    }
    return OK;
}

static int run(const struct drill_fault *f, const struct drill_plan *plan, double seconds)
{
    const pid_t parent = getppid();
    struct drill_process p;
    struct err err;
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (parent == 1 || getppid() != parent)
        return 1; /* it died before the line above */
    enum rc rc = drill_process_start(f, plan, &p, &err);
    if (rc == OK) {
        rc = wait_for_end(&p, seconds, &ends, &err);
        drill_process_stop(&p);
    }
    if (rc != OK)
        (void)fprintf(stderr, "record-fault: %s: %s\n", f->name, err.msg);
    return rc == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    double seconds, n, bytes, rate;

    if (argc != 7)
        return usage("expected six words, not", argc > 1 ? argv[argc - 1] : "none");
    const struct kind *k = find(argv[1]);
    if (!k)
        return usage("there is no kind", argv[1]);
    if (!number(argv[2], SECONDS_MOST, &seconds))
        return usage("expected seconds up to 600, found", argv[2]);
    if (!number(argv[3], (double)k->n_most, &n) || (k->n_most && n < 1))
        return usage("N is out of bounds:", argv[3]);
    if (!number(argv[4], (double)k->bytes_most, &bytes))
        return usage("BYTES is out of bounds:", argv[4]);
    if (!number(argv[5], (double)k->rate_most, &rate))
        return usage("RATE is out of bounds:", argv[5]);
    if (strlen(argv[6]) >= DRILL_DIR_MAX)
        return usage("DIR is too long:", argv[6]);

    struct drill_plan plan = {
        .n = (uint32_t)n, .bytes = (uint64_t)bytes, .bytes_a_second = (uint64_t)rate};
    memcpy(plan.dir, argv[6], strlen(argv[6]) + 1);
    const struct drill_fault *drill = k->drill ? drill_fault_find(str_of(k->drill)) : NULL;
    const struct drill_fault f = {.name = k->name, .body = drill ? drill->body : k->body};
    return run(&f, &plan, seconds);
}
