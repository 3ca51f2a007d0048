/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_days.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng_normal.h"

static const struct kind {
    const char *name, *unit;
    double base, by_load, own, noise, resolution;
} kinds[FAKE_KINDS] = {
    {"cpu_user", "ratio", 0.25, 0.08, 0.02, 0.03, 0.05},
    {"cpu_system", "ratio", 0.06, 0.02, 0.005, 0.01, 0.05},
    {"memory_used", "ratio", 0.18, 0.01, 0.005, 0.001, 0.05},
    {"file_handles", "count", 2000, 200, 60, 10, 500},
    {"request_time", "s", 0.02, 0.004, 0.001, 0.002, 0.01},
    {"disk_written", "bytes/s", 4e6, 1e6, 2e5, 5e5, 4194304},
    {"network_receive", "bytes/s", 1e6, 3e5, 5e4, 1e5, 1048576},
    {"processes", "count", 220, 10, 3, 1, 50},
};

void fake_days_init(struct fake_days *f, size_t n, int64_t interval_ms, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    f->n = n;
    f->interval_ms = interval_ms;
    f->memory_h = 1;
    f->daily = f->weekly = 1;
    f->resolution = 1;
    rng_init(&f->rng, seed);
    f->load = 0.5 * rng_normal(&f->rng);
    for (size_t i = 0; i < n; i++)
        f->own[i] = rng_normal(&f->rng);
}

struct schema *fake_days_schema(const struct fake_days *f)
{
    static struct feature features[FAKE_FEATURES_MAX];
    struct schema *schema;
    struct err err;

    memset(features, 0, sizeof features);
    for (size_t i = 0; i < f->n; i++) {
        const struct kind *const k = &kinds[i % FAKE_KINDS];
        if (i < FAKE_KINDS)
            (void)snprintf(features[i].name, sizeof features[i].name, "%s", k->name);
        else
            (void)snprintf(features[i].name, sizeof features[i].name, "%s_%zu", k->name,
                           i / FAKE_KINDS);
        (void)snprintf(features[i].unit, sizeof features[i].unit, "%s", k->unit);
        features[i].resolution = (float)(k->resolution * f->resolution);
    }
    if (schema_new(features, f->n, &schema, &err) != OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return schema;
}

void fake_days_frame(struct fake_days *f, int64_t ts_ms, float *frame)
{
    const double day = (double)ts_ms / 86400e3;
    const double keep = exp(-(double)f->interval_ms / 3600e3 / f->memory_h);
    const double fresh = sqrt(1 - keep * keep);
    const int weekend = (int64_t)floor(day) % 7 >= 5;

    f->load = keep * f->load + fresh * 0.5 * rng_normal(&f->rng);
    const double load =
        f->load + f->daily * sin(2 * M_PI * (day - floor(day))) - (weekend ? f->weekly : 0);
    for (size_t i = 0; i < f->n; i++) {
        const struct kind *const k = &kinds[i % FAKE_KINDS];
        f->own[i] = keep * f->own[i] + fresh * rng_normal(&f->rng);
        const double x =
            k->base + k->by_load * load + k->own * f->own[i] + k->noise * rng_normal(&f->rng);
        frame[i] = (float)fmax(0, x);
    }
}

double fake_days_own(enum fake_kind k)
{
    return kinds[k].own;
}
