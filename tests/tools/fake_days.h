/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "data/schema.h"

/* fake_days - a made-up host for tests that need days: features that follow one load with a daily
 * and a weekly rhythm, wander by themselves (AR(1) of a given time constant) and are noisy
 *
 * Time is a parameter, the seed too. Thread: its holder's. */

enum { FAKE_FEATURES_MAX = 64, FAKE_KINDS = 8 };
enum fake_kind {
    FAKE_CPU,
    FAKE_SYSTEM,
    FAKE_MEMORY,
    FAKE_FILES,
    FAKE_LATENCY,
    FAKE_DISK,
    FAKE_NETWORK,
    FAKE_PROCESSES
};

struct fake_days {
    size_t n; /* features; feature i is of kind i % FAKE_KINDS */
    int64_t interval_ms;
    double memory_h;      /* time constant of what wanders, hours */
    double daily, weekly; /* amplitudes of the load's rhythm; the load's own deviation is 0.5 */
    double resolution;    /* factor of the usual resolutions; 0 = none known */
    struct rng rng;
    double load, own[FAKE_FEATURES_MAX];
};

void fake_days_init(struct fake_days *f, size_t n, int64_t interval_ms, uint64_t seed);
struct schema *fake_days_schema(const struct fake_days *f);
/* The frame at ts_ms, which is interval_ms after the last one. */
void fake_days_frame(struct fake_days *f, int64_t ts_ms, float *frame);
/* How far kind k wanders by itself: one deviation, natural units. */
double fake_days_own(enum fake_kind k);
