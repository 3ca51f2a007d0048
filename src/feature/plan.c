/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/plan.h"

#include "base/hash.h"
#include "base/mem.h"
#include "feature/regex.h"

static void selector_done(struct plan_selector *s)
{
    for (size_t i = 0; i < s->n_matchers; i++)
        regex_free(s->matchers[i].re);
    mem_free(s->matchers);
}

void plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->n_selectors; i++)
        selector_done(&p->selectors[i]);
    for (size_t i = 0; i < p->n_strings; i++)
        mem_free(p->strings[i]);
    mem_free(p->selectors);
    mem_free(p->strings);
    mem_free(p->labels);
    mem_free(p->lists);
    mem_free(p->nodes);
    *p = (struct plan){0};
}

/* Room for one more behind n entries: arrays double, which only a load does. */
static enum rc grow(void **array, size_t n, size_t size, struct err *err)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return OK; /* not a power of two: there is room */
    void *p = mem_grow(*array, n ? 2 * n : 1, size);
    if (!p)
        return err_set(err, E_NOMEM, "expression: no memory");
    *array = p;
    return OK;
}

static enum rc copy_string(struct plan *p, struct str s, struct str *ret, struct err *err)
{
    if (grow((void **)&p->strings, p->n_strings, sizeof *p->strings, err) != OK)
        return err->rc;
    char *z = mem_strndup(s.p, s.n);
    if (!z)
        return err_set(err, E_NOMEM, "expression: no memory");
    p->strings[p->n_strings++] = z;
    *ret = (struct str){z, s.n};
    return OK;
}

/* Numbers are compared by their bits: a NaN is equal to itself. */
static uint64_t bits(double v)
{
    uint64_t b;

    memcpy(&b, &v, sizeof b);
    return b;
}

static bool node_equal(const struct plan_node *a, const struct plan_node *b)
{
    return a->op == b->op && a->fn == b->fn && a->type == b->type && a->as_bool == b->as_bool &&
           a->keep == b->keep && a->n_labels == b->n_labels && a->labels == b->labels &&
           a->a == b->a && a->b == b->b && a->selector == b->selector &&
           a->range_ms == b->range_ms && bits(a->number) == bits(b->number);
}

enum rc plan_node_add(struct plan *p, const struct plan_node *node, uint32_t *ret, struct err *err)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        if (node_equal(&p->nodes[i], node)) {
            *ret = (uint32_t)i;
            return OK;
        }
    if (p->n_nodes == PLAN_NODES_MAX)
        return err_set(err, E_LIMIT, "the expressions have over %d steps", PLAN_NODES_MAX);
    if (grow((void **)&p->nodes, p->n_nodes, sizeof *p->nodes, err) != OK)
        return err->rc;
    p->nodes[p->n_nodes] = *node;
    *ret = (uint32_t)p->n_nodes++;
    if (node->op == PLAN_RANGE && p->selectors[node->selector].range_ms < node->range_ms)
        p->selectors[node->selector].range_ms = node->range_ms;
    return OK;
}

static uint64_t hash_names(const struct str *names, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++)
        h = hash_bytes(names[i].p, names[i].n, h + names[i].n);
    return h;
}

static bool list_equal(const struct plan *p, const struct plan_list *l, const struct str *names,
                       size_t n)
{
    if (l->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(p->labels[l->first + i], names[i]))
            return false;
    return true;
}

/* Equal lists are stored once, so that equal nodes have equal numbers. */
enum rc plan_labels_add(struct plan *p, const struct str *names, size_t n, uint32_t *ret_first,
                        struct err *err)
{
    const uint64_t hash = hash_names(names, n);
    const size_t first = p->n_labels;

    for (size_t i = 0; i < p->n_lists; i++)
        if (p->lists[i].hash == hash && list_equal(p, &p->lists[i], names, n)) {
            *ret_first = p->lists[i].first;
            return OK;
        }
    for (size_t i = 0; i < n; i++) {
        if (grow((void **)&p->labels, p->n_labels, sizeof *p->labels, err) != OK ||
            copy_string(p, names[i], &p->labels[p->n_labels], err) != OK)
            return err->rc;
        p->n_labels++;
    }
    if (grow((void **)&p->lists, p->n_lists, sizeof *p->lists, err) != OK)
        return err->rc;
    p->lists[p->n_lists++] = (struct plan_list){hash, (uint32_t)first, (uint32_t)n};
    *ret_first = (uint32_t)first;
    return OK;
}

static int str_order(struct str a, struct str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int matcher_order(const void *va, const void *vb)
{
    const struct plan_matcher *a = va, *b = vb;
    int c = str_order(a->label, b->label);

    if (c == 0)
        c = (a->op > b->op) - (a->op < b->op);
    return c ? c : str_order(a->value, b->value);
}

static bool selector_equal(const struct plan_selector *a, const struct plan_selector *b)
{
    if (!str_eq(a->name, b->name) || a->n_matchers != b->n_matchers)
        return false;
    for (size_t i = 0; i < a->n_matchers; i++)
        if (matcher_order(&a->matchers[i], &b->matchers[i]) != 0)
            return false;
    return true;
}

/* to.matchers[i] takes over what from.matchers[i] says, with bytes and automaton of its own. */
static enum rc copy_matchers(struct plan *p, struct plan_selector *to,
                             const struct plan_selector *from, struct err *err)
{
    for (size_t i = 0; i < from->n_matchers; i++) {
        struct plan_matcher *m = &to->matchers[i];
        const struct plan_matcher *f = &from->matchers[i];
        m->op = f->op;
        if (copy_string(p, f->label, &m->label, err) != OK ||
            copy_string(p, f->value, &m->value, err) != OK)
            return err->rc;
        if ((m->op == MATCHER_RE || m->op == MATCHER_NRE) &&
            regex_compile(m->value, &m->re, err) != OK)
            return err->rc;
        to->n_matchers++;
    }
    return OK;
}

enum rc plan_selector_add(struct plan *p, const struct plan_selector *selector, uint32_t *ret,
                          struct err *err)
{
    struct plan_matcher sorted[PLAN_MATCHERS_MAX];
    struct plan_selector wanted = *selector;

    memcpy(sorted, selector->matchers, selector->n_matchers * sizeof sorted[0]);
    qsort(sorted, wanted.n_matchers, sizeof sorted[0], matcher_order);
    wanted.matchers = sorted;
    for (size_t i = 0; i < p->n_selectors; i++)
        if (selector_equal(&p->selectors[i], &wanted)) {
            *ret = (uint32_t)i;
            return OK;
        }
    if (p->n_selectors == PLAN_SELECTORS_MAX)
        return err_set(err, E_LIMIT, "the expressions have over %d selectors", PLAN_SELECTORS_MAX);
    if (grow((void **)&p->selectors, p->n_selectors, sizeof *p->selectors, err) != OK)
        return err->rc;
    struct plan_selector *s = &p->selectors[p->n_selectors];
    *s = (struct plan_selector){.matchers = mem_array(wanted.n_matchers, sizeof *s->matchers)};
    if (!s->matchers)
        return err_set(err, E_NOMEM, "expression: no memory");
    *ret = (uint32_t)p->n_selectors++; /* from here plan_done frees what there is of it */
    if (copy_string(p, wanted.name, &s->name, err) != OK)
        return err->rc;
    return copy_matchers(p, s, &wanted, err);
}

bool plan_selector_matches(const struct plan_selector *selector, const struct series *s)
{
    if (!str_eq(selector->name, s->name))
        return false;
    for (size_t i = 0; i < selector->n_matchers; i++) {
        const struct plan_matcher *m = &selector->matchers[i];
        const struct str value = series_label(s, m->label); /* absent is the empty value */
        const bool regex = m->op == MATCHER_RE || m->op == MATCHER_NRE;
        const bool same = regex ? regex_match(m->re, value) : str_eq(m->value, value);
        if (same != (m->op == MATCHER_EQ || m->op == MATCHER_RE))
            return false;
    }
    return true;
}
