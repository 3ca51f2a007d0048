/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "data/series.h"

/* host_parse - the bytes of /proc files to samples: pure, so tests and fuzzers need no /proc
 *
 * A file is read each second and its layout hardly ever changes. So each file has a table of
 * rows: the keyed lines (a device, a CPU, a name) in the order in which they came last time, each
 * with the numbers of its series. A line at its old place costs a compare; only a line that is
 * new or has moved makes the rest of the file be learnt again (names built, series interned).
 *
 * Errors: E_PARSE leaves the samples as they were; E_NOMEM; E_LIMIT when the series set is full.
 * Thread: its holder's. Source: proc(5); prometheus/node_exporter 1.5.0, collector/. */

enum {
    HOST_ROWS_MAX = 1 << 16, /* keyed lines of one file; past that E_PARSE */
    HOST_LABEL_MAX = 4096,   /* bytes of a label value; the rest is cut off */
};
#define HOST_NO_ID UINT32_MAX

struct host_sample {
    double v;
    uint32_t id;
};

struct host_samples {
    struct host_sample *p;
    size_t n, capacity;
};

void host_samples_done(struct host_samples *s);
MUST_CHECK enum rc host_samples_grow(struct host_samples *s, struct err *err);

static inline MUST_CHECK enum rc host_samples_add(struct host_samples *s, uint32_t id, double v,
                                                  struct err *err)
{
    if (s->n == s->capacity && host_samples_grow(s, err) != OK)
        return err->rc;
    s->p[s->n++] = (struct host_sample){v, id};
    return OK;
}

enum host_use {
    HOST_NEW = 0, /* just learnt: the parser decides */
    HOST_KEEP,
    HOST_SKIP, /* excluded, as Node Exporter does by default */
};

struct host_row {
    uint32_t key_at, key_n; /* in keys */
    enum host_use use;
};

struct host_cell {
    double last; /* for counters that the kernel lets step back (cpu) */
    uint32_t id; /* HOST_NO_ID until the first sample */
};

struct host_format;

struct host_rows {
    const struct host_format *format;
    struct series_set *set; /* lent */
    struct host_row *row;
    struct host_cell *cell; /* [capacity][format->width] */
    char *keys;
    size_t n, next, capacity;
    size_t keys_n, keys_capacity;
    struct str scope;    /* what the key stands under: the protocol, the resource */
    uint32_t generation; /* rises when a row is learnt */
};

struct host_format {
    const char *file; /* under procfs */
    unsigned width;   /* series of one row */
    bool may_be_empty;
    const char *scope;
    enum rc (*parse)(struct host_rows *t, struct str text, struct host_samples *out,
                     struct err *err);
    /* The series of a row's column, made on its first sample. */
    enum rc (*name)(struct host_rows *t, struct str key, unsigned column, uint32_t *ret_id,
                    struct err *err);
};

enum host_format_id {
    HOST_CPU,
    HOST_STAT,
    HOST_LOADAVG,
    HOST_MEMINFO,
    HOST_VMSTAT,
    HOST_PSI_CPU,
    HOST_PSI_IO,
    HOST_PSI_MEMORY,
    HOST_DISKSTATS,
    HOST_NETDEV,
    HOST_NETSTAT,
    HOST_SNMP,
    HOST_SNMP6,
    HOST_SOCKSTAT,
    HOST_SOCKSTAT6,
    HOST_FILE_NR,
    HOST_FORMATS
};

extern const struct host_format host_formats[HOST_FORMATS];

void host_rows_init(struct host_rows *t, const struct host_format *f, struct series_set *set);
void host_rows_done(struct host_rows *t);
/* Parse the whole file. On failure out->n is as before and the message names the file. */
MUST_CHECK enum rc host_rows_parse(struct host_rows *t, struct str text, struct host_samples *out,
                                   struct err *err);

/* For the parsers. */

MUST_CHECK enum rc host_rows_learn(struct host_rows *t, struct str key, struct host_row **ret,
                                   struct err *err);
MUST_CHECK enum rc host_rows_name(struct host_rows *t, const struct host_row *row, unsigned column,
                                  struct err *err);

static inline struct str host_row_key(const struct host_rows *t, const struct host_row *row)
{
    return (struct str){t->keys + row->key_at, row->key_n};
}

static inline struct host_cell *host_row_cell(const struct host_rows *t, const struct host_row *row,
                                              unsigned width, unsigned column)
{
    return &t->cell[(size_t)(row - t->row) * width + column];
}

/* The row for the next keyed line of the file; valid until the next call. */
static inline MUST_CHECK enum rc host_rows_next(struct host_rows *t, struct str key,
                                                struct host_row **ret, struct err *err)
{
    if (t->next < t->n) {
        struct host_row *row = &t->row[t->next];
        if (row->key_n == key.n && memcmp(t->keys + row->key_at, key.p, key.n) == 0) {
            t->next++;
            *ret = row;
            return OK;
        }
    }
    return host_rows_learn(t, key, ret, err);
}

static inline MUST_CHECK enum rc host_rows_emit(struct host_rows *t, const struct host_row *row,
                                                unsigned column, double v, struct host_samples *out,
                                                struct err *err)
{
    const struct host_cell *cell = host_row_cell(t, row, t->format->width, column);
    if (cell->id == HOST_NO_ID && host_rows_name(t, row, column, err) != OK)
        return err->rc;
    return host_samples_add(out, cell->id, v, err);
}

/* One series of a row that is known by a label (device, cpu). */
struct host_column {
    const char *name;
    enum metric_type type;
    double scale;     /* units of the file to units of the metric */
    const char *mode; /* the value of a second label "mode", or NULL */
};

MUST_CHECK enum rc host_intern_column(struct series_set *set, const struct host_column *column,
                                      const char *label, struct str value, uint32_t *ret_id,
                                      struct err *err);

/* The series PREFIX A B SUFFIX without labels; bytes that a metric name cannot hold become '_'. */
MUST_CHECK enum rc host_intern_name(struct series_set *set, const char *prefix, struct str a,
                                    struct str b, const char *suffix, enum metric_type type,
                                    uint32_t *ret_id, struct err *err);

/* A label value as Prometheus needs it: UTF-8 (a run of other bytes becomes U+FFFD, as Go's
 * strings.ToValidUTF8 does), at most capacity bytes. Returns s itself, or a copy in buf. */
struct str host_label_value(struct str s, char *buf, size_t capacity);

/* "line N: expected WHAT, found 'LINE'" as E_PARSE. */
enum rc host_line_error(struct str text, struct str line, const char *expected, struct err *err);

/* The device-exclude default of the diskstats collector:
 * ^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$ */
bool host_disk_is_excluded(struct str device);
/* The fields default of the vmstat collector: ^(oom_kill|pgpg|pswp|pg.*fault).* */
bool host_vmstat_is_wanted(struct str field);
/* The fields default of the netstat collector, on PROTOCOL "_" FIELD. */
bool host_netstat_is_wanted(struct str protocol, struct str field);

/* Each in the file of its kind; see host_formats. */
#define HOST_FORMAT_PARSER(kind)                                                                   \
    enum rc host_parse_##kind(struct host_rows *t, struct str text, struct host_samples *out,      \
                              struct err *err);                                                    \
    enum rc host_name_##kind(struct host_rows *t, struct str key, unsigned column,                 \
                             uint32_t *ret_id, struct err *err);
HOST_FORMAT_PARSER(cpu)
HOST_FORMAT_PARSER(stat)
HOST_FORMAT_PARSER(loadavg)
HOST_FORMAT_PARSER(meminfo)
HOST_FORMAT_PARSER(vmstat)
HOST_FORMAT_PARSER(pressure)
HOST_FORMAT_PARSER(diskstats)
HOST_FORMAT_PARSER(netdev)
HOST_FORMAT_PARSER(netstat)
HOST_FORMAT_PARSER(snmp6)
HOST_FORMAT_PARSER(sockstat)
HOST_FORMAT_PARSER(file_nr)
#undef HOST_FORMAT_PARSER
