/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/watch.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void watch_init(struct watch *w, struct confirm_spec confirm)
{
    memset(w, 0, sizeof *w);
    watch_confirm(w, confirm);
}

void watch_confirm(struct watch *w, struct confirm_spec confirm)
{
    assert(confirm.k >= 1 && confirm.k <= confirm.of && confirm.of <= WATCH_OF_MAX);
    w->confirm = confirm;
}

void watch_gap(struct watch *w)
{
    w->recent = w->low = 0;
    w->calm = 0;
}

void watch_observe(struct watch *w, float share)
{
    assert(share >= 0 && share <= 1);
    w->observe = share;
}

void watch_hold(struct watch *w, bool held)
{
    if (w->held != held)
        watch_gap(w);
    w->held = held;
}

static uint64_t window_mask(uint32_t of)
{
    return of == 64 ? UINT64_MAX : (UINT64_C(1) << of) - 1;
}

static const struct watch_past *past_of_age(const struct watch *w, uint32_t age)
{
    return &w->past[(w->head + WATCH_OF_MAX - age) % WATCH_OF_MAX];
}

static struct watch_past past_of(const struct verdict *v)
{
    return (struct watch_past){v->ts_ms, v->score, v->threshold};
}

static void take_peak(struct incident *in, const struct watch_past *v)
{
    in->peak_ms = v->ts_ms;
    in->peak_score = v->score;
    in->threshold = v->threshold;
}

/* Where among the incident's causes c belongs: its own place, a free one, or that of the least; of
 * a full list, those that would silence it leave last. */
static size_t place_of(const struct incident *in, const struct cause *c)
{
    size_t least = CAUSES_MAX - 1;

    for (size_t k = 0; k < in->n_causes; k++)
        if (in->causes[k].feature == c->feature)
            return k;
    if (in->n_causes < CAUSES_MAX)
        return in->n_causes;
    while (least > 0 && in->causes[least].restore)
        least--;
    return least;
}

/* Put cause c at place k, and move it up to where its weight belongs. */
static void put_cause(struct incident *in, size_t k, struct cause c)
{
    for (; k > 0 && in->causes[k - 1].weight < c.weight; k--)
        in->causes[k] = in->causes[k - 1];
    in->causes[k] = c;
}

static void take_causes(struct watch *w, const struct verdict *v)
{
    struct incident *in = &w->incident;
    float named = 0, all = 0;
    const float of_frame = v->n_causes ? v->causes[0].weight / v->causes[0].share : 0;

    for (size_t i = 0; i < v->n_causes; i++) {
        struct cause c = v->causes[i];
        const size_t k = place_of(in, &c);

        named += c.share;
        c.restore = k < in->n_causes && in->causes[k].feature == c.feature && in->causes[k].restore;
        if (k < in->n_causes && c.weight <= in->causes[k].weight)
            continue;
        in->n_causes = (uint8_t)(in->n_causes + (k == in->n_causes));
        put_cause(in, k, c);
    }
    w->rest = fmaxf(w->rest, (1 - named) * of_frame);
    for (size_t k = 0; k < in->n_causes; k++)
        all += in->causes[k].weight;
    for (size_t k = 0; all > 0 && k < in->n_causes; k++)
        in->causes[k].share = in->causes[k].weight / (all + w->rest);
}

/* Starts at the oldest anomalous verdict of the window, with the worst of them as its peak. */
static void open_incident(struct watch *w, uint64_t seen)
{
    const struct watch_past *worst = past_of_age(w, 0); /* anomalous: it is what opens */
    uint32_t nth = 0;                                   /* of those that are kept */

    w->open = true;
    w->calm = 0;
    w->rest = 0;
    memset(&w->incident, 0, sizeof w->incident);
    w->incident.maintenance = w->held;
    for (uint32_t age = 0; age < w->confirm.of; age++) {
        const struct watch_past *v = past_of_age(w, age);
        if (seen >> age & 1) {
            w->incident.start_ms = v->ts_ms;
            if (nth < WATCH_KEPT)
                take_causes(w, &w->kept[(w->kept_head + WATCH_KEPT - nth) % WATCH_KEPT]);
            if (v->score >= worst->score) /* the first of equals */
                worst = v;
        }
        nth += (uint32_t)((w->recent | w->low) >> age & 1);
    }
    take_peak(&w->incident, worst);
    w->last_high_ms = past_of_age(w, 0)->ts_ms;
}

static bool is_confirmed(const struct watch *w, uint64_t seen)
{
    seen &= window_mask(w->confirm.of);
    return (seen & 1) && (uint32_t)__builtin_popcountll(seen) >= w->confirm.k;
}

static enum watch_event push_closed(struct watch *w, struct incident *ret)
{
    const bool pages = is_confirmed(w, w->recent);

    if (!pages && !is_confirmed(w, w->low))
        return WATCH_QUIET;
    open_incident(w, (pages ? w->recent : w->low) & window_mask(w->confirm.of));
    w->incident.tier = pages ? INCIDENT_PAGE : INCIDENT_OBSERVE;
    *ret = w->incident;
    return WATCH_OPENED;
}

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void close_incident(struct watch *w, struct incident *ret)
{
    struct incident *in = &w->incident;

    w->open = false;
    w->recent = w->low = 0;
    in->end_ms = latest(w->last_high_ms, latest(in->start_ms, in->peak_ms));
    *ret = *in;
}

/* Nobody was paged for it so far, and what would have opened one to page for is there. */
static bool is_raised(struct watch *w)
{
    if (incident_pages(&w->incident) || w->held || !is_confirmed(w, w->recent))
        return false;
    w->incident.maintenance = false;
    w->incident.tier = INCIDENT_PAGE;
    return true;
}

static enum watch_event push_open(struct watch *w, const struct verdict *v, struct incident *ret)
{
    const bool observed = w->incident.tier == INCIDENT_OBSERVE && w->observe > 0;
    const float closing = v->threshold * (observed ? w->observe : 1) * INCIDENT_CLOSE_SHARE;

    if (verdict_watched(v) < closing) {
        w->calm++;
    } else {
        w->calm = 0;
        w->last_high_ms = v->ts_ms;
    }
    if (v->anomalous || (observed && w->low & 1))
        take_causes(w, v);
    if (w->calm >= w->confirm.of) {
        close_incident(w, ret);
        return WATCH_CLOSED;
    }
    const bool higher = v->score > w->incident.peak_score;
    if (higher)
        take_peak(&w->incident, &w->past[w->head]);
    const bool raised = is_raised(w);
    *ret = w->incident;
    return raised ? WATCH_RAISED : higher ? WATCH_UPDATED : WATCH_QUIET;
}

enum watch_event watch_push(struct watch *w, const struct verdict *v, struct incident *ret)
{
    if (isnan(v->score))
        return WATCH_QUIET;
    w->head = (w->head + 1) % WATCH_OF_MAX;
    w->past[w->head] = past_of(v);
    w->recent = w->recent << 1 | v->anomalous;
    w->low = w->low << 1 | (w->observe > 0 && verdict_watched(v) > v->threshold * w->observe);
    if ((w->recent | w->low) & 1) {
        w->kept_head = (w->kept_head + 1) % WATCH_KEPT;
        w->kept[w->kept_head] = *v;
    }
    return w->open ? push_open(w, v, ret) : push_closed(w, ret);
}

enum watch_event watch_end(struct watch *w, struct incident *ret)
{
    if (!w->open)
        return WATCH_QUIET;
    close_incident(w, ret);
    return WATCH_CLOSED;
}
