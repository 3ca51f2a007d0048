/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/drill_machine.h"
#include "record_fault.h"

enum { PERIOD_MS = 100, NS_A_MS = 1000000 };
static const uint64_t leak_step = UINT64_C(1) << 20, looks_each = UINT64_C(64) << 20;

void record_pace(uint64_t started_ns, double done, double a_second)
{
    if (a_second > 0)
        drill_pace(started_ns, done, a_second);
}

_Noreturn static void sleep_on(void)
{
    for (;;)
        pause();
}

/* -- threads -- */

struct share {
    struct drill_plan plan;
    enum rc (*work)(const struct drill_plan *share, struct err *err);
};

/* The first thread that fails ends the process: its parent reads the sentence. */
static void *run_share(void *arg)
{
    struct share *s = arg;
    struct err err = {.msg = "ended"};

    (void)s->work(&s->plan, &err);
    (void)!write(3, err.msg, strlen(err.msg)); /* as in cli/drill_process.c */
    _exit(1);
}

enum rc record_threads(const struct drill_plan *plan,
                       enum rc (*work)(const struct drill_plan *share, struct err *err),
                       struct err *err)
{
    struct share s = {.plan = *plan, .work = work};

    s.plan.bytes_a_second = (plan->bytes_a_second + plan->n - 1) / plan->n;
    for (uint32_t i = 0; i < plan->n; i++) {
        struct share *own = malloc(sizeof *own); /* freed by the end */
        pthread_attr_t small;
        pthread_t t;

        if (!own)
            return err_set(err, E_NOMEM, "no memory for thread %u", i + 1);
        *own = s;
        (void)pthread_attr_init(&small);
        (void)pthread_attr_setstacksize(&small, 1 << 16);
        errno = pthread_create(&t, &small, run_share, own);
        if (errno)
            return err_set(err, E_STATE, "thread %u of %u: %m", i + 1, plan->n);
    }
    sleep_on();
}

/* -- spin: n threads, each busy for rate percent of each tenth of a second, all at once -- */

static void spin_until(uint64_t ns)
{
    volatile uint64_t x = 1;

    while (clock_mono_ns() < ns)
        for (int i = 0; i < 2000; i++)
            x = x * 6364136223846793005u + 1442695040888963407u;
}

static enum rc spin(const struct drill_plan *plan, struct err *err)
{
    const uint64_t period = (uint64_t)PERIOD_MS * NS_A_MS;
    /* record_threads has divided the rate, which here is each thread's own */
    const uint64_t busy = period * plan->bytes / 100;

    (void)err;
    for (uint64_t begun = clock_mono_ns() / period * period;; begun += period) {
        spin_until(begun + busy);
        if (busy < period)
            drill_pace(begun, 1, 1000.0 / PERIOD_MS);
    }
    return OK;
}

enum rc record_spin(const struct drill_plan *plan, struct err *err)
{
    struct drill_plan p = *plan;

    p.bytes = plan->bytes_a_second;
    return record_threads(&p, spin, err);
}

/* -- leak: rate bytes a second, up to so many bytes -- */

static enum rc leak_one(size_t page, uint64_t held, struct err *err)
{
    unsigned char *p =
        mmap(NULL, leak_step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return err_set(err, E_NOMEM, "%llu MiB of memory were had, no more: %m",
                       (unsigned long long)(held >> 20));
    for (size_t i = 0; i < leak_step; i += page)
        p[i] = (unsigned char)(i / page + 1);
    return OK;
}

enum rc record_leak(const struct drill_plan *plan, struct err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uint64_t started = clock_mono_ns();
    uint64_t available;

    drill_first_for_oom(); /* should we be wrong, nobody else is to pay */
    for (uint64_t held = 0; held < plan->bytes; held += leak_step) {
        if (held % looks_each == 0) {
            if (drill_memory_available(&available, err) != OK)
                return err->rc;
            if (available < held) /* others need it: half of what is free with ours back */
                break;
        }
        if (leak_one(page, held, err) != OK)
            return err->rc;
        record_pace(started, (double)(held + leak_step), (double)plan->bytes_a_second);
    }
    sleep_on();
}

/* -- page faults: n threads map, touch and unmap small pages, rate pages a second together -- */

static enum rc map_and_unmap(const struct drill_plan *plan, struct err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 64 * page;
    const uint64_t started = clock_mono_ns();

    for (uint64_t done = 64;; done += 64) {
        unsigned char *p =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return err_set(err, E_NOMEM, "mmap: %m");
        (void)madvise(p, bytes, MADV_NOHUGEPAGE); /* one fault each */
        for (size_t i = 0; i < bytes; i += page)
            p[i] = 1;
        (void)munmap(p, bytes);
        record_pace(started, (double)done, (double)plan->bytes_a_second);
    }
}

enum rc record_page_faults(const struct drill_plan *plan, struct err *err)
{
    return record_threads(plan, map_and_unmap, err);
}

/* -- timers: n threads that sleep and wake, rate times a second together -- */

static enum rc wake(const struct drill_plan *plan, struct err *err)
{
    const double rate = plan->bytes_a_second > 0 ? (double)plan->bytes_a_second : 1000;
    const struct timespec t = {.tv_nsec = (long)(1e9 / rate)};

    (void)err;
    (void)prctl(PR_SET_TIMERSLACK, 1);
    for (;;)
        (void)nanosleep(&t, NULL);
    return OK;
}

enum rc record_timers(const struct drill_plan *plan, struct err *err)
{
    return record_threads(plan, wake, err);
}

/* -- switches: n threads, each handing a byte to and fro with one of its own -- */

static void *echo(void *arg)
{
    const int *ends = arg; /* reads of [0], writes to [1] */
    char byte;

    while (read(ends[0], &byte, 1) == 1)
        if (write(ends[1], &byte, 1) != 1)
            break;
    return NULL;
}

static enum rc hand_over(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    int there[2], back[2];
    pthread_t partner;
    char byte = 'x';

    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
        return err_set(err, E_IO, "pipe: %m");
    int ends[2] = {there[0], back[1]};
    if (pthread_create(&partner, NULL, echo, ends) != 0)
        return err_set(err, E_STATE, "a thread could not be started");
    for (uint64_t done = 1;; done++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            return err_set(err, E_IO, "handing over a byte: %m");
        record_pace(started, (double)done, (double)plan->bytes_a_second);
    }
}

enum rc record_switches(const struct drill_plan *plan, struct err *err)
{
    return record_threads(plan, hand_over, err);
}

/* -- processes: rate a second up to n, of which every second sleeps and the others are zombies --
 */

enum rc record_processes(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    const pid_t parent = getpid();

    for (uint32_t i = 1; i <= plan->n; i++) {
        const pid_t pid = fork();
        if (pid == 0 && i % 2 == 0)
            _exit(0);
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(1);
            sleep_on();
        }
        if (pid < 0)
            return err_set(err, E_IO, "process %u: %m", i);
        record_pace(started, i, (double)plan->bytes_a_second);
    }
    sleep_on();
}
