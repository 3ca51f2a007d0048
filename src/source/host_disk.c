/* SPDX-License-Identifier: Apache-2.0 */
/* The collector diskstats. */
#include <stdio.h>

#include "source/host_private.h"
#include "source/host_scan.h"
#include "source/host_udev.h"

#define COUNT(name)                                                                                \
    {                                                                                              \
        "node_disk_" name, METRIC_COUNTER, 1, NULL                                                 \
    }
#define SECTORS(name)                                                                              \
    {                                                                                              \
        "node_disk_" name, METRIC_COUNTER, 512, NULL                                               \
    } /* whatever the device's are */
#define MILLIS(name)                                                                               \
    {                                                                                              \
        "node_disk_" name, METRIC_COUNTER, 0.001, NULL                                             \
    }

/* In the order of the file (Documentation/admin-guide/iostats.rst): 11 columns in every kernel,
 * discards since 4.18, flushes since 5.5. */
static const struct host_column columns[] = {
    COUNT("reads_completed_total"),
    COUNT("reads_merged_total"),
    SECTORS("read_bytes_total"),
    MILLIS("read_time_seconds_total"),
    COUNT("writes_completed_total"),
    COUNT("writes_merged_total"),
    SECTORS("written_bytes_total"),
    MILLIS("write_time_seconds_total"),
    {"node_disk_io_now", METRIC_GAUGE, 1, NULL},
    MILLIS("io_time_seconds_total"),
    MILLIS("io_time_weighted_seconds_total"),
    COUNT("discards_completed_total"),
    COUNT("discards_merged_total"),
    COUNT("discarded_sectors_total"),
    MILLIS("discard_time_seconds_total"),
    COUNT("flush_requests_total"),
    MILLIS("flush_requests_time_seconds_total"),
};
enum { COLUMNS = sizeof columns / sizeof *columns, COLUMNS_MIN = 11 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static struct str skip_digits(struct str s)
{
    while (s.n && is_digit(*s.p))
        s = (struct str){s.p + 1, s.n - 1};
    return s;
}

static bool skip(struct str *s, const char *prefix)
{
    const struct str p = str_of(prefix);
    if (!str_starts(*s, p))
        return false;
    *s = (struct str){s->p + p.n, s->n - p.n};
    return true;
}

/* Whether s is PREFIX DIGITS. */
static bool is_numbered(struct str s, const char *prefix)
{
    return skip(&s, prefix) && s.n && skip_digits(s).n == 0;
}

/* nvme\d+n\d+p\d+ */
static bool is_nvme_partition(struct str s)
{
    if (!skip(&s, "nvme") || s.n == 0 || !is_digit(*s.p))
        return false;
    s = skip_digits(s);
    if (!skip(&s, "n") || s.n == 0 || !is_digit(*s.p))
        return false;
    s = skip_digits(s);
    return is_numbered(s, "p");
}

bool host_disk_is_excluded(struct str device)
{
    static const char *const bases[] = {"ram", "loop", "fd"};
    static const char *const disks[] = {"hd", "sd", "vd", "xvd"};

    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        if (is_numbered(device, bases[i]))
            return true;
    for (size_t i = 0; i < sizeof disks / sizeof *disks; i++) { /* partitions */
        struct str s = device;
        if (skip(&s, disks[i]) && s.n && is_lower(*s.p) &&
            is_numbered((struct str){s.p + 1, s.n - 1}, ""))
            return true;
    }
    return is_nvme_partition(device);
}

/* The key is "MAJOR MINOR DEVICE", with the blanks of the line. */
static struct host_disk_id disk_id(struct str key)
{
    struct scan s = scan_of(key);
    const struct str major = scan_word(&s), minor = scan_word(&s);
    return (struct host_disk_id){scan_word(&s), major, minor};
}

enum rc host_name_diskstats(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                            struct err *err)
{
    return host_intern_column(t->set, &columns[column], "device", disk_id(key).device, ret_id, err);
}

enum rc host_parse_diskstats(struct host_rows *t, struct str text, struct host_samples *out,
                             struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        uint64_t major, minor;
        if (!scan_u64(&s, &major) || !scan_u64(&s, &minor) || scan_at_end(&s))
            return host_line_error(text, line, "'MAJOR MINOR DEVICE NUMBERS'", err);
        const struct str device = scan_word(&s);
        if (host_rows_next(t, (struct str){line.p, (size_t)(s.p - line.p)}, &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = host_disk_is_excluded(device) ? HOST_SKIP : HOST_KEEP;
        if (row->use == HOST_SKIP)
            continue;
        for (unsigned i = 0; i < COLUMNS && !(i >= COLUMNS_MIN && scan_at_end(&s)); i++) {
            uint64_t number;
            if (!scan_u64(&s, &number))
                return host_line_error(text, line, "at least 11 numbers", err);
            if (host_rows_emit(t, row, i, (double)number * columns[i].scale, out, err) != OK)
                return err->rc;
        }
    }
    return OK;
}

static enum rc read_udev(struct host *h, const struct host_disk_id *disk, struct err *err)
{
    struct host_file f = {.fd = -1};
    struct str text;
    char path[64];

    (void)snprintf(path, sizeof path, "run/udev/data/b%.*s:%.*s", (int)disk->major.n, disk->major.p,
                   (int)disk->minor.n, disk->minor.p); /* numbers: they fit */
    const enum rc rc = host_read(h, &f, h->rootfs, path, &text, err);
    host_file_close(&f);
    if (rc == E_NOMEM)
        return rc;
    if (rc != OK)
        text = (struct str){"", 0}; /* no udev here, or it does not know the device */
    return host_udev_parse(h->set, disk, text, &h->disk_info, err);
}

/* Again when the devices change, and now and then: a disk may get a filesystem. */
static enum rc refresh_info(struct host *h, struct err *err)
{
    const struct host_rows *t = &h->rows[HOST_DISKSTATS];

    if (h->disk_generation == t->generation && h->disk_retry > 0) {
        h->disk_retry--;
        return OK;
    }
    h->disk_info.n = 0;
    for (size_t i = 0; i < t->next; i++) {
        if (t->row[i].use != HOST_KEEP)
            continue;
        const struct host_disk_id disk = disk_id(host_row_key(t, &t->row[i]));
        if (read_udev(h, &disk, err) != OK)
            return err->rc;
    }
    h->disk_generation = t->generation;
    h->disk_retry = HOST_RETRY;
    return OK;
}

void host_disk_forget(struct host *h)
{
    host_samples_done(&h->disk_info);
    h->disk_retry = 0;
    h->disk_generation = 0;
}

enum rc host_collect_diskstats(struct host *h, struct err *err)
{
    const size_t mark = h->samples.n;
    const enum rc rc = host_collect_files(h, HOST_DISKSTATS, HOST_DISKSTATS, err);

    if (rc != OK || h->samples.n == mark)
        return rc; /* no disks, or the file was no good */
    if (refresh_info(h, err) != OK)
        return host_note(h, err);
    for (size_t i = 0; i < h->disk_info.n; i++)
        if (host_samples_add(&h->samples, h->disk_info.p[i].id, h->disk_info.p[i].v, err) != OK)
            return err->rc;
    return OK;
}
