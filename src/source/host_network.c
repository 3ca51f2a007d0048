/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of the collectors netdev and sockstat. */
#include <unistd.h>

#include "source/host_parse.h"
#include "source/host_scan.h"

#define NET(name)                                                                                  \
    {                                                                                              \
        "node_network_" name "_total", METRIC_COUNTER, 1, NULL                                     \
    }

/* In the order of the file; the last one is not in it, see host_collect_netdev. */
static const struct host_column netdev_columns[] = {
    NET("receive_bytes"),       NET("receive_packets"),   NET("receive_errs"),
    NET("receive_drop"),        NET("receive_fifo"),      NET("receive_frame"),
    NET("receive_compressed"),  NET("receive_multicast"), NET("transmit_bytes"),
    NET("transmit_packets"),    NET("transmit_errs"),     NET("transmit_drop"),
    NET("transmit_fifo"),       NET("transmit_colls"),    NET("transmit_carrier"),
    NET("transmit_compressed"), NET("receive_nohandler"),
};
enum { NETDEV_COLUMNS = 16 };

static const char *const netdev_header[] = {
    "face",  "|bytes",     "packets",         "errs",       "drop", "fifo",
    "frame", "compressed", "multicast|bytes", "packets",    "errs", "drop",
    "fifo",  "colls",      "carrier",         "compressed",
};

enum rc host_name_netdev(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                         struct err *err)
{
    return host_intern_column(t->set, &netdev_columns[column], "device", key, ret_id, err);
}

static bool is_netdev_header(struct str line)
{
    struct scan s = scan_of(line);

    for (size_t i = 0; i < sizeof netdev_header / sizeof *netdev_header; i++)
        if (!str_eq(scan_word(&s), str_of(netdev_header[i])))
            return false;
    return scan_at_end(&s);
}

enum rc host_parse_netdev(struct host_rows *t, struct str text, struct host_samples *out,
                          struct err *err)
{
    struct scan file = scan_of(text);
    struct str groups, line;

    if (!scan_line(&file, &groups) || !scan_line(&file, &line) || !is_netdev_header(line))
        return err_set(err, E_PARSE, "expected the two lines of headings of Linux 2.2 and later");
    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        scan_blanks(&s);
        const char *colon = memchr(s.p, ':', (size_t)(s.end - s.p)); /* none in a device's name */
        if (!colon || colon == s.p)
            return host_line_error(text, line, "'DEVICE: NUMBERS'", err);
        if (host_rows_next(t, (struct str){s.p, (size_t)(colon - s.p)}, &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = str_eq(host_row_key(t, row), STR("lo")) ? HOST_SKIP : HOST_KEEP;
        if (row->use == HOST_SKIP)
            continue;
        s.p = colon + 1;
        for (unsigned i = 0; i < NETDEV_COLUMNS; i++) {
            uint64_t v;
            if (!scan_u64(&s, &v))
                return host_line_error(text, line, "16 numbers", err);
            if (host_rows_emit(t, row, i, (double)v, out, err) != OK)
                return err->rc;
        }
    }
    return OK;
}

/* Columns of sockstat; "mem" is in pages and is told in bytes too. */
static const char *const sockstat_columns[] = {"inuse", "orphan", "tw",   "alloc",
                                               "mem",   "memory", "used", "mem_bytes"};
enum { SOCKSTAT_MEM = 4, SOCKSTAT_USED = 6, SOCKSTAT_MEM_BYTES = 7, SOCKSTAT_NONE = 8 };

enum rc host_name_sockstat(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                           struct err *err)
{
    const struct str protocol = {key.p, key.n - 1}; /* without the colon */
    char suffix[16] = "_";

    memcpy(suffix + 1, sockstat_columns[column], strlen(sockstat_columns[column]) + 1);
    return host_intern_name(t->set, "node_sockstat_", protocol, (struct str){"", 0}, suffix,
                            METRIC_GAUGE, ret_id, err);
}

static unsigned sockstat_column(struct str name, bool is_sockets)
{
    if (is_sockets)
        return str_eq(name, STR("used")) ? SOCKSTAT_USED : SOCKSTAT_NONE;
    for (unsigned i = 0; i < SOCKSTAT_USED; i++)
        if (str_eq(name, str_of(sockstat_columns[i])))
            return i;
    return SOCKSTAT_NONE;
}

/* "TCP: inuse 1 orphan 0 tw 2 alloc 1 mem 197"; names that Node Exporter does not know are passed
 * over, and so is the sum "sockets" in sockstat6. */
enum rc host_parse_sockstat(struct host_rows *t, struct str text, struct host_samples *out,
                            struct err *err)
{
    const double page = (double)sysconf(_SC_PAGESIZE);
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        const struct str key = scan_word(&s);
        if (key.n < 2 || key.p[key.n - 1] != ':')
            return host_line_error(text, line, "'PROTOCOL: NAME NUMBER...'", err);
        const bool is_sockets = str_eq(key, STR("sockets:"));
        if (host_rows_next(t, key, &row, err) != OK)
            return err->rc;
        row->use = is_sockets && t->scope.n ? HOST_SKIP : HOST_KEEP;
        while (row->use == HOST_KEEP && !scan_at_end(&s)) {
            double v;
            const unsigned column = sockstat_column(scan_word(&s), is_sockets);
            if (!scan_number(&s, &v))
                return host_line_error(text, line, "pairs of a name and a number", err);
            if (column == SOCKSTAT_NONE)
                continue;
            if (host_rows_emit(t, row, column, v, out, err) != OK)
                return err->rc;
            if (column == SOCKSTAT_MEM &&
                host_rows_emit(t, row, SOCKSTAT_MEM_BYTES, v * page, out, err) != OK)
                return err->rc;
        }
    }
    return OK;
}
