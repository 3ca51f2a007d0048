/* SPDX-License-Identifier: Apache-2.0 */
#include "model/assemble.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "model/departure.h"
#include "model/model_private.h"

static enum rc check_parts(const struct model_parts *p, struct err *err)
{
    const struct net *const net = &p->net;
    const size_t n = p->schema->n;

    if (net->n_layers == 0 || net->layer[0].in != n || net->layer[net->n_layers - 1].out != n)
        return err_set(
            err, E_CONFIG,
            "a network of %u inputs and %u outputs for %zu features: expected as many of "
            "each",
            net->n_layers ? net->layer[0].in : 0,
            net->n_layers ? net->layer[net->n_layers - 1].out : 0, n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(p->low[i]) || !isfinite(p->span[i]) || !(p->span[i] > 0))
            return err_set(err, E_CONFIG,
                           "the scale of '%s': expected a finite least value and a span over 0",
                           p->schema->f[i].name);
    if (!(p->threshold > 0) || !isfinite(p->threshold))
        return err_set(err, E_CONFIG, "a threshold of %g: expected a number over 0",
                       (double)p->threshold);
    return OK;
}

static void set_scale(struct model *m, const struct model_parts *p)
{
    /* A distance of all features that is just at the threshold is as far as one counts to with
     * DEPARTURE_HUBER units: of what is usual, nothing else is known. */
    const float unit = sqrtf(p->threshold) / DEPARTURE_HUBER;

    for (size_t i = 0; i < m->schema->n; i++) {
        m->scaler.low[i] = p->low[i];
        m->scaler.span[i] = p->span[i];
        m->scaler.median[i] = p->low[i] + p->span[i] / 2; /* what stands in for a missing value */
        m->scaler.constant[i] = SCALER_MOVES;
        m->schema->f[i].weightless = false;
        /* over 0 and finite, whatever the span */
        m->unit_level[i] = m->unit_change[i] = fminf(fmaxf(p->span[i] * unit, FLT_MIN), FLT_MAX);
    }
}

static enum rc alloc(struct model *m, const struct schema *schema, struct err *err)
{
    if (scaler_alloc(schema->n, &m->scaler, err) != OK ||
        model_alloc_units(m, schema->n, err) != OK)
        return err->rc;
    m->schema = schema_copy(schema);
    m->scores = mem_array(1, sizeof *m->scores); /* none of them */
    m->tail.peak = mem_array(1, sizeof *m->tail.peak);
    m->trained.peak = mem_array(1, sizeof *m->trained.peak);
    if (!m->schema || !m->scores || !m->tail.peak || !m->trained.peak)
        return err_set(err, E_NOMEM, "no memory for a model of %zu features", schema->n);
    return OK;
}

static enum rc assemble(const struct model_parts *p, struct model **ret, struct err *err)
{
    CLEANUP(model_unrefp) struct model *m = NULL;

    if (check_parts(p, err) != OK)
        return err->rc;
    m = mem_alloc(sizeof *m);
    if (!m)
        return err_set(err, E_NOMEM, "no memory for a model");
    atomic_init(&m->refs, 1);
    if (alloc(m, p->schema, err) != OK)
        return err->rc;
    set_scale(m, p);
    m->season.n = m->schema->n;
    m->clip_low = -SCALER_Z_MAX;
    m->clip_high = SCALER_Z_MAX;
    settings_confirm_defaults(&m->tail.confirm); /* what would be counted by, were there a tail */
    m->trained.confirm = m->tail.confirm;
    m->threshold_spec = (struct threshold_spec){
        .method = THRESHOLD_FIXED, .value = (double)p->threshold, .confirm = m->tail.confirm};
    m->threshold = p->threshold;
    m->threshold_widening = 1;
    m->provenance = p->provenance;
    *ret = TAKE(m);
    return OK;
}

enum rc model_assemble(struct model_parts *parts, struct model **ret, struct err *err)
{
    const enum rc rc = assemble(parts, ret, err);

    if (rc == OK)
        (*ret)->net = parts->net;
    else
        net_done(&parts->net);
    parts->net = (struct net){0};
    return rc;
}

bool model_keeps_threshold(const struct model *m, const struct threshold_spec *spec)
{
    return m->n_scores == 0 && spec->method != THRESHOLD_FIXED;
}

enum rc model_rebind(const struct model *m, const struct schema *schema,
                     const struct model_provenance *provenance, int64_t interval_ms,
                     struct model **ret, struct err *err)
{
    CLEANUP(model_unrefp) struct model *copy = NULL;
    CLEANUP(schema_freep) struct schema *bound = NULL;

    if (schema_match(m->schema, schema, err) != OK ||
        model_with_threshold(m, &m->threshold_spec, &copy, err) != OK)
        return err->rc;
    bound = schema_copy(schema);
    if (!bound)
        return err_set(err, E_NOMEM, "no memory for a schema of %zu features", schema->n);
    for (size_t i = 0; i < schema->n; i++) /* as model files have it: the scale says so */
        bound->f[i].weightless = m->scaler.constant[i] == SCALER_WEIGHTLESS;
    schema_free(copy->schema);
    copy->schema = TAKE(bound);
    copy->provenance = *provenance;
    copy->interval_ms = interval_ms;
    *ret = TAKE(copy);
    return OK;
}
