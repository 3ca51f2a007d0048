/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/drill_fault.h"
#include "cli/drill_machine.h"
#include "data/units.h"

enum {
    CORES_MAX = 1024,
    THREADS_A_CORE = 2, /* so that others wait for a core, too */
    FORKS_A_SECOND = 1000,
    FILES_MAX = 100000,
    FILE_PROCESSES_MAX = 16,
};
static const uint64_t memory_most = UINT64_C(4) << 30, memory_step = UINT64_C(64) << 20;

_Noreturn static void sleep_on(void)
{
    for (;;)
        pause();
}

/* -- cpu -- */

static enum rc cpu_prepare(struct drill_plan *plan, struct err *err)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return err_set(err, E_IO, "the processor's cores cannot be counted: %m");
    const int n = CPU_COUNT(&allowed);
    const uint32_t cores = n > 0 && n <= CORES_MAX ? (uint32_t)n : CORES_MAX;
    plan->n = THREADS_A_CORE * cores;
    (void)snprintf(plan->what, sizeof plan->what, "spins %" PRIu32 " threads, %d on each core",
                   plan->n, THREADS_A_CORE);
    return OK;
}

static void *spin(void *arg)
{
    volatile uint64_t x = 1;

    (void)arg;
    for (;;)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return NULL;
}

static enum rc cpu_body(const struct drill_plan *plan, struct err *err)
{
    for (uint32_t i = 1; i < plan->n; i++) {
        pthread_t t;

        if (pthread_create(&t, NULL, spin, NULL) != 0)
            return err_set(err, E_IO, "thread %" PRIu32 " of %" PRIu32 " could not be started",
                           i + 1, plan->n);
    }
    (void)spin(NULL);
    return OK;
}

/* -- memory -- */

static enum rc memory_prepare(struct drill_plan *plan, struct err *err)
{
    uint64_t available;
    char size[UNITS_MAX];

    if (drill_memory_available(&available, err) != OK)
        return err->rc;
    plan->bytes = available / 2 < memory_most ? available / 2 : memory_most;
    plan->bytes -= plan->bytes % memory_step;
    if (plan->bytes == 0)
        return err_set(err, E_STATE, "too little free memory for a drill: %" PRIu64 " MiB",
                       available >> 20);
    units_format((double)plan->bytes, "bytes", size);
    (void)snprintf(plan->what, sizeof plan->what,
                   "takes %s of memory, at most half of what is free", size);
    return OK;
}

/* In steps, each after another look: others may have taken memory meanwhile. */
static enum rc memory_body(const struct drill_plan *plan, struct err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t available;

    drill_first_for_oom(); /* should we be wrong, nobody else is to pay */
    for (uint64_t held = 0; held < plan->bytes; held += memory_step) {
        if (drill_memory_available(&available, err) != OK)
            return err->rc;
        if (available < held + 2 * memory_step) /* what is free with ours back, halved */
            break;
        unsigned char *p =
            mmap(NULL, memory_step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return err_set(err, E_NOMEM, "%" PRIu64 " MiB of memory were had, no more: %m",
                           held >> 20);
        for (size_t i = 0; i < memory_step; i += page)
            p[i] = (unsigned char)(i / page + 1);
    }
    sleep_on();
}

/* -- forks -- */

static enum rc forks_prepare(struct drill_plan *plan, struct err *err)
{
    (void)err;
    plan->n = FORKS_A_SECOND;
    (void)snprintf(plan->what, sizeof plan->what,
                   "starts and ends %" PRIu32 " processes a second, one at a time", plan->n);
    return OK;
}

static enum rc forks_body(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();

    for (uint64_t i = 1;; i++) {
        const pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid < 0)
            return err_set(err, E_IO, "fork %" PRIu64 ": %m", i);
        (void)waitpid(pid, NULL, 0);
        drill_pace(started, (double)i, plan->n);
    }
}

/* -- files -- */

static enum rc files_prepare(struct drill_plan *plan, struct err *err)
{
    uint64_t most;

    if (drill_files_most(&most, err) != OK)
        return err->rc;
    plan->n = most / 4 < FILES_MAX ? (uint32_t)(most / 4) : FILES_MAX;
    (void)snprintf(plan->what, sizeof plan->what,
                   "holds up to %" PRIu32 " files open, at most a quarter of fs.file-max", plan->n);
    return OK;
}

/* As many as are wanted and this process may have. */
static uint32_t open_files(uint32_t wanted)
{
    uint32_t n = 0;

    while (n < wanted && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        n++;
    return n;
}

static enum rc files_body(const struct drill_plan *plan, struct err *err)
{
    struct rlimit limit;
    uint32_t left = plan->n;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(err, E_IO, "the limit of open files cannot be read: %m");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* or fewer a process */
    if (limit.rlim_cur <= 16)
        return err_set(err, E_STATE, "a process may open %ju files: too few for a drill",
                       (uintmax_t)limit.rlim_cur);
    const uint32_t each = limit.rlim_cur - 8 < plan->n ? (uint32_t)limit.rlim_cur - 8 : plan->n;
    for (int i = 0; i < FILE_PROCESSES_MAX && left; i++) {
        const uint32_t share = each < left ? each : left;
        const pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(1);
            (void)open_files(share);
            sleep_on();
        }
        if (pid < 0)
            return err_set(err, E_IO, "fork: %m");
        left -= share;
    }
    sleep_on();
}

/* -- the table -- */

const struct drill_fault drill_faults[] = {
    {"cpu", "spin two threads on each core", {"cpu", "load", "pressure"}, cpu_prepare, cpu_body},
    {"memory",
     "hold up to half of the free memory",
     {"memory", "pressure"},
     memory_prepare,
     memory_body},
    {"disk",
     "write, sync and read back a temporary file",
     {"disk", "filesystem", "pressure"},
     drill_disk_prepare,
     drill_disk_body},
    {"network",
     "flood TCP connections over 127.0.0.1",
     {"network", "tcp", "sockets"},
     drill_network_prepare,
     drill_network_body},
    {"forks", "start 1000 short processes a second", {"processes"}, forks_prepare, forks_body},
    {"files", "hold tens of thousands of files open", {"files"}, files_prepare, files_body},
};
const size_t drill_n_faults = sizeof drill_faults / sizeof *drill_faults;

const struct drill_fault *drill_fault_find(struct str name)
{
    for (size_t i = 0; i < drill_n_faults; i++)
        if (str_eq(name, str_of(drill_faults[i].name)))
            return &drill_faults[i];
    return NULL;
}
