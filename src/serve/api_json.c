/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "serve/api_private.h"

json_t *api_json_text(const char *z)
{
    if (str_is_utf8(str_of(z)))
        return json_string(z);
    CLEANUP(mem_freep) char *clean = mem_strndup(z, strlen(z));
    if (!clean)
        return NULL;
    str_make_printable(clean);
    return json_string(clean);
}

json_t *api_json_float(float f)
{
    char text[32];

    if (!isfinite(f))
        return json_null();
    /* The double next to 0.1998f prints as 0.19979999959: go by way of the shortest text. */
    for (int digits = 6; digits <= 9; digits++) {
        double d;
        const int n = snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (str_to_double((struct str){text, (size_t)n}, &d) && (float)d == f)
            return json_real(d);
    }
    return json_real((double)f);
}

json_t *api_json_seconds(int64_t ms)
{
    return json_real((double)ms / 1000);
}

json_t *api_json_time(int64_t ms)
{
    return ms ? api_json_seconds(ms) : json_null();
}

/* For the builders below: a finished object, or NULL when a part of it was missing. */
static json_t *finished(json_t *object, int bad)
{
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *cause(const struct cause_view *c)
{
    json_t *o = json_object();
    int bad = json_object_set_new(o, "feature", api_json_text(c->feature));

    bad |= json_object_set_new(o, "group", api_json_text(c->group));
    bad |= json_object_set_new(o, "unit", api_json_text(c->unit));
    bad |= json_object_set_new(o, "value", api_json_float(c->value));
    bad |= json_object_set_new(o, "expected", api_json_float(c->expected));
    bad |= json_object_set_new(o, "share", api_json_float(c->share));
    bad |= json_object_set_new(o, "restore", json_boolean(c->restore));
    return finished(o, bad);
}

json_t *api_json_causes(const struct cause_view *c, size_t n)
{
    json_t *list = json_array();
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= json_array_append_new(list, cause(&c[i]));
    return finished(list, bad);
}

static json_t *model(const struct entity_view *v)
{
    char id[17];

    if (v->model_created_ms == 0)
        return json_null();
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)v->model_id);
    json_t *o = json_object();
    int bad = json_object_set_new(o, "id", json_string(id));
    bad |= json_object_set_new(o, "created", api_json_seconds(v->model_created_ms));
    bad |= json_object_set_new(o, "rows", json_integer((json_int_t)v->model_rows));
    bad |= json_object_set_new(o, "features", json_integer((json_int_t)v->n_features));
    bad |= json_object_set_new(o, "widening", api_json_float(v->widening));
    return finished(o, bad);
}

/* Incidents a week; budget is null where none is promised. */
static json_t *alarms(const struct entity_view *v)
{
    if (!v->scored)
        return json_null();
    json_t *o = json_object();
    int bad = json_object_set_new(o, "budget",
                                  v->alarm_budget > 0 ? json_real(v->alarm_budget) : json_null());
    bad |= json_object_set_new(o, "rate", api_json_float((float)v->alarm_rate));
    bad |= json_object_set_new(o, "lower", api_json_float((float)v->alarm_rate_lower));
    bad |= json_object_set_new(o, "upper", api_json_float((float)v->alarm_rate_upper));
    return finished(o, bad);
}

static json_t *incident(const struct entity_view *v)
{
    const struct incident_view *in = &v->incident;

    if (!v->ringing)
        return json_null();
    json_t *o = json_object();
    int bad = json_object_set_new(o, "start", api_json_seconds(in->start_ms));
    bad |= json_object_set_new(o, "peak", api_json_seconds(in->peak_ms));
    bad |= json_object_set_new(o, "peak_score", api_json_float(in->peak_score));
    bad |= json_object_set_new(o, "threshold", api_json_float(in->threshold));
    bad |= json_object_set_new(o, "causes", api_json_causes(in->causes, in->n_causes));
    return finished(o, bad);
}

json_t *api_json_slow(const struct entity_view *v)
{
    if (v->slow_since_ms == 0)
        return json_null();
    json_t *o = json_object();
    int bad = json_object_set_new(o, "start", api_json_seconds(v->slow_since_ms));
    bad |= json_object_set_new(o, "ratio", api_json_float(v->slow_ratio));
    bad |= json_object_set_new(o, "words", api_json_text(v->slow_words));
    return finished(o, bad);
}

static json_t *discontinuity(const struct entity_view *v)
{
    if (v->discontinuity[0] == '\0')
        return json_null();
    json_t *o = json_object();
    int bad = json_object_set_new(o, "what", api_json_text(v->discontinuity));
    bad |= json_object_set_new(o, "timestamp", api_json_seconds(v->discontinuity_ms));
    return finished(o, bad);
}

static json_t *names(const char (*name)[FEATURE_NAME_MAX], size_t n)
{
    json_t *list = json_array();
    int bad = 0;

    for (size_t i = 0; i < n && i < BOARD_FEATURES_MAX; i++)
        bad |= json_array_append_new(list, api_json_text(name[i]));
    return finished(list, bad);
}

double api_progress(const struct entity_view *v)
{
    if (v->phase == PHASE_WATCHING)
        return 1;
    if (v->wanted_rows == 0)
        return 0;
    return fmin(1, (double)v->learned_rows / (double)v->wanted_rows);
}

json_t *api_json_target(const struct target_view *t)
{
    json_t *o = json_object();
    int bad = json_object_set_new(o, "job", api_json_text(t->job));

    bad |= json_object_set_new(o, "instance", api_json_text(t->instance));
    bad |= json_object_set_new(o, "url", api_json_text(t->url));
    bad |= json_object_set_new(o, "state",
                               json_string(!t->asked ? "unknown"
                                           : t->up   ? "up"
                                                     : "down"));
    bad |= json_object_set_new(o, "error", api_json_text(t->error));
    bad |= json_object_set_new(o, "timestamp", api_json_time(t->last_ms));
    bad |= json_object_set_new(o, "duration_seconds", api_json_float((float)t->duration_s));
    bad |= json_object_set_new(o, "scrapes", json_integer((json_int_t)t->scrapes));
    bad |= json_object_set_new(o, "failures", json_integer((json_int_t)t->failures));
    bad |= json_object_set_new(o, "dropped", json_integer((json_int_t)t->dropped));
    bad |= json_object_set_new(o, "samples", json_integer((json_int_t)t->samples));
    bad |= json_object_set_new(o, "taken", json_integer((json_int_t)t->taken));
    return finished(o, bad);
}

json_t *api_json_entity(const struct entity_view *v)
{
    json_t *o = json_object();
    const float score = v->scored ? v->score : NAN, threshold = v->scored ? v->threshold : NAN;
    int bad = json_object_set_new(o, "instance", api_json_text(v->instance));

    bad |= json_object_set_new(o, "group", v->group[0] ? api_json_text(v->group) : json_null());
    bad |= json_object_set_new(o, "phase", json_string(phase_name(v->phase)));
    bad |= json_object_set_new(o, "progress", json_real(api_progress(v)));
    bad |= json_object_set_new(o, "learned", json_integer((json_int_t)v->learned_rows));
    bad |= json_object_set_new(o, "wanted", json_integer((json_int_t)v->wanted_rows));
    bad |= json_object_set_new(o, "score", api_json_float(score));
    bad |= json_object_set_new(o, "threshold", api_json_float(threshold));
    bad |= json_object_set_new(o, "threshold_by",
                               v->threshold_by[0] ? json_string(v->threshold_by) : json_null());
    bad |= json_object_set_new(o, "confidence", api_json_float(v->scored ? v->confidence : NAN));
    bad |= json_object_set_new(o, "anomalous", json_boolean(v->anomalous));
    bad |= json_object_set_new(o, "ringing", json_boolean(v->ringing));
    bad |= json_object_set_new(o, "observing", json_boolean(v->observing));
    bad |= json_object_set_new(o, "timestamp", api_json_time(v->ts_ms));
    bad |= json_object_set_new(o, "features", json_integer((json_int_t)v->n_features));
    bad |= json_object_set_new(o, "model", model(v));
    bad |= json_object_set_new(o, "alarms", alarms(v));
    bad |= json_object_set_new(o, "incident", incident(v));
    bad |= json_object_set_new(o, "slow", api_json_slow(v));
    bad |= json_object_set_new(o, "causes", api_json_causes(v->causes, v->n_causes));
    bad |= json_object_set_new(o, "n_absent", json_integer((json_int_t)v->n_absent));
    bad |= json_object_set_new(o, "absent", names(v->absent, v->n_absent));
    bad |= json_object_set_new(o, "n_frozen", json_integer((json_int_t)v->n_frozen));
    bad |= json_object_set_new(o, "frozen", names(v->frozen, v->n_frozen));
    bad |= json_object_set_new(o, "discontinuity", discontinuity(v));
    return finished(o, bad);
}
