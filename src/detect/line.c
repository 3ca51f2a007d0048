/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/line.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

void line_init(struct line *l, struct confirm_spec confirm, int64_t interval_ms)
{
    memset(l, 0, sizeof *l);
    watch_init(&l->watch, confirm);
    l->interval_ms = interval_ms;
}

void line_done(struct line *l)
{
    scorer_free(l->scorer);
    silence_free(l->silence);
    model_unref(l->model);
    budget_free(l->budget);
    l->budget = NULL;
    mem_free(l->past.X);
    l->past.X = NULL;
    l->scorer = NULL;
    l->silence = NULL;
    l->model = NULL;
}

static enum rc new_budget(const struct line *l, const struct model *m, struct budget **ret,
                          struct err *err)
{
    const bool asked = threshold_is_budget(m->threshold_spec.method) && m->threshold > 0;
    const struct budget_options o = {.confirm = l->watch.confirm,
                                     .per_week = asked ? m->threshold_spec.value : 0,
                                     .promised = asked && m->threshold_by == THRESHOLD_BUDGET,
                                     .interval_ms = m->interval_ms,
                                     .own = m->threshold,
                                     .learned_ms = m->tail.exposure_ms};

    return budget_new(&o, ret, err);
}

/* The same is promised as before: the count goes on. */
static bool is_same_promise(const struct model *before, const struct model *now)
{
    if (!before || before->threshold_spec.method != now->threshold_spec.method ||
        before->threshold_by != now->threshold_by)
        return false;
    if (before->threshold_spec.scope == SCOPE_FLEET && now->threshold_spec.scope == SCOPE_FLEET)
        return true; /* its part of the same, shared with more or fewer */
    return before->threshold_spec.value == now->threshold_spec.value;
}

static enum rc make_past(struct line *l, size_t features, struct err *err)
{
    struct line_past *p = &l->past;

    assert(!p->X || p->features == features);
    if (!p->X && !(p->X = mem_array(DEPARTURE_MEMORY, features * sizeof *p->X)))
        return err_set(err, E_NOMEM, "line: no memory");
    p->features = features;
    return OK;
}

static void remember(struct line *l, int64_t ts_ms, const float *frame)
{
    struct line_past *p = &l->past;

    p->ts_ms[p->head] = ts_ms;
    memcpy(&p->X[p->head * p->features], frame, p->features * sizeof *frame);
    p->head = (p->head + 1) % DEPARTURE_MEMORY;
    p->n += p->n < DEPARTURE_MEMORY;
}

/* Frames that come so late one after the other are no gaps: a machine that stalls is to be heard.
 */
static bool is_after_gap(const struct line *l, int64_t ts_ms)
{
    const struct line_past *const p = &l->past;
    const int64_t newest = p->ts_ms[(p->head + DEPARTURE_MEMORY - 1) % DEPARTURE_MEMORY];
    const int64_t before = p->ts_ms[(p->head + DEPARTURE_MEMORY - 2) % DEPARTURE_MEMORY];

    return p->n > 1 && departure_is_gap(l->interval_ms, newest, ts_ms) &&
           !departure_is_gap(l->interval_ms, before, newest);
}

static void warm_up(struct scorer *s, const struct line_past *p)
{
    for (size_t i = DEPARTURE_MEMORY - p->n; i < DEPARTURE_MEMORY; i++) {
        const size_t at = (p->head + i) % DEPARTURE_MEMORY;
        scorer_warm(s, p->ts_ms[at], &p->X[at * p->features]);
    }
}

/* They weigh and measure alike: at most the threshold is another. */
static bool is_same_but_threshold(const struct model *a, const struct model *b)
{
    const size_t n = a->schema->n;

    return a->net.n_params == b->net.n_params &&
           memcmp(a->net.params, b->net.params, a->net.n_params * sizeof *a->net.params) == 0 &&
           memcmp(a->unit_level, b->unit_level, n * sizeof *a->unit_level) == 0 &&
           memcmp(a->unit_change, b->unit_change, n * sizeof *a->unit_change) == 0;
}

enum rc line_note(struct line *l, const struct schema *frames, int64_t ts_ms, const float *frame,
                  struct err *err)
{
    if (make_past(l, frames->n, err) != OK)
        return err->rc;
    if (is_after_gap(l, ts_ms))
        line_forget(l);
    remember(l, ts_ms, frame);
    return OK;
}

enum rc line_set_model(struct line *l, const struct schema *frames, struct model *m,
                       struct err *err)
{
    CLEANUP(scorer_freep) struct scorer *scorer = NULL;
    CLEANUP(budget_freep) struct budget *budget = NULL;
    struct silence *silence;

    if (schema_match(frames, m->schema, err) != OK || scorer_new(m, &scorer, err) != OK ||
        scorer_follow_day(scorer, err) != OK || new_budget(l, m, &budget, err) != OK ||
        make_past(l, m->schema->n, err) != OK || silence_new(m->schema->n, &silence, err) != OK)
        return err->rc;
    struct model *const before = l->model; /* may be m */
    if (before)
        scorer_take_day(scorer, l->scorer);
    warm_up(scorer, &l->past);
    if (before && is_same_but_threshold(before, m))
        scorer_remember(scorer, l->scorer);
    scorer_free(l->scorer);
    silence_free(l->silence);
    l->scorer = TAKE(scorer);
    l->silence = silence;
    if (l->budget && is_same_promise(before, m))
        budget_go_on(budget, l->budget);
    budget_free(l->budget);
    l->budget = TAKE(budget);
    l->model = model_ref(m);
    watch_observe(&l->watch, m->threshold > 0 ? m->threshold_observe / m->threshold : 0);
    model_unref(before);
    return OK;
}

/* The promise sees each verdict, and the next one is judged by what it came to. */
static void follow(struct line *l, const struct watch *w, const struct verdict *v,
                   enum watch_event event)
{
    struct err err;

    if (w->held)
        return;
    const bool open = w->open && incident_pages(&w->incident);
    const enum rc rc = budget_push(l->budget, scorer_watched(l->scorer, v),
                                   watch_pages(event, &w->incident), open, &err);

    (void)rc; /* without memory the threshold stays for a day more: nothing to drop a verdict for */
    scorer_set_threshold(l->scorer, budget_threshold(l->budget));
}

void line_push(struct line *l, int64_t ts_ms, const float *frame, struct line_step *ret)
{
    assert(l->scorer);
    const int64_t shift_ms = scorer_day_shift_ms(l->scorer);
    if (is_after_gap(l, ts_ms))
        line_forget(l);
    remember(l, ts_ms, frame);
    scorer_push(l->scorer, ts_ms, frame, &ret->verdict);
    ret->day_shifted = scorer_day_shift_ms(l->scorer) != shift_ms;
    ret->event = watch_push(&l->watch, &ret->verdict, &ret->incident);
    if (ret->event != WATCH_QUIET && ret->event != WATCH_CLOSED) {
        silence_mark(l->silence, l->scorer, &ret->verdict, &l->watch.incident);
        ret->incident = l->watch.incident;
    }
    const uint32_t refutations = budget_refutations(l->budget);
    follow(l, &l->watch, &ret->verdict, ret->event);
    ret->refuted = budget_refutations(l->budget) != refutations;
}

void line_recall_day(struct line *l, int64_t ts_ms, const float *frame)
{
    assert(l->scorer);
    scorer_recall_day(l->scorer, ts_ms, frame);
}

int64_t line_day_shift_ms(const struct line *l)
{
    return l->scorer ? scorer_day_shift_ms(l->scorer) : 0;
}

bool line_is_quiet(const struct line *l)
{
    return !l->watch.open || l->watch.incident.tier == INCIDENT_OBSERVE;
}

void line_recall_verdict(struct line *l, struct watch *w, const struct verdict *v, bool after_gap)
{
    struct incident in;

    assert(l->scorer);
    if (after_gap) { /* as line_forget: one that is open stays so */
        watch_gap(w);
        budget_gap(l->budget);
    }
    const enum watch_event event = watch_push(w, v, &in);
    follow(l, w, v, event);
}

void line_count_verdict(struct line *l, struct watch *w, const struct verdict *v, bool after_gap)
{
    struct incident in;

    assert(l->scorer);
    if (after_gap)
        watch_gap(w);
    budget_count(l->budget, verdict_watched(v), watch_push(w, v, &in) == WATCH_OPENED);
}

void line_recall(struct line *l, int64_t ts_ms, const float *frame)
{
    struct verdict v;

    assert(l->scorer);
    if (is_after_gap(l, ts_ms))
        line_forget(l);
    remember(l, ts_ms, frame);
    scorer_push(l->scorer, ts_ms, frame, &v);
}

void line_hold(struct line *l, bool held)
{
    if (l->budget && l->watch.held != held)
        budget_gap(l->budget);
    watch_hold(&l->watch, held);
}

void line_forget(struct line *l)
{
    l->past.n = 0;
    if (l->scorer) {
        scorer_clear(l->scorer);
        budget_gap(l->budget);
    }
    watch_gap(&l->watch);
}
