/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "data/intake.h"

/* fake_intake - an intake that keeps what it is told, up to FAKE_TICKS_MAX ticks */

enum { FAKE_TICKS_MAX = 4096, FAKE_NAME_MAX = 64 };

struct fake_tick {
    char instance[FAKE_NAME_MAX];
    struct snapshot *s; /* NULL: stale */
    int64_t ts_ms;
    char why[96];
};

struct fake_intake {
    struct intake intake; /* its arg is this */
    struct fake_tick ticks[FAKE_TICKS_MAX];
    size_t n;
    bool full;          /* tick answers E_LIMIT */
    const char *unlike; /* an instance that is answered with E_CONFIG, or NULL */
    size_t asked;       /* calls of tick */
    char group[FAKE_NAME_MAX], grouped[FAKE_NAME_MAX]; /* what was told last, and of whom */
    size_t groups;                                     /* calls of group */
};

void fake_intake_init(struct fake_intake *f);
void fake_intake_clear(struct fake_intake *f); /* frees the ticks */
/* The value of a series in a tick, by its name: stale where the set has none. */
double fake_tick_value(const struct fake_tick *t, const char *name);
