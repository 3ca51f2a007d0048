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
    w->recent = 0;
    w->calm = 0;
}

static uint64_t window_mask(uint32_t of)
{
    return of == 64 ? UINT64_MAX : (UINT64_C(1) << of) - 1;
}

/* Time of the oldest anomalous verdict in the window. */
static int64_t window_start(const struct watch *w)
{
    const uint64_t seen = w->recent & window_mask(w->confirm.of);
    const uint32_t age = 63u - (uint32_t)__builtin_clzll(seen);

    return w->recent_ms[(w->head + WATCH_OF_MAX - age) % WATCH_OF_MAX];
}

static void take_peak(struct incident *in, const struct verdict *v)
{
    in->peak_ms = v->ts_ms;
    in->peak_score = v->score;
    in->threshold = v->threshold;
    in->n_causes = v->n_causes;
    memcpy(in->causes, v->causes, sizeof in->causes);
}

static enum watch_event push_closed(struct watch *w, const struct verdict *v, struct incident *ret)
{
    if (v->anomalous && (w->recent & window_mask(w->confirm.of)) == 1)
        w->worst = *v; /* the first anomalous one of a new window */
    else if (v->anomalous && v->score > w->worst.score)
        w->worst = *v;

    const uint64_t seen = w->recent & window_mask(w->confirm.of);
    if (!v->anomalous || (uint32_t)__builtin_popcountll(seen) < w->confirm.k)
        return WATCH_QUIET;

    w->open = true;
    w->calm = 0;
    w->last_high_ms = v->ts_ms;
    memset(&w->incident, 0, sizeof w->incident);
    w->incident.start_ms = window_start(w);
    take_peak(&w->incident, &w->worst);
    *ret = w->incident;
    return WATCH_OPENED;
}

static enum watch_event push_open(struct watch *w, const struct verdict *v, struct incident *ret)
{
    if (v->score < v->threshold * WATCH_CLOSE_SHARE) {
        w->calm++;
    } else {
        w->calm = 0;
        w->last_high_ms = v->ts_ms;
    }
    if (w->calm >= w->confirm.of) {
        w->open = false;
        w->recent = 0;
        w->incident.end_ms = w->last_high_ms;
        *ret = w->incident;
        return WATCH_CLOSED;
    }
    if (v->score > w->incident.peak_score) {
        take_peak(&w->incident, v);
        *ret = w->incident;
        return WATCH_UPDATED;
    }
    return WATCH_QUIET;
}

enum watch_event watch_push(struct watch *w, const struct verdict *v, struct incident *ret)
{
    if (isnan(v->score))
        return WATCH_QUIET;
    w->head = (w->head + 1) % WATCH_OF_MAX;
    w->recent_ms[w->head] = v->ts_ms;
    w->recent = w->recent << 1 | v->anomalous;
    return w->open ? push_open(w, v, ret) : push_closed(w, v, ret);
}
