/* SPDX-License-Identifier: Apache-2.0 */
/* What a collect of this machine costs its thread: CPU time, user and system together. `hot` is
 * one after the other; `paced` has 20 ms between them, so that caches are as cold as they are in
 * a daemon that wakes once a second. */
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench.h"
#include "source/host.h"

enum { HOT = 2000, PACED = 150, PAUSE_US = 20000 };

/* The median of n collects in microseconds, or below 0 when one fails. */
static double median_us(struct host *h, size_t n, useconds_t pause_us, size_t *ret_samples)
{
    static double us[HOT];
    struct err err;

    for (size_t i = 0; i < n; i++) {
        struct snapshot *s;
        if (pause_us)
            (void)usleep(pause_us);
        const uint64_t start = clock_thread_cpu_ns();
        if (host_collect(h, 0, &s, &err) != OK) {
            fprintf(stderr, "bench_host: %s\n", err.msg);
            return -1;
        }
        *ret_samples = s->n;
        snapshot_free(s);
        us[i] = (double)(clock_thread_cpu_ns() - start) / 1000;
    }
    return bench_median(us, n);
}

int main(void)
{
    const struct host_paths paths = {"/proc", "/sys", "/"};
    CLEANUP(host_closep) struct host *h = NULL;
    struct err err;
    size_t samples;

    if (host_open(&paths, &h, &err) != OK) {
        fprintf(stderr, "bench_host: %s\n", err.msg);
        return 1;
    }
    const double first = median_us(h, 1, 0, &samples);
    const double hot = median_us(h, HOT, 0, &samples);
    const double paced = median_us(h, PACED, PAUSE_US, &samples);
    if (first < 0 || hot < 0 || paced < 0)
        return 1;
    bench_print("host collect", paced, "us");
    bench_print("host collect, hot", hot, "us");
    bench_print("host collect, the first", first, "us");
    bench_print("series of this machine", (double)samples, "series");
    return 0;
}
