/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/binding.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

/* The label set of an element: some of one series' labels. Every supported step only takes labels
 * away, so no other set can arise. */
struct labels {
    const struct series *series; /* NULL: no labels */
    uint64_t mask;               /* bit i: label i is there */
};

_Static_assert(SERIES_LABELS_MAX <= 64, "a label set is a 64-bit mask");

struct binder {
    struct binding *b;
    const struct plan *plan;
    const struct slot_list *lists;
    const struct slot *slots;
    struct labels *labels; /* [n_elements], beside value and present */
    size_t element_capacity, map_capacity;
    struct err *err;
};

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "evaluator: no memory for elements");
}

static enum rc add_elements(struct binder *d, size_t n, uint32_t *ret_at)
{
    struct binding *b = d->b;

    if (n > BINDING_ELEMENTS_MAX || b->n_elements + n > BINDING_ELEMENTS_MAX)
        return err_set(d->err, E_LIMIT, "evaluator: the expressions have over %d elements",
                       BINDING_ELEMENTS_MAX);
    if (b->n_elements + n > d->element_capacity) {
        const size_t capacity = 2 * (b->n_elements + n);
        void *value = mem_grow(b->value, capacity, sizeof *b->value);
        if (!value)
            return no_memory(d->err);
        b->value = value;
        void *present = mem_grow(b->present, capacity, sizeof *b->present);
        if (!present)
            return no_memory(d->err);
        b->present = present;
        void *labels = mem_grow(d->labels, capacity, sizeof *d->labels);
        if (!labels)
            return no_memory(d->err);
        d->labels = labels;
        d->element_capacity = capacity;
    }
    for (size_t i = b->n_elements; i < b->n_elements + n; i++) {
        b->value[i] = 0;
        b->present[i] = 0;
        d->labels[i] = (struct labels){0};
    }
    *ret_at = (uint32_t)b->n_elements;
    b->n_elements += n;
    return OK;
}

static enum rc add_maps(struct binder *d, size_t n, uint32_t *ret_at)
{
    struct binding *b = d->b;

    if (b->n_maps + n > 2 * (size_t)BINDING_ELEMENTS_MAX)
        return err_set(d->err, E_LIMIT, "evaluator: the expressions have over %d elements",
                       BINDING_ELEMENTS_MAX);
    if (b->n_maps + n > d->map_capacity) {
        const size_t capacity = 2 * (b->n_maps + n);
        void *maps = mem_grow(b->maps, capacity, sizeof *b->maps);
        if (!maps)
            return no_memory(d->err);
        b->maps = maps;
        d->map_capacity = capacity;
    }
    *ret_at = (uint32_t)b->n_maps;
    b->n_maps += n;
    return OK;
}

/* l less the labels that node's by, without, on or ignoring takes away. */
static struct labels reduce(const struct binder *d, const struct plan_node *node, struct labels l)
{
    uint64_t named = 0;

    if (!l.series)
        return l;
    for (size_t i = 0; i < l.series->n_labels; i++)
        for (size_t k = 0; k < node->n_labels; k++)
            if (str_eq(l.series->labels[i].name, d->plan->labels[node->labels + k]))
                named |= (uint64_t)1 << i;
    l.mask &= node->keep ? named : ~named;
    return l;
}

static uint64_t labels_hash(struct labels l)
{
    uint64_t h = 0;

    for (uint64_t left = l.mask; left; left &= left - 1) {
        const struct label *x = &l.series->labels[__builtin_ctzll(left)];
        h = hash_bytes(x->name.p, x->name.n, h);
        h = hash_bytes(x->value.p, x->value.n, h);
    }
    return h;
}

static bool labels_equal(struct labels a, struct labels b)
{
    for (;;) {
        if (!a.mask || !b.mask)
            return a.mask == b.mask;
        assert(a.series && b.series);
        const struct label *x = &a.series->labels[__builtin_ctzll(a.mask)];
        const struct label *y = &b.series->labels[__builtin_ctzll(b.mask)];
        if (!str_eq(x->name, y->name) || !str_eq(x->value, y->value))
            return false;
        a.mask &= a.mask - 1; /* labels are sorted by name: sets are equal place by place */
        b.mask &= b.mask - 1;
    }
}

/* Label sets and the number that each got, open addressing. */
struct groups {
    size_t n, size;      /* size: a power of two over twice the sets to come */
    uint32_t *table;     /* number + 1, 0: free */
    struct labels *sets; /* [n] */
};

static void groups_done(struct groups *g)
{
    mem_free(g->table);
    mem_free(g->sets);
}

static enum rc groups_init(struct groups *g, size_t most, struct err *err)
{
    *g = (struct groups){.size = 2};
    while (g->size < 2 * most)
        g->size *= 2;
    g->table = mem_array(g->size, sizeof *g->table);
    g->sets = mem_array(most ? most : 1, sizeof *g->sets);
    return g->table && g->sets ? OK : no_memory(err);
}

static uint32_t groups_number(struct groups *g, struct labels l)
{
    size_t i = labels_hash(l) & (g->size - 1);

    for (; g->table[i]; i = (i + 1) & (g->size - 1))
        if (labels_equal(g->sets[g->table[i] - 1], l))
            return g->table[i] - 1;
    g->sets[g->n] = l;
    g->table[i] = (uint32_t)++g->n;
    return (uint32_t)g->n - 1;
}

/* Give each element of a and b (or of a alone) its group, in maps from x->map on. */
static enum rc number_groups(struct binder *d, const struct plan_node *node, struct bound_node *x,
                             bool both, struct groups *g)
{
    const struct bound_node *a = &d->b->nodes[node->a], *b = &d->b->nodes[node->b];
    const size_t n = a->n + (both ? b->n : 0);

    if (groups_init(g, n, d->err) != OK || add_maps(d, n, &x->map) != OK)
        return d->err->rc;
    for (size_t i = 0; i < n; i++) {
        const size_t element = i < a->n ? a->at + i : b->at + (i - a->n);
        d->b->maps[x->map + i] = groups_number(g, reduce(d, node, d->labels[element]));
    }
    x->groups = (uint32_t)g->n;
    return add_elements(d, g->n, &x->scratch);
}

static enum rc bind_selector(struct binder *d, const struct plan_node *node, struct bound_node *x)
{
    const struct slot_list *list = &d->lists[node->selector];

    x->n = (uint32_t)list->n;
    if (add_elements(d, x->n, &x->at) != OK || add_maps(d, x->n, &x->map) != OK)
        return d->err->rc;
    for (size_t i = 0; i < x->n; i++) {
        const struct series *s = d->slots[list->slots[i]].series;
        d->b->maps[x->map + i] = list->slots[i];
        d->labels[x->at + i] =
            (struct labels){s, s->n_labels < 64 ? ((uint64_t)1 << s->n_labels) - 1 : ~(uint64_t)0};
    }
    return OK;
}

static enum rc bind_aggregate(struct binder *d, const struct plan_node *node, struct bound_node *x)
{
    CLEANUP(groups_done) struct groups g = {0};

    if (number_groups(d, node, x, false, &g) != OK)
        return d->err->rc;
    x->n = x->groups;
    if (add_elements(d, x->n, &x->at) != OK)
        return d->err->rc;
    for (size_t i = 0; i < x->n; i++)
        d->labels[x->at + i] = g.sets[i];
    return OK;
}

/* The labels of one argument's elements pass on unchanged. */
static enum rc bind_like(struct binder *d, uint32_t argument, struct bound_node *x)
{
    const struct bound_node *a = &d->b->nodes[argument];

    x->n = a->n;
    if (add_elements(d, x->n, &x->at) != OK)
        return d->err->rc;
    for (size_t i = 0; i < x->n; i++)
        d->labels[x->at + i] = d->labels[a->at + i];
    return OK;
}

static enum rc bind_binary(struct binder *d, const struct plan_node *node, struct bound_node *x)
{
    const struct bound_node *a = &d->b->nodes[node->a], *b = &d->b->nodes[node->b];
    CLEANUP(groups_done) struct groups g = {0};

    if (d->plan->nodes[node->a].type == PLAN_TYPE_SCALAR)
        return bind_like(d, node->b, x);
    if (d->plan->nodes[node->b].type == PLAN_TYPE_SCALAR)
        return bind_like(d, node->a, x);
    if (number_groups(d, node, x, true, &g) != OK)
        return d->err->rc;
    x->n = a->n + (node->fn == BINARY_OR ? b->n : 0);
    if (add_elements(d, x->n, &x->at) != OK)
        return d->err->rc;
    for (size_t i = 0; i < x->n; i++) {
        const struct labels l = d->labels[i < a->n ? a->at + i : b->at + (i - a->n)];
        /* and, or, unless keep an element as it is; the others keep what was matched on */
        d->labels[x->at + i] = node->fn >= BINARY_AND ? l : reduce(d, node, l);
    }
    return OK;
}

static enum rc bind_node(struct binder *d, const struct plan_node *node, struct bound_node *x)
{
    switch ((enum plan_op)node->op) {
    case PLAN_NUMBER:
    case PLAN_TIME:
    case PLAN_VECTOR:
    case PLAN_SCALAR:
        x->n = 1;
        return add_elements(d, 1, &x->at);
    case PLAN_SELECT:
    case PLAN_RANGE:
        return bind_selector(d, node, x);
    case PLAN_MAP:
        return bind_like(d, node->a, x);
    case PLAN_AGGREGATE:
        return bind_aggregate(d, node, x);
    case PLAN_BINARY:
        break;
    }
    return bind_binary(d, node, x);
}

enum rc binding_init(struct binding *b, const struct plan *plan, const struct slot_list *lists,
                     const struct slot *slots, struct err *err)
{
    struct binding made = {0};
    struct binder d = {.b = &made, .plan = plan, .lists = lists, .slots = slots, .err = err};
    enum rc rc = OK;

    made.nodes = mem_array(plan->n_nodes, sizeof *made.nodes);
    /* even without any series the arrays are there */
    d.map_capacity = d.element_capacity = plan->n_nodes + 1;
    made.maps = mem_array(d.map_capacity, sizeof *made.maps);
    made.value = mem_array(d.element_capacity, sizeof *made.value);
    made.present = mem_array(d.element_capacity, sizeof *made.present);
    d.labels = mem_array(d.element_capacity, sizeof *d.labels);
    if (!made.nodes || !made.maps || !made.value || !made.present || !d.labels)
        rc = no_memory(err);
    for (size_t i = 0; i < plan->n_nodes && rc == OK; i++)
        rc = bind_node(&d, &plan->nodes[i], &made.nodes[i]);
    mem_free(d.labels);
    if (rc == OK)
        *b = made;
    else
        binding_done(&made);
    return rc;
}

void binding_done(struct binding *b)
{
    mem_free(b->nodes);
    mem_free(b->maps);
    mem_free(b->value);
    mem_free(b->present);
    *b = (struct binding){0};
}
