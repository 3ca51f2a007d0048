/* SPDX-License-Identifier: Apache-2.0 */
/* The per-tick half of binding.h: numbers in, numbers out. */
#include <math.h>

#include "data/series.h"
#include "feature/binding.h"

enum { LOOKBACK_MS = 5 * 60 * 1000 }; /* Prometheus's --query.lookback-delta */

struct tick {
    struct binding *b;
    const struct plan *plan;
    const struct history *h;
    const struct slot *slots;
    int64_t ts_ms;
};

static void eval_select(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const struct history *h = k->h;
    /* every push has a value or a stale marker for each series, so the newest tick decides */
    const bool recent =
        h->n_ticks > 0 && h->ts[(h->n_ticks - 1) & (h->depth - 1)] >= k->ts_ms - LOOKBACK_MS;

    (void)node;
    for (uint32_t i = 0; i < x->n; i++) {
        const struct slot *s = &k->slots[k->b->maps[x->map + i]];
        const double v = recent ? history_newest(h, s->class, s->index) : series_stale();
        k->b->value[x->at + i] = v;
        k->b->present[x->at + i] = !series_is_stale(v);
    }
}

static void eval_range(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    struct range_window w;

    history_window(k->h, node->range_ms, k->ts_ms, &w);
    for (uint32_t i = 0; i < x->n; i++) {
        const struct slot *s = &k->slots[k->b->maps[x->map + i]];
        history_series(k->h, s->class, s->index, &w);
        k->b->present[x->at + i] =
            range_apply((enum range_fn)node->fn, &w, &k->b->value[x->at + i]);
    }
}

static double clamp(double v, double bound, bool to_least)
{
    if (isnan(v) || isnan(bound))
        return (double)NAN; /* Go's math.Max and math.Min */
    return to_least ? (v > bound ? v : bound) : (v < bound ? v : bound);
}

static void eval_map(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const struct bound_node *a = &k->b->nodes[node->a];
    const bool bounded = node->fn == MAP_CLAMP_MIN || node->fn == MAP_CLAMP_MAX;
    const double bound = bounded ? k->b->value[k->b->nodes[node->b].at] : 0;

    for (uint32_t i = 0; i < x->n; i++) {
        const double v = k->b->value[a->at + i];
        double *to = &k->b->value[x->at + i];
        k->b->present[x->at + i] = k->b->present[a->at + i];
        switch ((enum map_fn)node->fn) {
        case MAP_NEGATE:
            *to = -v;
            break;
        case MAP_ABS:
            *to = fabs(v);
            break;
        case MAP_CLAMP_MIN:
            *to = clamp(v, bound, true);
            break;
        case MAP_CLAMP_MAX:
            *to = clamp(v, bound, false);
            break;
        }
    }
}

static void aggregate_one(enum aggregate_fn fn, double v, bool first, double *to)
{
    switch (fn) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVG:
        *to = first ? v : *to + v;
        break;
    case AGGREGATE_MIN:
        if (first || *to > v || isnan(*to))
            *to = v;
        break;
    case AGGREGATE_MAX:
        if (first || *to < v || isnan(*to))
            *to = v;
        break;
    case AGGREGATE_COUNT:
        *to = first ? 1 : *to + 1;
        break;
    }
}

static void eval_aggregate(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const struct bound_node *a = &k->b->nodes[node->a];
    double *value = k->b->value + x->at, *count = k->b->value + x->scratch;
    uint8_t *present = k->b->present + x->at;

    for (uint32_t g = 0; g < x->n; g++) {
        present[g] = 0;
        count[g] = 0;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (!k->b->present[a->at + i])
            continue;
        const uint32_t g = k->b->maps[x->map + i];
        aggregate_one((enum aggregate_fn)node->fn, k->b->value[a->at + i], !present[g], &value[g]);
        present[g] = 1;
        count[g]++;
    }
    if (node->fn == AGGREGATE_AVG)
        for (uint32_t g = 0; g < x->n; g++)
            value[g] /= count[g];
}

/* a fn b; false where a comparison without bool filters the element out. */
static bool combine(const struct plan_node *node, double a, double b, double *ret)
{
    bool holds;

    switch ((enum binary_fn)node->fn) {
    case BINARY_ADD:
        *ret = a + b;
        return true;
    case BINARY_SUB:
        *ret = a - b;
        return true;
    case BINARY_MUL:
        *ret = a * b;
        return true;
    case BINARY_DIV:
        *ret = a / b;
        return true;
    case BINARY_MOD:
        *ret = fmod(a, b);
        return true;
    case BINARY_POW:
        *ret = pow(a, b);
        return true;
    case BINARY_EQ:
        holds = a == b;
        break;
    case BINARY_NE:
        holds = a != b;
        break;
    case BINARY_LT:
        holds = a < b;
        break;
    case BINARY_LE:
        holds = a <= b;
        break;
    case BINARY_GT:
        holds = a > b;
        break;
    case BINARY_GE:
        holds = a >= b;
        break;
    case BINARY_AND:
    case BINARY_OR:
    case BINARY_UNLESS:
    default:
        return false; /* not here: eval_set */
    }
    *ret = node->as_bool ? (double)holds : a;
    return node->as_bool || holds;
}

static void eval_with_scalar(const struct tick *k, const struct plan_node *node,
                             struct bound_node *x, bool scalar_left)
{
    const struct bound_node *a = &k->b->nodes[node->a], *b = &k->b->nodes[node->b];
    const bool scalar_right = k->plan->nodes[node->b].type == PLAN_TYPE_SCALAR;

    for (uint32_t i = 0; i < x->n; i++) {
        const uint32_t ia = a->at + (scalar_left ? 0 : i), ib = b->at + (scalar_right ? 0 : i);
        double *to = &k->b->value[x->at + i];
        bool keep = combine(node, k->b->value[ia], k->b->value[ib], to);
        /* a filter lets the vector's value through, whichever side it stands on */
        if (keep && scalar_left && !scalar_right && node->fn >= BINARY_EQ && !node->as_bool)
            *to = k->b->value[ib];
        k->b->present[x->at + i] = keep && k->b->present[ia] && k->b->present[ib];
    }
}

enum { GROUP_EMPTY, GROUP_RIGHT, GROUP_MATCHED };

static bool is_empty(const struct tick *k, const struct bound_node *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (k->b->present[v->at + i])
            return false;
    return true;
}

/* One-to-one: more than one element of a side in a group is an error, but as on the server
 * (VectorBinop in promql/engine.go) only where there is something to match on both sides. */
static void eval_matched(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const struct bound_node *a = &k->b->nodes[node->a], *b = &k->b->nodes[node->b];
    const uint32_t *group_a = k->b->maps + x->map, *group_b = group_a + a->n;
    double *right = k->b->value + x->scratch;
    uint8_t *state = k->b->present + x->scratch;

    if (is_empty(k, a) || is_empty(k, b)) {
        memset(k->b->present + x->at, 0, x->n);
        return;
    }
    memset(state, GROUP_EMPTY, x->groups);
    for (uint32_t i = 0; i < b->n; i++) {
        if (!k->b->present[b->at + i])
            continue;
        if (state[group_b[i]] != GROUP_EMPTY)
            x->failed = true;
        state[group_b[i]] = GROUP_RIGHT;
        right[group_b[i]] = k->b->value[b->at + i];
    }
    for (uint32_t i = 0; i < a->n; i++) {
        const uint32_t g = group_a[i];
        uint8_t *present = &k->b->present[x->at + i];
        *present = 0;
        if (!k->b->present[a->at + i] || state[g] == GROUP_EMPTY)
            continue;
        *present = combine(node, k->b->value[a->at + i], right[g], &k->b->value[x->at + i]);
        if (!*present)
            continue;
        if (state[g] == GROUP_MATCHED)
            x->failed = true;
        state[g] = GROUP_MATCHED;
    }
}

static void mark_groups(const struct tick *k, const struct bound_node *v, const uint32_t *group,
                        uint8_t *state)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (k->b->present[v->at + i])
            state[group[i]] = 1;
}

/* and, or, unless: a's elements by whether b has their group; or adds b's where a has none. */
static void eval_set(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const struct bound_node *a = &k->b->nodes[node->a], *b = &k->b->nodes[node->b];
    const uint32_t *group_a = k->b->maps + x->map, *group_b = group_a + a->n;
    uint8_t *state = k->b->present + x->scratch;

    memset(state, 0, x->groups);
    if (node->fn == BINARY_OR)
        mark_groups(k, a, group_a, state);
    else
        mark_groups(k, b, group_b, state);
    for (uint32_t i = 0; i < a->n; i++) {
        k->b->value[x->at + i] = k->b->value[a->at + i];
        k->b->present[x->at + i] =
            k->b->present[a->at + i] &&
            (node->fn == BINARY_OR || (state[group_a[i]] != 0) == (node->fn == BINARY_AND));
    }
    if (node->fn != BINARY_OR)
        return;
    for (uint32_t i = 0; i < b->n; i++) {
        k->b->value[x->at + a->n + i] = k->b->value[b->at + i];
        k->b->present[x->at + a->n + i] = k->b->present[b->at + i] && !state[group_b[i]];
    }
}

static void eval_binary(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    const bool left = k->plan->nodes[node->a].type == PLAN_TYPE_SCALAR;

    if (left || k->plan->nodes[node->b].type == PLAN_TYPE_SCALAR)
        eval_with_scalar(k, node, x, left);
    else if (node->fn >= BINARY_AND)
        eval_set(k, node, x);
    else
        eval_matched(k, node, x);
}

/* The steps that give one number. */
static void eval_number(const struct tick *k, const struct plan_node *node, struct bound_node *x)
{
    double v = node->number;

    if (node->op == PLAN_TIME)
        v = (double)k->ts_ms / 1000;
    else if (node->op == PLAN_VECTOR)
        v = k->b->value[k->b->nodes[node->a].at];
    else if (node->op == PLAN_SCALAR)
        v = binding_value(k->b, node->a);
    k->b->value[x->at] = v;
    k->b->present[x->at] = 1;
}

static bool failed_before(const struct binding *b, const struct plan_node *node)
{
    switch ((enum plan_op)node->op) {
    case PLAN_VECTOR:
    case PLAN_SCALAR:
    case PLAN_AGGREGATE:
        return b->nodes[node->a].failed;
    case PLAN_MAP:
    case PLAN_BINARY:
        return b->nodes[node->a].failed || b->nodes[node->b].failed;
    case PLAN_NUMBER:
    case PLAN_TIME:
    case PLAN_SELECT:
    case PLAN_RANGE:
        break;
    }
    return false;
}

void binding_eval(struct binding *b, const struct plan *plan, const struct history *h,
                  const struct slot *slots, int64_t ts_ms)
{
    const struct tick k = {b, plan, h, slots, ts_ms};

    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct plan_node *node = &plan->nodes[i];
        struct bound_node *x = &b->nodes[i];
        x->failed = failed_before(b, node);
        switch ((enum plan_op)node->op) {
        case PLAN_NUMBER:
        case PLAN_TIME:
        case PLAN_VECTOR:
        case PLAN_SCALAR:
            eval_number(&k, node, x);
            break;
        case PLAN_SELECT:
            eval_select(&k, node, x);
            break;
        case PLAN_RANGE:
            eval_range(&k, node, x);
            break;
        case PLAN_MAP:
            eval_map(&k, node, x);
            break;
        case PLAN_AGGREGATE:
            eval_aggregate(&k, node, x);
            break;
        case PLAN_BINARY:
            eval_binary(&k, node, x);
            break;
        }
    }
}

double binding_value(const struct binding *b, uint32_t node)
{
    const struct bound_node *x = &b->nodes[node];
    double v = (double)NAN;
    size_t n = 0;

    for (uint32_t i = 0; i < x->n && n < 2; i++)
        if (b->present[x->at + i]) {
            v = b->value[x->at + i];
            n++;
        }
    return n == 1 && !x->failed ? v : (double)NAN;
}
