/* SPDX-License-Identifier: Apache-2.0 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/host_mounts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "DEVICE|POINT|TYPE|PATH|FLAGS\n" a mount; flags g (guarded) and r (read-only). */
static void check(const char *rootfs, const char *text, const char *expected)
{
    struct host_mounts m;
    struct err err;
    struct buf out;

    if (host_mounts_parse(str_of(text), rootfs, &m, &err) != OK)
        fail_msg("%s", err.msg);
    buf_init(&out, 1 << 16);
    buf_puts(&out, "");
    for (size_t i = 0; i < m.n; i++) {
        const struct host_mount *v = &m.v[i];
        buf_printf(&out, "%.*s|%.*s|%.*s|%s|%s%s\n", (int)v->device.n, v->device.p, (int)v->point.n,
                   v->point.p, (int)v->type.n, v->type.p, v->path, v->guarded ? "g" : "",
                   v->readonly ? "r" : "");
    }
    assert_string_equal(out.p, expected);
    buf_done(&out);
    host_mounts_done(&m);
}

static void refuse(const char *text, const char *sentence)
{
    struct host_mounts m;
    struct err err;

    assert_int_equal(host_mounts_parse(str_of(text), "/", &m, &err), E_PARSE);
    assert_string_equal(err.msg, sentence);
}

static void virtual_filesystems_and_system_folders_are_left_out(void **state)
{
    (void)state;
    check("/",
          "proc /proc proc rw 0 0\n/dev/a / ext4 rw 0 0\ntmpfs /run/user/0 tmpfs rw 0 0\n"
          "overlay /var/x overlay rw 0 0\n/dev/b /mnt xfs rw 0 0\n/dev/c /mntx xfs ro,noatime 0 0\n"
          "/dev/d /var/lib/docker/x xfs rw 0 0\n/dev/e /var/lib/docker xfs rw,rollback 0 0\n",
          "/dev/a|/|ext4|/|\n/dev/c|/mntx|xfs|/mntx|r\n"
          "/dev/e|/var/lib/docker|xfs|/var/lib/docker|\n");
}

static void octal_escapes_of_a_mount_point_are_turned_back(void **state)
{
    (void)state;
    check("/", "/dev/a\\040b /x\\040y\\011z\\134\\012\\04q ext4 rw 0 0\n",
          "/dev/a\\040b|/x y\tz\\\n\\04q|ext4|/x y\tz\\\n\\04q|\n");
    check("/", "d /x\\000y ext4 rw 0 0\n", "d|/x\\000y|ext4|/x\\000y|\n"); /* never a NUL */
}

static void a_mount_that_comes_twice_is_told_once(void **state)
{
    (void)state;
    check("/", "a /x ext4 rw 0 0\nb /x ext4 rw 0 0\na /x ext4 rw 0 0\n",
          "a|/x|ext4|/x|\nb|/x|ext4|/x|\n");
}

static void the_prefix_of_the_root_filesystem_is_cut_and_put_before_paths(void **state)
{
    (void)state;
    check("/host", "a /host ext4 rw 0 0\nb /host/x ext4 rw 0 0\nc /hostel ext4 rw 0 0\n",
          "a|/|ext4|/host/|\nb|/x|ext4|/host/x|\nc|/hostel|ext4|/host/hostel|\n");
}

static void what_may_hang_is_guarded_with_all_below_it(void **state)
{
    (void)state;
    check("/",
          "a / ext4 rw 0 0\ns:/e /srv nfs4 rw 0 0\nb /srv/disk ext4 rw 0 0\n"
          "c /srvx ext4 rw 0 0\nt /tank zfs rw 0 0\nf /f fuse.sshfs rw 0 0\nu /u newfs rw 0 0\n",
          "a|/|ext4|/|\ns:/e|/srv|nfs4|/srv|g\nb|/srv/disk|ext4|/srv/disk|g\n"
          "c|/srvx|ext4|/srvx|\nt|/tank|zfs|/tank|g\nf|/f|fuse.sshfs|/f|g\nu|/u|newfs|/u|g\n");
    /* below one that is not told itself */
    check("/", "auto /home autofs rw 0 0\nb /home/x ext4 rw 0 0\n", "b|/home/x|ext4|/home/x|g\n");
    check("/", "s:/e /mnt nfs rw 0 0\nb /mnt/x ext4 rw 0 0\n", "");
}

static void malformed_tables_are_refused(void **state)
{
    (void)state;
    refuse("", "mounts: expected lines with a newline at the end");
    refuse("a / ext4 rw 0 0", "mounts: expected lines with a newline at the end");
    refuse("a / ext4 rw 0 0\nb /x ext4\n",
           "mounts: line 2: expected 'DEVICE POINT TYPE OPTIONS', found 'b /x ext4'");
}

static void too_many_mounts_are_refused(void **state)
{
    (void)state;
    struct host_mounts m;
    struct err err;
    struct buf text;

    buf_init(&text, 1 << 20);
    for (int i = 0; i <= HOST_MOUNTS_MAX; i++)
        buf_printf(&text, "d /m%d ext4 rw 0 0\n", i);
    assert_int_equal(host_mounts_parse((struct str){text.p, text.n}, "/", &m, &err), E_PARSE);
    assert_string_equal(err.msg, "mounts: more than 4096 mounts");
    buf_done(&text);
}

static void filters_are_node_exporters_expressions(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "/dev", "/proc", "/run", "/sys", "/mnt",        "/media",   "/var/lib/docker",
        "/var", "/lib",  "/",    "x",    "/containers", "/storage", "/var/lib/containers/storage"};
    regex_t re;
    struct rng rng;

    rng_init(&rng, 1);
    assert_int_equal(regcomp(&re,
                             "^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/"
                             "storage/.+)($|/)",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    for (int i = 0; i < 100000; i++) {
        char point[256] = "";
        for (uint32_t k = 1 + rng_below(&rng, 4); k > 0; k--)
            (void)snprintf(point + strlen(point), sizeof point - strlen(point), "%s",
                           parts[rng_below(&rng, COUNT(parts))]);
        if (host_mount_point_is_excluded(str_of(point)) != (regexec(&re, point, 0, NULL, 0) == 0))
            fail_msg("'%s' is told apart wrongly", point);
    }
    regfree(&re);

    static const char *const types[] = {"autofs", "bpf",      "cgroup",  "cgroup2",   "cgroup3",
                                        "ext4",   "iso9660",  "overlay", "overlayfs", "proc",
                                        "procfs", "squashfs", "sysfs",   "tmpfs",     "tracefs",
                                        "nfs",    "xproc"};
    assert_int_equal(
        regcomp(&re,
                "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|"
                "hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|"
                "selinuxfs|squashfs|sysfs|tracefs)$",
                REG_EXTENDED | REG_NOSUB),
        0);
    for (size_t i = 0; i < COUNT(types); i++)
        assert_int_equal(host_mount_type_is_excluded(str_of(types[i])),
                         regexec(&re, types[i], 0, NULL, 0) == 0);
    regfree(&re);
}

static void a_failed_allocation_is_an_error_and_no_leak(void **state)
{
    (void)state;
    const struct str text = STR("a / ext4 rw 0 0\ns:/e /srv nfs4 rw 0 0\n");
    enum rc rc = E_NOMEM;

    for (uint64_t n = 1; rc != OK; n++) {
        struct host_mounts m;
        struct err err;
        mem_fail_at(n);
        rc = host_mounts_parse(text, "/", &m, &err);
        mem_fail_at(0);
        if (rc == OK)
            host_mounts_done(&m);
        else
            assert_int_equal(rc, E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_filesystems_and_system_folders_are_left_out),
        cmocka_unit_test(octal_escapes_of_a_mount_point_are_turned_back),
        cmocka_unit_test(a_mount_that_comes_twice_is_told_once),
        cmocka_unit_test(the_prefix_of_the_root_filesystem_is_cut_and_put_before_paths),
        cmocka_unit_test(what_may_hang_is_guarded_with_all_below_it),
        cmocka_unit_test(malformed_tables_are_refused),
        cmocka_unit_test(too_many_mounts_are_refused),
        cmocka_unit_test(filters_are_node_exporters_expressions),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
