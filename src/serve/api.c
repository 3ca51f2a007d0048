/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "serve/api_private.h"
#include "serve/metrics.h"
#include "serve/page.h"

enum {
    BODY_MAX = 32 << 20,
    SCORES_MAX = 10000,
    INCIDENTS_MAX = 1000,
    REASONS_MAX = 20, /* entities named by /readyz */
};

#define CSP_NOTHING "default-src 'none'; frame-ancestors 'none'"

enum rc api_new(struct board *board, const char *database, const char *version, int64_t started_ms,
                struct api **ret, struct err *err)
{
    struct api *a = mem_alloc(sizeof *a);

    if (!a)
        return err_set(err, E_NOMEM, "serve: no memory");
    a->board = board;
    a->database = database;
    a->version = version;
    a->started_ms = started_ms;
    *ret = a;
    return OK;
}

void api_set_targets(struct api *a, const struct target_lister *targets)
{
    a->targets = *targets;
}

/* NULL: there is nothing to tell. */
static struct target_list *list_targets(const struct api *a)
{
    return a->targets.list ? a->targets.list(a->targets.arg) : NULL;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    store_reader_close(a->reader);
    mem_free(a->views);
    mem_free(a);
}

static void start_answer(struct api_answer *ret, unsigned status, const char *type)
{
    *ret = (struct api_answer){.status = status, .type = type, .csp = CSP_NOTHING};
    buf_init(&ret->body, BODY_MAX);
}

static int to_buf(const char *p, size_t n, void *arg)
{
    struct buf *out = arg;

    buf_add(out, p, n);
    return out->failed ? -1 : 0;
}

void api_empty(struct api_answer *ret, unsigned status)
{
    start_answer(ret, status, NULL);
}

void api_start_json(struct api_answer *ret, unsigned status)
{
    start_answer(ret, status, "application/json");
}

void api_json_add(struct buf *out, const json_t *value)
{
    if (!value || json_dump_callback(value, to_buf, out, API_JSON_FLAGS) != 0)
        out->failed = true;
}

void api_json_answer(struct api_answer *ret, unsigned status, json_t *root)
{
    if (!root) {
        api_refuse(ret, 503, "no memory for this answer");
        return;
    }
    api_start_json(ret, status);
    api_json_add(&ret->body, root);
    buf_puts(&ret->body, "\n");
    json_decref(root);
}

void api_refuse(struct api_answer *ret, unsigned status, const char *sentence)
{
    json_t *root = json_object();

    if (json_object_set_new(root, "error", api_json_text(sentence)) == 0) {
        api_json_answer(ret, status, root);
        return;
    }
    json_decref(root);
    start_answer(ret, status, "application/json");
    buf_puts(&ret->body, "{\"error\":\"no memory\"}\n");
}

void api_printf_refuse(struct api_answer *ret, unsigned status, const char *fmt, ...)
{
    char sentence[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    api_refuse(ret, status, sentence);
}

/* Copies of all entities into a->views; at most as many as there is memory for, which is told. */
static bool snapshot(struct api *a, size_t *ret_n, struct api_answer *ret)
{
    const size_t n = board_count(a->board);

    if (n > a->capacity) {
        struct entity_view *views = mem_grow(a->views, n, sizeof *views);
        if (!views) {
            api_printf_refuse(ret, 503, "no memory for %zu entities", n);
            return false;
        }
        a->views = views;
        a->capacity = n;
    }
    *ret_n = 0;
    for (size_t i = 0; i < n && board_read(a->board, i, &a->views[*ret_n]); i++)
        *ret_n += a->views[*ret_n].instance[0] != '\0';
    return true;
}

bool api_select(const struct api *a, const struct params *p, struct entity_view *ret_view,
                struct api_answer *ret)
{
    if (p->given & PARAM_INSTANCE && board_find(a->board, p->instance, ret_view))
        return true;
    if (!(p->given & PARAM_INSTANCE))
        for (size_t i = 0; board_read(a->board, i, ret_view); i++)
            if (ret_view->instance[0])
                return true;
    if (p->given & PARAM_INSTANCE)
        api_printf_refuse(ret, 404, "no entity '%s': /api/v1/entities lists them", p->instance);
    else
        api_refuse(ret, 503, "there is no entity yet");
    return false;
}

static void metrics(struct api *a, const struct api_request *q, const struct params *p,
                    struct api_answer *ret)
{
    const enum exposition form = accept_exposition(q->accept);
    CLEANUP(target_list_freep) struct target_list *targets = NULL;
    struct process_cost cost;
    size_t n;

    (void)p;
    if (!snapshot(a, &n, ret))
        return;
    targets = list_targets(a);
    process_cost(&cost);
    const struct metrics_input in = {.views = a->views,
                                     .n = n,
                                     .targets = targets,
                                     .telemetry = board_telemetry(a->board),
                                     .process = &cost,
                                     .started_ms = a->started_ms,
                                     .now_ms = q->now_ms,
                                     .version = a->version};
    start_answer(ret, 200, metrics_content_type(form));
    metrics_format(&in, form, &ret->body);
}

static void predict(struct api *a, const struct api_request *q, const struct params *p,
                    struct api_answer *ret)
{
    struct entity_view v;

    if (!api_select(a, p, &v, ret))
        return;
    if (!v.scored && v.phase == PHASE_WATCHING) {
        api_printf_refuse(ret, 503, "'%s' is watching: its first frame is not scored yet",
                          v.instance);
        return;
    }
    if (!v.scored) {
        api_printf_refuse(ret, 503, "'%s' is %s (%.0f %%): there is no score yet", v.instance,
                          phase_name(v.phase), 100 * api_progress(&v));
        return;
    }
    json_t *o = json_object();
    int bad = json_object_set_new(o, "reconstruction_error", api_json_float(v.reconstruction));
    bad |= json_object_set_new(o, "anomaly_score", api_json_float(v.score));
    bad |= json_object_set_new(o, "anomaly_detected", json_boolean(v.ringing));
    bad |= json_object_set_new(o, "anomalous", json_boolean(v.anomalous));
    bad |= json_object_set_new(o, "threshold", api_json_float(v.threshold));
    bad |= json_object_set_new(o, "timestamp", api_json_seconds(v.ts_ms));
    bad |=
        json_object_set_new(o, "age_seconds", api_json_seconds(entity_view_age_ms(&v, q->now_ms)));
    bad |= json_object_set_new(o, "instance", api_json_text(v.instance));
    bad |= json_object_set_new(o, "causes", api_json_causes(v.causes, v.n_causes));
    bad |= json_object_set_new(o, "slow", api_json_slow(&v));
    if (bad) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, 200, o);
}

static void status(struct api *a, const struct api_request *q, const struct params *p,
                   struct api_answer *ret)
{
    char trouble[ERR_MSG_MAX];
    size_t n, ringing = 0;
    enum phase least = PHASE_WATCHING;

    (void)p;
    if (!snapshot(a, &n, ret))
        return;
    for (size_t i = 0; i < n; i++) {
        ringing += a->views[i].ringing;
        if (a->views[i].phase < least)
            least = a->views[i].phase;
    }
    if (n == 0)
        least = PHASE_LEARNING;
    board_trouble(a->board, trouble, sizeof trouble);
    json_t *o = json_object();
    int bad = json_object_set_new(o, "version", api_json_text(a->version));
    bad |= json_object_set_new(o, "started", api_json_seconds(a->started_ms));
    bad |= json_object_set_new(o, "now", api_json_seconds(q->now_ms));
    bad |= json_object_set_new(o, "uptime_seconds", api_json_seconds(q->now_ms - a->started_ms));
    bad |= json_object_set_new(o, "phase", json_string(phase_name(least)));
    bad |= json_object_set_new(o, "entities", json_integer((json_int_t)n));
    bad |= json_object_set_new(o, "ringing", json_integer((json_int_t)ringing));
    bad |= json_object_set_new(o, "trouble", api_json_text(trouble));
    if (bad) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, 200, o);
}

static void entities(struct api *a, const struct api_request *q, const struct params *p,
                     struct api_answer *ret)
{
    struct entity_view v;
    size_t n;

    (void)q;
    if ((p->given & PARAM_INSTANCE && !api_select(a, p, &v, ret)) || !snapshot(a, &n, ret))
        return;
    json_t *o = json_object(), *list = json_array();
    int bad = json_object_set_new(o, "entities", list); /* o owns list from here */
    for (size_t i = 0; i < n; i++)
        if (!(p->given & PARAM_INSTANCE) || strcmp(p->instance, a->views[i].instance) == 0)
            bad |= json_array_append_new(list, api_json_entity(&a->views[i]));
    if (bad) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, 200, o);
}

static void targets(struct api *a, const struct api_request *q, const struct params *p,
                    struct api_answer *ret)
{
    CLEANUP(target_list_freep) struct target_list *all = list_targets(a);
    json_t *o = json_object(), *list = json_array();
    int bad = json_object_set_new(o, "targets", list); /* o owns list from here */

    (void)q;
    for (size_t i = 0; all && i < all->n; i++)
        if (!(p->given & PARAM_INSTANCE) || strcmp(p->instance, all->v[i].instance) == 0)
            bad |= json_array_append_new(list, api_json_target(&all->v[i]));
    if (!bad && p->given & PARAM_INSTANCE && json_array_size(list) == 0) {
        json_decref(o);
        api_printf_refuse(ret, 404, "no target '%s': /api/v1/targets lists them", p->instance);
        return;
    }
    if (bad) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, 200, o);
}

static void healthz(struct api *a, const struct api_request *q, const struct params *p,
                    struct api_answer *ret)
{
    (void)a, (void)q, (void)p;
    start_answer(ret, 200, "text/plain; charset=utf-8");
    buf_puts(&ret->body, "ok\n");
}

/* Why the entity is not watched, or not any more; false when it is. */
static bool is_behind(const struct entity_view *v, int64_t now_ms, char *why, size_t size)
{
    if (v->phase != PHASE_WATCHING)
        (void)snprintf(why, size, "%s: %s, %.0f %%", v->instance, phase_name(v->phase),
                       100 * api_progress(v));
    else if (!v->scored)
        (void)snprintf(why, size, "%s: its first frame is not scored yet", v->instance);
    else if (v->stale[0])
        (void)snprintf(why, size, "%s: %s", v->instance, v->stale);
    else if (entity_view_is_stale(v, now_ms))
        (void)snprintf(why, size, "%s: no score for %llds", v->instance,
                       (long long)(entity_view_age_ms(v, now_ms) / 1000));
    else
        return false;
    return true;
}

static int add_reason(json_t *reasons, const char *text)
{
    return json_array_append_new(reasons, api_json_text(text));
}

static void readyz(struct api *a, const struct api_request *q, const struct params *p,
                   struct api_answer *ret)
{
    char text[ERR_MSG_MAX];
    size_t n, behind = 0;

    (void)p;
    if (!snapshot(a, &n, ret))
        return;
    json_t *o = json_object(), *reasons = json_array();
    int bad = 0;
    board_trouble(a->board, text, sizeof text);
    const bool trouble = text[0] != '\0';
    if (trouble)
        bad |= add_reason(reasons, text);
    for (size_t i = 0; i < n; i++)
        if (is_behind(&a->views[i], q->now_ms, text, sizeof text) && behind++ < REASONS_MAX)
            bad |= add_reason(reasons, text);
    if (behind > REASONS_MAX) {
        (void)snprintf(text, sizeof text, "and %zu more entities", behind - REASONS_MAX);
        bad |= json_array_append_new(reasons, json_string(text));
    }
    if (n == 0)
        bad |= json_array_append_new(reasons, json_string("there is no entity yet"));
    /* Of a fleet some machine is always new or gone: they are named, and do not make it unready. */
    const bool ready = n > behind && !trouble;
    bad |= json_object_set_new(o, "ready", json_boolean(ready));
    bad |= json_object_set_new(o, "reasons", reasons);
    if (bad) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, ready ? 200 : 503, o);
}

static void page(struct api *a, const struct api_request *q, const struct params *p,
                 struct api_answer *ret)
{
    (void)a, (void)q, (void)p;
    start_answer(ret, 200, "text/html; charset=utf-8");
    ret->csp = page_csp;
    buf_add(&ret->body, page_html, page_html_size);
}

enum { ANY = -1 };

static const struct route {
    const char *path;
    int allowed; /* bits PARAM_x, or ANY: not looked at, as scrapers and probes may add some */
    size_t limit_max;
    void (*handle)(struct api *, const struct api_request *, const struct params *,
                   struct api_answer *);
} routes[] = {
    {"/", ANY, 0, page},
    {"/metrics", ANY, 0, metrics},
    {"/healthz", ANY, 0, healthz},
    {"/readyz", ANY, 0, readyz},
    {"/predict", PARAM_INSTANCE, 0, predict},
    {"/api/v1/status", 0, 0, status},
    {"/api/v1/entities", PARAM_INSTANCE, 0, entities},
    {"/api/v1/targets", PARAM_INSTANCE, 0, targets},
    {"/api/v1/scores", PARAM_INSTANCE | PARAM_FROM | PARAM_TO | PARAM_LIMIT, SCORES_MAX,
     api_scores},
    {"/api/v1/incidents", PARAM_INSTANCE | PARAM_FROM | PARAM_TO | PARAM_LIMIT, INCIDENTS_MAX,
     api_incidents},
};

static void dispatch(struct api *a, const struct api_request *q, struct api_answer *ret)
{
    struct params p = {0};
    struct err err;
    size_t i = 0;

    while (i < sizeof routes / sizeof routes[0] && strcmp(routes[i].path, q->path) != 0)
        i++;
    if (i == sizeof routes / sizeof routes[0]) {
        api_printf_refuse(ret, 404, "there is nothing at '%.100s': docs/api.md lists what is",
                          q->path);
        return;
    }
    if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0) {
        api_printf_refuse(ret, 405, "method '%.20s': only GET and HEAD are answered", q->method);
        ret->allow = "GET, HEAD";
        return;
    }
    if (routes[i].allowed != ANY && params_parse(q->pairs, q->n_pairs, (unsigned)routes[i].allowed,
                                                 routes[i].limit_max, &p, &err) != OK) {
        api_refuse(ret, 400, err.msg);
        return;
    }
    routes[i].handle(a, q, &p, ret);
}

void api_handle(struct api *a, const struct api_request *q, struct api_answer *ret)
{
    dispatch(a, q, ret);
    if (ret->body.failed) {
        buf_done(&ret->body);
        api_printf_refuse(ret, 503, "the answer is over %d MiB, or there is no memory for it",
                          BODY_MAX >> 20);
    }
}
