/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "serve/api_private.h"

enum { SCORES_DEFAULT = 1000, INCIDENTS_DEFAULT = 100 };

/* The connection is kept; one that failed is closed, so that the next request opens it anew: the
 * database may appear later, or be replaced. */
static bool open_reader(struct api *a, struct api_answer *ret)
{
    struct err err;

    if (!a->database) {
        api_refuse(ret, 503, "history is not kept: there is no store");
        return false;
    }
    if (!a->reader && store_reader_open(a->database, &a->reader, &err) != OK) {
        api_refuse(ret, 503, err.msg);
        return false;
    }
    return true;
}

static void read_failed(struct api *a, const struct err *err, struct api_answer *ret)
{
    store_reader_close(a->reader);
    a->reader = NULL;
    api_refuse(ret, 503, err->msg);
}

struct score_rows {
    struct buf *out;
    size_t n, limit;
    bool truncated;
};

static void add_float(struct buf *out, float f)
{
    if (isfinite(f))
        buf_float(out, f);
    else
        buf_puts(out, "null");
}

/* Up to 10,000 rows: written as they come, for a tree of them would be 4 MB. */
static bool add_score(void *arg, const struct store_score *row)
{
    struct score_rows *rows = arg;

    if (rows->n == rows->limit) {
        rows->truncated = true;
        return false;
    }
    buf_puts(rows->out, rows->n++ ? ",[" : "[");
    buf_double(rows->out, (double)row->ts_ms / 1000);
    buf_puts(rows->out, ",");
    add_float(rows->out, row->score);
    buf_puts(rows->out, ",");
    add_float(rows->out, row->threshold);
    buf_puts(rows->out, row->anomalous ? ",true]" : ",false]");
    return !rows->out->failed;
}

static const char *const score_columns =
    "\"columns\":[\"timestamp\",\"score\",\"threshold\",\"anomalous\"],";

/* {"instance":NAME,"columns":[...],"scores":[ */
static bool begin_scores(const char *instance, struct api_answer *ret)
{
    json_t *o = json_object();

    if (json_object_set_new(o, "instance", api_json_text(instance)) != 0) {
        json_decref(o);
        o = NULL;
    }
    api_json_answer(ret, 200, o);
    if (ret->status != 200 || ret->body.failed)
        return false;
    ret->body.n -= strlen("}\n");
    buf_puts(&ret->body, ",");
    buf_puts(&ret->body, score_columns);
    buf_puts(&ret->body, "\"scores\":[");
    return true;
}

static void end_rows(bool truncated, struct api_answer *ret)
{
    buf_puts(&ret->body, truncated ? "],\"truncated\":true}\n" : "],\"truncated\":false}\n");
}

/* Without `from`: the newest rows. False: ret holds the refusal. */
static bool newest_scores(struct api *a, const char *instance, int64_t *from_ms, int64_t *to_ms,
                          struct score_rows *rows, struct api_answer *ret)
{
    struct err err;

    if (store_last_scores(a->reader, instance, *to_ms, rows->limit, from_ms, to_ms,
                          &rows->truncated, &err) == OK)
        return true;
    read_failed(a, &err, ret);
    return false;
}

void api_scores(struct api *a, const struct api_request *q, const struct params *p,
                struct api_answer *ret)
{
    int64_t from_ms = p->from_ms, to_ms = p->given & PARAM_TO ? p->to_ms : q->now_ms;
    struct score_rows rows = {.limit = p->given & PARAM_LIMIT ? p->limit : SCORES_DEFAULT};
    struct entity_view v;
    struct err err;

    if (!api_select(a, p, &v, ret) || !open_reader(a, ret) ||
        (!(p->given & PARAM_FROM) && !newest_scores(a, v.instance, &from_ms, &to_ms, &rows, ret)) ||
        !begin_scores(v.instance, ret))
        return;
    rows.out = &ret->body;
    if (store_read_scores(a->reader, v.instance, from_ms, to_ms, add_score, &rows, &err) != OK) {
        buf_done(&ret->body);
        read_failed(a, &err, ret);
        return;
    }
    end_rows(rows.truncated, ret);
}

struct incident_rows {
    struct buf *out;
    size_t n, limit;
    bool truncated;
};

static json_t *incident(const struct store_incident *row)
{
    json_t *o = json_object();
    /* a text that the disk has damaged is null: the rest of the list is worth having */
    json_t *causes = json_loads(row->causes_json ? row->causes_json : "", 0, NULL);
    int bad = json_object_set_new(o, "id", json_integer(row->id));

    bad |= json_object_set_new(o, "instance", api_json_text(row->instance));
    bad |= json_object_set_new(o, "kind", json_string(store_incident_kind_name(row->kind)));
    bad |= json_object_set_new(o, "tier", json_string(store_incident_tier_name(row->tier)));
    bad |= json_object_set_new(o, "start", api_json_seconds(row->start_ms));
    bad |= json_object_set_new(o, "peak", api_json_seconds(row->peak_ms));
    bad |= json_object_set_new(o, "end", api_json_time(row->end_ms));
    bad |= json_object_set_new(o, "peak_score", api_json_float(row->peak_score));
    bad |= json_object_set_new(o, "threshold", api_json_float(row->threshold));
    bad |= json_object_set_new(o, "maintenance", json_boolean(row->maintenance));
    bad |= json_object_set_new(o, "accepted", json_boolean(row->accepted));
    bad |= json_object_set_new(o, "words", row->words[0] ? api_json_text(row->words) : json_null());
    bad |= json_object_set_new(o, "causes", causes ? causes : json_null());
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static bool add_incident(void *arg, const struct store_incident *row)
{
    struct incident_rows *rows = arg;

    if (rows->n == rows->limit) {
        rows->truncated = true;
        return false;
    }
    if (rows->n++)
        buf_puts(rows->out, ",");
    json_t *o = incident(row);
    api_json_add(rows->out, o);
    json_decref(o);
    return !rows->out->failed;
}

void api_incidents(struct api *a, const struct api_request *q, const struct params *p,
                   struct api_answer *ret)
{
    const int64_t from_ms = p->given & PARAM_FROM ? p->from_ms : 0;
    const int64_t to_ms = p->given & PARAM_TO ? p->to_ms : q->now_ms;
    struct incident_rows rows = {.limit = p->given & PARAM_LIMIT ? p->limit : INCIDENTS_DEFAULT,
                                 .out = &ret->body};
    struct entity_view v;
    struct err err;

    if (p->given & PARAM_INSTANCE && !api_select(a, p, &v, ret))
        return;
    if (!open_reader(a, ret))
        return;
    api_start_json(ret, 200);
    buf_puts(&ret->body, "{\"incidents\":[");
    if (store_read_incidents(a->reader, p->given & PARAM_INSTANCE ? p->instance : NULL, from_ms,
                             to_ms, add_incident, &rows, &err) != OK) {
        buf_done(&ret->body);
        read_failed(a, &err, ret);
        return;
    }
    end_rows(rows.truncated, ret);
}
