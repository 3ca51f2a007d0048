/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/evaluator.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "feature/binding.h"
#include "feature/evaluator_value.h"
#include "feature/history.h"
#include "feature/profile_plan.h"
#include "feature/windows.h"

struct evaluator {
    bool rebooted, renewed; /* at the last push */
    const struct plan *plan;
    const uint32_t *roots;
    size_t n_roots;

    struct series_set *set; /* one reference; NULL before the first push */
    size_t seen;            /* series of the set that were held against the selectors */
    int64_t last_ms;        /* of the newest tick; used when history has one */
    double *values;         /* [n_roots] at the last evaluation */

    struct slot *slots; /* the series that some selector matches */
    size_t n_slots, slot_capacity;
    struct slot_list *lists; /* [plan->n_selectors] */
    struct history history;
    struct binding binding;
};

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "evaluator: no memory");
}

/* One class of history for each different window of the selectors. */
static enum rc init_history(struct evaluator *e, int64_t interval_ms, struct err *err)
{
    int64_t windows_ms[HISTORY_CLASSES_MAX];
    size_t n;

    if (windows_of(e->plan, windows_ms, &n, err) != OK)
        return err->rc;
    return history_init(&e->history, windows_ms, n, interval_ms, err);
}

enum rc evaluator_new(const struct profile *p, int64_t interval_ms, struct evaluator **ret,
                      struct err *err)
{
    assert(interval_ms > 0);
    CLEANUP(evaluator_freep) struct evaluator *e = mem_alloc(sizeof *e);
    if (!e)
        return no_memory(err);
    e->plan = profile_plan(p);
    e->roots = profile_roots(p);
    e->n_roots = profile_base_count(p);
    e->lists = mem_array(e->plan->n_selectors, sizeof *e->lists);
    e->values = mem_array(e->n_roots, sizeof *e->values);
    if (!e->lists || !e->values)
        return no_memory(err);
    for (size_t i = 0; i < e->n_roots; i++)
        e->values[i] = (double)NAN;
    if (init_history(e, interval_ms, err) != OK ||
        binding_init(&e->binding, e->plan, e->lists, e->slots, err) != OK)
        return err->rc;
    *ret = TAKE(e);
    return OK;
}

void evaluator_free(struct evaluator *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->lists && i < e->plan->n_selectors; i++)
        mem_free(e->lists[i].slots);
    mem_free(e->lists);
    mem_free(e->slots);
    mem_free(e->values);
    history_done(&e->history);
    binding_done(&e->binding);
    series_set_unref(e->set);
    mem_free(e);
}

void evaluator_clear(struct evaluator *e)
{
    history_clear(&e->history);
}

/* Take back the slots from n on: what a push that fails had added, or all of them. */
static void drop_slots(struct evaluator *e, size_t n)
{
    for (size_t i = 0; i < e->plan->n_selectors; i++) {
        struct slot_list *l = &e->lists[i];
        while (l->n > 0 && l->slots[l->n - 1] >= n)
            l->n--;
    }
    while (e->n_slots > n)
        history_drop(&e->history, e->slots[--e->n_slots].class, 1);
}

static enum rc list_add(struct slot_list *l, size_t slot, struct err *err)
{
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 8;
        uint32_t *slots = mem_grow(l->slots, capacity, sizeof *slots);
        if (!slots)
            return no_memory(err);
        l->slots = slots;
        l->capacity = capacity;
    }
    l->slots[l->n++] = (uint32_t)slot;
    return OK;
}

static size_t class_of(const struct history *h, int64_t window_ms)
{
    size_t class = 0;

    while (h->classes[class].window_ms != window_ms)
        class ++;
    return class;
}

static enum rc add_slot(struct evaluator *e, const struct series *series, uint32_t id,
                        int64_t window_ms, struct err *err)
{
    const size_t class = class_of(&e->history, window_ms);
    size_t index;

    if (e->n_slots == e->slot_capacity) {
        const size_t capacity = e->slot_capacity ? 2 * e->slot_capacity : 64;
        struct slot *slots = mem_grow(e->slots, capacity, sizeof *slots);
        if (!slots)
            return no_memory(err);
        e->slots = slots;
        e->slot_capacity = capacity;
    }
    if (history_add(&e->history, class, &index, err) != OK)
        return err->rc;
    e->slots[e->n_slots++] = (struct slot){series, id, (uint32_t) class, (uint32_t)index};
    return OK;
}

/* Hold one new series against every selector; where any matches, it gets a slot. */
static enum rc meet_series(struct evaluator *e, uint32_t id, struct err *err)
{
    const struct series *series = series_set_at(e->set, id);
    int64_t window_ms = -1;

    for (size_t i = 0; i < e->plan->n_selectors; i++) {
        const struct plan_selector *s = &e->plan->selectors[i];
        if (!plan_selector_matches(s, series))
            continue;
        if (list_add(&e->lists[i], e->n_slots, err) != OK)
            return err->rc;
        if (s->range_ms > window_ms)
            window_ms = s->range_ms;
    }
    return window_ms < 0 ? OK : add_slot(e, series, id, window_ms, err);
}

static enum rc meet_new_series(struct evaluator *e, size_t n, struct err *err)
{
    const size_t had = e->n_slots;
    struct binding made = {0};

    for (size_t id = e->seen; id < n; id++)
        if (meet_series(e, (uint32_t)id, err) != OK) {
            drop_slots(e, had);
            return err->rc;
        }
    if (e->n_slots > had) {
        if (binding_init(&made, e->plan, e->lists, e->slots, err) != OK) {
            drop_slots(e, had);
            return err->rc;
        }
        binding_done(&e->binding);
        e->binding = made;
    }
    e->seen = n;
    return OK;
}

/* Another set is another source: its numbers mean other series. */
static enum rc change_set(struct evaluator *e, struct series_set *set, struct err *err)
{
    struct binding made = {0};

    drop_slots(e, 0);
    history_clear(&e->history);
    series_set_unref(e->set);
    e->set = NULL;
    e->seen = 0;
    if (binding_init(&made, e->plan, e->lists, e->slots, err) != OK)
        return err->rc;
    binding_done(&e->binding);
    e->binding = made;
    e->set = series_set_ref(set);
    return OK;
}

/* Did most of what is rated fall at once? One counter that begins anew is a device or a process,
 * all of them are a machine. */
static bool begins_anew(const struct evaluator *e, const struct snapshot *s)
{
    enum { LEAST = 8 }; /* series, or it says nothing */
    const struct history *h = &e->history;
    size_t n = 0, fell = 0;

    for (size_t i = 0; h->n_ticks > 0 && i < e->n_slots; i++) {
        const struct slot *slot = &e->slots[i];
        if (h->classes[slot->class].window_ms == 0 || slot->id >= s->n)
            continue;
        const double before = history_newest(h, slot->class, slot->index), now = s->v[slot->id];
        n += before > 0 && now >= 0; /* false for a NaN */
        fell += before > 0 && now < before;
    }
    return n >= LEAST && fell > n / 2;
}

enum rc evaluator_push(struct evaluator *e, const struct snapshot *s, struct err *err)
{
    struct history *h = &e->history;

    if (s->set == e->set && h->n_ticks > 0 && s->ts_ms <= e->last_ms)
        return err_set(err, E_STATE, "samples of %lld ms do not come after those of %lld ms",
                       (long long)s->ts_ms, (long long)e->last_ms);
    e->renewed = e->set && s->set != e->set;
    if (s->set != e->set && change_set(e, s->set, err) != OK)
        return err->rc;
    if (s->n > e->seen && meet_new_series(e, s->n, err) != OK)
        return err->rc;
    e->rebooted = begins_anew(e, s);
    if (e->rebooted)
        evaluator_clear(e);
    if (history_reserve(h, s->ts_ms, err) != OK)
        return err->rc;

    history_tick(h, s->ts_ms);
    for (size_t i = 0; i < e->n_slots; i++) {
        const struct slot *slot = &e->slots[i];
        history_put(h, slot->class, slot->index, slot->id < s->n ? s->v[slot->id] : series_stale());
    }
    e->last_ms = s->ts_ms;
    return OK;
}

void evaluator_eval(struct evaluator *e, int64_t ts_ms, double *base)
{
    const bool possible = e->history.n_ticks > 0 && ts_ms >= e->last_ms;

    if (possible)
        binding_eval(&e->binding, e->plan, &e->history, e->slots, ts_ms);
    for (size_t i = 0; i < e->n_roots; i++) {
        e->values[i] = possible ? binding_value(&e->binding, e->roots[i]) : (double)NAN;
        base[i] = isfinite((float)e->values[i]) ? e->values[i] : (double)NAN;
    }
}

bool evaluator_rebooted(const struct evaluator *e)
{
    return e->rebooted;
}

bool evaluator_renewed(const struct evaluator *e)
{
    return e->renewed;
}

double evaluator_value(const struct evaluator *e, size_t i)
{
    assert(i < e->n_roots);
    return e->values[i];
}
