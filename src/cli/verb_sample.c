/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "source/host.h"

enum { OUTPUT_MAX = 256 << 20 };

struct row { /* one sample */
    const struct series *series;
    uint32_t id;
    double v;
};

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_UNTYPED:
        break;
    }
    return "untyped";
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    const struct str p = x->series->name, q = y->series->name;
    const int c = memcmp(p.p, q.p, p.n < q.n ? p.n : q.n);

    if (c != 0 || p.n != q.n)
        return c ? c : p.n < q.n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The samples of s by family; *ret_n of them. NULL: no memory. The caller owns them. */
static struct row *sorted(const struct snapshot *s, size_t *ret_n)
{
    size_t n = 0;

    struct row *rows = mem_array(s->n, sizeof *rows);
    if (!rows)
        return NULL;
    for (uint32_t id = 0; id < s->n; id++)
        if (!series_is_stale(s->v[id]))
            rows[n++] = (struct row){series_set_at(s->set, id), id, s->v[id]};
    qsort(rows, n, sizeof *rows, compare);
    *ret_n = n;
    return rows;
}

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else
            buf_add(out, &c, 1);
    }
}

/* The text exposition format 0.0.4. */
static void put_text(struct buf *out, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct series *s = rows[i].series;
        if (i == 0 || !str_eq(s->name, rows[i - 1].series->name)) {
            buf_puts(out, "# TYPE ");
            buf_str(out, s->name);
            buf_printf(out, " %s\n", type_name(s->type));
        }
        buf_str(out, s->name);
        for (size_t j = 0; j < s->n_labels; j++) {
            buf_puts(out, j ? "," : "{");
            buf_str(out, s->labels[j].name);
            buf_puts(out, "=\"");
            put_escaped(out, s->labels[j].value);
            buf_puts(out, "\"");
        }
        buf_puts(out, s->n_labels ? "} " : " ");
        buf_double(out, rows[i].v);
        buf_puts(out, "\n");
    }
}

static json_t *json_of_row(const struct row *row)
{
    const struct series *s = row->series;
    json_t *labels = json_object();

    for (size_t j = 0; j < s->n_labels; j++) {
        const struct label *l = &s->labels[j];
        char *name = mem_strndup(l->name.p, l->name.n);
        if (name)
            (void)json_object_set_new(labels, name, json_stringn(l->value.p, l->value.n));
        mem_free(name);
    }
    return json_pack("{s:s%, s:s, s:o, s:f}", "name", s->name.p, s->name.n, "type",
                     type_name(s->type), "labels", labels, "value", row->v);
}

static json_t *json_of(const struct host *h, const struct snapshot *s, const struct row *rows,
                       size_t n)
{
    json_t *samples = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(samples, json_of_row(&rows[i]));
    if (json_array_size(samples) != n) {
        json_decref(samples);
        return NULL;
    }
    return json_pack("{s:s, s:f, s:s, s:I, s:o}", "nodename", host_nodename(h), "timestamp",
                     (double)s->ts_ms / 1000, "missing", host_missing(h), "errors",
                     (json_int_t)host_errors(h), "samples", samples);
}

static enum rc put_json(struct buf *out, const struct host *h, const struct snapshot *s,
                        const struct row *rows, size_t n, struct err *err)
{
    json_t *all = json_of(h, s, rows, n);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;

    json_decref(all);
    if (!text)
        return err_set(err, E_NOMEM, "no memory for the samples as JSON");
    buf_puts(out, text);
    buf_puts(out, "\n");
    free(text); /* jansson's */
    return OK;
}

static enum rc sample(const struct host_paths *paths, bool as_json, uint64_t *ret_errors,
                      struct err *err)
{
    CLEANUP(host_closep) struct host *h = NULL;
    CLEANUP(snapshot_freep) struct snapshot *s = NULL;
    CLEANUP(buf_done) struct buf out;
    size_t n;

    buf_init(&out, OUTPUT_MAX);
    if (host_open(paths, &h, err) != OK || host_collect(h, clock_wall_ms(), &s, err) != OK)
        return err->rc;
    CLEANUP(mem_freep) struct row *rows = sorted(s, &n);
    if (!rows)
        return err_set(err, E_NOMEM, "no memory for %zu samples", s->n);
    if (!as_json)
        put_text(&out, rows, n);
    else if (put_json(&out, h, s, rows, n, err) != OK)
        return err->rc;
    if (report_text(&out, err) != OK)
        return err->rc;
    if (host_missing(h)[0])
        fprintf(stderr, "tocsin: not offered here: %s\n", host_missing(h));
    if (host_errors(h))
        fprintf(stderr, "tocsin: %s (%llu such failures)\n", host_last_error(h),
                (unsigned long long)host_errors(h));
    *ret_errors = host_errors(h);
    return OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"procfs", required_argument, NULL, 'p'}, {"sysfs", required_argument, NULL, 's'},
        {"rootfs", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct host_paths paths = {"/proc", "/sys", "/"};
    bool as_json = false;
    uint64_t errors = 0;
    struct err err;
    struct verb_words words = {&verb_sample, argc, argv, ":h", options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'p')
            paths.procfs = optarg;
        else if (c == 's')
            paths.sysfs = optarg;
        else if (c == 'r')
            paths.rootfs = optarg;
        else if (c == 'j')
            as_json = true;
        else if (c == 'h')
            return fputs(verb_sample.help, stdout) < 0 ? EXIT_TROUBLE : EXIT_FINE;
        else
            return EXIT_USAGE; /* refused, with a sentence */
    }
    if (optind < argc)
        return verb_usage(&verb_sample, "'%s' is not wanted: there are only options", argv[optind]);
    if (sample(&paths, as_json, &errors, &err) != OK)
        return verb_fail(&err);
    return errors ? EXIT_TROUBLE : EXIT_FINE;
}

const struct verb verb_sample = {
    .name = "sample",
    .summary = "print once what this machine's metrics are",
    .help = "usage: tocsin sample [OPTION...]\n"
            "\n"
            "Reads /proc and /sys once and prints every series that `tocsin run` sees on this\n"
            "machine, in Prometheus's text format. Names, labels and units are Node Exporter's.\n"
            "\n"
            "  --procfs DIR  where procfs is mounted (default /proc)\n"
            "  --sysfs DIR   where sysfs is mounted (default /sys)\n"
            "  --rootfs DIR  where the root filesystem is mounted (default /)\n"
            "  --json        as JSON: {\"nodename\", \"timestamp\", \"missing\", \"errors\",\n"
            "                \"samples\": [{\"name\", \"type\", \"labels\", \"value\"}]}\n"
            "  -h, --help    this text\n"
            "\n"
            "example: tocsin sample | grep node_pressure\n"
            "\n"
            "exit code: 0 fine, 1 something could not be read (the rest is printed), 2 usage\n",
    .run = run,
};
