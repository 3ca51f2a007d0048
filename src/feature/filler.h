/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/scaler.h"

/* filler - missing values: the last value that came, for at most FILL_TICKS frames, then the
 * training median. One entity's state. Thread: its holder's. */
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
