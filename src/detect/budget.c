/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/budget.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "base/poisson.h"
#include "detect/credible.h"
#include "model/tail.h"

static const int64_t DAY_MS = 24 * INT64_C(3600) * 1000;
static const int64_t WEEK_MS = 7 * 24 * INT64_C(3600) * 1000;
static const int64_t WINDOW_MS = 28 * 24 * INT64_C(3600) * 1000; /* a month's rhythm */
/* Under ten minutes nothing is known that the model does not know better. */
static const int64_t FIRST_MS = INT64_C(600) * 1000;

static const float STEP_UP = 1.25f, STEP_DOWN = 1 / 1.1f, MOST = 4, LEAST = 0.5f;

static const double CONFIDENCE = 0.95;

/* Four times what a tail is fitted to; where nothing is promised yet a tail is fitted once. */
enum { PEAKS = 256, PEAKS_UNPROMISED = 64 };

/* What was scored since a time: a window is the older of two that overlap by half. */
struct span {
    struct tail_builder *all, *quiet; /* quiet: without open incidents; NULL: nothing is promised */
    uint64_t incidents;
    int64_t scored_ms;
};

struct budget {
    struct budget_options o;
    struct span span[2]; /* [0] is the older, and the only one where nothing is promised */
    int64_t fitted_ms;   /* span[0].scored_ms at the last fit */
    float threshold;
    uint64_t incidents; /* since the beginning */
    int64_t scored_ms;
    double before_incidents; /* of them, with earlier models, in the last four weeks of those */
    int64_t before_ms;
    uint32_t of_day[2]; /* incidents of this half day of scores, and of the one before */
    int64_t half_day_ms;
    bool refuted; /* more than are credible, and one is open yet */
    uint32_t refutations;
};

static void span_done(struct span *s)
{
    tail_builder_free(s->all);
    tail_builder_free(s->quiet);
    *s = (struct span){0};
}

static enum rc span_init(struct span *s, const struct budget_options *o, struct err *err)
{
    const size_t peaks = o->promised ? PEAKS : PEAKS_UNPROMISED;
    struct span made = {0};

    if (tail_builder_new(o->confirm, peaks, &made.all, err) != OK ||
        (o->promised && tail_builder_new(o->confirm, peaks, &made.quiet, err) != OK)) {
        span_done(&made);
        return err->rc;
    }
    span_done(s);
    *s = made;
    return OK;
}

enum rc budget_new(const struct budget_options *o, struct budget **ret, struct err *err)
{
    CLEANUP(budget_freep) struct budget *b = mem_alloc(sizeof *b);

    if (!b)
        return err_set(err, E_NOMEM, "no memory for a budget of alarms");
    b->o = *o;
    b->threshold = o->own;
    for (int i = 0; i < (o->promised ? 2 : 1) && o->per_week > 0; i++)
        if (span_init(&b->span[i], o, err) != OK)
            return err->rc;
    *ret = TAKE(b);
    return OK;
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    span_done(&b->span[0]);
    span_done(&b->span[1]);
    mem_free(b);
}

static void span_push(struct span *s, float score, bool opened, bool open, int64_t interval_ms)
{
    tail_builder_push(s->all, score);
    if (opened && s->quiet)
        tail_builder_gap(s->quiet);
    if (!open && s->quiet)
        tail_builder_push(s->quiet, score);
    s->incidents += opened;
    s->scored_ms += interval_ms;
}

/* More incidents than were promised, by more than chance. */
static bool is_broken(const struct budget *b, const struct span *s)
{
    double low, high;

    poisson_interval(s->incidents + (uint64_t)llround(b->before_incidents), CONFIDENCE, &low,
                     &high);
    return low > b->o.per_week * (double)(s->scored_ms + b->before_ms) / (double)WEEK_MS;
}

static void count_of_day(struct budget *b, bool opened)
{
    if (b->half_day_ms >= DAY_MS / 2) {
        b->half_day_ms = 0;
        b->of_day[1] = b->of_day[0];
        b->of_day[0] = 0;
    }
    b->half_day_ms += b->o.interval_ms;
    b->of_day[0] += opened;
    b->refuted |= opened && b->of_day[0] + b->of_day[1] > credible_a_day(b->o.per_week);
}

/* What live scores say, where they say something. */
static enum rc ask(const struct budget *b, const struct tail_builder *scores,
                   struct tail_threshold *ret, struct err *err)
{
    struct tail tail;

    *ret = (struct tail_threshold){0};
    enum rc rc = tail_builder_take(scores, b->o.interval_ms, &tail, err);
    if (rc != OK)
        return rc;
    rc = tail.exposure_ms > 0 ? tail_threshold(&tail, b->o.per_week, ret, err) : OK;
    tail_done(&tail);
    return rc == E_STATE ? OK : rc;
}

static enum rc raise_at_once(struct budget *b, struct err *err)
{
    struct tail_threshold live;

    if (ask(b, b->span[0].all, &live, err) != OK)
        return err->rc;
    b->refuted = false;
    const float to = fminf(live.threshold, b->o.own * MOST);
    if (to <= b->threshold)
        return OK;
    b->threshold = to;
    b->refutations++;
    return OK;
}

static enum rc fit(struct budget *b, struct err *err)
{
    const struct span *const s = &b->span[0];
    const double all = (double)s->scored_ms + (double)b->o.learned_ms;
    const bool broken = is_broken(b, s);
    const double weight = broken ? 1 : (double)s->scored_ms / all;
    struct tail_threshold live;

    if (ask(b, broken ? s->all : s->quiet, &live, err) != OK)
        return err->rc;
    if (!(live.threshold > 0))
        return OK; /* nothing seen to go by */
    const float own = b->o.own, now = b->threshold;
    float to = own * (float)pow((double)live.threshold / (double)own, weight);
    to = fminf(fmaxf(to, own * LEAST), own * MOST);
    b->threshold = fminf(fmaxf(to, now * STEP_DOWN), now * STEP_UP);
    return OK;
}

static bool is_due(const struct budget *b)
{
    const int64_t seen = b->span[0].scored_ms, since = seen - b->fitted_ms;

    return since >= DAY_MS || (seen < DAY_MS && seen >= FIRST_MS && seen >= b->o.learned_ms / 2 &&
                               since >= b->fitted_ms);
}

/* The younger span takes the older one's place when that is full, half full itself. */
static enum rc turn(struct budget *b, struct err *err)
{
    struct span *const s = b->span;

    if (s[0].scored_ms < WINDOW_MS / 2 ||
        (s[0].scored_ms < WINDOW_MS && s[1].scored_ms < s[0].scored_ms))
        return OK;
    if (s[0].scored_ms >= WINDOW_MS) {
        const struct span old = s[0];
        s[0] = s[1];
        s[1] = old;
        b->fitted_ms = s[0].scored_ms;
    }
    return span_init(&s[1], &b->o, err);
}

enum rc budget_push(struct budget *b, float score, bool opened, bool open, struct err *err)
{
    if (isnan(score))
        return OK;
    b->incidents += opened;
    b->scored_ms += b->o.interval_ms;
    if (!(b->o.per_week > 0))
        return OK;
    for (int i = 0; i < 2 && b->span[i].all; i++)
        span_push(&b->span[i], score, opened, open, b->o.interval_ms);
    count_of_day(b, opened);
    if (b->refuted && !open && raise_at_once(b, err) != OK)
        return err->rc;
    if (!b->o.promised || !is_due(b))
        return OK;
    b->fitted_ms = b->span[0].scored_ms;
    const enum rc rc = open ? OK : fit(b, err); /* tomorrow: an open incident keeps its threshold */
    return rc == OK ? turn(b, err) : rc;
}

/* What is older than the window goes, as if it had come evenly. */
static void forget_before(struct budget *b)
{
    if (b->before_ms <= WINDOW_MS)
        return;
    const double share = (double)WINDOW_MS / (double)b->before_ms;
    b->before_incidents *= share;
    b->before_ms = WINDOW_MS;
}

void budget_count(struct budget *b, float score, bool opened)
{
    if (isnan(score))
        return;
    b->incidents += opened;
    b->scored_ms += b->o.interval_ms;
    b->before_incidents += opened;
    b->before_ms += b->o.interval_ms;
    forget_before(b);
}

void budget_go_on(struct budget *b, const struct budget *from)
{
    b->incidents = from->incidents;
    b->scored_ms = from->scored_ms;
    b->before_incidents = from->before_incidents + (double)from->span[0].incidents;
    b->before_ms = from->before_ms + from->span[0].scored_ms;
    forget_before(b);
}

void budget_gap(struct budget *b)
{
    for (int i = 0; i < 2 && b->span[i].all; i++) {
        tail_builder_gap(b->span[i].all);
        if (b->span[i].quiet)
            tail_builder_gap(b->span[i].quiet);
    }
}

float budget_threshold(const struct budget *b)
{
    return b->threshold;
}

uint32_t budget_refutations(const struct budget *b)
{
    return b->refutations;
}

void budget_rate(const struct budget *b, struct budget_rate *ret)
{
    const double weeks = (double)b->scored_ms / (double)WEEK_MS;
    double low, high;

    poisson_interval(b->incidents, CONFIDENCE, &low, &high);
    *ret = (struct budget_rate){.promised = b->o.promised ? b->o.per_week : 0,
                                .achieved = (double)NAN,
                                .lower = (double)NAN,
                                .upper = (double)NAN,
                                .incidents = b->incidents,
                                .scored_ms = b->scored_ms};
    if (weeks > 0) {
        ret->achieved = (double)b->incidents / weeks;
        ret->lower = low / weeks;
        ret->upper = high / weeks;
    }
}
