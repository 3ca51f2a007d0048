/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/counterfactual.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct search {
    size_t n;
    float threshold;
    counterfactual_ask_fn *ask;
    void *arg;
    uint8_t *restored;
    float *part;
    struct counterfactual *found;
};

static float ask(struct search *s)
{
    s->found->asked++;
    return s->ask(s->arg, s->restored, s->part);
}

/* The feature with the largest part that is left; n when none has any. */
static size_t next_member(const struct search *s)
{
    size_t best = s->n;

    for (size_t i = 0; i < s->n; i++)
        if (!s->restored[i] && s->part[i] > 0 && (best == s->n || s->part[i] > s->part[best]))
            best = i;
    return best;
}

static bool join(struct search *s)
{
    struct counterfactual *const c = s->found;
    bool silent = false;

    while (!silent && c->n < COUNTERFACTUAL_MAX) {
        const size_t i = next_member(s);
        if (i == s->n)
            return false;
        s->restored[i] = 1;
        c->feature[c->n++] = (uint16_t)i;
        c->score = ask(s);
        silent = c->score <= s->threshold;
    }
    return silent;
}

/* Who joined last was needed then, so the first ones are asked about first. */
static bool leave(struct search *s)
{
    struct counterfactual *const c = s->found;

    for (uint8_t k = 0; c->n > 1 && k < c->n; k++) {
        s->restored[c->feature[k]] = 0;
        const float score = ask(s);
        if (score <= s->threshold) {
            c->score = score;
            c->n--;
            memmove(&c->feature[k], &c->feature[k + 1], (c->n - k) * sizeof c->feature[0]);
            return true;
        }
        s->restored[c->feature[k]] = 1;
    }
    return false;
}

void counterfactual_find(size_t n, float score, float threshold, counterfactual_ask_fn *ask_fn,
                         void *arg, uint8_t *restored, float *part, struct counterfactual *ret)
{
    struct search s = {n, threshold, ask_fn, arg, restored, part, ret};

    memset(ret, 0, sizeof *ret);
    memset(restored, 0, n);
    ret->score = NAN;
    if (!(score > threshold)) /* NaN too */
        return;
    if (!join(&s)) {
        ret->n = 0;
        ret->score = NAN;
        return;
    }
    while (leave(&s))
        ;
}
