/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/scorer.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "detect/daylight.h"
#include "model/departure.h"

struct scorer {
    struct model *model;
    struct departure *departure;
    struct daylight *daylight; /* NULL: the day is not followed */
    struct departure_score newest;
    float threshold;  /* of a whole frame */
    size_t n_learned; /* features that carry weight when they are present */
};

enum rc scorer_new(struct model *m, struct scorer **ret, struct err *err)
{
    CLEANUP(scorer_freep) struct scorer *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "scorer of %zu features: no memory", m->schema->n);
    s->model = model_ref(m);
    s->threshold = m->threshold;
    if (departure_new(m, false, &s->departure, err) != OK)
        return err->rc;
    for (size_t i = 0; i < m->schema->n; i++)
        s->n_learned += model_learned(m, i);
    *ret = TAKE(s);
    return OK;
}

void scorer_free(struct scorer *s)
{
    if (!s)
        return;
    departure_free(s->departure);
    daylight_free(s->daylight);
    model_unref(s->model);
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
static float threshold_for(const struct scorer *s, const uint8_t *present)
{
    const struct model *const m = s->model;
    size_t here = 0;

    if (model_is_classic(m))
        return s->threshold;
    for (size_t i = 0; i < m->schema->n; i++)
        here += present[i] && model_learned(m, i);
    return here < s->n_learned ? s->threshold * (float)s->n_learned / (float)(here > 0 ? here : 1)
                               : s->threshold;
}

/* What is most a cause, in order: insertion into a short list, since most features are not in it.
 */
static void rank_causes(const struct scorer *s, const struct departure_score *d, struct verdict *v)
{
    const size_t n = s->model->schema->n;
    double sum = 0;
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const float e = d->cause[i];
        sum += (double)e;
        if (!(e > 0) || (found == CAUSES_MAX && e <= v->causes[found - 1].weight))
            continue;
        size_t at = found < CAUSES_MAX ? found++ : found - 1;
        for (; at > 0 && v->causes[at - 1].weight < e; at--)
            v->causes[at] = v->causes[at - 1];
        v->causes[at] = (struct cause){
            .feature = (uint16_t)i,
            .value = d->value[i],
            .expected = sensible(&s->model->schema->f[i], d->value[i], d->expected[i]),
            .weight = e};
    }
    for (size_t k = 0; k < found; k++)
        v->causes[k].share = (float)((double)v->causes[k].weight / sum);
    v->n_causes = (uint8_t)found;
}

enum rc scorer_follow_day(struct scorer *s, struct err *err)
{
    return s->model->season.slots ? daylight_new(s->model->schema->n, &s->daylight, err) : OK;
}

void scorer_take_day(struct scorer *s, struct scorer *from)
{
    if (!from->daylight)
        return;
    daylight_free(s->daylight);
    s->daylight = TAKE(from->daylight);
    departure_set_hour(s->departure, daylight_ms(s->daylight));
}

void scorer_recall_day(struct scorer *s, int64_t ts_ms, const float *frame)
{
    if (!s->daylight)
        return;
    daylight_push(s->daylight, s->model, ts_ms, frame);
    departure_set_hour(s->departure, daylight_ms(s->daylight));
}

int64_t scorer_day_shift_ms(const struct scorer *s)
{
    return s->daylight && s->model->season.slots ? daylight_ms(s->daylight) : 0;
}

void scorer_push(struct scorer *s, int64_t ts_ms, const float *frame, struct verdict *ret)
{
    scorer_recall_day(s, ts_ms, frame);
    departure_push(s->departure, ts_ms, frame, &s->newest);
    const struct departure_score d = s->newest;
    memset(ret, 0, sizeof *ret); /* padding too: verdicts are compared and copied as bytes */
    ret->ts_ms = ts_ms;
    ret->threshold = threshold_for(s, d.here);
    ret->confidence = (float)d.present / (float)s->model->schema->n;
    ret->score = d.score;
    ret->evidence = d.evidence;
    ret->reconstruction = d.reconstruction;
    ret->anomalous = verdict_watched(ret) > ret->threshold; /* false for NaN */
    if (!isnan(ret->score))
        rank_causes(s, &d, ret);
}

void scorer_warm(struct scorer *s, int64_t ts_ms, const float *frame)
{
    departure_push(s->departure, ts_ms, frame, &s->newest);
}

/* d's parts as those of its evidence. */
static void put_parts(const struct scorer *s, const struct departure_score *d,
                      struct scorer_part *ret)
{
    const struct schema *const schema = s->model->schema;
    double sum = 0;

    for (size_t i = 0; i < schema->n; i++)
        sum += (double)d->part[i];
    for (size_t i = 0; i < schema->n; i++)
        ret[i] = (struct scorer_part){
            .value = d->here[i] ? d->value[i] : NAN,
            .expected = sensible(&schema->f[i], d->value[i], d->expected[i]),
            .part = d->part[i] > 0 ? (float)((double)d->part[i] / sum * (double)d->evidence) : 0,
            .cause = d->cause ? d->cause[i] : 0};
}

void scorer_parts(const struct scorer *s, struct scorer_part *ret)
{
    put_parts(s, &s->newest, ret);
}

float scorer_restored(struct scorer *s, const uint8_t *restored, struct scorer_part *ret)
{
    struct departure_score d;

    departure_restored(s->departure, restored, &d);
    put_parts(s, &d, ret);
    return d.evidence;
}

void scorer_clear(struct scorer *s)
{
    departure_clear(s->departure);
}

void scorer_remember(struct scorer *s, const struct scorer *from)
{
    departure_remember(s->departure, from->departure);
}

float scorer_watched(const struct scorer *s, const struct verdict *v)
{
    const size_t n = s->model->schema->n, unlearned = n - s->n_learned;

    if (model_is_classic(s->model) || s->n_learned == 0 || !(v->confidence >= 0))
        return verdict_watched(v);
    const size_t here = (size_t)lroundf(fminf(v->confidence, 1) * (float)n), absent = n - here;
    const size_t missing = absent > unlearned ? absent - unlearned : 0;
    const size_t learned = s->n_learned - missing;
    return verdict_watched(v) * (float)(learned > 0 ? learned : 1) / (float)s->n_learned;
}

void scorer_set_threshold(struct scorer *s, float threshold)
{
    s->threshold = threshold;
}
