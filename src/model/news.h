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
 * Roots, so that one wild frame does not stand for an hour. The memory is long beside an incident's
 * beginning, so that what grows over minutes is named (docs/detection.md has how slow it may be);
 * what creeps for longer is the frozen reference's (detect/reference.h). It is kept over gaps, and
 * begins empty: after a restart, and with a new model, all is new. Of a pool of entities, what one
 * has beside the others is in worst_i. Scores do not depend on it. Thread: its holder's. */

/* Of a part: less than chance makes of any feature, unless what stands is off by hundreds, and
 * enough to rank what stands where nothing is new. */
#define NEWS_LEAST 0.01f

/* worst_i is at most this, the part of a level and a change that are off by 100 units each: as far
 * as a row can be of the rows that its unit was taken from (model/yardstick.h). So a glitch while
 * learning takes a feature's name off the list no further than that. */
#define NEWS_WORST_MAX 1182.0f

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
