/* SPDX-License-Identifier: Apache-2.0 */
#include "source/host_mounts.h"

#include "base/mem.h"
#include "source/host_parse.h"
#include "source/host_scan.h"

static bool is_one_of(struct str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s, str_of(list[i])))
            return true;
    return false;
}

bool host_mount_type_is_excluded(struct str type)
{
    static const char *const excluded[] = {
        "autofs",     "binfmt_misc", "bpf",       "cgroup",   "cgroup2",   "configfs",
        "debugfs",    "devpts",      "devtmpfs",  "fusectl",  "hugetlbfs", "iso9660",
        "mqueue",     "nsfs",        "overlay",   "proc",     "procfs",    "pstore",
        "rpc_pipefs", "securityfs",  "selinuxfs", "squashfs", "sysfs",     "tracefs",
    };
    return is_one_of(type, excluded, sizeof excluded / sizeof *excluded);
}

/* Types whose statvfs looks at memory of this machine only. ZFS is not among them: a suspended
 * pool lets callers wait. */
static bool type_is_local(struct str type)
{
    static const char *const local[] = {
        "bcachefs", "btrfs",    "erofs",  "exfat", "ext2",  "ext3",  "ext4",   "f2fs",
        "hfs",      "hfsplus",  "jffs2",  "jfs",   "minix", "msdos", "nilfs2", "ntfs3",
        "ramfs",    "reiserfs", "rootfs", "tmpfs", "ubifs", "udf",   "vfat",   "xfs",
    };
    return is_one_of(type, local, sizeof local / sizeof *local);
}

/* Whether point is dir or below it. */
static bool is_under(struct str point, struct str dir)
{
    if (dir.n == 1)
        return true; /* "/" */
    return str_starts(point, dir) && (point.n == dir.n || point.p[dir.n] == '/');
}

bool host_mount_point_is_excluded(struct str point)
{
    static const char *const whole[] = {"/dev", "/proc", "/run", "/sys", "/mnt", "/media"};
    static const char *const below[] = {"/var/lib/docker/", "/var/lib/containers/storage/"};

    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (is_under(point, str_of(whole[i])))
            return true;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (str_starts(point, str_of(below[i])) && point.n > strlen(below[i]))
            return true;
    return false;
}

/* The kernel writes blanks and backslashes as three octal digits. Node Exporter turns back \040
 * and \011 alone, and then fails to find the others; we turn them all back. */
static size_t unescape(struct str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n;) {
        const char *p = s.p + i;
        if (s.n - i >= 4 && p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
            p[2] <= '7' && p[3] >= '0' && p[3] <= '7' && (p[1] | p[2] | p[3]) != '0') {
            out[n++] = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            i += 4;
        } else {
            out[n++] = *p;
            i++;
        }
    }
    return n;
}

static struct str strip_root(struct str point, struct str rootfs)
{
    if (rootfs.n <= 1 || !is_under(point, rootfs))
        return point;
    if (point.n == rootfs.n)
        return (struct str){"/", 1};
    return (struct str){point.p + rootfs.n, point.n - rootfs.n};
}

struct reader { /* the table under construction */
    struct host_mounts m;
    size_t capacity;
    size_t used; /* of m.text */
    struct str rootfs;
    struct str *guarded; /* points of guarded mounts, the excluded ones too */
    size_t guarded_n, guarded_capacity;
};

static void reader_done(struct reader *r)
{
    host_mounts_done(&r->m);
    mem_free(r->guarded);
}

static bool is_below_guarded(const struct reader *r, struct str point)
{
    for (size_t i = 0; i < r->guarded_n; i++)
        if (is_under(point, r->guarded[i]))
            return true;
    return false;
}

static enum rc add_guarded(struct reader *r, struct str point, struct err *err)
{
    if (r->guarded_n == HOST_MOUNTS_MAX)
        return err_set(err, E_PARSE, "more than %d mounts of network filesystems", HOST_MOUNTS_MAX);
    if (r->guarded_n == r->guarded_capacity) {
        const size_t capacity = r->guarded_capacity ? 2 * r->guarded_capacity : 16;
        struct str *p = mem_grow(r->guarded, capacity, sizeof *p);
        if (!p)
            return err_set(err, E_NOMEM, "no memory for %zu mounts", capacity);
        r->guarded = p;
        r->guarded_capacity = capacity;
    }
    r->guarded[r->guarded_n++] = point;
    return OK;
}

static char *keep(struct reader *r, struct str s)
{
    char *p = r->m.text + r->used;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    r->used += s.n + 1;
    return p;
}

static enum rc add_mount(struct reader *r, struct host_mount mount, struct err *err)
{
    if (r->m.n == HOST_MOUNTS_MAX)
        return err_set(err, E_PARSE, "more than %d mounts", HOST_MOUNTS_MAX);
    if (r->m.n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 16;
        struct host_mount *v = mem_grow(r->m.v, capacity, sizeof *v);
        if (!v)
            return err_set(err, E_NOMEM, "no memory for %zu mounts", capacity);
        r->m.v = v;
        r->capacity = capacity;
    }
    for (size_t i = 0; i < MOUNT_COLUMNS; i++)
        mount.id[i] = HOST_NO_ID;
    r->m.v[r->m.n++] = mount;
    return OK;
}

/* Whether a mount with these labels is there already: Node Exporter tells one of them. */
static bool is_known(const struct reader *r, const struct host_mount *m)
{
    for (size_t i = r->m.n; i-- > 0;)
        if (str_eq(r->m.v[i].point, m->point) && str_eq(r->m.v[i].device, m->device) &&
            str_eq(r->m.v[i].type, m->type))
            return true;
    return false;
}

static bool has_option(struct str options, struct str option)
{
    while (options.n) {
        const char *comma = memchr(options.p, ',', options.n);
        const size_t n = comma ? (size_t)(comma - options.p) : options.n;
        if (str_eq((struct str){options.p, n}, option))
            return true;
        options = (struct str){options.p + n + (comma != NULL), options.n - n - (comma != NULL)};
    }
    return false;
}

static enum rc read_line(struct reader *r, struct str text, struct str line, struct err *err)
{
    struct scan s = scan_of(line);
    const struct str device = scan_word(&s);
    const struct str escaped = scan_word(&s);
    const struct str type = scan_word(&s);
    const struct str options = scan_word(&s);

    if (options.n == 0)
        return host_line_error(text, line, "'DEVICE POINT TYPE OPTIONS'", err);

    char *full = keep(r, escaped);
    const struct str real = {full, unescape(escaped, full)};
    full[real.n] = '\0';
    const struct str point = strip_root(real, r->rootfs);
    const bool excluded = host_mount_type_is_excluded(type);
    /* what is excluded by type is local, but for autofs, which waits for its daemon */
    const bool local = type_is_local(type) || (excluded && !str_eq(type, STR("autofs")));
    if (!local && add_guarded(r, point, err) != OK)
        return err->rc;
    if (excluded || host_mount_point_is_excluded(point))
        return OK;

    struct host_mount m = {
        .point = point,
        .guarded = is_below_guarded(r, point),
        .readonly = has_option(options, STR("ro")),
    };
    m.device = (struct str){keep(r, device), device.n};
    m.type = (struct str){keep(r, type), type.n};
    if (is_known(r, &m))
        return OK;
    char *path = keep(r, r->rootfs.n > 1 ? r->rootfs : (struct str){"", 0});
    r->used--; /* the point follows at once, over the NUL */
    (void)keep(r, point);
    m.path = path;
    return add_mount(r, m, err);
}

enum rc host_mounts_parse(struct str text, const char *rootfs, struct host_mounts *ret,
                          struct err *err)
{
    CLEANUP(reader_done) struct reader r = {.rootfs = str_of(rootfs)};
    struct scan file = scan_of(text);
    struct str line;
    size_t lines = 0;

    if (text.n == 0 || text.p[text.n - 1] != '\n')
        return err_set(err, E_PARSE, "mounts: expected lines with a newline at the end");
    while (scan_line(&file, &line))
        lines++;
    /* a line gives its point twice and its device and type once, with a NUL each, and the prefix */
    r.m.text = mem_alloc(2 * text.n + lines * (r.rootfs.n + 5));
    if (!r.m.text)
        return err_set(err, E_NOMEM, "mounts: no memory for %zu bytes", text.n);

    file = scan_of(text);
    while (scan_line(&file, &line))
        if (read_line(&r, text, line, err) != OK)
            return err_wrap(err, "mounts");
    *ret = r.m;
    r.m = (struct host_mounts){0};
    return OK;
}

void host_mounts_done(struct host_mounts *m)
{
    mem_free(m->v);
    mem_free(m->text);
    *m = (struct host_mounts){0};
}
