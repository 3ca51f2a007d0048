/* SPDX-License-Identifier: Apache-2.0 */
/* What a tick of the profile `node` costs its thread in CPU time: the samples are taken, every
 * expression is computed, features are derived. Once with this machine's own series, once with
 * those of a machine of 64 cores. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench.h"
#include "feature/derive.h"
#include "feature/evaluator.h"
#include "source/host.h"

enum { WARM_UP = 20, TICKS = 5000, CORES = 64 };

/* The median of TICKS ticks of s, whose counters go on; below 0 on failure. */
static double median_us(const struct profile *p, struct snapshot *s, struct err *err)
{
    static double us[TICKS];
    static double base[SCHEMA_FEATURES_MAX];
    static float frame[SCHEMA_FEATURES_MAX];
    CLEANUP(evaluator_freep) struct evaluator *e = NULL;
    CLEANUP(deriver_freep) struct deriver *d = NULL;

    if (evaluator_new(p, 1000, &e, err) != OK || deriver_new(p, &d, err) != OK)
        return -1;
    for (int t = 0; t < WARM_UP + TICKS; t++) {
        s->ts_ms = 1000 * (t + 1);
        for (size_t i = 0; i < s->n; i++)
            s->v[i] += 0.25;
        const uint64_t start = clock_thread_cpu_ns();
        if (evaluator_push(e, s, err) != OK)
            return -1;
        evaluator_eval(e, s->ts_ms, base);
        deriver_apply(d, s->ts_ms, base, frame);
        if (t >= WARM_UP)
            us[t - WARM_UP] = (double)(clock_thread_cpu_ns() - start) / 1000;
    }
    return bench_median(us, TICKS);
}

/* The set of s and the times of CORES cores. */
static enum rc add_cores(const struct snapshot *s, struct snapshot **ret, struct err *err)
{
    static const char *const modes[] = {"user",   "nice",    "system", "idle",
                                        "iowait", "softirq", "irq",    "steal"};
    char core[8];
    uint32_t id;

    for (int c = 0; c < CORES; c++)
        for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
            (void)snprintf(core, sizeof core, "%d", c);
            const struct label labels[] = {{STR("cpu"), str_of(core)},
                                           {STR("mode"), str_of(modes[m])}};
            if (series_set_intern(s->set, STR("node_cpu_seconds_total"), labels, 2, METRIC_COUNTER,
                                  &id, err) != OK)
                return err->rc;
        }
    *ret = snapshot_new(s->set, 0);
    if (!*ret)
        return err_set(err, E_NOMEM, "no memory");
    for (size_t i = 0; i < (*ret)->n; i++)
        (*ret)->v[i] = i < s->n ? s->v[i] : 100;
    return OK;
}

int main(void)
{
    const struct host_paths paths = {"/proc", "/sys", "/"};
    CLEANUP(host_closep) struct host *h = NULL;
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(snapshot_freep) struct snapshot *here = NULL;
    CLEANUP(snapshot_freep) struct snapshot *large = NULL;
    struct err err = {0};
    double own = -1, many = -1;

    if (host_open(&paths, &h, &err) == OK && host_collect(h, 0, &here, &err) == OK &&
        profile_load("node", 1000, &p, &err) == OK && add_cores(here, &large, &err) == OK) {
        own = median_us(p, here, &err);
        many = own < 0 ? -1 : median_us(p, large, &err);
    }
    if (own < 0 || many < 0) {
        fprintf(stderr, "bench_evaluator: %s\n", err.msg);
        return 1;
    }
    bench_print("evaluator tick", own, "us");
    bench_print("evaluator tick, 64 cores", many, "us");
    return 0;
}
