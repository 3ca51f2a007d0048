/* SPDX-License-Identifier: Apache-2.0 */
#include "source/host_parse.h"

#include "base/mem.h"

/* clang-format off */
const struct host_format host_formats[HOST_FORMATS] = {
    [HOST_CPU]        = {"stat",            10, false, NULL, host_parse_cpu, host_name_cpu},
    [HOST_STAT]       = {"stat",             1, false, NULL, host_parse_stat, host_name_stat},
    [HOST_LOADAVG]    = {"loadavg",          4, false, NULL, host_parse_loadavg, host_name_loadavg},
    [HOST_MEMINFO]    = {"meminfo",          2, false, NULL, host_parse_meminfo, host_name_meminfo},
    [HOST_VMSTAT]     = {"vmstat",           1, false, NULL, host_parse_vmstat, host_name_vmstat},
    [HOST_PSI_CPU]    = {"pressure/cpu",     1, false, "cpu", host_parse_pressure, host_name_pressure},
    [HOST_PSI_IO]     = {"pressure/io",      1, false, "io", host_parse_pressure, host_name_pressure},
    [HOST_PSI_MEMORY] = {"pressure/memory",  1, false, "memory", host_parse_pressure, host_name_pressure},
    [HOST_DISKSTATS]  = {"diskstats",       17, true, NULL, host_parse_diskstats, host_name_diskstats},
    [HOST_NETDEV]     = {"net/dev",         17, false, NULL, host_parse_netdev, host_name_netdev},
    [HOST_NETSTAT]    = {"net/netstat",      1, false, NULL, host_parse_netstat, host_name_netstat},
    [HOST_SNMP]       = {"net/snmp",         1, false, NULL, host_parse_netstat, host_name_netstat},
    [HOST_SNMP6]      = {"net/snmp6",        1, false, NULL, host_parse_snmp6, host_name_snmp6},
    [HOST_SOCKSTAT]   = {"net/sockstat",     8, false, NULL, host_parse_sockstat, host_name_sockstat},
    [HOST_SOCKSTAT6]  = {"net/sockstat6",    8, false, "6", host_parse_sockstat, host_name_sockstat},
    [HOST_FILE_NR]    = {"sys/fs/file-nr",   2, false, NULL, host_parse_file_nr, host_name_file_nr},
};
/* clang-format on */

void host_samples_done(struct host_samples *s)
{
    mem_free(s->p);
    *s = (struct host_samples){0};
}

enum rc host_samples_grow(struct host_samples *s, struct err *err)
{
    const size_t capacity = s->capacity ? 2 * s->capacity : 512;
    struct host_sample *p = mem_grow(s->p, capacity, sizeof *p);
    if (!p)
        return err_set(err, E_NOMEM, "no memory for %zu samples", capacity);
    s->p = p;
    s->capacity = capacity;
    return OK;
}

void host_rows_init(struct host_rows *t, const struct host_format *f, struct series_set *set)
{
    *t = (struct host_rows){.format = f, .set = set};
}

void host_rows_done(struct host_rows *t)
{
    mem_free(t->row);
    mem_free(t->cell);
    mem_free(t->keys);
    *t = (struct host_rows){0};
}

static enum rc grow_rows(struct host_rows *t, struct err *err)
{
    if (t->n < t->capacity)
        return OK;
    const size_t capacity = t->capacity ? 2 * t->capacity : 16;
    struct host_row *row = mem_grow(t->row, capacity, sizeof *row);
    if (row)
        t->row = row;
    struct host_cell *cell = mem_grow(t->cell, capacity * t->format->width, sizeof *cell);
    if (cell)
        t->cell = cell;
    if (!row || !cell)
        return err_set(err, E_NOMEM, "no memory for %zu lines", capacity);
    t->capacity = capacity;
    return OK;
}

static enum rc grow_keys(struct host_rows *t, size_t n, struct err *err)
{
    if (t->keys && n <= t->keys_capacity - t->keys_n)
        return OK;
    size_t capacity = t->keys_capacity ? t->keys_capacity : 256;
    while (capacity - t->keys_n < n)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return err_set(err, E_PARSE, "the names take more than 4 GiB");
    char *keys = mem_grow(t->keys, capacity, 1);
    if (!keys)
        return err_set(err, E_NOMEM, "no memory for %zu bytes of names", capacity);
    t->keys = keys;
    t->keys_capacity = capacity;
    return OK;
}

enum rc host_rows_learn(struct host_rows *t, struct str key, struct host_row **ret, struct err *err)
{
    /* What came from here on last time is forgotten: its place is no longer its name. */
    if (t->next < t->n)
        t->keys_n = t->row[t->next].key_at;
    t->n = t->next;

    if (t->n == HOST_ROWS_MAX)
        return err_set(err, E_PARSE, "more than %d lines", HOST_ROWS_MAX);
    if (grow_rows(t, err) != OK || grow_keys(t, key.n, err) != OK)
        return err->rc;

    if (key.n)
        memcpy(t->keys + t->keys_n, key.p, key.n);
    struct host_row *row = &t->row[t->n];
    *row = (struct host_row){(uint32_t)t->keys_n, (uint32_t)key.n, HOST_NEW};
    for (unsigned i = 0; i < t->format->width; i++)
        t->cell[t->n * t->format->width + i] = (struct host_cell){0, HOST_NO_ID};
    t->keys_n += key.n;
    t->next = ++t->n;
    t->generation++;
    *ret = row;
    return OK;
}

enum rc host_rows_name(struct host_rows *t, const struct host_row *row, unsigned column,
                       struct err *err)
{
    uint32_t id;

    if (t->format->name(t, host_row_key(t, row), column, &id, err) != OK)
        return err->rc;
    host_row_cell(t, row, t->format->width, column)->id = id;
    return OK;
}

enum rc host_rows_parse(struct host_rows *t, struct str text, struct host_samples *out,
                        struct err *err)
{
    const size_t mark = out->n;
    enum rc rc = OK;

    t->next = 0;
    t->scope = t->format->scope ? str_of(t->format->scope) : (struct str){"", 0};
    if (text.n == 0) {
        if (!t->format->may_be_empty)
            rc = err_set(err, E_PARSE, "expected lines, found an empty file");
    } else if (text.p[text.n - 1] != '\n') {
        rc = err_set(err, E_PARSE, "expected a newline at the end, found byte %zu to be the last",
                     text.n);
    } else {
        rc = t->format->parse(t, text, out, err);
    }
    if (rc == OK)
        return OK;
    /* A row that was met but not decided upon must not be taken for a known one next time. */
    t->n = t->n < t->next ? t->n : t->next;
    if (t->n > 0 && t->row[t->n - 1].use == HOST_NEW)
        t->n--;
    t->keys_n = t->n ? t->row[t->n - 1].key_at + t->row[t->n - 1].key_n : 0;
    out->n = mark;
    return err_wrap(err, "%s", t->format->file);
}

enum rc host_line_error(struct str text, struct str line, const char *expected, struct err *err)
{
    size_t number = 1;

    for (const char *p = text.p; (p = memchr(p, '\n', (size_t)(line.p - p))); p++)
        number++;
    const int shown = line.n < 80 ? (int)line.n : 80;
    return err_set(err, E_PARSE, "line %zu: expected %s, found '%.*s'", number, expected, shown,
                   line.p);
}

struct str host_label_value(struct str s, char *buf, size_t capacity)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t n = 0;
    bool in_bad = false;

    if (s.n <= capacity && str_is_utf8(s))
        return s;
    for (size_t i = 0; i < s.n;) {
        size_t length = 1;
        while (length <= 4 && i + length <= s.n && !str_is_utf8((struct str){s.p + i, length}))
            length++;
        const bool bad = length > 4 || i + length > s.n;
        const char *from = bad ? replacement : s.p + i;
        const size_t add = !bad ? length : in_bad ? 0 : sizeof replacement - 1;
        if (n + add > capacity)
            break;
        memcpy(buf + n, from, add);
        n += add;
        i += bad ? 1 : length;
        in_bad = bad;
    }
    return (struct str){buf, n};
}

enum rc host_intern_column(struct series_set *set, const struct host_column *column,
                           const char *label, struct str value, uint32_t *ret_id, struct err *err)
{
    char buf[HOST_LABEL_MAX];
    const struct label labels[] = {
        {str_of(label), host_label_value(value, buf, sizeof buf)},
        {STR("mode"), str_of(column->mode ? column->mode : "")},
    };
    return series_set_intern(set, str_of(column->name), labels, column->mode ? 2 : 1, column->type,
                             ret_id, err);
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

enum rc host_intern_name(struct series_set *set, const char *prefix, struct str a, struct str b,
                         const char *suffix, enum metric_type type, uint32_t *ret_id,
                         struct err *err)
{
    enum { NAME_MAX_BYTES = 256 };
    char name[NAME_MAX_BYTES];
    const struct str parts[] = {str_of(prefix), a, b, str_of(suffix)};
    size_t n = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].n > sizeof name - n)
            return err_set(err, E_PARSE, "expected a name, found %zu bytes, from '%.*s'", a.n + b.n,
                           a.n < 40 ? (int)a.n : 40, a.p);
        for (size_t j = 0; j < parts[i].n; j++) {
            name[n] = parts[i].p[j];
            if (!is_name_byte(name[n]))
                name[n] = '_';
            n++;
        }
    }
    return series_set_intern(set, (struct str){name, n}, NULL, 0, type, ret_id, err);
}
