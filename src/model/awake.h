/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

/* awake - what never moved in training, and moves now
 *
 * Nothing was learned of how far such a feature goes: its unit is small (model/yardstick.h), so
 * that it rings when it wakes. One that moves all the time from then on would fill every score and
 * hide all other features, until a model is made that knows it. So its unit grows while it moves:
 * where it changed by more than one in k of the last AWAKE_FRAMES frames, it is as many times as
 * large as
 *     (k - 2) / (AWAKE_FRAMES - 2) rms
 * of its distances over one, and of its changes, in those frames, where that is more than one. A
 * feature that keeps coming and going by the same counts 25 deviations after five frames, 7 after
 * ten, and one in the end. A step changes twice (model/recent.h): what goes to another value and
 * stays there, or leaves its own for a frame at most twice in them, is no less than it was. Finite:
 * of the last AWAKE_FRAMES frames, to the bit. Thread: its holder's. */
enum { AWAKE_FRAMES = 32 };

struct awake {
    size_t n, n_asleep;    /* features; those that did not move in training */
    uint32_t head, newest; /* the places of the oldest frame, and of the one that is noted */
    uint16_t *feature;     /* [n_asleep] which they are */
    uint8_t *still; /* [n_asleep] frames on end without a move; AWAKE_FRAMES: nothing is held */
    float *level;   /* [n] what a deviation of its level counts, 0 to 1 */
    float *change;  /* [n] the same of its change */
    float *past;    /* [n_asleep][2][AWAKE_FRAMES] levels and changes; one block with both */
};

/* Of the features of m, none of which moves yet. E_NOMEM. */
MUST_CHECK enum rc awake_init(struct awake *a, const struct model *m, struct err *err);
void awake_done(struct awake *a);  /* a zeroed one is fine */
void awake_clear(struct awake *a); /* nothing was seen to move */

/* Before a frame: what counts in it, by those that were noted. */
void awake_next(struct awake *a);
/* After it, for each k: how far feature[k] was from what was expected, and how far it moved, in its
 * own units; both 0 where it was not there. */
void awake_note(struct awake *a, size_t k, float level, float change);
