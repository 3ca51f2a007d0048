/* SPDX-License-Identifier: Apache-2.0 */
/* What a sample costs that comes by remote write, CPU time of one thread: bodies as Prometheus
 * sends them (2,000 samples of hosts with 500 series each, of which the features of a profile read
 * a fifth), unpacked, decoded and put into ticks; beside unpacking alone. The numbers are samples a
 * second, all samples of a body, taken or not. */
#include <inttypes.h>
#include <snappy-c.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "bench.h"
#include "push_body.h"
#include "source/remote_write.h"

enum { HOSTS = 100, SERIES = 500, BATCH = 2000, SCRAPES = 12, WARM = 2, INTERVAL_MS = 15000 };
enum { BODIES = HOSTS * SERIES / BATCH }; /* of one scrape of all hosts */

static const int64_t T0 = INT64_C(1740088500000);

static struct telemetry telemetry;
static size_t ticks;

static void must(enum rc rc, const struct err *err)
{
    if (rc == OK)
        return;
    fprintf(stderr, "bench_remote_write: %s\n", err->msg);
    exit(1);
}

static enum rc on_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    (void)arg, (void)instance, (void)err;
    ticks++;
    snapshot_free(s);
    return OK;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    (void)arg, (void)instance, (void)ts_ms, (void)why;
}

/* A fifth of a Node Exporter's series are read by some feature. */
static bool wants(void *arg, const struct series *s)
{
    (void)arg;
    return str_starts(s->name, STR("node_wanted_"));
}

/* Labels of the lengths that a Node Exporter's series have, with those that a server adds. */
struct names {
    char name[64], instance[64], device[32], mode[16];
    struct push_label labels[7];
};

static void name_series(size_t host, size_t i, struct names *n)
{
    static const char *const modes[] = {"idle", "iowait", "irq", "nice", "softirq", "system"};

    (void)snprintf(n->name, sizeof n->name, "node_%s_subsystem%zu_bytes_total",
                   i % 5 ? "other" : "wanted", i / 24);
    (void)snprintf(n->instance, sizeof n->instance, "host%03zu.prod.example.org:9100", host);
    (void)snprintf(n->device, sizeof n->device, "device%zu", i % 24 / 6);
    (void)snprintf(n->mode, sizeof n->mode, "%s", modes[i % 6]);
    const struct push_label labels[7] = {
        {"__name__", n->name}, {"cluster", "eu-west-1"},  {"device", n->device},
        {"env", "production"}, {"instance", n->instance}, {"job", "node-exporter"},
        {"mode", n->mode},
    };
    memcpy(n->labels, labels, sizeof labels);
}

/* One body: a part of one scrape. Values move, as counters and gauges do. */
static void make_body(int protocol, size_t scrape, size_t part, struct rng *rng, struct buf *packed)
{
    struct buf plain;
    struct push_2 request;

    buf_init(&plain, 64 << 20);
    push_2_init(&request);
    for (size_t k = part * BATCH; k < (part + 1) * BATCH; k++) {
        struct names n;
        name_series(k / SERIES, k % SERIES, &n);
        const struct push_sample sample = {
            (double)(k * 977 % 100000) * (double)(scrape + 1) + (double)rng_float(rng),
            T0 + (int64_t)scrape * INTERVAL_MS + (int64_t)(k / SERIES) * 137};
        if (protocol == 1)
            push_series_1(&plain, n.labels, 7, &sample, 1);
        else
            push_2_series(&request, n.labels, 7, &sample, 1, 1);
    }
    if (protocol == 2)
        push_2_format(&request, &plain);
    push_2_done(&request);
    push_pack(&plain, packed);
    buf_done(&plain);
}

static struct buf bodies[SCRAPES][BODIES];

static void make_bodies(int protocol)
{
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t s = 0; s < SCRAPES; s++)
        for (size_t b = 0; b < BODIES; b++) {
            buf_init(&bodies[s][b], 64 << 20);
            make_body(protocol, s, b, &rng, &bodies[s][b]);
        }
}

static void drop_bodies(void)
{
    for (size_t s = 0; s < SCRAPES; s++)
        for (size_t b = 0; b < BODIES; b++)
            buf_done(&bodies[s][b]);
}

/* Samples a second through the receiver: scrapes after the first two, whose series are new. */
static double measure(int protocol)
{
    static char label[] = "instance";
    const struct remote_write_spec spec = {true, INTERVAL_MS, label, 64 << 20};
    const struct intake intake = {.tick = on_tick, .stale = on_stale};
    const struct remote_write_options o = {
        .spec = &spec, .intake = &intake, .telemetry = &telemetry, .wants = wants, .seed = 5};
    struct push push = {
        .content_type = protocol == 1
                            ? STR("application/x-protobuf")
                            : STR("application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        .content_encoding = STR("snappy"),
        .wall_ms = T0 + (int64_t)(SCRAPES * INTERVAL_MS)};
    struct remote_write *r = NULL;
    struct push_reply reply;
    struct err err;
    uint64_t ns = 0;

    ticks = 0;
    must(remote_write_new(&o, &r, &err), &err);
    for (size_t s = 0; s < SCRAPES; s++) {
        const uint64_t start = clock_thread_cpu_ns();
        for (size_t b = 0; b < BODIES; b++) {
            push.body = bodies[s][b].p;
            push.n = bodies[s][b].n;
            remote_write_take(r, &push, &reply);
            if (reply.status != 204) {
                fprintf(stderr, "bench_remote_write: %u %s\n", reply.status, reply.message);
                exit(1);
            }
        }
        if (s >= WARM)
            ns += clock_thread_cpu_ns() - start;
        push.mono_ms += INTERVAL_MS;
        remote_write_poll(r, push.wall_ms, push.mono_ms);
    }
    remote_write_free(r);
    if (ticks != HOSTS * SCRAPES) {
        fprintf(stderr, "bench_remote_write: %zu ticks\n", ticks);
        exit(1);
    }
    return (double)(HOSTS * SERIES) * (SCRAPES - WARM) / ((double)ns / 1e9);
}

/* Unpacking the same bodies, and nothing else. */
static double measure_snappy(size_t *ret_plain)
{
    static char plain[4 << 20];
    const uint64_t start = clock_thread_cpu_ns();

    *ret_plain = 0;
    for (size_t s = WARM; s < SCRAPES; s++)
        for (size_t b = 0; b < BODIES; b++) {
            size_t n = sizeof plain;
            if (snappy_uncompress(bodies[s][b].p, bodies[s][b].n, plain, &n) != SNAPPY_OK)
                exit(1);
            *ret_plain += n;
        }
    const double ns = (double)(clock_thread_cpu_ns() - start);
    return (double)(HOSTS * SERIES) * (SCRAPES - WARM) / (ns / 1e9);
}

int main(void)
{
    for (int protocol = 1; protocol <= 2; protocol++) {
        char name[64];
        size_t plain;
        make_bodies(protocol);
        const double snappy = measure_snappy(&plain);
        const double all = measure(protocol);
        /* the budget is of 1.0, which is what is sent today */
        (void)snprintf(name, sizeof name, "remote write%s", protocol == 1 ? "" : " 2.0");
        bench_print(name, 1e9 / all, "ns/sample");
        (void)snprintf(name, sizeof name, "Snappy alone, %d.0", protocol);
        bench_print(name, 1e9 / snappy, "ns/sample");
        (void)snprintf(name, sizeof name, "remote write%s, samples", protocol == 1 ? "" : " 2.0");
        bench_print(name, all / 1e6, "million/s");
        (void)snprintf(name, sizeof name, "remote write%s, bytes of a sample",
                       protocol == 1 ? "" : " 2.0");
        bench_print(name, (double)plain / ((double)(HOSTS * SERIES) * (SCRAPES - WARM)), "bytes");
        drop_bodies();
    }
    return 0;
}
