/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/silence.h"

#include "base/mem.h"

struct silence {
    size_t n;
    struct scorer *scorer;          /* during silence_find */
    struct scorer_part *was, *part; /* [n] each: of the frame as it is, and restored */
    float *left;                    /* [n] */
    uint8_t *restored;              /* [n] */
};

static void silence_freep(struct silence **s)
{
    silence_free(*s);
}

enum rc silence_new(size_t n, struct silence **ret, struct err *err)
{
    CLEANUP(silence_freep) struct silence *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "causes of %zu features: no memory", n);
    s->n = n;
    s->was = mem_array(n, sizeof *s->was);
    s->part = mem_array(n, sizeof *s->part);
    s->left = mem_array(n, sizeof *s->left);
    s->restored = mem_array(n, sizeof *s->restored);
    if (!s->was || !s->part || !s->left || !s->restored)
        return err_set(err, E_NOMEM, "causes of %zu features: no memory", n);
    *ret = TAKE(s);
    return OK;
}

void silence_free(struct silence *s)
{
    if (!s)
        return;
    mem_free(s->was);
    mem_free(s->part);
    mem_free(s->left);
    mem_free(s->restored);
    mem_free(s);
}

static float ask(void *arg, const uint8_t *restored, float *part)
{
    struct silence *s = arg;
    const float score = scorer_restored(s->scorer, restored, s->part);

    for (size_t i = 0; i < s->n; i++)
        part[i] = s->part[i].part;
    return score;
}

void silence_find(struct silence *s, struct scorer *scorer, const struct verdict *v,
                  struct counterfactual *ret)
{
    s->scorer = scorer;
    scorer_parts(scorer, s->was);
    for (size_t i = 0; i < s->n; i++)
        s->left[i] = s->was[i].part;
    counterfactual_find(s->n, verdict_watched(v), v->threshold, ask, s, s->restored, s->left, ret);
    if (ret->n)
        (void)ask(s, s->restored, s->left); /* the last question may have been another one */
}

const struct scorer_part *silence_parts(const struct silence *s)
{
    return s->part;
}

/* The feature's place among the causes, made when it has none. */
static struct cause *place_of(const struct silence *s, struct incident *in, uint16_t feature)
{
    size_t at = in->n_causes;
    double all = 0;

    for (size_t i = 0; i < in->n_causes; i++)
        if (in->causes[i].feature == feature)
            return &in->causes[i];
    if (at < CAUSES_MAX)
        in->n_causes++;
    else
        do
            at--;
        while (in->causes[at].restore); /* members are at most CAUSES_MAX, so one is none */
    const struct scorer_part *p = &s->was[feature];
    for (size_t i = 0; i < s->n; i++)
        all += (double)s->was[i].cause;
    in->causes[at] = (struct cause){.feature = feature,
                                    .value = p->value,
                                    .expected = p->expected,
                                    .weight = p->cause,
                                    .share = all > 0 ? (float)((double)p->cause / all) : 0};
    return &in->causes[at];
}

_Static_assert((int)COUNTERFACTUAL_MAX <= (int)CAUSES_MAX, "each member finds a place");

void silence_mark(struct silence *s, struct scorer *scorer, const struct verdict *v,
                  struct incident *in)
{
    struct counterfactual c;

    silence_find(s, scorer, v, &c);
    for (size_t i = 0; i < in->n_causes; i++)
        in->causes[i].restore = false;
    for (size_t i = 0; i < c.n; i++)
        for (size_t k = 0; k < in->n_causes; k++)
            if (in->causes[k].feature == c.feature[i])
                in->causes[k].restore =
                    true; /* first those that are there: they keep their place */
    for (size_t i = 0; i < c.n; i++)
        place_of(s, in, c.feature[i])->restore = true;
}
