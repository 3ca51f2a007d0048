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
    if (!a->level || !a->feature) {
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
    *a = (struct awake){0};
}

void awake_clear(struct awake *a)
{
    for (size_t i = 0; i < 2 * a->n; i++)
        a->level[i] = 1; /* and of change, which follows */
    memset(a->past, 0, a->n_asleep * PAST * sizeof *a->past);
}

/* Added up from the oldest frame on, wherever that is: a restart comes to the same bits. */
static void set_units(struct awake *a, size_t i, const float *past)
{
    float distances = 0, changes = 0;
    int moves = 0;

    for (uint32_t f = 0; f < AWAKE_FRAMES; f++) {
        const uint32_t at = (a->head + f) % AWAKE_FRAMES;
        const float distance = past[at], change = past[AWAKE_FRAMES + at];
        distances += distance * distance;
        changes += change * change;
        moves += fabsf(change) > 1;
    }
    const float share = moves > STEP ? (float)(moves - STEP) / (AWAKE_FRAMES - STEP) : 0;
    a->level[i] = fmaxf(1, share * sqrtf(distances / AWAKE_FRAMES));
    a->change[i] = fmaxf(1, share * sqrtf(changes / AWAKE_FRAMES));
}

/* Deviations whose squares, added up, are finite. */
static float bounded(float z)
{
    const float most = 1e6f;

    return fmaxf(fminf(z, most), -most);
}

void awake_push(struct awake *a, const float *distance, const float *change, const uint8_t *present)
{
    for (size_t k = 0; k < a->n_asleep; k++) {
        const size_t i = a->feature[k];
        float *const past = a->past + k * PAST;
        past[a->head] = present[i] ? bounded(distance[i]) : 0;
        past[AWAKE_FRAMES + a->head] = present[i] ? bounded(change[i]) : 0;
    }
    a->head = (a->head + 1) % AWAKE_FRAMES;
    for (size_t k = 0; k < a->n_asleep; k++)
        set_units(a, a->feature[k], a->past + k * PAST);
}
