/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/drill_fault.h"

/* The child: never returns. */
_Noreturn static void run_body(const struct drill_fault *f, const struct drill_plan *plan,
                               pid_t parent, int complaint)
{
    struct err err = {.msg = "ended"};

    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no fault outlives the drill that made it */
    (void)prctl(PR_SET_NAME, "tocsin-drill");
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    /* the drill's connection and whatever it inherited are not ours */
    if (dup2(complaint, 3) == 3)
        (void)close_range(4, ~0u, 0);
    (void)f->body(plan, &err);
    (void)!write(3, err.msg, strlen(err.msg));
    _exit(1);
}

enum rc drill_process_start(const struct drill_fault *f, const struct drill_plan *plan,
                            struct drill_process *ret, struct err *err)
{
    const pid_t parent = getpid();
    int ends[2];

    /* children of a killed child become ours, so that stop can wait for them, too */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return err_set(err, E_IO, "the fault's processes cannot be adopted: %m");
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set(err, E_IO, "pipe: %m");
    CLEANUP(fd_closep) int reader = ends[0];
    CLEANUP(fd_closep) int writer = ends[1];
    (void)fflush(NULL); /* or the child would print it again */
    const pid_t pid = fork();
    if (pid < 0)
        return err_set(err, E_IO, "fork: %m");
    if (pid == 0)
        run_body(f, plan, parent, writer);
    (void)setpgid(pid, pid); /* in both, since either may come first */
    *ret = (struct drill_process){.pid = pid, .complaint = reader};
    reader = -1;
    return OK;
}

enum rc drill_process_check(const struct drill_process *p, struct err *err)
{
    char sentence[ERR_MSG_MAX];

    const ssize_t n = read(p->complaint, sentence, sizeof sentence - 1);
    if (n < 0) /* EAGAIN: it lives and has nothing to say */
        return OK;
    if (n == 0)
        return err_set(err, E_STATE, "the fault's process was ended from outside");
    sentence[n] = '\0';
    return err_set(err, E_STATE, "%s", sentence);
}

void drill_process_stop(struct drill_process *p)
{
    if (p->pid <= 0)
        return;
    (void)kill(-p->pid, SIGKILL);
    (void)kill(p->pid, SIGKILL); /* should it not lead its group yet */
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    while (waitpid(-p->pid, NULL, 0) > 0 || errno == EINTR)
        ;
    (void)close(p->complaint);
    *p = (struct drill_process){.complaint = -1};
}

void drill_pace(uint64_t started_ns, double done, double a_second)
{
    const double due_ns = done / a_second * 1e9;
    const double late_ns = (double)(clock_mono_ns() - started_ns) - due_ns;

    if (late_ns >= 0)
        return;
    const uint64_t wait = (uint64_t)-late_ns;
    const struct timespec t = {.tv_sec = (time_t)(wait / 1000000000),
                               .tv_nsec = (long)(wait % 1000000000)};
    (void)nanosleep(&t, NULL); /* woken early: the next round waits for the rest */
}
