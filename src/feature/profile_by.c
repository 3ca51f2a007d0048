/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/profile_by.h"

#include <string.h>

#include "base/mem.h"
#include "feature/expr.h"
#include "feature/profile_plan.h"

void profile_queries_done(struct profile_queries *q)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->names)
            mem_free(q->names[i]);
        if (q->promql)
            mem_free(q->promql[i]);
    }
    mem_free(q->names);
    mem_free(q->promql);
    mem_free(q->anchor);
    mem_free(q->age);
    *q = (struct profile_queries){0};
}

static enum rc no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "no memory for a profile's queries");
}

/* The first series that the profile asks for, in its order: with it a machine is there. */
static bool find_anchor(const struct profile *p, uint32_t *ret)
{
    for (size_t i = 0; i < profile_base_count(p); i++)
        if (expr_by_leaf(profile_plan(p), profile_roots(p)[i], ret))
            return true;
    return false;
}

static enum rc add(const struct profile *p, size_t i, uint32_t anchor, const struct expr_by *by,
                   struct profile_queries *q, struct err *err)
{
    const char *name = profile_schema(p)->f[i].name;
    struct buf text;

    buf_init(&text, EXPR_BY_MAX);
    const enum rc rc = expr_by_print(profile_plan(p), profile_roots(p)[i], anchor, by, &text, err);
    if (rc == OK) {
        q->promql[i] = buf_take(&text);
        q->names[i] = mem_strndup(name, strlen(name));
    }
    buf_done(&text);
    if (rc != OK)
        return err_wrap(err, "feature '%s' of profile %s", name, profile_name(p));
    return q->promql[i] && q->names[i] ? OK : no_memory(err);
}

enum rc profile_queries(const struct profile *p, const struct expr_by *by,
                        struct profile_queries *ret, struct err *err)
{
    const size_t n = profile_base_count(p);
    CLEANUP(profile_queries_done) struct profile_queries q = {.n = n};
    struct buf text;
    uint32_t anchor = UINT32_MAX;

    if (expr_by_check(by, err) != OK)
        return err->rc;
    if (!find_anchor(p, &anchor))
        return err_set(err, E_CONFIG, "profile %s asks for no metric", profile_name(p));
    buf_init(&text, EXPR_BY_MAX);
    expr_by_print_selector(profile_plan(p), anchor, by, &text);
    q.anchor = buf_take(&text);
    if (!q.anchor)
        return no_memory(err);
    buf_printf(&text, "time() - max by (%s) (timestamp(%s))", by->label, q.anchor);
    q.age = buf_take(&text);
    q.age_most_ms = expr_rate_interval_ms(profile_interval_ms(p));
    if (q.age_most_ms < PROFILE_AGE_LEAST_MS)
        q.age_most_ms = PROFILE_AGE_LEAST_MS;
    q.names = mem_array(n, sizeof *q.names);
    q.promql = mem_array(n, sizeof *q.promql);
    if (!q.age || !q.names || !q.promql)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (add(p, i, anchor, by, &q, err) != OK)
            return err->rc;
    *ret = q;
    q = (struct profile_queries){0};
    return OK;
}
