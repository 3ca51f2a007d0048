/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "source/host_guard.h"

enum { PATIENCE_MS = 20000 }; /* far more than any answer takes */

static sem_t gate; /* a server that is gone; a post lets one caller through */
static _Atomic unsigned calls;

static int fake_statvfs(const char *path, struct statvfs *ret)
{
    atomic_fetch_add(&calls, 1);
    if (strstr(path, "hang"))
        while (sem_wait(&gate) != 0)
            ;
    if (strstr(path, "fail")) {
        errno = EIO;
        return -1;
    }
    *ret = (struct statvfs){.f_blocks = strlen(path)};
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return sem_init(&gate, 0, 0);
}

static struct host_guards *new_guards(const char *const *paths, size_t n)
{
    struct host_guards *g;
    struct err err;

    assert_int_equal(host_guards_new(fake_statvfs, &g, &err), OK);
    assert_int_equal(host_guards_set(g, paths, n, &err), OK);
    return g;
}

static void ask(struct host_guards *g, int64_t now_ms)
{
    struct err err;
    assert_int_equal(host_guards_ask(g, now_ms, &err), OK);
}

static enum host_guard_state usage(const struct host_guards *g, size_t i, int64_t now_ms)
{
    struct statvfs u = {0};
    const enum host_guard_state s = host_guards_usage(g, i, now_ms, &u);
    if (s == GUARD_KNOWN)
        assert_true(u.f_blocks > 0);
    return s;
}

/* Poll, as the answer travels by a queue that nobody waits at any more. */
static void await(struct host_guards *g, size_t i, int64_t now_ms, enum host_guard_state wanted)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        host_guards_wait(g, 0);
        if (usage(g, i, now_ms) == wanted)
            return;
        (void)usleep(1000);
    }
    fail_msg("path %zu did not come to state %d", i, (int)wanted);
}

/* How many threads guard mounts at this moment. */
static unsigned threads(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[300], comm[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "r"); /* none for "..", and a thread may just have ended */
        if (f && fgets(comm, sizeof comm, f))
            n += strcmp(comm, "tocsin-mount\n") == 0;
        if (f)
            (void)fclose(f);
    }
    (void)closedir(d);
    return n;
}

static void await_threads(unsigned n)
{
    for (int ms = 0; ms < PATIENCE_MS && threads() != n; ms++)
        (void)usleep(1000);
    assert_int_equal(threads(), n);
}

static void answers_are_there_after_the_first_wait(void **state)
{
    (void)state;
    static const char *const paths[] = {"/a", "/fail", "/bcd"};
    struct host_guards *g = new_guards(paths, 3);
    struct statvfs u;

    ask(g, 0);
    host_guards_wait(g, PATIENCE_MS);
    assert_int_equal(usage(g, 0, 0), GUARD_KNOWN);
    assert_int_equal(usage(g, 1, 0), GUARD_FAILED);
    assert_int_equal(host_guards_usage(g, 2, 0, &u), GUARD_KNOWN);
    assert_int_equal(u.f_blocks, 4);
    host_guards_free(g);
    await_threads(0);
}

static void a_path_that_hangs_is_unknown_then_stuck_then_known(void **state)
{
    (void)state;
    static const char *const paths[] = {"/hang", "/b"};
    struct host_guards *g = new_guards(paths, 2);

    ask(g, 1000);
    host_guards_wait(g, 1);
    assert_int_equal(usage(g, 0, 1000), GUARD_UNKNOWN);
    await(g, 1, 1000, GUARD_KNOWN); /* the other one does not mind */
    ask(g, 3000);                   /* is not asked again while it is out */
    assert_int_equal(usage(g, 0, 1000 + HOST_GUARD_STUCK_MS - 1), GUARD_UNKNOWN);
    assert_int_equal(usage(g, 0, 1000 + HOST_GUARD_STUCK_MS), GUARD_STUCK);
    (void)sem_post(&gate);
    await(g, 0, 9000, GUARD_KNOWN);
    host_guards_free(g);
    await_threads(0);
}

static void the_last_answer_stands_until_the_next_is_overdue(void **state)
{
    (void)state;
    static const char *const paths[] = {"/hang"};
    struct host_guards *g = new_guards(paths, 1);

    (void)sem_post(&gate);
    ask(g, 0);
    host_guards_wait(g, PATIENCE_MS);
    assert_int_equal(usage(g, 0, 0), GUARD_KNOWN);
    ask(g, 1000);
    assert_int_equal(usage(g, 0, 5999), GUARD_KNOWN);
    assert_int_equal(usage(g, 0, 6000), GUARD_STUCK);
    (void)sem_post(&gate);
    await(g, 0, 6000, GUARD_KNOWN);
    host_guards_free(g);
    await_threads(0);
}

static void a_new_table_keeps_what_is_known_of_a_path(void **state)
{
    (void)state;
    static const char *const paths[] = {"/a", "/hang"}, *const next[] = {"/hang", "/new", "/a"};
    struct host_guards *g = new_guards(paths, 2);
    struct err err;

    ask(g, 0);
    await(g, 0, 0, GUARD_KNOWN);
    assert_int_equal(host_guards_set(g, next, 3, &err), OK);
    assert_int_equal(usage(g, 2, 0), GUARD_KNOWN);
    assert_int_equal(usage(g, 1, 0), GUARD_UNKNOWN);
    assert_int_equal(usage(g, 0, HOST_GUARD_STUCK_MS), GUARD_STUCK);
    assert_int_equal(host_guards_set(g, next, 0, &err), OK); /* its answer finds nobody */
    (void)sem_post(&gate);
    host_guards_free(g);
    await_threads(0);
}

static void guards_are_freed_while_a_call_hangs(void **state)
{
    (void)state;
    static const char *const paths[] = {"/hang"};
    struct host_guards *g = new_guards(paths, 1);
    const unsigned before = atomic_load(&calls);

    ask(g, 0);
    while (atomic_load(&calls) == before)
        (void)usleep(1000); /* the call is under way */
    host_guards_free(g);    /* comes back although the thread does not */
    assert_int_equal(threads(), 1);
    (void)sem_post(&gate);
    await_threads(0); /* and has freed what it held, or the leak check tells */
}

static void many_paths_share_few_threads(void **state)
{
    (void)state;
    enum { PATHS = 300 };
    static char names[PATHS][8];
    const char *paths[PATHS];
    for (int i = 0; i < PATHS; i++) {
        (void)snprintf(names[i], sizeof names[i], "/%d", i);
        paths[i] = names[i];
    }
    struct host_guards *g = new_guards(paths, PATHS);

    for (int64_t t = 0; t < 5; t++) {
        ask(g, t);
        for (size_t i = 0; i < PATHS; i++)
            await(g, i, t, GUARD_KNOWN);
    }
    assert_int_equal(threads(), HOST_GUARD_THREADS);
    host_guards_free(g);
    await_threads(0);
}

static void a_failed_allocation_is_an_error_and_no_leak(void **state)
{
    (void)state;
    static const char *const paths[] = {"/a", "/b"};
    enum rc rc = E_NOMEM;

    for (uint64_t n = 1; rc != OK; n++) {
        struct host_guards *g = NULL;
        struct err err;
        mem_fail_at(n);
        rc = host_guards_new(fake_statvfs, &g, &err);
        if (rc == OK)
            rc = host_guards_set(g, paths, 2, &err);
        if (rc == OK)
            rc = host_guards_ask(g, 0, &err);
        mem_fail_at(0);
        assert_true(rc == OK || rc == E_NOMEM);
        host_guards_free(g);
    }
    await_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_there_after_the_first_wait),
        cmocka_unit_test(a_path_that_hangs_is_unknown_then_stuck_then_known),
        cmocka_unit_test(the_last_answer_stands_until_the_next_is_overdue),
        cmocka_unit_test(a_new_table_keeps_what_is_known_of_a_path),
        cmocka_unit_test(guards_are_freed_while_a_call_hangs),
        cmocka_unit_test(many_paths_share_few_threads),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
