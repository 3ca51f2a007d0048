/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "model/departure.h"
#include "model/kernels.h"
#include "model/model_private.h"
#include "model/threshold.h"

enum { UNITS = 3 }; /* arrays in the block of unit_level */

struct model *model_ref(struct model *m)
{
    (void)atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void model_unref(struct model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    schema_free(m->schema);
    scaler_done(&m->scaler);
    net_done(&m->net);
    season_done(&m->season);
    mem_free(m->unit_level);
    mem_free(m->scores);
    tail_done(&m->tail);
    tail_done(&m->trained);
    mem_free(m);
}

size_t model_work_size(const struct model *m)
{
    return 3 * kernel_padded(m->schema->n) + 2 * (size_t)m->net.max_width;
}

/* What the network sees of feature i: never NaN, never far outside what it was trained on, and
 * nothing of a feature that it could not learn. */
static float net_input(const struct model *m, size_t i, float z)
{
    const struct scaler *const s = &m->scaler;

    if (s->constant[i] != SCALER_MOVES)
        return SCALER_CENTRE;
    if (z != z)
        z = (s->median[i] - s->low[i]) / s->span[i];
    return z < m->clip_low ? m->clip_low : z > m->clip_high ? m->clip_high : z;
}

void model_net_inputs(const struct model *m, const float *z, float *ret)
{
    for (size_t i = 0; i < m->schema->n; i++)
        ret[i] = net_input(m, i, z[i]);
}

float model_score(const struct model *m, const float *x, const uint8_t *present, float *expected,
                  float *error, float *work)
{
    const struct scaler *const s = &m->scaler;
    const size_t n = m->schema->n, padded = kernel_padded(n);
    float *const z = work, *const in = z + padded, *const y = in + padded;
    double sum = 0;
    uint32_t counted = 0;

    scaler_apply(s, x, z);
    model_net_inputs(m, z, in);
    net_forward(&m->net, in, y, y + padded);
    for (size_t i = 0; i < n; i++) {
        const bool learned = s->constant[i] == SCALER_MOVES;
        const bool counts = present[i] && z[i] == z[i] && scaler_carries_weight(s, i, z[i]);
        float d = z[i] - (learned ? y[i] : SCALER_CENTRE);

        d = d > MODEL_DISTANCE_MAX    ? MODEL_DISTANCE_MAX
            : d < -MODEL_DISTANCE_MAX ? -MODEL_DISTANCE_MAX
                                      : d;
        expected[i] = learned ? scaler_invert(s, i, y[i]) : s->median[i];
        error[i] = counts ? d * d : 0;
        sum += (double)error[i];
        counted += counts;
    }
    return counted > 0 ? (float)(sum / counted) : NAN;
}

enum rc model_alloc_units(struct model *m, size_t n, struct err *err)
{
    m->unit_level = mem_array(n, UNITS * sizeof *m->unit_level);
    if (!m->unit_level)
        return err_set(err, E_NOMEM, "no memory for the units of %zu features", n);
    m->unit_change = m->unit_level + n;
    m->worst = m->unit_change + n;
    for (size_t i = 0; i < n; i++)
        m->worst[i] = 1;
    return OK;
}

static enum rc copy_scaler(const struct scaler *from, struct scaler *ret, struct err *err)
{
    const size_t n = from->n;
    const enum rc rc = scaler_alloc(n, ret, err);
    if (rc != OK)
        return rc;

    memcpy(ret->low, from->low, n * sizeof *ret->low);
    memcpy(ret->span, from->span, n * sizeof *ret->span);
    memcpy(ret->median, from->median, n * sizeof *ret->median);
    memcpy(ret->constant, from->constant, n * sizeof *ret->constant);
    memcpy(ret->seen, from->seen, n * sizeof *ret->seen);
    memcpy(ret->longest_still, from->longest_still, n * sizeof *ret->longest_still);
    ret->rows = from->rows;
    return OK;
}

static enum rc copy_units(const struct model *from, struct model *to, struct err *err)
{
    const size_t n = from->schema->n;

    to->season = (struct season){.n = n};
    if (model_alloc_units(to, n, err) != OK)
        return err->rc;
    memcpy(to->unit_level, from->unit_level, UNITS * n * sizeof *to->unit_level);
    if (from->season.slots == 0)
        return OK;
    to->season.offset = mem_array(from->season.slots * n, sizeof *to->season.offset);
    if (!to->season.offset)
        return err_set(err, E_NOMEM, "no memory for the seasons of %zu features", n);
    to->season.slots = from->season.slots;
    to->season.place = from->season.place;
    memcpy(to->season.offset, from->season.offset,
           from->season.slots * n * sizeof *to->season.offset);
    return OK;
}

static enum rc copy_net(const struct net *from, struct net *ret, struct err *err)
{
    uint32_t widths[NET_LAYERS_MAX + 1];
    enum activation acts[NET_LAYERS_MAX + 1];

    for (size_t l = 0; l < from->n_layers; l++) {
        widths[l] = from->layer[l].out;
        acts[l] = from->layer[l].act;
    }
    const enum rc rc = net_init_layers(ret, from->layer[0].in, widths, acts, from->n_layers, err);
    if (rc == OK)
        memcpy(ret->params, from->params, from->n_params * sizeof *ret->params);
    return rc;
}

/* The part of one feature that is off by its resolution, a third of which is its unit, over n
 * features that carry weight, when each has a resolution; else 0: nothing is known of what matters.
 */
static float threshold_floor(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->schema->n; i++) {
        if (!model_learned(m, i))
            continue;
        if (!(m->schema->f[i].resolution > 0))
            return 0;
        n++;
    }
    return n ? DEPARTURE_HUBER * DEPARTURE_HUBER / (float)n : 0;
}

/* The threshold of a budget; *ret_held: whether the history holds it, *ret_least: what is too low
 * by the rows that were learned. */
static enum rc ask_tail(const struct model *m, double per_week, struct tail_threshold *ret,
                        bool *ret_held, float *ret_least, struct err *err)
{
    if (tail_least(&m->trained, per_week, ret_least, err) != OK ||
        tail_threshold(&m->tail, per_week, ret, err) != OK)
        return err->rc;
    *ret_held = tail_holds(ret);
    ret->threshold = fmaxf(ret->threshold, *ret_least);
    return OK;
}

static void take_budget(struct model *m, const struct tail_threshold *found)
{
    m->threshold_by = THRESHOLD_BUDGET;
    m->threshold = found->threshold;
    m->threshold_widening = found->widening;
}

static enum rc take_scores(struct model *m, const struct threshold_spec *spec, bool bounded,
                           struct err *err)
{
    m->threshold_by = spec->method;
    return threshold_fit_thinned(spec, m->scores, m->n_scores, m->stats.validation_rows, bounded,
                                 &m->threshold, &m->threshold_widening, err);
}

static enum rc take_threshold(struct model *m, const struct threshold_spec *spec, bool bounded,
                              struct err *err)
{
    const struct threshold_spec young = threshold_young(spec);
    struct tail_threshold found = {0};
    bool held = false;
    float seen = 0;

    if (!threshold_is_budget(spec->method))
        return take_scores(m, spec, bounded, err);
    enum rc rc = ask_tail(m, spec->value, &found, &held, &seen, err);
    if (rc != OK && (spec->method == THRESHOLD_BUDGET || rc == E_NOMEM))
        return rc;
    if (spec->method == THRESHOLD_BUDGET || held) {
        take_budget(m, &found);
        return OK;
    }
    rc = take_scores(m, &young, bounded, err);
    m->threshold = fmaxf(m->threshold, seen); /* what it learned from is not to ring again */
    return rc;
}

enum rc model_find_stage(struct model *m, struct err *err)
{
    struct tail_threshold found = {0};
    bool held = false;
    float seen;

    m->threshold_by = m->threshold_spec.method;
    if (m->threshold_by != THRESHOLD_STAGED)
        return OK;
    if (ask_tail(m, m->threshold_spec.value, &found, &held, &seen, err) == E_NOMEM)
        return err->rc;
    m->threshold_by = held ? THRESHOLD_BUDGET : THRESHOLD_PERCENTILE;
    return OK;
}

/* Under what matters nothing is observed either; nor where the softer budget has no lower one. */
static enum rc set_observe(struct model *m, float least, struct err *err)
{
    struct tail_threshold found = {0};
    bool held = false;
    float seen;

    m->threshold_observe = 0;
    if (m->threshold_by != THRESHOLD_BUDGET || !(m->threshold_spec.observe > 0))
        return OK;
    const enum rc rc = ask_tail(m, m->threshold_spec.observe, &found, &held, &seen, err);
    if (rc != OK)
        return rc;
    const float observe = fmaxf(found.threshold, least);
    m->threshold_observe = observe < m->threshold ? observe : 0;
    return OK;
}

enum rc model_set_threshold(struct model *m, const struct threshold_spec *spec, struct err *err)
{
    const float least = threshold_floor(m);
    enum rc rc = threshold_check(spec, err);

    if (rc == OK)
        rc = take_threshold(m, spec, least > 0, err);
    if (rc != OK)
        return rc;
    m->threshold_spec = *spec;
    if (spec->method != THRESHOLD_FIXED)
        m->threshold = fmaxf(m->threshold, least);
    return set_observe(m, least, err);
}

enum rc model_with_threshold(const struct model *m, const struct threshold_spec *spec,
                             struct model **ret, struct err *err)
{
    CLEANUP(model_unrefp) struct model *copy = mem_alloc(sizeof *copy);
    if (!copy)
        return err_set(err, E_NOMEM, "no memory for a model");
    copy->interval_ms = m->interval_ms;
    copy->clip_low = m->clip_low;
    copy->clip_high = m->clip_high;
    copy->stats = m->stats;
    copy->provenance = m->provenance;
    copy->n_scores = m->n_scores;
    atomic_init(&copy->refs, 1);

    enum rc rc = copy_scaler(&m->scaler, &copy->scaler, err);
    if (rc == OK)
        rc = copy_net(&m->net, &copy->net, err);
    if (rc == OK)
        rc = copy_units(m, copy, err);
    if (rc == OK)
        rc = tail_copy(&m->tail, &copy->tail, err);
    if (rc == OK)
        rc = tail_copy(&m->trained, &copy->trained, err);
    if (rc != OK)
        return rc;
    copy->schema = schema_copy(m->schema);
    copy->scores = mem_array(m->n_scores, sizeof *copy->scores);
    if (!copy->schema || !copy->scores)
        return err_set(err, E_NOMEM, "no memory for a model of %zu features", m->schema->n);
    memcpy(copy->scores, m->scores, m->n_scores * sizeof *copy->scores);
    if (model_set_threshold(copy, spec, err) != OK)
        return err->rc;
    *ret = TAKE(copy);
    return OK;
}
