/* SPDX-License-Identifier: Apache-2.0 */
#include "model/smooth.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "feature/filler.h"

/* Weight of a frame beside the next one's: half of it is gone after three frames. */
static const float DECAY = 0.8f;

enum rc smooth_init(struct smooth *s, size_t n, struct err *err)
{
    *s = (struct smooth){.n = n};
    s->part = mem_array(n, (SMOOTH_FRAMES + 3) * sizeof *s->part);
    if (!s->part)
        return err_set(err, E_NOMEM, "no memory for the last frames of %zu features", n);
    s->own = s->part + SMOOTH_FRAMES * n;
    s->weight = s->own + n;
    s->reach = s->weight + n;
    return OK;
}

void smooth_done(struct smooth *s)
{
    mem_free(s->part);
    *s = (struct smooth){0};
}

void smooth_clear(struct smooth *s)
{
    s->held = s->steady = 0;
}

static uint32_t place(const struct smooth *s, uint32_t age)
{
    return (s->head + SMOOTH_FRAMES - age) % SMOOTH_FRAMES;
}

static bool has_the_same(const float *a, const float *b, size_t n)
{
    bool same = true;

    for (size_t i = 0; i < n; i++)
        same &= isnan(a[i]) == isnan(b[i]);
    return same;
}

/* own[n]: what each feature lends, to frames of the age reach[n] at most, which is -1 for none. */
static void average_parts(struct smooth *s)
{
    float *const own = s->own, *const weight = s->weight, *const reach = s->reach;
    float w = 1;

    for (size_t i = 0; i < s->n; i++) {
        own[i] = weight[i] = 0;
        reach[i] = -1;
    }
    for (uint32_t age = 0; age < s->held; age++) {
        const float *const part = s->part + place(s, age) * s->n;
        for (size_t i = 0; i < s->n; i++) {
            const bool lends = !isnan(part[i]) && (float)age - reach[i] <= FILL_TICKS + 1;
            own[i] += lends ? w * part[i] : 0;
            weight[i] += lends ? w : 0;
            reach[i] = lends ? (float)age : reach[i];
        }
        w *= DECAY;
    }
    for (size_t i = 0; i < s->n; i++)
        own[i] /= weight[i];
}

/* The evidence of a frame with what it lacks; NaN for one of nothing. */
static float with_lent(const struct smooth *s, uint32_t age)
{
    const uint32_t at = place(s, age);
    const float *const part = s->part + at * s->n;
    double sum = (double)s->evidence[at] * s->counted[at];
    size_t counted = s->counted[at];

    for (size_t i = 0; i < s->n; i++)
        if (isnan(part[i]) && (float)age <= s->reach[i]) {
            sum += (double)s->own[i];
            counted++;
        }
    return (float)(sum / (double)counted);
}

float smooth_push(struct smooth *s, float evidence, size_t counted, const float *part)
{
    const float *const before = s->part + s->head * s->n;
    float weight = 1, weights = 0, sum = 0;

    s->steady = s->held > 0 && has_the_same(before, part, s->n) ? s->steady + 1 : 0;
    s->head = (s->head + 1) % SMOOTH_FRAMES;
    s->held += s->held < SMOOTH_FRAMES;
    s->evidence[s->head] = evidence;
    s->counted[s->head] = (uint32_t)counted;
    memcpy(s->part + s->head * s->n, part, s->n * sizeof *part);
    const bool lent = s->steady + 1 < s->held;
    if (lent)
        average_parts(s);
    for (uint32_t age = 0; age < s->held; age++) {
        const float past = lent ? with_lent(s, age) : s->evidence[place(s, age)];
        sum += isnan(past) ? 0 : weight * past;
        weights += isnan(past) ? 0 : weight;
        weight *= DECAY;
    }
    return isnan(evidence) ? NAN : sum / weights;
}
