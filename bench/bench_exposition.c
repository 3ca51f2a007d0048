/* SPDX-License-Identifier: Apache-2.0 */
/* bench-exposition FILE FILE: two answers of one exporter, a moment apart, parsed in turn: with the
 * layout of the target's last scrape, and at first sight. Beside memcpy of the same bytes. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench.h"
#include "source/exposition.h"

enum { RUNS = 2001, FIRST_RUNS = 301, BODY_MAX = 64 << 20 };

struct body {
    char *p;
    size_t n;
};

static struct exposition_parser *parser;
static size_t samples; /* of the last body */

static bool parse(struct exposition_layout *l, const struct body *b)
{
    struct exposition_counts counts;
    struct snapshot *s;
    struct err err;

    if (exposition_parse(parser, l, EXPOSITION_TEXT, (struct str){b->p, b->n}, 0, &s, &counts,
                         &err) != OK) {
        fprintf(stderr, "bench_exposition: %s\n", err.msg);
        return false;
    }
    snapshot_free(s);
    samples = counts.samples;
    return true;
}

/* About what a profile of a machine asks for. */
static bool wants(void *arg, struct str name, const struct label *labels, size_t n_labels)
{
    static const char *const some[] = {
        "node_cpu_seconds", "node_memory_Mem", "node_memory_Swap",
        "node_load",        "node_disk_io",    "node_filesystem_avail",
        "node_pressure",    "node_network_re", "node_network_tr"};
    (void)arg;
    (void)labels;
    (void)n_labels;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (str_starts(name, str_of(some[i])))
            return true;
    return false;
}

static struct exposition_layout *new_layout(bool all)
{
    static const struct label labels[] = {{STR("instance"), STR("db1:9100")},
                                          {STR("job"), STR("node")}};
    const struct exposition_rules rules = {
        .labels = labels, .n_labels = 2, .wants = all ? NULL : wants};
    struct exposition_layout *l = NULL;
    struct err err;

    if (exposition_layout_new(&rules, &l, &err) != OK)
        fprintf(stderr, "bench_exposition: %s\n", err.msg);
    return l;
}

/* Seconds that a parse takes, the median; below 0 when one fails. */
static double again_s(const struct body *bodies, bool all)
{
    static double s[RUNS];
    struct exposition_layout *l = new_layout(all);
    bool fine = l && parse(l, &bodies[0]);

    for (size_t i = 0; i < RUNS && fine; i++) {
        const uint64_t start = clock_thread_cpu_ns();
        fine = parse(l, &bodies[i % 2]);
        s[i] = (double)(clock_thread_cpu_ns() - start) / 1e9;
    }
    if (fine)
        bench_print(all ? "exposition, remembered of a target"
                        : "exposition, remembered of a target, by a profile",
                    (double)exposition_layout_bytes(l) / 1024, "KiB");
    exposition_layout_free(l);
    return fine ? bench_median(s, RUNS) : -1;
}

static double first_s(const struct body *body)
{
    static double s[FIRST_RUNS];

    for (size_t i = 0; i < FIRST_RUNS; i++) {
        struct exposition_layout *l = new_layout(true);
        const uint64_t start = clock_thread_cpu_ns();
        const bool fine = l && parse(l, body);
        s[i] = (double)(clock_thread_cpu_ns() - start) / 1e9;
        exposition_layout_free(l);
        if (!fine)
            return -1;
    }
    return bench_median(s, FIRST_RUNS);
}

static double copy_s(const struct body *body)
{
    static double s[RUNS];
    char *to = mem_alloc(body->n);

    if (!to)
        return -1;
    for (size_t i = 0; i < RUNS; i++) {
        const uint64_t start = clock_thread_cpu_ns();
        memcpy(to, body->p, body->n);
        __asm__ volatile("" : : "r"(to) : "memory"); /* it is needed */
        s[i] = (double)(clock_thread_cpu_ns() - start) / 1e9;
    }
    mem_free(to);
    return bench_median(s, RUNS);
}

int main(int argc, char **argv)
{
    struct body bodies[2];
    struct err err;

    if (argc != 3) {
        fprintf(stderr, "usage: bench-exposition FILE FILE\n");
        return 2;
    }
    for (int i = 0; i < 2; i++)
        if (file_read(argv[i + 1], BODY_MAX, &bodies[i].p, &bodies[i].n, &err) != OK) {
            fprintf(stderr, "bench_exposition: %s\n", err.msg);
            return 1;
        }
    if (exposition_parser_new(&parser, &err) != OK) {
        fprintf(stderr, "bench_exposition: %s\n", err.msg);
        return 1;
    }
    const double again = again_s(bodies, true), some = again_s(bodies, false);
    const double first = first_s(&bodies[0]), copy = copy_s(&bodies[0]);
    if (again < 0 || some < 0 || first < 0 || copy < 0)
        return 1;
    const double bytes = (double)bodies[0].n;
    bench_print("exposition, same target again", bytes / again / 1e6, "MB/s");
    bench_print("exposition, again, by a profile", bytes / some / 1e6, "MB/s");
    bench_print("exposition, first sight", bytes / first / 1e6, "MB/s");
    bench_print("memcpy of the same", bytes / copy / 1e6, "MB/s");
    bench_print("exposition, samples again", (double)samples / again / 1e6, "million/s");
    bench_print("exposition, samples at first sight", (double)samples / first / 1e6, "million/s");
    bench_print("exposition, series of the body", (double)samples, "series");
    exposition_parser_free(parser);
    mem_free(bodies[0].p);
    mem_free(bodies[1].p);
    return 0;
}
