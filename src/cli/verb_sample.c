/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/sample_print.h"
#include "cli/verb.h"
#include "source/exposition.h"
#include "source/host.h"

/* What is asked for. */
struct asked {
    struct host_paths paths;
    const char *exposition; /* a file, "-" for standard input, or NULL: this machine */
    bool openmetrics, as_json;
};

/* Takes samples. */
static json_t *json_of_host(const struct host *h, const struct snapshot *s, json_t *samples)
{
    if (!samples)
        return NULL;
    return json_pack("{s:s, s:f, s:s, s:I, s:o}", "nodename", host_nodename(h), "timestamp",
                     (double)s->ts_ms / 1000, "missing", host_missing(h), "errors",
                     (json_int_t)host_errors(h), "samples", samples);
}

/* h: whose samples they are, or NULL. */
static enum rc print(const struct snapshot *s, const struct host *h, bool as_json, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    size_t n;

    buf_init(&out, SAMPLE_OUTPUT_MAX);
    CLEANUP(mem_freep) struct sample_row *rows = sample_rows(s, &n);
    if (!rows)
        return err_set(err, E_NOMEM, "no memory for %zu samples", s->n);
    if (as_json) {
        json_t *samples = sample_rows_json(rows, n);
        json_t *all = h         ? json_of_host(h, s, samples)
                      : samples ? json_pack("{s:o}", "samples", samples)
                                : NULL;
        if (sample_put_json(&out, all, err) != OK)
            return err->rc;
    } else {
        sample_put_text(&out, rows, n);
    }
    return report_text(&out, err);
}

static enum rc sample_host(const struct asked *a, uint64_t *ret_errors, struct err *err)
{
    CLEANUP(host_closep) struct host *h = NULL;
    CLEANUP(snapshot_freep) struct snapshot *s = NULL;

    if (host_open(&a->paths, &h, err) != OK || host_collect(h, clock_wall_ms(), &s, err) != OK ||
        print(s, h, a->as_json, err) != OK)
        return err->rc;
    if (host_missing(h)[0])
        fprintf(stderr, "tocsin: not offered here: %s\n", host_missing(h));
    if (host_errors(h))
        fprintf(stderr, "tocsin: %s (%llu such failures)\n", host_last_error(h),
                (unsigned long long)host_errors(h));
    *ret_errors = host_errors(h);
    return OK;
}

static enum rc sample_exposition(const struct asked *a, struct err *err)
{
    const struct exposition_rules rules = {.n_labels = 0};
    const bool is_input = strcmp(a->exposition, "-") == 0;
    CLEANUP(exposition_parser_freep) struct exposition_parser *p = NULL;
    CLEANUP(exposition_layout_freep) struct exposition_layout *l = NULL;
    CLEANUP(snapshot_freep) struct snapshot *s = NULL;
    CLEANUP(mem_freep) char *text = NULL;
    struct exposition_counts counts;
    size_t n;

    if (file_read(is_input ? "/dev/stdin" : a->exposition, EXPOSITION_BODY_MAX, &text, &n, err) !=
            OK ||
        exposition_parser_new(&p, err) != OK || exposition_layout_new(&rules, &l, err) != OK)
        return err->rc;
    if (exposition_parse(p, l, a->openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT,
                         (struct str){text, n}, clock_wall_ms(), &s, &counts, err) != OK)
        return err_wrap(err, "%s", is_input ? "standard input" : a->exposition);
    if (counts.over_limit)
        fprintf(stderr, "tocsin: %zu samples left out: over %d labels or %d bytes of them\n",
                counts.over_limit, SERIES_LABELS_MAX, SERIES_TEXT_MAX);
    if (counts.untimely)
        fprintf(stderr, "tocsin: %zu samples left out: their time is far from now\n",
                counts.untimely);
    return print(s, NULL, a->as_json, err);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"procfs", required_argument, NULL, 'p'}, {"sysfs", required_argument, NULL, 's'},
        {"rootfs", required_argument, NULL, 'r'}, {"exposition", required_argument, NULL, 'e'},
        {"openmetrics", no_argument, NULL, 'o'},  {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct asked asked = {.paths = {"/proc", "/sys", "/"}};
    bool paths_given = false;
    uint64_t errors = 0;
    struct err err;
    struct verb_words words = {&verb_sample, argc, argv, ":h", options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        paths_given |= c == 'p' || c == 's' || c == 'r';
        if (c == 'p')
            asked.paths.procfs = optarg;
        else if (c == 's')
            asked.paths.sysfs = optarg;
        else if (c == 'r')
            asked.paths.rootfs = optarg;
        else if (c == 'e')
            asked.exposition = optarg;
        else if (c == 'o')
            asked.openmetrics = true;
        else if (c == 'j')
            asked.as_json = true;
        else if (c == 'h')
            return fputs(verb_sample.help, stdout) < 0 ? EXIT_TROUBLE : EXIT_FINE;
        else
            return EXIT_USAGE; /* refused, with a sentence */
    }
    if (optind < argc)
        return verb_usage(&verb_sample, "'%s' is not wanted: there are only options", argv[optind]);
    if (asked.openmetrics && !asked.exposition)
        return verb_usage(&verb_sample, "--openmetrics says what --exposition has; give both");
    if (asked.exposition && paths_given)
        return verb_usage(&verb_sample, "--exposition reads a file, not this machine's folders");
    if ((asked.exposition ? sample_exposition(&asked, &err) : sample_host(&asked, &errors, &err)) !=
        OK)
        return verb_fail(&err);
    return errors ? EXIT_TROUBLE : EXIT_FINE;
}

const struct verb verb_sample = {
    .name = "sample",
    .summary = "print once what this machine's metrics are",
    .help =
        "usage: tocsin sample [OPTION...]\n"
        "\n"
        "Reads /proc and /sys once and prints every series that `tocsin run` sees on this\n"
        "machine, in Prometheus's text format. Names, labels and units are Node Exporter's.\n"
        "\n"
        "  --procfs DIR       where procfs is mounted (default /proc)\n"
        "  --sysfs DIR        where sysfs is mounted (default /sys)\n"
        "  --rootfs DIR       where the root filesystem is mounted (default /)\n"
        "  --exposition FILE  not this machine, but what an exporter answered; - is standard\n"
        "                     input. Read as a scrape reads it\n"
        "  --openmetrics      the exposition is OpenMetrics, not text format 0.0.4\n"
        "  --json             as JSON: {\"nodename\", \"timestamp\", \"missing\", \"errors\",\n"
        "                     \"samples\": [{\"name\", \"type\", \"labels\", \"value\"}]}; of an\n"
        "                     exposition the samples alone\n"
        "  -h, --help         this text\n"
        "\n"
        "example: tocsin sample | grep node_pressure\n"
        "         curl -s localhost:9100/metrics | tocsin sample --exposition - --json\n"
        "\n"
        "exit code: 0 fine, 1 something could not be read (of this machine, the rest is\n"
        "printed; of an exposition nothing is), 2 usage\n",
    .run = run,
};
