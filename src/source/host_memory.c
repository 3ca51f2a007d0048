/* SPDX-License-Identifier: Apache-2.0 */
/* The collectors meminfo, vmstat and pressure. */
#include "source/host_parse.h"
#include "source/host_scan.h"

enum { MEMINFO_PLAIN = 0, MEMINFO_KIB = 1 }; /* columns: a line with a unit names another metric */

/* "Active(anon)" is node_memory_Active_anon_bytes: what stands in parentheses follows "_". */
enum rc host_name_meminfo(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                          struct err *err)
{
    const char *suffix = column == MEMINFO_KIB ? "_bytes" : "";
    const char *open = memchr(key.p, '(', key.n);
    const struct str whole = {key.p, key.n - 1}; /* without the colon */

    if (!open || whole.p[whole.n - 1] != ')')
        return host_intern_name(t->set, "node_memory_", whole, (struct str){"", 0}, suffix,
                                METRIC_GAUGE, ret_id, err);
    /* the parenthesis itself becomes "_", as every byte that a name cannot hold */
    return host_intern_name(t->set, "node_memory_", (struct str){whole.p, whole.n - 1},
                            (struct str){"", 0}, suffix, METRIC_GAUGE, ret_id, err);
}

enum rc host_parse_meminfo(struct host_rows *t, struct str text, struct host_samples *out,
                           struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        uint64_t v;
        const struct str key = scan_word(&s);
        if (key.n == 0)
            continue; /* kernel 3.10 of CentOS 6 has empty lines */
        if (key.n < 2 || key.p[key.n - 1] != ':')
            return host_line_error(text, line, "'NAME: NUMBER'", err);
        if (host_rows_next(t, key, &row, err) != OK)
            return err->rc;
        row->use = HOST_KEEP;
        if (!scan_u64(&s, &v))
            return host_line_error(text, line, "'NAME: NUMBER'", err);
        const bool in_kib = scan_word(&s).n > 0;
        if (!scan_at_end(&s))
            return host_line_error(text, line, "'NAME: NUMBER kB'", err);
        if (host_rows_emit(t, row, in_kib ? MEMINFO_KIB : MEMINFO_PLAIN,
                           in_kib ? (double)v * 1024 : (double)v, out, err) != OK)
            return err->rc;
    }
    return OK;
}

bool host_vmstat_is_wanted(struct str field)
{
    if (str_starts(field, STR("oom_kill")) || str_starts(field, STR("pgpg")) ||
        str_starts(field, STR("pswp")))
        return true;
    return str_starts(field, STR("pg")) && memmem(field.p + 2, field.n - 2, "fault", 5);
}

enum rc host_name_vmstat(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                         struct err *err)
{
    (void)column; /* there is one */
    return host_intern_name(t->set, "node_vmstat_", key, (struct str){"", 0}, "", METRIC_UNTYPED,
                            ret_id, err);
}

enum rc host_parse_vmstat(struct host_rows *t, struct str text, struct host_samples *out,
                          struct err *err)
{
    struct scan file = scan_of(text);
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        double v;
        if (host_rows_next(t, scan_word(&s), &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = host_vmstat_is_wanted(host_row_key(t, row)) ? HOST_KEEP : HOST_SKIP;
        if (row->use == HOST_SKIP)
            continue;
        if (!scan_number(&s, &v))
            return host_line_error(text, line, "'NAME NUMBER'", err);
        if (host_rows_emit(t, row, 0, v, out, err) != OK)
            return err->rc;
    }
    return OK;
}

static const struct pressure_line {
    const char *resource, *key, *name;
} pressure_lines[] = {
    {"cpu", "some", "node_pressure_cpu_waiting_seconds_total"},
    {"io", "some", "node_pressure_io_waiting_seconds_total"},
    {"io", "full", "node_pressure_io_stalled_seconds_total"},
    {"memory", "some", "node_pressure_memory_waiting_seconds_total"},
    {"memory", "full", "node_pressure_memory_stalled_seconds_total"},
};

/* NULL for what Node Exporter leaves out: for a whole machine "cpu full" says nothing. */
static const struct pressure_line *pressure_line_find(struct str resource, struct str key)
{
    for (size_t i = 0; i < sizeof pressure_lines / sizeof *pressure_lines; i++)
        if (str_eq(resource, str_of(pressure_lines[i].resource)) &&
            str_eq(key, str_of(pressure_lines[i].key)))
            return &pressure_lines[i];
    return NULL;
}

enum rc host_name_pressure(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                           struct err *err)
{
    const struct pressure_line *l = pressure_line_find(t->scope, key);

    (void)column; /* there is one */
    return series_set_intern(t->set, str_of(l->name), NULL, 0, METRIC_COUNTER, ret_id, err);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", total in microseconds. */
enum rc host_parse_pressure(struct host_rows *t, struct str text, struct host_samples *out,
                            struct err *err)
{
    static const struct str total = STR("total=");
    struct scan file = scan_of(text);
    const size_t mark = out->n;
    struct str line;

    while (scan_line(&file, &line)) {
        struct scan s = scan_of(line);
        struct host_row *row;
        struct str word = scan_word(&s);
        uint64_t us;
        if (host_rows_next(t, word, &row, err) != OK)
            return err->rc;
        if (row->use == HOST_NEW)
            row->use = pressure_line_find(t->scope, word) ? HOST_KEEP : HOST_SKIP;
        if (row->use == HOST_SKIP)
            continue;
        do
            word = scan_word(&s);
        while (word.n > 0 && !str_starts(word, total));
        if (word.n == 0 || !str_to_u64((struct str){word.p + total.n, word.n - total.n}, &us))
            return host_line_error(text, line, "total=MICROSECONDS", err);
        /* two divisions, as Node Exporter has it: the last bit is the same */
        if (host_rows_emit(t, row, 0, (double)us / 1000.0 / 1000.0, out, err) != OK)
            return err->rc;
    }
    return out->n > mark ? OK : err_set(err, E_PARSE, "expected a line 'some ...', found none");
}
