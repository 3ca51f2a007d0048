/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/entity_private.h"

static void view_causes(const struct schema *schema, const struct cause *c, size_t n, float score,
                        struct cause_view *ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct feature *f = &schema->f[c[i].feature];
        memcpy(ret[i].feature, f->name, sizeof ret[i].feature);
        memcpy(ret[i].group, f->group, sizeof ret[i].group);
        memcpy(ret[i].unit, f->unit, sizeof ret[i].unit);
        ret[i].value = c[i].value;
        ret[i].expected = c[i].expected;
        ret[i].share = c[i].share;
        ret[i].error = c[i].share * score;
        ret[i].restore = c[i].restore;
    }
}

static void view_presence(const struct entity *e, struct entity_view *v)
{
    for (size_t i = 0; i < e->schema->n; i++) {
        const enum presence_state state = presence_of(e->presence, i);
        if (state == PRESENCE_FINE)
            continue;
        size_t *count = state == PRESENCE_ABSENT ? &v->n_absent : &v->n_frozen;
        char(*names)[FEATURE_NAME_MAX] = state == PRESENCE_ABSENT ? v->absent : v->frozen;
        if (*count < BOARD_FEATURES_MAX)
            memcpy(names[*count], e->schema->f[i].name, FEATURE_NAME_MAX);
        ++*count;
    }
}

static void view_incident(const struct entity *e, struct entity_view *v)
{
    const struct incident *in = &e->line.watch.incident;

    v->ringing = incident_pages(in);
    v->observing = in->tier == INCIDENT_OBSERVE;
    v->incident.start_ms = in->start_ms;
    v->incident.peak_ms = in->peak_ms;
    v->incident.peak_score = in->peak_score;
    v->incident.threshold = in->threshold;
    v->incident.n_causes = in->n_causes;
    view_causes(e->schema, in->causes, in->n_causes, in->peak_score, v->incident.causes);
}

static void view_slow(const struct entity *e, struct entity_view *v)
{
    struct slow_change slow;

    if (!aging_slow(&e->aging, &slow))
        return;
    v->slow_since_ms = slow.incident.start_ms;
    v->slow_ratio = slow.incident.peak_score;
    reference_describe(&slow, e->schema, v->slow_words);
}

float entity_threshold(const struct entity *e)
{
    return e->line.budget ? budget_threshold(e->line.budget) : NAN;
}

static void view_model(const struct entity *e, struct entity_view *v)
{
    const struct model *const m = e->line.model;
    struct budget_rate rate;

    v->model_id = e->model_id;
    v->model_rows = m->stats.train_rows + m->stats.validation_rows;
    v->model_created_ms = m->provenance.created_ms;
    v->widening = m->threshold_widening;
    (void)snprintf(v->threshold_by, sizeof v->threshold_by, "%s",
                   threshold_method_name(m->threshold_by));
    v->threshold = entity_threshold(e);
    budget_rate(e->line.budget, &rate);
    v->alarm_budget = rate.promised;
    v->alarm_rate = rate.achieved;
    v->alarm_rate_lower = rate.lower;
    v->alarm_rate_upper = rate.upper;
    v->day_shift_ms = entity_day_shift_ms(e);
    view_presence(e, v);
}

static void view_verdict(const struct entity *e, struct entity_view *v)
{
    v->scored = true;
    v->score = e->verdict.score;
    v->reconstruction = e->verdict.reconstruction;
    v->confidence = e->verdict.confidence;
    v->anomalous = e->verdict.anomalous;
    v->n_causes = e->verdict.n_causes;
    view_causes(e->schema, e->verdict.causes, e->verdict.n_causes, e->verdict.evidence, v->causes);
}

void entity_view(const struct entity *e, struct entity_view *ret)
{
    memset(ret, 0, sizeof *ret);
    memcpy(ret->instance, e->instance, sizeof ret->instance);
    memcpy(ret->group, e->group, sizeof ret->group);
    ret->phase = e->phase;
    entity_progress(e, &ret->learned_rows, &ret->wanted_rows);
    ret->ts_ms = e->frame_ms;
    ret->interval_ms = e->interval_ms;
    ret->n_features = e->schema->n;
    memcpy(ret->stale, e->stale, sizeof ret->stale);
    ret->stale_ms = e->stale_ms;
    ret->drift_evidence = aging_drift_evidence(&e->aging);
    ret->reference_days = reference_days(e->aging.reference);
    memcpy(ret->discontinuity, e->discontinuity, sizeof ret->discontinuity);
    ret->discontinuity_ms = e->discontinuity_ms;
    if (e->line.model)
        view_model(e, ret);
    if (e->scored)
        view_verdict(e, ret);
    if (e->line.watch.open)
        view_incident(e, ret);
    view_slow(e, ret);
}
