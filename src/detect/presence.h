/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/scaler.h"

/* presence - features that stopped arriving (absent) or stand still where they always moved
 * (frozen): absence is a signal of its own, not a value
 *
 * absent: it arrived in training and has not for PRESENCE_ABSENT_TICKS frames.
 * frozen: bit-equal for far longer than any stretch of training, where it moved all the time
 *         (the rule and its reason are in presence.c).
 * One entity's state. Pure. Thread: its holder's. */

enum { PRESENCE_ABSENT_TICKS = 5 };

enum presence_state { PRESENCE_FINE, PRESENCE_ABSENT, PRESENCE_FROZEN };

struct presence;

/* s: of the model in force; lent, must outlive it. */
MUST_CHECK enum rc presence_new(const struct scaler *s, struct presence **ret, struct err *err);
void presence_free(struct presence *p); /* NULL is fine */
static inline void presence_freep(struct presence **p)
{
    presence_free(*p);
}

/* True when some feature's state changed with this frame. */
bool presence_push(struct presence *p, const float *frame);
enum presence_state presence_of(const struct presence *p, size_t feature);
void presence_clear(struct presence *p); /* after a gap: count again from nothing */
/* Go on counting where `from` is, which is of as many features: the model was changed. */
void presence_resume(struct presence *p, const struct presence *from);
