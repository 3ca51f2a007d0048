/* SPDX-License-Identifier: Apache-2.0 */
/* The collectors cpu and stat (which share a file), filefd and uname, as far as they do
 * more than parse one file; and the ones that do only that. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "source/host_private.h"
#include "source/host_scan.h"

enum rc host_collect_cpu(struct host *h, struct err *err)
{
    struct str text;

    const enum rc rc = host_read(h, &h->file[HOST_CPU], h->procfs, "stat", &text, err);
    h->stat_rc = rc;
    if (rc == E_STATE)
        return rc;
    if (rc != OK)
        return host_note(h, err);
    h->stat = text; /* for the collector stat, which comes next */
    if (host_rows_parse(&h->rows[HOST_CPU], text, &h->samples, err) != OK)
        return host_note(h, err);
    return OK;
}

enum rc host_collect_stat(struct host *h, struct err *err)
{
    if (h->stat_rc == E_STATE)
        return err_set(err, E_STATE, "stat: not offered here");
    if (h->stat.n && host_rows_parse(&h->rows[HOST_STAT], h->stat, &h->samples, err) != OK)
        return host_note(h, err);
    return OK;
}

enum rc host_collect_loadavg(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_LOADAVG, HOST_LOADAVG, err);
}

enum rc host_collect_meminfo(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_MEMINFO, HOST_MEMINFO, err);
}

enum rc host_collect_vmstat(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_VMSTAT, HOST_VMSTAT, err);
}

enum rc host_collect_pressure(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_PSI_CPU, HOST_PSI_MEMORY, err);
}

enum rc host_collect_netstat(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_NETSTAT, HOST_SNMP6, err);
}

enum rc host_collect_sockstat(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_SOCKSTAT, HOST_SOCKSTAT6, err);
}

enum rc host_collect_filefd(struct host *h, struct err *err)
{
    return host_collect_files(h, HOST_FILE_NR, HOST_FILE_NR, err);
}

enum rc host_name_file_nr(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                          struct err *err)
{
    static const char *const names[] = {"node_filefd_allocated", "node_filefd_maximum"};

    (void)key;
    return series_set_intern(t->set, str_of(names[column]), NULL, 0, METRIC_GAUGE, ret_id, err);
}

/* "704\t0\t2466170": allocated, free (always 0 since 2.6), maximum. */
enum rc host_parse_file_nr(struct host_rows *t, struct str text, struct host_samples *out,
                           struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;
    struct host_row *row;
    uint64_t v[3];

    if (!scan_line(&file, &line))
        return err_set(err, E_PARSE, "expected a line");
    struct scan s = scan_of(line);
    if (!scan_u64(&s, &v[0]) || !scan_u64(&s, &v[1]) || !scan_u64(&s, &v[2]))
        return host_line_error(text, line, "three numbers", err);
    if (host_rows_next(t, (struct str){"", 0}, &row, err) != OK)
        return err->rc;
    row->use = HOST_KEEP;
    if (host_rows_emit(t, row, 0, (double)v[0], out, err) != OK)
        return err->rc;
    return host_rows_emit(t, row, 1, (double)v[2], out, err);
}

enum rc host_collect_uname(struct host *h, struct err *err)
{
    struct utsname u = {0};
    char buf[6][sizeof u.version + 1];

    if (uname(&u) != 0)
        return err_set(err, E_STATE, "uname: %m");
    if (h->uts_id == HOST_NO_ID || memcmp(&u, &h->uts, sizeof u) != 0) {
        const struct label labels[] = {
            {STR("domainname"), host_label_value(str_of(u.domainname), buf[0], sizeof *buf)},
            {STR("machine"), host_label_value(str_of(u.machine), buf[1], sizeof *buf)},
            {STR("nodename"), host_label_value(str_of(u.nodename), buf[2], sizeof *buf)},
            {STR("release"), host_label_value(str_of(u.release), buf[3], sizeof *buf)},
            {STR("sysname"), host_label_value(str_of(u.sysname), buf[4], sizeof *buf)},
            {STR("version"), host_label_value(str_of(u.version), buf[5], sizeof *buf)},
        };
        if (series_set_intern(h->set, STR("node_uname_info"), labels, 6, METRIC_GAUGE, &h->uts_id,
                              err) != OK)
            return err->rc;
        h->uts = u;
    }
    return host_samples_add(&h->samples, h->uts_id, 1, err);
}
