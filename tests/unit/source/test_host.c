/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host_samples.h"

#include "base/file.h"
#include "base/mem.h"
#include "source/host.h"

/* A small tree of our own that a test rewrites; the files of a tree stay open, so in place. */
struct tree {
    char root[64];
    struct host *host;
};

static void put(const struct tree *t, const char *path, const char *text)
{
    char full[512];
    struct err err;

    (void)snprintf(full, sizeof full, "%s/%s", t->root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    if (file_mkdirs(full, &err) != OK)
        fail_msg("%s", err.msg);
    *slash = '/';
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void take_away(const struct tree *t, const char *path)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s/%s", t->root, path);
    assert_int_equal(unlink(full), 0);
}

static struct host *open_tree(const char *root, struct err *err)
{
    char procfs[512], sysfs[512];
    struct host *h = NULL;

    (void)snprintf(procfs, sizeof procfs, "%s/proc", root);
    (void)snprintf(sysfs, sizeof sysfs, "%s/sys/", root); /* a slash too many is fine */
    const struct host_paths paths = {procfs, sysfs, root};
    return host_open(&paths, &h, err) == OK ? h : NULL;
}

#define NET_HEADER                                                                                 \
    "Inter-|   Receive                                                |  Transmit\n"               \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "     \
    "drop fifo colls carrier compressed\n"

static struct tree tree_new(void)
{
    struct tree t = {.root = "/tmp/tocsin-test-XXXXXX"};
    struct err err;

    assert_non_null(mkdtemp(t.root));
    put(&t, "proc/stat", "cpu0 1 2 3 4\nctxt 5\n");
    put(&t, "proc/meminfo", "MemFree: 6 kB\n");
    put(&t, "proc/net/dev", NET_HEADER "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    put(&t, "proc/mounts", "d / ext4 rw 0 0\n");
    put(&t, "proc/sys/kernel/random/boot_id", "3b0f0a52-58a1-4b6c-9a5e-0c7d1fd3a111\n");
    put(&t, "sys/class/net/eth0/statistics/rx_nohandler", "17\n");
    t.host = open_tree(t.root, &err);
    if (!t.host)
        fail_msg("%s", err.msg);
    return t;
}

static void tree_done(struct tree *t)
{
    char command[128];

    host_close(t->host);
    (void)snprintf(command, sizeof command, "rm -rf %s", t->root);
    assert_int_equal(system(command), 0);
}

static struct snapshot *collect(struct host *h)
{
    struct snapshot *s;
    struct err err;

    if (host_collect(h, 1700000000000, &s, &err) != OK)
        fail_msg("%s", err.msg);
    return s;
}

static bool find(const struct snapshot *s, const char *series, double *ret)
{
    bool found = false;

    for (uint32_t id = 0; id < s->n && !found; id++) {
        struct buf name;
        buf_init(&name, 1 << 16);
        put_series(&name, series_set_at(s->set, id));
        found = !series_is_stale(s->v[id]) && strcmp(name.p, series) == 0;
        if (found)
            *ret = s->v[id];
        buf_done(&name);
    }
    return found;
}

/* The series' value now; -1 when it is absent. */
static double now(struct host *h, const char *series)
{
    struct snapshot *s = collect(h);
    double v = -1;

    assert_int_equal(s->ts_ms, 1700000000000);
    (void)find(s, series, &v);
    snapshot_free(s);
    return v;
}

static void every_collect_reads_anew(void **state)
{
    (void)state;
    struct tree t = tree_new();

    assert_true(now(t.host, "node_memory_MemFree_bytes") == 6144);
    put(&t, "proc/meminfo", "MemFree: 7 kB\n");
    assert_true(now(t.host, "node_memory_MemFree_bytes") == 7168);
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == 17);
    put(&t, "sys/class/net/eth0/statistics/rx_nohandler", "18\n");
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == 18);
    assert_true(now(t.host, "node_context_switches_total") == 5);
    assert_true(now(t.host, "node_filesystem_readonly{device=d,fstype=ext4,mountpoint=/}") == 0);
    put(&t, "proc/mounts", "d / ext4 ro 0 0\n");
    assert_true(now(t.host, "node_filesystem_readonly{device=d,fstype=ext4,mountpoint=/}") == 1);
    assert_int_equal(host_errors(t.host), 0);
    tree_done(&t);
}

static void devices_come_and_go(void **state)
{
    (void)state;
    struct tree t = tree_new();

    assert_true(now(t.host, "node_network_receive_bytes_total{device=eth0}") == 1);
    put(&t, "proc/net/dev",
        NET_HEADER "eth1: 9 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                   "eth0: 8 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    put(&t, "sys/class/net/eth1/statistics/rx_nohandler", "19\n");
    assert_true(now(t.host, "node_network_receive_bytes_total{device=eth0}") == 8);
    assert_true(now(t.host, "node_network_receive_bytes_total{device=eth1}") == 9);
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth1}") == 19);
    put(&t, "proc/net/dev", NET_HEADER "eth1: 10 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    assert_true(now(t.host, "node_network_receive_bytes_total{device=eth1}") == 10);
    assert_true(now(t.host, "node_network_receive_bytes_total{device=eth0}") == -1);
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == -1);
    tree_done(&t);
}

static void a_malformed_file_costs_its_family_and_is_counted(void **state)
{
    (void)state;
    struct tree t = tree_new();

    assert_string_equal(host_last_error(t.host), "");
    put(&t, "proc/meminfo", "MemFree: six kB\n");
    assert_true(now(t.host, "node_memory_MemFree_bytes") == -1);
    assert_true(now(t.host, "node_context_switches_total") == 5);
    assert_int_equal(host_errors(t.host), 2);
    assert_string_equal(host_last_error(t.host),
                        "meminfo: line 1: expected 'NAME: NUMBER', found 'MemFree: six kB'");
    put(&t, "proc/meminfo", "MemFree: 8 kB\n");
    assert_true(now(t.host, "node_memory_MemFree_bytes") == 8192);
    assert_int_equal(host_errors(t.host), 2);
    tree_done(&t);
}

static void what_is_absent_is_named_and_not_an_error(void **state)
{
    (void)state;
    struct tree t = tree_new();

    snapshot_free(collect(t.host));
    assert_string_equal(host_missing(t.host), "loadavg,vmstat,pressure,diskstats,netstat,"
                                              "sockstat,filefd");
    assert_int_equal(host_errors(t.host), 0);
    put(&t, "proc/loadavg", "1 2 3\n"); /* looked for again after a minute of collects */
    double load = -1;
    for (int i = 0; i < 100 && load < 0; i++)
        load = now(t.host, "node_load5");
    assert_true(load == 2);
    assert_null(strstr(host_missing(t.host), "loadavg"));
    tree_done(&t);
}

static void a_mount_that_is_not_there_is_a_device_error(void **state)
{
    (void)state;
    struct tree t = tree_new();

    put(&t, "proc/mounts", "a /gone ext4 rw 0 0\nb / ext4 rw 0 0\ns:/e /far nfs rw 0 0\n");
    put(&t, "far/.keep", "");
    assert_true(
        now(t.host, "node_filesystem_device_error{device=a,fstype=ext4,mountpoint=/gone}") == 1);
    assert_true(now(t.host, "node_filesystem_size_bytes{device=a,fstype=ext4,mountpoint=/gone}") ==
                -1);
    assert_true(now(t.host, "node_filesystem_device_error{device=b,fstype=ext4,mountpoint=/}") ==
                0);
    /* by way of a thread, and known in the collect that meets it first */
    assert_true(now(t.host, "node_filesystem_size_bytes{device=s:/e,fstype=nfs,mountpoint=/far}") >
                0);
    tree_done(&t);
}

static void a_set_full_of_devices_that_are_gone_is_renewed(void **state)
{
    (void)state;
    enum { DEVICES = 1500, ROUNDS = 4 }; /* 16 series each: 96,000 in all */
    struct tree t = tree_new();

    for (int round = 0; round < ROUNDS; round++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        buf_puts(&text, NET_HEADER);
        for (int i = 0; i < DEVICES; i++)
            buf_printf(&text, "veth%dx%d: %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", round, i, round);
        put(&t, "proc/net/dev", text.p);
        buf_done(&text);

        char name[80];
        (void)snprintf(name, sizeof name, "node_network_receive_bytes_total{device=veth%dx7}",
                       round);
        struct snapshot *s = collect(t.host);
        double v = -1;
        assert_true(find(s, name, &v) && v == round);
        assert_true(find(s, "node_context_switches_total", &v) && v == 5);
        assert_true(s->n <= SERIES_MAX);
        snapshot_free(s);
    }
    assert_int_equal(host_errors(t.host), 0);
    tree_done(&t);
}

static void more_series_than_a_set_holds_are_refused(void **state)
{
    (void)state;
    struct tree t = tree_new();
    struct snapshot *s;
    struct err err;
    struct buf text;

    buf_init(&text, 1 << 20);
    buf_puts(&text, NET_HEADER);
    for (int i = 0; i < 4200; i++)
        buf_printf(&text, "veth%d: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", i);
    put(&t, "proc/net/dev", text.p);
    buf_done(&text);
    assert_int_equal(host_collect(t.host, 0, &s, &err), E_LIMIT);
    assert_non_null(strstr(err.msg, "host: netdev: "));
    tree_done(&t);
}

static void this_machine_and_its_boot_have_names(void **state)
{
    (void)state;
    struct tree t = tree_new();
    struct utsname u;

    assert_int_equal(uname(&u), 0);
    assert_string_equal(host_nodename(t.host), u.nodename);
    assert_string_equal(host_boot_id(t.host), "3b0f0a52-58a1-4b6c-9a5e-0c7d1fd3a111");
    tree_done(&t);
}

static void a_folder_that_is_no_procfs_is_refused(void **state)
{
    (void)state;
    struct err err;

    assert_null(open_tree("/nonexistent", &err));
    assert_int_equal(err.rc, E_IO);
    assert_string_equal(err.msg, "host: '/nonexistent/proc' has no file 'stat': is it a procfs?");
}

static void a_failed_allocation_fails_one_collect_and_no_more(void **state)
{
    (void)state;
    char root[512];
    enum rc rc = E_NOMEM;

    (void)snprintf(root, sizeof root, "%s/host/normal", getenv("TOCSIN_TEST_DATA"));
    for (uint64_t n = 1; rc != OK; n++) {
        struct err err;
        struct snapshot *s;
        mem_fail_at(n);
        struct host *h = open_tree(root, &err);
        rc = h ? host_collect(h, 0, &s, &err) : err.rc;
        mem_fail_at(0);
        if (rc == OK)
            snapshot_free(s);
        else
            assert_int_equal(rc, E_NOMEM);
        if (rc != OK && h) {
            s = collect(h);
            double v;
            assert_true(find(s, "node_load1", &v) && v == 0.21);
            assert_true(find(s, "node_disk_io_now{device=sdb}", &v) && v == 3);
            snapshot_free(s);
        }
        host_close(h);
    }
}

static void the_normal_machine_keeps_its_series_in_a_steady_state(void **state)
{
    (void)state;
    char root[512];
    struct err err;

    (void)snprintf(root, sizeof root, "%s/host/normal", getenv("TOCSIN_TEST_DATA"));
    struct host *h = open_tree(root, &err);
    assert_non_null(h);
    struct snapshot *a = collect(h), *b = collect(h);
    assert_int_equal(a->n, b->n);
    assert_ptr_equal(a->set, b->set);
    for (size_t i = 0; i < a->n; i++)
        assert_int_equal(series_is_stale(a->v[i]), series_is_stale(b->v[i]));
    assert_string_equal(host_missing(h), "");
    assert_int_equal(host_errors(h), 0);
    snapshot_free(a);
    snapshot_free(b);
    host_close(h);
}

static void broken_files_are_errors_and_nothing_else(void **state)
{
    (void)state;
    char root[512];
    struct err err;

    (void)snprintf(root, sizeof root, "%s/host/broken", getenv("TOCSIN_TEST_DATA"));
    struct host *h = open_tree(root, &err);
    assert_non_null(h);
    struct snapshot *s = collect(h);
    for (uint32_t id = 0; id < s->n; id++)
        if (!series_is_stale(s->v[id]))
            assert_true(str_eq(series_set_at(s->set, id)->name, STR("node_uname_info")));
    assert_int_equal(host_errors(h), 17);
    snapshot_free(s);
    host_close(h);
}

static void files_that_vanish_while_open_are_no_longer_told(void **state)
{
    (void)state;
    struct tree t = tree_new();

    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == 17);
    put(&t, "sys/class/net/eth0/statistics/rx_nohandler", ""); /* as a device that went answers */
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == -1);
    take_away(&t, "sys/class/net/eth0/statistics/rx_nohandler");
    assert_true(now(t.host, "node_network_receive_nohandler_total{device=eth0}") == -1);
    assert_int_equal(host_errors(t.host), 0);
    tree_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_collect_reads_anew),
        cmocka_unit_test(devices_come_and_go),
        cmocka_unit_test(a_malformed_file_costs_its_family_and_is_counted),
        cmocka_unit_test(what_is_absent_is_named_and_not_an_error),
        cmocka_unit_test(a_mount_that_is_not_there_is_a_device_error),
        cmocka_unit_test(a_set_full_of_devices_that_are_gone_is_renewed),
        cmocka_unit_test(more_series_than_a_set_holds_are_refused),
        cmocka_unit_test(this_machine_and_its_boot_have_names),
        cmocka_unit_test(a_folder_that_is_no_procfs_is_refused),
        cmocka_unit_test(a_failed_allocation_fails_one_collect_and_no_more),
        cmocka_unit_test(the_normal_machine_keeps_its_series_in_a_steady_state),
        cmocka_unit_test(broken_files_are_errors_and_nothing_else),
        cmocka_unit_test(files_that_vanish_while_open_are_no_longer_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
