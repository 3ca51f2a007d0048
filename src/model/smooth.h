/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* smooth - the evidence of the last frames to a score: their average, weighted 0.8^age
 *
 * An exponential average with a finite memory, so that after SMOOTH_FRAMES frames nothing of those
 * before is left, to the bit. Frames without evidence (NaN) are passed over.
 *
 * Where features come now and then, what a frame lacks is lent to it: the feature's own average
 * over the frames that have it, in the same weights, as far back as it was never away for more than
 * FILL_TICKS on end (feature/filler.h). Else a feature that stands far off would make each frame
 * that has it look worse than each that has not, and the score would say which of the two it was.
 * Thread: its holder's. */
enum { SMOOTH_FRAMES = 16 };

struct smooth {
    size_t n;
    uint32_t head, held; /* the newest frame's place; frames held */
    uint32_t steady;     /* frames on end that had the same features as the one before */
    float evidence[SMOOTH_FRAMES];
    uint32_t counted[SMOOTH_FRAMES]; /* features that the evidence is the mean of */
    float *part;                     /* [SMOOTH_FRAMES][n]; NaN: it is lent */
    float *own, *weight, *reach;     /* [n]; one block with part */
};

/* Of n features, no frame held. E_NOMEM. */
MUST_CHECK enum rc smooth_init(struct smooth *s, size_t n, struct err *err);
void smooth_done(struct smooth *s);  /* a zeroed one is fine */
void smooth_clear(struct smooth *s); /* holds no frame any more */

/* The next frame: evidence, the mean of `counted` of the part[n], NaN for none; part[i] is NaN
 * where a feature that counts is missing. The score; NaN for NaN. */
float smooth_push(struct smooth *s, float evidence, size_t counted, const float *part);
