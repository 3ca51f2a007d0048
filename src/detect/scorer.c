/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/scorer.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "feature/filler.h"

/* Times that the model's answer takes the place of hidden features. The first answer was given with
 * the training median in their place and the next ones with the answer before, which imputes from
 * the model's own distribution (Rezende, Mohamed & Wierstra, ICML 2014); a network that
 * contracts moves little after a few. */
enum { RESTORE_ROUNDS = 4 };

struct scorer {
    struct model *model;
    struct filler *filler;
    size_t n_learned;                        /* features that carry weight when they are present */
    float *filled, *expected, *error, *work; /* [n], [n], [n], [model_work_size] */
    float *trial, *trial_expected, *trial_error; /* [n] each: of scorer_restored */
    uint8_t *present;                            /* [n] */
    float score;                                 /* of the last frame */
};

enum rc scorer_new(struct model *m, struct scorer **ret, struct err *err)
{
    const size_t n = m->schema->n;
    CLEANUP(scorer_freep) struct scorer *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "scorer of %zu features: no memory", n);
    s->model = model_ref(m);
    s->filled = mem_array_aligned(n, sizeof *s->filled);
    s->expected = mem_array_aligned(n, sizeof *s->expected);
    s->error = mem_array_aligned(n, sizeof *s->error);
    s->trial = mem_array_aligned(n, sizeof *s->trial);
    s->trial_expected = mem_array_aligned(n, sizeof *s->trial_expected);
    s->trial_error = mem_array_aligned(n, sizeof *s->trial_error);
    s->work = mem_array_aligned(model_work_size(m), sizeof *s->work);
    s->present = mem_alloc(n);
    if (!s->filled || !s->expected || !s->error || !s->work || !s->present || !s->trial ||
        !s->trial_expected || !s->trial_error)
        return err_set(err, E_NOMEM, "scorer of %zu features: no memory", n);
    if (filler_new(n, &s->filler, err) != OK)
        return err->rc;
    for (size_t i = 0; i < n; i++)
        s->n_learned += model_learned(m, i);
    *ret = TAKE(s);
    return OK;
}

void scorer_free(struct scorer *s)
{
    if (!s)
        return;
    model_unref(s->model);
    filler_free(s->filler);
    mem_free(s->filled);
    mem_free(s->expected);
    mem_free(s->error);
    mem_free(s->trial);
    mem_free(s->trial_expected);
    mem_free(s->trial_error);
    mem_free(s->work);
    mem_free(s->present);
    mem_free(s);
}

/* What is told to people: the network may expect a little less than nothing, or more than all. */
static float sensible(const struct feature *f, float value, float expected)
{
    if (strcmp(f->unit, "ratio") == 0 && value <= 1)
        expected = fminf(expected, 1);
    return value >= 0 ? fmaxf(expected, 0) : expected;
}

/* The threshold for a frame that lacks features; see the header. */
static float threshold_for(const struct scorer *s)
{
    const struct model *const m = s->model;
    size_t here = 0;

    if (m->threshold_spec.method == THRESHOLD_FIXED)
        return m->threshold;
    for (size_t i = 0; i < m->schema->n; i++)
        here += s->present[i] && model_learned(m, i);
    return here < s->n_learned ? m->threshold * (float)s->n_learned / (float)(here > 0 ? here : 1)
                               : m->threshold;
}

/* The largest errors, in order: insertion into a short list, since most features are not in it. */
static void rank_causes(const struct scorer *s, struct verdict *v)
{
    const size_t n = s->model->schema->n;
    double sum = 0;
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const float e = s->error[i];
        sum += (double)e;
        if (!(e > 0) || (found == CAUSES_MAX && e <= s->error[v->causes[found - 1].feature]))
            continue;
        size_t at = found < CAUSES_MAX ? found++ : found - 1;
        for (; at > 0 && s->error[v->causes[at - 1].feature] < e; at--)
            v->causes[at] = v->causes[at - 1];
        v->causes[at] = (struct cause){
            .feature = (uint16_t)i,
            .value = s->filled[i],
            .expected = sensible(&s->model->schema->f[i], s->filled[i], s->expected[i]),
            .share = e};
    }
    for (size_t k = 0; k < found; k++)
        v->causes[k].share = (float)((double)v->causes[k].share / sum);
    v->n_causes = (uint8_t)found;
}

void scorer_push(struct scorer *s, int64_t ts_ms, const float *frame, struct verdict *ret)
{
    const struct model *m = s->model;
    const size_t n = m->schema->n;
    size_t here = 0;

    filler_apply(s->filler, &m->scaler, frame, s->filled, s->present);
    for (size_t i = 0; i < n; i++)
        here += s->present[i];

    memset(ret, 0, sizeof *ret); /* padding too: verdicts are compared and copied as bytes */
    ret->ts_ms = ts_ms;
    ret->threshold = threshold_for(s);
    ret->confidence = (float)here / (float)n;
    ret->score = model_score(m, s->filled, s->present, s->expected, s->error, s->work);
    s->score = ret->score;
    ret->anomalous = ret->score > ret->threshold; /* false for NaN */
    if (!isnan(ret->score))
        rank_causes(s, ret);
}

static void put_parts(const struct scorer *s, float score, const float *value,
                      const float *expected, const float *error, struct scorer_part *ret)
{
    const struct schema *const schema = s->model->schema;
    double sum = 0;

    for (size_t i = 0; i < schema->n; i++)
        sum += (double)error[i];
    for (size_t i = 0; i < schema->n; i++)
        ret[i] = (struct scorer_part){
            .value = s->present[i] ? value[i] : NAN,
            .expected = sensible(&schema->f[i], value[i], expected[i]),
            .part = error[i] > 0 ? (float)((double)error[i] / sum * (double)score) : 0};
}

void scorer_parts(const struct scorer *s, struct scorer_part *ret)
{
    put_parts(s, s->score, s->filled, s->expected, s->error, ret);
}

float scorer_restored(struct scorer *s, const uint8_t *restored, struct scorer_part *ret)
{
    const size_t n = s->model->schema->n;
    float score = s->score;

    memcpy(s->trial, s->filled, n * sizeof *s->trial);
    for (size_t i = 0; i < n; i++)
        if (restored[i] && s->present[i])
            s->trial[i] = NAN; /* the model sees nothing of it */
    for (int round = 0; round <= RESTORE_ROUNDS; round++) {
        score =
            model_score(s->model, s->trial, s->present, s->trial_expected, s->trial_error, s->work);
        for (size_t i = 0; round < RESTORE_ROUNDS && i < n; i++)
            if (restored[i] && s->present[i])
                s->trial[i] = s->trial_expected[i];
    }
    put_parts(s, score, s->trial, s->trial_expected, s->trial_error, ret);
    return score;
}

void scorer_clear(struct scorer *s)
{
    filler_clear(s->filler);
}
