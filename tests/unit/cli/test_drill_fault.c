/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/drill_fault.h"
#include "cli/drill_machine.h"

static void nap(void)
{
    const struct timespec t = {.tv_nsec = 20 * 1000 * 1000};

    nanosleep(&t, NULL);
}

static struct drill_plan planned(const char *fault)
{
    struct drill_plan plan = {0};
    struct err err = {0};

    if (drill_fault_find(str_of(fault))->prepare(&plan, &err) != OK)
        fail_msg("%s", err.msg);
    return plan;
}

static struct drill_process started(const char *fault, const struct drill_plan *plan)
{
    struct drill_process p;
    struct err err = {0};

    if (drill_process_start(drill_fault_find(str_of(fault)), plan, &p, &err) != OK)
        fail_msg("%s", err.msg);
    return p;
}

static void assert_runs(const struct drill_process *p)
{
    struct err err = {0};

    if (drill_process_check(p, &err) != OK)
        fail_msg("%s", err.msg);
}

/* Ended, with all that it had started. */
static void stop(struct drill_process *p)
{
    const pid_t pid = p->pid;

    drill_process_stop(p);
    assert_int_equal(kill(-pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static size_t resident_bytes(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t entries(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

static void plans_stay_within_their_bounds(void **state)
{
    struct err err = {0};
    uint64_t available, files;
    (void)state;

    assert_int_equal(drill_memory_available(&available, &err), OK);
    assert_int_equal(drill_files_most(&files, &err), OK);
    const struct drill_plan memory = planned("memory"), disk = planned("disk");
    /* other processes may take and give meanwhile: a tenth of slack */
    assert_true((double)memory.bytes <= 0.55 * (double)available);
    assert_true(memory.bytes <= UINT64_C(4) << 30);
    assert_true(disk.bytes <= UINT64_C(512) << 20);
    assert_true(disk.dir[0] == '/');
    assert_true(planned("network").bytes_a_second <= UINT64_C(500) << 20);
    assert_true(planned("forks").n <= 1000);
    assert_true(planned("files").n <= 100000 && planned("files").n <= files / 4);
    assert_int_equal(planned("cpu").n, 2 * sysconf(_SC_NPROCESSORS_ONLN));
}

static void every_fault_runs_and_leaves_no_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < drill_n_faults; i++) {
        struct drill_plan plan = planned(drill_faults[i].name);
        if (plan.bytes > 64 << 20)
            plan.bytes = 64 << 20;
        struct drill_process p = started(drill_faults[i].name, &plan);
        for (int k = 0; k < 5; k++) {
            nap();
            assert_runs(&p);
        }
        stop(&p);
    }
}

static void every_fault_has_groups_and_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < drill_n_faults; i++) {
        assert_non_null(drill_faults[i].groups[0]);
        assert_null(drill_faults[i].groups[DRILL_GROUPS_MAX - 1]);
        assert_true(strlen(planned(drill_faults[i].name).what) > 10);
        assert_ptr_equal(drill_fault_find(str_of(drill_faults[i].name)), &drill_faults[i]);
    }
    assert_null(drill_fault_find(STR("fire")));
}

static void memory_takes_what_is_planned_and_no_more(void **state)
{
    struct drill_plan plan = planned("memory");
    (void)state;

    plan.bytes = 128 << 20;
    struct drill_process p = started("memory", &plan);
    while (resident_bytes(p.pid) < plan.bytes)
        nap();
    for (int i = 0; i < 10; i++) {
        nap();
        assert_true(resident_bytes(p.pid) < plan.bytes + (64 << 20));
    }
    assert_runs(&p);
    stop(&p);
}

static bool holds_a_deleted_file(pid_t pid, const char *dir)
{
    char path[64], target[600];

    for (int fd = 4; fd < 16; fd++) {
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
        const ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strncmp(target, dir, strlen(dir)) == 0 && strstr(target, "(deleted)"))
            return true;
    }
    return false;
}

static void disk_file_has_no_name(void **state)
{
    char dir[] = "/var/tmp/tocsin-test-XXXXXX";
    struct drill_plan plan = {0};
    struct err err = {0};
    (void)state;

    assert_non_null(mkdtemp(dir));
    memcpy(plan.dir, dir, sizeof dir);
    assert_int_equal(drill_disk_prepare(&plan, &err), OK);
    plan.bytes = 32 << 20;
    struct drill_process p = started("disk", &plan);
    while (!holds_a_deleted_file(p.pid, dir))
        nap();
    for (int i = 0; i < 10; i++) {
        nap();
        assert_int_equal(entries(dir), 0);
        assert_runs(&p);
    }
    stop(&p);
    assert_int_equal(entries(dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Of all children of pid. */
static size_t open_files_below(pid_t pid)
{
    char path[64];
    size_t n = 0;
    int child;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fscanf(f, "%d", &child) == 1) {
        (void)snprintf(path, sizeof path, "/proc/%d/fd", child);
        n += entries(path);
    }
    fclose(f);
    return n;
}

static void files_are_held_open(void **state)
{
    struct drill_plan plan = planned("files");
    (void)state;

    plan.n = 3000;
    struct drill_process p = started("files", &plan);
    while (open_files_below(p.pid) < plan.n)
        nap();
    for (int i = 0; i < 5; i++) {
        nap();
        assert_true(open_files_below(p.pid) <= plan.n + 16 * 8); /* what each starts with */
    }
    assert_runs(&p);
    stop(&p);
}

static enum rc failing_body(const struct drill_plan *plan, struct err *err)
{
    (void)plan;
    return err_set(err, E_IO, "the disk is on fire");
}

static void failing_fault_says_why(void **state)
{
    const struct drill_fault f = {.name = "failing", .body = failing_body};
    const struct drill_plan plan = {0};
    struct drill_process p;
    struct err err = {0};
    (void)state;

    assert_int_equal(drill_process_start(&f, &plan, &p, &err), OK);
    while (drill_process_check(&p, &err) == OK)
        nap();
    assert_int_equal(err.rc, E_STATE);
    assert_string_equal(err.msg, "the disk is on fire");
    stop(&p);
}

static void fault_killed_from_outside_is_noticed(void **state)
{
    const struct drill_plan plan = planned("forks");
    struct drill_process p = started("forks", &plan);
    struct err err = {0};
    (void)state;

    kill(p.pid, SIGKILL);
    while (drill_process_check(&p, &err) == OK)
        nap();
    assert_string_equal(err.msg, "the fault's process was ended from outside");
    stop(&p);
}

static void fault_dies_with_the_drill(void **state)
{
    const struct drill_plan plan = planned("files");
    int told[2];
    pid_t pid;
    (void)state;

    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(told), 0);
    const pid_t drill = fork();
    assert_true(drill >= 0);
    if (drill == 0) { /* a drill that is killed while its fault runs */
        struct drill_process p = started("files", &plan);
        (void)!write(told[1], &p.pid, sizeof p.pid);
        for (;;)
            pause();
    }
    assert_int_equal(read(told[0], &pid, sizeof pid), sizeof pid);
    for (int i = 0; i < 5; i++)
        nap();
    assert_int_equal(kill(pid, 0), 0);
    kill(drill, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) /* all of them come to us, and end */
        ;
    assert_int_equal(errno, ECHILD);
    assert_int_equal(kill(-pid, 0), -1);
    close(told[0]);
    close(told[1]);
}

static void pace_is_kept(void **state)
{
    const uint64_t before = clock_mono_ns();
    (void)state;

    for (int i = 1; i <= 20; i++)
        drill_pace(before, i, 400); /* 20 at 400 a second: 50 ms */
    assert_true(clock_mono_ns() - before >= 49 * 1000 * 1000);
    drill_pace(before, 1, 1000); /* late: no wait, and no overflow */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_stay_within_their_bounds),
        cmocka_unit_test(every_fault_has_groups_and_words),
        cmocka_unit_test(every_fault_runs_and_leaves_no_process),
        cmocka_unit_test(memory_takes_what_is_planned_and_no_more),
        cmocka_unit_test(disk_file_has_no_name),
        cmocka_unit_test(files_are_held_open),
        cmocka_unit_test(failing_fault_says_why),
        cmocka_unit_test(fault_killed_from_outside_is_noticed),
        cmocka_unit_test(fault_dies_with_the_drill),
        cmocka_unit_test(pace_is_kept),
    };
    return cmocka_run_group_tests_name("drill_fault", tests, NULL, NULL);
}
