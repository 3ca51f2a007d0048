/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/scaler.h"

/* filler - missing values: the last value that came, for at most FILL_TICKS frames, then the
 * training median. One entity's state. Thread: its holder's.
 *
 * What is filled is seen by the network, for the sake of the other features, and carries no weight
 * itself. Training shows it both kinds: gaps in its rows are filled here too, and feature dropout
 * (model/train.h) puts the median in. A last value is nearer to the truth than the median for
 * metrics that stand or drift, which most of a machine's do; it goes stale in one that swings,
 * which is why it does not stand for long. */
enum { FILL_TICKS = 5 };

struct filler;

MUST_CHECK enum rc filler_new(size_t n, struct filler **ret, struct err *err);
void filler_free(struct filler *f); /* NULL is fine */
static inline void filler_freep(struct filler **f)
{
    filler_free(*f);
}
/* filled[n] is finite; present[i] is 1 where frame[i] came with this frame and is finite.
 * filled may be frame. */
void filler_apply(struct filler *f, const struct scaler *s, const float *frame, float *filled,
                  uint8_t *present);
void filler_clear(struct filler *f);
