/* SPDX-License-Identifier: Apache-2.0 */
#include "model/awake.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { STEP = 2, PAST = 2 * AWAKE_FRAMES }; /* changes of a step; floats of a feature */

enum rc awake_init(struct awake *a, const struct model *m, struct err *err)
{
    const size_t n = m->schema->n;
    size_t asleep = 0;

    for (size_t i = 0; i < n; i++)
        asleep += !model_learned(m, i);
    *a = (struct awake){.n = n, .n_asleep = asleep};
    a->level = mem_array(2 * n + asleep * PAST, sizeof *a->level);
    a->feature = mem_array(asleep, sizeof *a->feature);
    a->still = mem_alloc(asleep);
    if (!a->level || !a->feature || !a->still) {
        awake_done(a);
        return err_set(err, E_NOMEM, "no memory to score %zu features", n);
    }
    a->change = a->level + n;
    a->past = a->change + n;
    for (size_t i = 0, k = 0; i < n; i++)
        if (!model_learned(m, i))
            a->feature[k++] = (uint16_t)i;
    awake_clear(a);
    return OK;
}

void awake_done(struct awake *a)
{
    mem_free(a->level);
    mem_free(a->feature);
    mem_free(a->still);
    *a = (struct awake){0};
}

void awake_clear(struct awake *a)
{
    for (size_t i = 0; i < 2 * a->n; i++)
        a->level[i] = 1; /* and of change, which follows */
    memset(a->past, 0, a->n_asleep * PAST * sizeof *a->past);
    memset(a->still, AWAKE_FRAMES, a->n_asleep);
}

/* Deviations whose squares, added up, are finite; within one nothing moved. */
static float bounded(float z)
{
    const float most = 1e6f;

    return fabsf(z) <= 1 ? 0 : fmaxf(fminf(z, most), -most);
}

void awake_note(struct awake *a, size_t k, float level, float change)
{
    float *const past = a->past + k * PAST;

    level = bounded(level);
    change = bounded(change);
    if (level != 0 || change != 0)
        a->still[k] = 0;
    else if (a->still[k] < AWAKE_FRAMES)
        a->still[k]++;
    past[a->newest] = level;
    past[AWAKE_FRAMES + a->newest] = change;
}

static float counts(float share, float squares)
{
    const float times = share * sqrtf(squares / AWAKE_FRAMES);

    return times > 1 ? 1 / times : 1;
}

/* Added up from the oldest frame on, wherever that is: a restart comes to the same bits. */
static void weigh(struct awake *a, size_t i, const float *past)
{
    float levels = 0, changes = 0;
    int moves = 0;

    for (uint32_t f = 0; f < AWAKE_FRAMES; f++) {
        const uint32_t at = (a->head + f) % AWAKE_FRAMES;
        const float level = past[at], change = past[AWAKE_FRAMES + at];
        levels += level * level;
        changes += change * change;
        moves += change != 0;
    }
    const float share = moves > STEP ? (float)(moves - STEP) / (AWAKE_FRAMES - STEP) : 0;
    a->level[i] = counts(share, levels);
    a->change[i] = counts(share, changes);
}

void awake_next(struct awake *a)
{
    for (size_t k = 0; k < a->n_asleep; k++) {
        const size_t i = a->feature[k];
        if (a->still[k] < AWAKE_FRAMES)
            weigh(a, i, a->past + k * PAST);
        else
            a->level[i] = a->change[i] = 1; /* as most are, most of the time */
    }
    a->newest = a->head;
    a->head = (a->head + 1) % AWAKE_FRAMES;
}
