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
 * of its distances, and of its changes, in those frames, where that is more than one. A feature
 * that keeps coming and going by the same counts 25 deviations after five frames, 7 after ten, and
 * one in the end. A step changes twice (model/recent.h): what goes to another value and stays
 * there, or leaves its own for a single frame now and then, is no less than it was. Finite: of the
 * last AWAKE_FRAMES frames, to the bit. Thread: its holder's. */
enum { AWAKE_FRAMES = 32 };

struct awake {
    size_t n, n_asleep; /* features; those that did not move in training */
    uint32_t head;      /* the oldest frame's place */
    uint16_t *feature;  /* [n_asleep] which they are */
    float *level;       /* [n] how many times as large its unit of levels is, >= 1 */
    float *change;      /* [n] the same of changes */
    float *past;        /* [n_asleep][2][AWAKE_FRAMES] distances and changes; one block with both */
};

/* Of the features of m, none of which moves yet. E_NOMEM. */
MUST_CHECK enum rc awake_init(struct awake *a, const struct model *m, struct err *err);
void awake_done(struct awake *a);  /* a zeroed one is fine */
void awake_clear(struct awake *a); /* nothing was seen to move */
/* A frame is over: how far each feature was from what was expected, and how far it moved, in its
 * own units; what is not present did not move. Levels and changes are of the next frame then. */
void awake_push(struct awake *a, const float *distance, const float *change,
                const uint8_t *present);
