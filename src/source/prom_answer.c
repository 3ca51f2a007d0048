/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_answer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Words of a failure's message that mean: less would be answered. Those of Prometheus ("query
 * processing would load too many samples into memory", "query timed out", "exceeded maximum
 * resolution of 11,000 points"), of VictoriaMetrics ("-search.maxSamplesPerQuery", "timeout
 * exceeded") and of Mimir and Thanos ("limit"). */
static bool asks_for_less(const char *message)
{
    static const char *const words[] = {"too many", "too much",    "timed out", "timeout",
                                        "exceed",   "-search.max", "limit"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(message, words[i]))
            return true;
    return false;
}

static enum rc class_of(long status, const char *type, const char *message)
{
    if (strcmp(type, "timeout") == 0)
        return E_LIMIT;
    if (status == 429 || status >= 500) /* 503: starting, cancelled, too many queries at once */
        return E_IO;
    if (status == 413 || asks_for_less(message))
        return E_LIMIT;
    if (status == 422) /* Prometheus: execution; VictoriaMetrics: a syntax error too */
        return E_STATE;
    return E_CONFIG;
}

/* A failure without a sentence of the API's: by a proxy, or by something else altogether. */
static enum rc foreign_failure(long status, struct str body, struct err *err)
{
    if (status == 401)
        return err_set(err, E_CONFIG, "wants other credentials (HTTP 401)");
    if (status == 403)
        return err_set(err, E_CONFIG, "does not allow it (HTTP 403)");
    if (status == 404)
        return err_set(err, E_CONFIG,
                       "is there, but not the API of a Prometheus server (HTTP 404)");
    if (status == 429 || status >= 500)
        return err_set(err, E_IO, "HTTP %ld: %.*s", status,
                       (int)(body.n < PROM_WARNING_MAX ? body.n : PROM_WARNING_MAX), body.p);
    if (status / 100 == 2)
        return err_set(err, E_PARSE, "answers something else than a Prometheus server's JSON");
    return err_set(err, E_CONFIG, "HTTP %ld, which is no answer of a Prometheus server", status);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* The answer as an object whose status is success; the caller owns *ret. */
static enum rc open_answer(struct str body, long status, json_t **ret, struct err *err)
{
    CLEANUP(json_decrefp) json_t *o = json_loadb(body.n ? body.p : "", body.n, 0, NULL);

    if (!json_is_object(o) || !text_of(o, "status")[0])
        return foreign_failure(status, str_trim(body), err);
    if (strcmp(text_of(o, "status"), "success") != 0) {
        const char *type = text_of(o, "errorType"), *message = text_of(o, "error");
        return err_set(err, class_of(status, type, message), "%.40s: %.300s",
                       type[0] ? type : "refused", message[0] ? message : "no reason given");
    }
    if (json_is_true(json_object_get(o, "isPartial")))
        return err_set(err, E_IO, "answers in part: some of its storage is away");
    *ret = TAKE(o);
    return OK;
}

static void take_warnings(const json_t *o, struct prom_answer *a)
{
    const json_t *list = json_object_get(o, "warnings");

    a->n_warnings = json_array_size(list);
    (void)snprintf(a->warning, sizeof a->warning, "%s",
                   a->n_warnings && json_string_value(json_array_get(list, 0))
                       ? json_string_value(json_array_get(list, 0))
                       : "");
    str_make_printable(a->warning);
}

static enum rc bad(const char *what, struct err *err)
{
    return err_set(err, E_PARSE, "answers JSON without %s", what);
}

/* [1435781430.781, "1.5"] */
static enum rc take_point(const json_t *p, struct prom_answer *a, struct err *err)
{
    const double most = 1e13; /* seconds: far past any time, and exact in double */
    const json_t *time = json_array_get(p, 0), *value = json_array_get(p, 1);
    const double t = json_number_value(time);

    if (json_array_size(p) != 2 || !json_is_number(time) || !(fabs(t) < most) ||
        !json_is_string(value) ||
        !str_to_double((struct str){json_string_value(value), json_string_length(value)},
                       &a->v[a->n_points]))
        return bad("points such as [1435781430.781, \"1.5\"]", err);
    a->ts_ms[a->n_points++] = llround(t * 1000);
    return OK;
}

/* The points of an element: "values" of a matrix, the one "value" of a vector; NULL: it has none.
 */
static const json_t *points_of(const json_t *element, bool matrix, size_t *ret_n)
{
    const json_t *v = json_object_get(element, matrix ? "values" : "value");

    *ret_n = matrix ? json_array_size(v) : v ? 1 : 0;
    return v;
}

static enum rc take_element(const json_t *element, bool matrix, const char *label,
                            struct prom_answer *a, struct err *err)
{
    const json_t *name = json_object_get(json_object_get(element, "metric"), label);
    struct prom_series *s = &a->series[a->n_series];
    size_t n;

    if (!json_is_object(element) || !json_is_object(json_object_get(element, "metric")))
        return bad("elements with a metric", err);
    const json_t *points = points_of(element, matrix, &n);
    if (!json_is_string(name) || json_string_length(name) == 0 ||
        json_string_length(name) > PROM_ENTITY_MAX || n == 0) {
        a->unnamed++;
        return OK;
    }
    s->first = a->n_points;
    s->n = n;
    for (size_t i = 0; i < n; i++)
        if (take_point(matrix ? json_array_get(points, i) : points, a, err) != OK)
            return err->rc;
    s->entity = mem_strndup(json_string_value(name), json_string_length(name));
    if (!s->entity)
        return err_set(err, E_NOMEM, "no memory for an answer");
    a->n_series++;
    return OK;
}

static enum rc take_result(const json_t *result, bool matrix, const char *label,
                           struct prom_answer *a, struct err *err)
{
    size_t points = 0, n;

    for (size_t i = 0; i < json_array_size(result); i++) {
        (void)points_of(json_array_get(result, i), matrix, &n);
        points += n;
    }
    a->series = mem_array(json_array_size(result), sizeof *a->series);
    a->ts_ms = mem_array(points, sizeof *a->ts_ms);
    a->v = mem_array(points, sizeof *a->v);
    if (!a->series || !a->ts_ms || !a->v)
        return err_set(err, E_NOMEM, "no memory for an answer of %zu points", points);
    for (size_t i = 0; i < json_array_size(result); i++)
        if (take_element(json_array_get(result, i), matrix, label, a, err) != OK)
            return err->rc;
    return OK;
}

enum rc prom_answer_parse(struct str body, long status, const char *label, struct prom_answer *ret,
                          struct err *err)
{
    CLEANUP(json_decrefp) json_t *o = NULL;
    CLEANUP(prom_answer_done) struct prom_answer a = {0};

    if (open_answer(body, status, &o, err) != OK)
        return err->rc;
    const json_t *data = json_object_get(o, "data");
    const json_t *result = json_object_get(data, "result");
    const char *type = text_of(data, "resultType");
    const bool matrix = strcmp(type, "matrix") == 0;
    if (!matrix && strcmp(type, "vector") != 0)
        return bad("a vector or matrix as its result", err);
    if (!json_is_array(result))
        return bad("a list of results", err);
    take_warnings(o, &a);
    if (take_result(result, matrix, label, &a, err) != OK)
        return err->rc;
    *ret = a;
    a = (struct prom_answer){0};
    return OK;
}

void prom_answer_done(struct prom_answer *a)
{
    for (size_t i = 0; i < a->n_series; i++)
        mem_free(a->series[i].entity);
    mem_free(a->series);
    mem_free(a->ts_ms);
    mem_free(a->v);
    *a = (struct prom_answer){0};
}

enum rc prom_names_parse(struct str body, long status, struct prom_names *ret, struct err *err)
{
    CLEANUP(json_decrefp) json_t *o = NULL;
    CLEANUP(prom_names_done) struct prom_names names = {0};

    if (open_answer(body, status, &o, err) != OK)
        return err->rc;
    const json_t *data = json_object_get(o, "data");
    if (!json_is_array(data))
        return bad("a list of names", err);
    names.v = mem_array(json_array_size(data), sizeof *names.v);
    if (!names.v)
        return err_set(err, E_NOMEM, "no memory for %zu names", json_array_size(data));
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *name = json_array_get(data, i);
        if (!json_is_string(name))
            return bad("names that are texts", err);
        if (json_string_length(name) == 0 || json_string_length(name) > PROM_ENTITY_MAX)
            continue;
        names.v[names.n] = mem_strndup(json_string_value(name), json_string_length(name));
        if (!names.v[names.n])
            return err_set(err, E_NOMEM, "no memory for a name");
        names.n++;
    }
    *ret = names;
    names = (struct prom_names){0};
    return OK;
}

void prom_names_done(struct prom_names *n)
{
    for (size_t i = 0; i < n->n; i++)
        mem_free(n->v[i]);
    mem_free(n->v);
    *n = (struct prom_names){0};
}
