/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* news - which features are a cause: how much of what each adds to the evidence is new, and rare
 *
 * What stands farthest from what was learned need not be what is wrong now: a disk that has been
 * fuller for a week is not why the bell rings. Of feature i with part_i (model/departure.h):
 *   standing_i = (the exponential average of sqrt(part_i) over the frames before, one in
 *                NEWS_FRAMES its weight)^2
 *   new_i      = part_i - standing_i, NEWS_LEAST of part_i at least: where nothing is new, what
 *                stands is named
 *   cause_i    = new_i / sqrt(worst_i), worst_i the largest new_i of training, 1 at least: the
 *                geometric mean of how much is new and how many times the feature's own worst
 *                that is
 * Roots, because one wild frame must not stand for an hour. The memory is long beside an incident's
 * beginning, so that what grows slowly is named (docs/detection.md has both measured), and begins
 * empty: after a restart all is new. Scores do not depend on it. Thread: its holder's. */

#define NEWS_LEAST 0.01f

enum { NEWS_FRAMES = 1024 };

struct news {
    size_t n;
    float *root;  /* [n] of standing_i */
    float *cause; /* [n] of the newest frame; one block */
};

MUST_CHECK enum rc news_init(struct news *w, size_t n, struct err *err);
void news_done(struct news *w);

/* The next frame: part[n], at least 0 and 0 where not present[i]; worst[n]. w->cause is written. A
 * feature that is not there keeps what stood. */
void news_push(struct news *w, const float *part, const uint8_t *present, const float *worst);
