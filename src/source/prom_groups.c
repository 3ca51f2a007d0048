/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* Between the group and the instance in the one label that an answer's elements are told by:
 * ASCII's unit separator, which no sane label has. */
#define SEPARATOR '\x1f'

enum { QUERY_MAX = 8192 };

struct like {
    const char *instance, *group;
};

static int compare(const void *a, const void *b)
{
    const struct like *x = a, *y = b;
    const int c = strcmp(x->instance, y->instance);

    return c ? c : strcmp(x->group, y->group);
}

/* The elements' names, cut in two, by instance and group; how many. */
static size_t cut(struct prom_answer *a, struct like *v)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_series; i++) {
        char *name = a->series[i].entity, *end = strchr(name, SEPARATOR);
        if (!end || end == name)
            continue; /* it lacks the label */
        *end = '\0';
        v[n++] = (struct like){end + 1, name};
    }
    if (n)
        qsort(v, n, sizeof *v, compare);
    return n;
}

enum rc prom_groups_ask(struct prom_client *c, const struct prom_groups *g, int64_t at_ms,
                        void (*fn)(void *arg, const char *instance, const char *group), void *arg,
                        struct err *err)
{
    CLEANUP(buf_done) struct buf query;
    CLEANUP(prom_answer_done) struct prom_answer a = {0};
    CLEANUP(mem_freep) struct like *v = NULL;

    buf_init(&query, QUERY_MAX);
    buf_printf(&query, "label_join(count by (%s, %s) (up{%s}), \"%s\", \"\\x1f\", \"%s\", \"%s\")",
               g->entity_label, g->label, g->match ? g->match : "", g->entity_label, g->label,
               g->entity_label);
    if (query.failed)
        return err_set(err, E_CONFIG, "prometheus.match: expected at most %d bytes", QUERY_MAX);
    if (prom_query(c, query.p, at_ms, &a, err) != OK)
        return err->rc;
    v = mem_array(a.n_series, sizeof *v);
    if (!v)
        return err_set(err, E_NOMEM, "no memory for %zu machines", a.n_series);
    const size_t n = cut(&a, v);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(v[i].instance, v[i - 1].instance) != 0)
            fn(arg, v[i].instance, v[i].group);
    return OK;
}
