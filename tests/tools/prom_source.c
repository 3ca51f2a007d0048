/* SPDX-License-Identifier: Apache-2.0 */
/* prom_source - runs the source `prometheus` and prints what it hands on, a line each, until
 * standard input ends. For tests against servers.
 *
 *   prom_source URL PROFILE INTERVAL BACKFILL [LAST_MS]
 * prints, with tabs between the words:
 *   frame NAME TS_MS VALUE...    caught_up NAME    stale NAME TS_MS WHY
 *   progress DONE OF             said RC SENTENCE
 *   stats REQUESTS FAILURES RETRIES HALVINGS MISSING FRAMES ENTITIES UP    at the end
 * Every fiftieth frame is at first refused, as by a line that is full. LAST_MS: of the newest frame
 * of every entity. TOCSIN_MATCH in the environment goes into every selector; with TOCSIN_SHARE, the
 * name of a label: group NAME VALUE. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "feature/profile_by.h"
#include "source/prometheus.h"

struct sink {
    uint64_t calls;
    int64_t last_ms;
};

static enum rc take_frame(void *arg, const char *instance, int64_t ts_ms, const double *base,
                          size_t n, struct err *err)
{
    struct sink *s = arg;

    if (++s->calls % 50 == 0)
        return err_set(err, E_LIMIT, "full");
    printf("frame\t%s\t%lld", instance, (long long)ts_ms);
    for (size_t i = 0; i < n; i++)
        printf("\t%.17g", base[i]);
    printf("\n");
    return OK;
}

static enum rc take_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    (void)arg, (void)instance, (void)s;
    return err_set(err, E_STATE, "a server gives frames");
}

static enum rc caught_up(void *arg, const char *instance, struct err *err)
{
    (void)arg, (void)err;
    printf("caught_up\t%s\n", instance);
    fflush(stdout);
    return OK;
}

static enum rc group(void *arg, const char *instance, const char *name, struct err *err)
{
    (void)arg, (void)err;
    printf("group\t%s\t%s\n", instance, name);
    fflush(stdout);
    return OK;
}

static void stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    (void)arg;
    printf("stale\t%s\t%lld\t%s\n", instance, (long long)ts_ms, why);
    fflush(stdout);
}

static void progress(void *arg, uint64_t done, uint64_t of)
{
    (void)arg;
    printf("progress\t%llu\t%llu\n", (unsigned long long)done, (unsigned long long)of);
}

static void said(void *arg, enum rc rc, const char *sentence)
{
    (void)arg;
    printf("said\t%d\t%s\n", rc, sentence);
    fflush(stdout);
}

static int64_t last_ms(void *arg, const char *instance)
{
    const struct sink *s = arg;

    (void)instance;
    return s->last_ms;
}

static void print_stats(struct prometheus_source *source)
{
    struct prometheus_stats s;

    prometheus_stats(source, &s);
    printf("stats\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%d\n", (unsigned long long)s.requests,
           (unsigned long long)s.failures, (unsigned long long)s.retries,
           (unsigned long long)s.halvings, (unsigned long long)s.missing,
           (unsigned long long)s.frames, (unsigned long long)s.entities, s.up);
}

static enum rc run(char **argv, struct sink *sink, struct prometheus_spec *spec, struct err *err)
{
    struct profile *profile = NULL;
    struct profile_queries q = {0};
    struct prometheus_source *source = NULL;
    char byte;

    if (profile_load(argv[2], spec->interval_ms, &profile, err) != OK ||
        profile_queries(profile, &(struct expr_by){.label = "instance", .match = spec->match}, &q,
                        err) != OK)
        return err->rc;
    const struct prom_features features = {.n = q.n,
                                           .names = (const char *const *)q.names,
                                           .promql = (const char *const *)q.promql,
                                           .age = q.age,
                                           .age_most_ms = q.age_most_ms};
    const struct intake intake = {.arg = sink,
                                  .tick = take_tick,
                                  .frame = take_frame,
                                  .caught_up = caught_up,
                                  .group = group,
                                  .stale = stale};
    const struct prometheus_hooks hooks = {.arg = sink,
                                           .share = getenv("TOCSIN_SHARE"),
                                           .progress = progress,
                                           .said = said,
                                           .last_ms = last_ms};
    enum rc rc = prometheus_start(spec, &features, &intake, &hooks, &source, err);
    while (rc == OK && read(STDIN_FILENO, &byte, 1) > 0)
        ;
    if (rc == OK)
        print_stats(source);
    prometheus_stop(source);
    profile_queries_done(&q);
    profile_free(profile);
    return rc;
}

int main(int argc, char **argv)
{
    struct sink sink = {0};
    char label[] = "instance";
    struct prometheus_spec spec = {.entity_label = label, .match = getenv("TOCSIN_MATCH")};
    struct err err;

    if (argc < 5 || !str_to_duration_ms(str_of(argv[3]), &spec.interval_ms) ||
        !str_to_duration_ms(str_of(argv[4]), &spec.backfill_ms) ||
        (argc > 5 && !str_to_i64(str_of(argv[5]), &sink.last_ms))) {
        fprintf(stderr, "usage: prom_source URL PROFILE INTERVAL BACKFILL [LAST_MS]\n");
        return 2;
    }
    spec.url = argv[1];
    spec.access.timeout_ms = 10000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (run(argv, &sink, &spec, &err) != OK) {
        fprintf(stderr, "prom_source: %s\n", err.msg);
        return 1;
    }
    return 0;
}
