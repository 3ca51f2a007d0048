/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/presence.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

/* Frozen: equal for more than ten times the longest stretch of equal values in training, and for
 * at least sixty frames, so that a short training does not cry out at a lull. A stretch that ended
 * by itself counts like one of training: what came back was not broken, and the same lull must not
 * be cried out again and again. A feature that stood still for a twentieth of its training in one
 * stretch does not "always move": it is never called frozen. */
enum { FROZEN_FACTOR = 10, FROZEN_LEAST = 60, FROZEN_SHARE = 20 };

struct slot {
    float last;
    uint32_t missing, still; /* frames in a row */
    uint32_t longest;        /* stretch of `still` that ended by itself */
    enum presence_state state;
};

struct presence {
    const struct scaler *scaler;
    struct slot slot[];
};

enum rc presence_new(const struct scaler *s, struct presence **ret, struct err *err)
{
    struct presence *p = mem_alloc(sizeof *p + s->n * sizeof p->slot[0]);

    if (!p)
        return err_set(err, E_NOMEM, "presence of %zu features: no memory", s->n);
    p->scaler = s;
    presence_clear(p);
    *ret = p;
    return OK;
}

void presence_free(struct presence *p)
{
    mem_free(p);
}

void presence_clear(struct presence *p)
{
    for (size_t i = 0; i < p->scaler->n; i++)
        p->slot[i] = (struct slot){.last = NAN, /* equal to nothing */
                                   .longest = p->slot[i].longest};
}

void presence_resume(struct presence *p, const struct presence *from)
{
    assert(p->scaler->n == from->scaler->n);
    memcpy(p->slot, from->slot, p->scaler->n * sizeof p->slot[0]);
}

static bool can_freeze(const struct scaler *s, size_t i)
{
    return (s->constant[i] == SCALER_MOVES || s->constant[i] == SCALER_WEIGHTLESS) &&
           s->longest_still[i] < s->rows / FROZEN_SHARE;
}

static enum presence_state judge(const struct scaler *s, size_t i, const struct slot *slot)
{
    /* What never came in training is not missed now. */
    if (s->seen[i] > 0 && slot->missing >= PRESENCE_ABSENT_TICKS)
        return PRESENCE_ABSENT;
    const uint64_t longest =
        slot->longest > s->longest_still[i] ? slot->longest : s->longest_still[i];
    const uint64_t limit = FROZEN_FACTOR * longest;
    if (can_freeze(s, i) && slot->still > limit && slot->still >= FROZEN_LEAST)
        return PRESENCE_FROZEN;
    return PRESENCE_FINE;
}

bool presence_push(struct presence *p, const float *frame)
{
    const struct scaler *s = p->scaler;
    bool changed = false;

    for (size_t i = 0; i < s->n; i++) {
        struct slot *slot = &p->slot[i];
        if (!isfinite(frame[i])) {
            slot->missing += slot->missing < UINT32_MAX;
            slot->still = 0;
        } else {
            slot->missing = 0;
            if (frame[i] != slot->last) {
                slot->longest = slot->still > slot->longest ? slot->still : slot->longest;
                slot->still = 0;
            } else {
                slot->still += slot->still < UINT32_MAX;
            }
            slot->last = frame[i];
        }
        const enum presence_state now = judge(s, i, slot);
        changed |= now != slot->state;
        slot->state = now;
    }
    return changed;
}

enum presence_state presence_of(const struct presence *p, size_t feature)
{
    return p->slot[feature].state;
}
