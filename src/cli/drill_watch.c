/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/drill_watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static double number_of(const json_t *object, const char *key) /* NaN: null or absent */
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* A text that is cut to its room; "" when absent. */
static void text_of(const json_t *object, const char *key, char *out, size_t size)
{
    const char *z = json_string_value(json_object_get(object, key));

    (void)snprintf(out, size, "%s", z ? z : "");
    str_make_printable(out); /* it goes to a terminal */
}

static enum rc wrong_answer(struct err *err, const char *what)
{
    return err_set(err, E_PARSE, "/api/v1/entities: not the answer of a tocsin: %s", what);
}

static enum rc parse_causes(const json_t *list, struct drill_view *v, struct err *err)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(list))
        return wrong_answer(err, "an incident without a list of causes");
    json_array_foreach(list, i, item)
    {
        struct drill_cause *c = &v->causes[v->n_causes];

        if (v->n_causes == CAUSES_MAX)
            return OK;
        text_of(item, "feature", c->feature, sizeof c->feature);
        text_of(item, "group", c->group, sizeof c->group);
        text_of(item, "unit", c->unit, sizeof c->unit);
        c->value = number_of(item, "value");
        c->expected = number_of(item, "expected");
        c->share = number_of(item, "share");
        if (c->feature[0] == '\0')
            return wrong_answer(err, "a cause without a feature");
        v->n_causes++;
    }
    return OK;
}

static enum rc parse_entity(const json_t *e, struct drill_view *ret, struct err *err)
{
    const json_t *incident = json_object_get(e, "incident");
    struct drill_view v = {.progress = number_of(e, "progress"),
                           .score = number_of(e, "score"),
                           .threshold = number_of(e, "threshold")};

    text_of(e, "instance", v.instance, sizeof v.instance);
    text_of(e, "phase", v.phase, sizeof v.phase);
    if (v.phase[0] == '\0')
        return wrong_answer(err, "an entity without a phase");
    if (json_is_object(incident)) {
        v.ringing = true;
        v.start = number_of(incident, "start");
        v.peak_score = number_of(incident, "peak_score");
        v.opened_over = number_of(incident, "threshold");
        if (isnan(v.start))
            return wrong_answer(err, "an incident without a start");
        if (parse_causes(json_object_get(incident, "causes"), &v, err) != OK)
            return err->rc;
    }
    *ret = v;
    return OK;
}

enum rc drill_watch_parse(const json_t *answer, const char *instance, struct drill_view *ret,
                          struct err *err)
{
    const json_t *list = json_object_get(answer, "entities"), *e;
    size_t i;

    if (!json_is_array(list))
        return wrong_answer(err, "no list of entities");
    if (json_array_size(list) == 0)
        return err_set(err, E_STATE, "it watches nothing yet");
    if (instance[0] == '\0' && json_array_size(list) > 1)
        return err_set(err, E_STATE, "it watches %zu entities; choose one with --instance",
                       json_array_size(list));
    json_array_foreach(list, i, e)
    {
        const char *name = json_string_value(json_object_get(e, "instance"));

        if (!name)
            return wrong_answer(err, "an entity without an instance");
        if (instance[0] == '\0' || strcmp(name, instance) == 0)
            return parse_entity(e, ret, err);
    }
    return err_set(err, E_STATE, "it does not watch '%s'", instance);
}

enum rc drill_watch(struct http *h, const char *instance, struct drill_view *ret, struct err *err)
{
    CLEANUP(json_decrefp) json_t *answer = NULL;

    if (http_get_json(h, "/api/v1/entities", &answer, err) != OK)
        return err->rc;
    return drill_watch_parse(answer, instance, ret, err);
}

size_t drill_right_cause(const struct drill_view *v, const char *const *groups)
{
    for (size_t i = 0; i < v->n_causes; i++)
        for (size_t g = 0; groups[g]; g++)
            if (strcmp(v->causes[i].group, groups[g]) == 0)
                return i + 1;
    return 0;
}
