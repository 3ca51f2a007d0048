/* SPDX-License-Identifier: Apache-2.0 */
/* The collectors cpu, stat and loadavg. cpu and stat read the same file, /proc/stat. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "source/host_parse.h"
#include "source/host_scan.h"

#define CPU(mode)                                                                                  \
    {                                                                                              \
        "node_cpu_seconds_total", METRIC_COUNTER, 100.0, mode                                      \
    }
#define GUEST(mode)                                                                                \
    {                                                                                              \
        "node_cpu_guest_seconds_total", METRIC_COUNTER, 100.0, mode                                \
    }

/* In the order of the file. Ticks are USER_HZ, which is 100 on every Linux that we build for. */
static const struct host_column cpu_columns[] = {
    CPU("user"), CPU("nice"),    CPU("system"), CPU("idle"),   CPU("iowait"),
    CPU("irq"),  CPU("softirq"), CPU("steal"),  GUEST("user"), GUEST("nice"),
};

enum {
    CPU_COLUMNS = sizeof cpu_columns / sizeof *cpu_columns,
    CPU_COLUMNS_MIN = 4, /* what every kernel has; later ones read as 0 where absent */
    CPU_IDLE = 3,
};

enum rc host_name_cpu(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                      struct err *err)
{
    const struct str number = {key.p + 3, key.n - 3};
    return host_intern_column(t->set, &cpu_columns[column], "cpu", number, ret_id, err);
}

static bool is_cpu_number(struct str word)
{
    uint64_t number;
    return word.n > 3 && str_to_u64((struct str){word.p + 3, word.n - 3}, &number);
}

/* The kernel lets idle and iowait step back a little, which a rate would take for a reset; Node
 * Exporter holds the last value instead, and so do we. Idle going back by three seconds or more
 * means that the CPU was unplugged and is back: then all begin anew. */
static void hold_monotone(struct host_cell *cell, double *seconds)
{
    const double jump_back_s = 3.0;

    if (cell[CPU_IDLE].last - seconds[CPU_IDLE] >= jump_back_s)
        for (unsigned i = 0; i < CPU_COLUMNS; i++)
            cell[i].last = 0;
    for (unsigned i = 0; i < CPU_COLUMNS; i++) {
        if (seconds[i] < cell[i].last)
            seconds[i] = cell[i].last;
        cell[i].last = seconds[i];
    }
}

enum rc host_parse_cpu(struct host_rows *t, struct str text, struct host_samples *out,
                       struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line) && str_starts(line, STR("cpu"))) {
        struct scan s = scan_of(line);
        struct host_row *row;
        const struct str word = scan_word(&s);
        if (word.n == 3)
            continue; /* the sum of all: Prometheus can add */
        if (host_rows_next(t, word, &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW && !is_cpu_number(word))
            return host_line_error(text, line, "a CPU's number after 'cpu'", err);
        row->use = HOST_KEEP;

        double seconds[CPU_COLUMNS] = {0};
        for (unsigned i = 0; i < CPU_COLUMNS && !(i >= CPU_COLUMNS_MIN && scan_at_end(&s)); i++) {
            uint64_t ticks;
            if (!scan_u64(&s, &ticks))
                return host_line_error(text, line, "ticks of a CPU", err);
            seconds[i] = (double)ticks / cpu_columns[i].scale;
        }
        hold_monotone(host_row_cell(t, row, CPU_COLUMNS, 0), seconds);
        for (unsigned i = 0; i < CPU_COLUMNS; i++)
            if (host_rows_emit(t, row, i, seconds[i], out, err) != OK)
                return err->rc;
    }
    return OK;
}

static const struct stat_line {
    const char *key, *name;
    enum metric_type type;
} stat_lines[] = {
    {"intr", "node_intr_total", METRIC_COUNTER},
    {"ctxt", "node_context_switches_total", METRIC_COUNTER},
    {"btime", "node_boot_time_seconds", METRIC_GAUGE},
    {"processes", "node_forks_total", METRIC_COUNTER},
    {"procs_running", "node_procs_running", METRIC_GAUGE},
    {"procs_blocked", "node_procs_blocked", METRIC_GAUGE},
};

static const struct stat_line *stat_line_find(struct str key)
{
    for (size_t i = 0; i < sizeof stat_lines / sizeof *stat_lines; i++)
        if (str_eq(key, str_of(stat_lines[i].key)))
            return &stat_lines[i];
    return NULL;
}

enum rc host_name_stat(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                       struct err *err)
{
    const struct stat_line *l = stat_line_find(key);

    (void)column; /* there is one */
    assert(l);    /* only keys of the table are asked for */
    return series_set_intern(t->set, str_of(l->name), NULL, 0, l->type, ret_id, err);
}

/* The rest of /proc/stat. Of the long line of interrupts only the first number, their sum, is
 * looked at. */
enum rc host_parse_stat(struct host_rows *t, struct str text, struct host_samples *out,
                        struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        if (str_starts(line, STR("cpu")))
            continue;
        struct scan s = scan_of(line);
        struct host_row *row;
        uint64_t v;
        if (host_rows_next(t, scan_word(&s), &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = stat_line_find(host_row_key(t, row)) ? HOST_KEEP : HOST_SKIP;
        if (row->use == HOST_SKIP)
            continue;
        if (!scan_u64(&s, &v))
            return host_line_error(text, line, "a number after the name", err);
        if (host_rows_emit(t, row, 0, (double)v, out, err) != OK)
            return err->rc;
    }
    return OK;
}

enum rc host_name_loadavg(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                          struct err *err)
{
    static const char *const names[] = {"node_load1", "node_load5", "node_load15",
                                        "node_processes_threads"};

    (void)key;
    return series_set_intern(t->set, str_of(names[column]), NULL, 0, METRIC_GAUGE, ret_id, err);
}

/* "0.21 1.37 12.39 2/711 32118": averages, threads that can run and all of them, the newest
 * process. Of all threads Node Exporter's collector `processes` has the sum over every process. */
enum rc host_parse_loadavg(struct host_rows *t, struct str text, struct host_samples *out,
                           struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;
    struct host_row *row;

    if (!scan_line(&file, &line))
        return err_set(err, E_PARSE, "expected a line");
    if (host_rows_next(t, (struct str){"", 0}, &row, err) != OK)
        return err->rc;
    row->use = HOST_KEEP;
    struct scan s = scan_of(line);
    for (unsigned i = 0; i < 3; i++) {
        double load;
        if (!str_to_double(scan_word(&s), &load) || !isfinite(load) || load < 0)
            return host_line_error(text, line, "three load averages", err);
        if (host_rows_emit(t, row, i, load, out, err) != OK)
            return err->rc;
    }
    const struct str threads = scan_word(&s);
    const char *slash = threads.n ? memchr(threads.p, '/', threads.n) : NULL;
    uint64_t n;
    if (!slash ||
        !str_to_u64((struct str){slash + 1, (size_t)(threads.p + threads.n - slash) - 1}, &n))
        return OK; /* a stand-in for the kernel that has the averages alone */
    return host_rows_emit(t, row, 3, (double)n, out, err);
}
