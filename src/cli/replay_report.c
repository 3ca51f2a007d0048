/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/report.h"

enum { DAY_MS = REPLAY_DAY_MS };

static const char *span(int64_t ms, char out[STR_DURATION_MAX])
{
    /* days are the largest unit that is read without counting, and seconds the least that matter */
    str_from_duration_ms(ms < 1000 ? ms : ms / 1000 * 1000, out);
    return out;
}

static void put_head(const struct replay_story *s, struct buf *out)
{
    char from[REPORT_TIME_MAX], to[REPORT_TIME_MAX], apart[STR_DURATION_MAX];
    const struct replay *r = s->replay;

    report_time(s->from_ms, from);
    report_time(s->to_ms, to);
    buf_printf(out, "replay of %s, %s to %s (times are UTC)\n", s->source->name, from, to);
    buf_printf(out, "  frames     %" PRIu64 " of %zu features, %s apart", r->frames,
               s->source->schema->n, span(s->source->interval_ms, apart));
    if (r->holes)
        buf_printf(out, "; %" PRIu64 " hole%s", r->holes, r->holes == 1 ? "" : "s");
    if (r->unscored)
        buf_printf(out, "; %" PRIu64 " could not be scored", r->unscored);
    buf_puts(out, "\n");
    if (s->other_frames)
        buf_printf(out,
                   "  left out   %" PRIu64
                   " frames of another profile, other expressions or another "
                   "interval\n",
                   s->other_frames);
}

static void put_model(const struct replay_story *s, struct buf *out)
{
    const struct model *m = s->model;
    char until[REPORT_TIME_MAX], id[REPORT_ID_MAX], threshold[REPORT_THRESHOLD_MAX];

    report_time(m->provenance.last_ms, until);
    if (s->walked) {
        buf_printf(out,
                   "  model      walk-forward: %" PRIu64
                   " model%s, each of frames before those that "
                   "it judged; %" PRIu64 " frames before the first\n",
                   s->models, s->models == 1 ? "" : "s", s->learned);
    } else if (s->trained) {
        buf_printf(out, "  model      of the first %" PRIu64 " frames, until %s\n", s->learned,
                   until);
    } else {
        report_id(s->model_id, id);
        buf_printf(out, "  model      %s", id);
        if (m->provenance.last_ms)
            buf_printf(out, ", which learned until %s", until);
        buf_puts(out, "\n");
    }
    report_threshold(m, threshold);
    buf_printf(out, "  threshold  %.6g%s (%s", (double)m->threshold,
               s->walked ? " of the last one" : "", threshold);
    buf_printf(out, "); a page when %" PRIu32 " of the last %" PRIu32 " are over it\n",
               s->confirm.k, s->confirm.of);
    if (s->result->in_sample_frames)
        buf_printf(
            out,
            "  in-sample  %" PRIu64 " frames are of the time that the model learned from: "
            "they\n             say little. --walk-forward judges each by older ones alone\n",
            s->result->in_sample_frames);
}

static void put_restored(const struct replay_story *s, const struct incident *in, struct buf *out)
{
    size_t n = 0;

    for (size_t k = 0; k < in->n_causes; k++)
        if (in->causes[k].restore)
            buf_printf(out, "%s%s", n++ ? ", " : "    restoring ",
                       s->source->schema->f[in->causes[k].feature].name);
    if (n)
        buf_puts(out, " would silence it\n");
}

static void put_page(const struct replay_story *s, size_t i, struct buf *out)
{
    const struct replay_page *p = &s->result->page[i];
    const struct incident *in = &p->incident;
    char start[REPORT_TIME_MAX], end[REPORT_TIME_MAX], length[STR_DURATION_MAX];

    report_time(in->start_ms, start);
    report_time(in->end_ms, end);
    buf_printf(out, "\n%s %zu%s: %s to %s, %s, peak %.4g over %.4g%s%s%s%s\n",
               incident_pages(in) ? "page" : "incident", i + 1,
               in->maintenance                ? ", in maintenance"
               : in->tier == INCIDENT_OBSERVE ? ", observed"
                                              : "",
               start, end, span(in->end_ms - in->start_ms, length), (double)in->peak_score,
               (double)in->threshold, p->open ? ", still open" : "",
               p->in_sample ? ", in-sample" : "", p->marked_anomaly ? ", marked anomaly" : "",
               p->marked_normal ? ", marked normal" : "");
    for (size_t k = 0; k < in->n_causes; k++)
        if (k < REPORT_CAUSES_ALWAYS || (double)in->causes[k].share >= REPORT_SHARE_LEAST)
            report_cause(out, s->source->schema, &in->causes[k]);
    put_restored(s, in, out);
}

static void put_rate(const struct replay_count *c, const char *of, struct buf *out)
{
    char length[STR_DURATION_MAX];
    double rate, low, high;

    replay_rate(c, &rate, &low, &high);
    buf_printf(out, "%" PRIu64 " page%s in %s%s", c->pages, c->pages == 1 ? "" : "s",
               span(c->watched_ms, length), of);
    if (!isnan(rate))
        buf_printf(out, ": %.3g a week (95 %% interval %.3g to %.3g)", rate, low, high);
    buf_puts(out, "\n");
}

static void put_recorded(const struct replay_story *s, struct buf *out)
{
    const struct replay_result *r = s->result;
    uint64_t alone = 0;

    if (!s->source->reader)
        return;
    for (size_t i = 0; i < r->n_pages; i++)
        alone += !r->page[i].recorded && incident_pages(&r->page[i].incident);
    buf_printf(out,
               "recorded live: %zu incident%s, %" PRIu64 " of them while a page was open here; "
               "%" PRIu64 " of the pages %s not recorded\n",
               r->n_recorded, r->n_recorded == 1 ? "" : "s", r->recorded_replayed, alone,
               alone == 1 ? "was" : "were");
}

/* What was none to page for, and what operators had said. */
static void put_marked(const struct replay_story *s, struct buf *out)
{
    const struct replay_result *r = s->result;

    if (s->replay->held)
        buf_printf(out,
                   "in maintenance: %" PRIu64 " frames, %" PRIu64 " incident%s that %s no page\n",
                   s->replay->held, r->held, r->held == 1 ? "" : "s", r->held == 1 ? "is" : "are");
    if (s->model->threshold_spec.observe > 0)
        buf_printf(out, "observed: %" PRIu64 " more, which nobody is paged for%s\n", r->observed,
                   r->observed && !r->list_observed ? "; --observed lists them" : "");
    if (r->marked_anomaly + r->marked_normal)
        buf_printf(out, "marked: %" PRIu64 " of the pages anomaly, %" PRIu64 " normal\n",
                   r->marked_anomaly, r->marked_normal);
}

static void put_days(const struct replay_story *s, struct buf *out)
{
    const bool store = s->source->reader != NULL;
    char day[REPORT_TIME_MAX], watched[STR_DURATION_MAX];

    buf_printf(out, "\nday         pages%s  watched\n", store ? "  recorded" : "");
    for (size_t i = 0; i < s->result->n_days; i++) {
        const struct replay_day *d = &s->result->day[i];
        report_time(d->day * DAY_MS, day);
        buf_printf(out, "%.10s  %5" PRIu64, day, d->pages);
        if (store)
            buf_printf(out, "  %8" PRIu64, d->recorded);
        buf_printf(out, "  %s\n", span(d->watched_ms, watched));
    }
}

void replay_report_text(const struct replay_story *s, struct buf *out)
{
    put_head(s, out);
    put_model(s, out);
    for (size_t i = 0; i < s->result->n_pages; i++)
        put_page(s, i, out);
    if (s->result->pages_unlisted)
        buf_printf(out, "\n... and %" PRIu64 " more pages\n", s->result->pages_unlisted);
    buf_puts(out, "\n");
    put_rate(&s->result->all, "", out);
    if (s->result->in_sample_frames)
        put_rate(&s->result->unseen, " that the model had not seen", out);
    put_marked(s, out);
    put_recorded(s, out);
    put_days(s, out);
}

static json_t *seconds(int64_t ms)
{
    return ms % 1000 ? json_real((double)ms / 1000) : json_integer(ms / 1000);
}

static json_t *causes_json(const struct schema *schema, const struct incident *in)
{
    json_t *a = json_array();

    for (size_t i = 0; i < in->n_causes; i++)
        if (json_array_append_new(a, report_cause_json(schema, &in->causes[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static json_t *marked_json(const struct replay_page *p)
{
    return p->marked_anomaly  ? json_string("anomaly")
           : p->marked_normal ? json_string("normal")
                              : json_null();
}

static json_t *page_json(const struct replay_story *s, const struct replay_page *p)
{
    const struct incident *in = &p->incident;

    return json_pack(
        "{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:b, s:s, s:o, s:b, s:o, s:o}", "start",
        report_time_json(in->start_ms), "end", report_time_json(in->end_ms), "length_s",
        seconds(in->end_ms - in->start_ms), "open", p->open, "peak", report_time_json(in->peak_ms),
        "peak_score", report_float(in->peak_score), "threshold", report_float(in->threshold),
        "in_sample", p->in_sample, "tier", store_incident_tier_name(in->tier), "recorded",
        s->source->reader ? json_boolean(p->recorded) : json_null(), "maintenance", in->maintenance,
        "marked", marked_json(p), "causes", causes_json(s->source->schema, in));
}

static json_t *pages_json(const struct replay_story *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->result->n_pages; i++)
        if (json_array_append_new(a, page_json(s, &s->result->page[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static json_t *days_json(const struct replay_story *s)
{
    json_t *a = json_array();
    char day[REPORT_TIME_MAX];

    for (size_t i = 0; i < s->result->n_days; i++) {
        const struct replay_day *d = &s->result->day[i];
        report_time(d->day * DAY_MS, day);
        day[10] = '\0';
        json_t *o =
            json_pack("{s:s, s:I, s:o, s:o}", "day", day, "pages", (json_int_t)d->pages, "recorded",
                      s->source->reader ? json_integer((json_int_t)d->recorded) : json_null(),
                      "watched_s", seconds(d->watched_ms));
        if (json_array_append_new(a, o) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

static json_t *rate_json(const struct replay_count *c)
{
    double rate, low, high;

    replay_rate(c, &rate, &low, &high);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:f}", "pages", (json_int_t)c->pages, "watched_s",
                     seconds(c->watched_ms), "per_week", report_number(rate), "low",
                     report_number(low), "high", report_number(high), "confidence", 0.95);
}

static json_t *model_json(const struct replay_story *s)
{
    const struct model *m = s->model;
    char id[REPORT_ID_MAX];

    report_id(s->model_id, id);
    return json_pack(
        "{s:o, s:b, s:I, s:I, s:o, s:o, s:s, s:s, s:f}", "model_id",
        s->trained ? json_null() : json_string(id), "walk_forward", s->walked, "trained",
        (json_int_t)s->models, "learned_frames", (json_int_t)s->learned, "learned_until",
        m->provenance.last_ms ? report_time_json(m->provenance.last_ms) : json_null(), "threshold",
        report_float(m->threshold), "threshold_method",
        threshold_method_name(m->threshold_spec.method), "threshold_by",
        threshold_method_name(m->threshold_by), "threshold_value", m->threshold_spec.value);
}

static json_t *recorded_json(const struct replay_story *s)
{
    if (!s->source->reader)
        return json_null();
    return json_pack("{s:I, s:I}", "incidents", (json_int_t)s->result->n_recorded, "replayed",
                     (json_int_t)s->result->recorded_replayed);
}

json_t *replay_report_json(const struct replay_story *s)
{
    const struct replay *r = s->replay;

    return json_pack(
        "{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:{s:I, s:I}, "
        "s:o, s:o, s:o, s:o, s:I, s:o}",
        "source", s->source->name, "from", report_time_json(s->from_ms), "to",
        report_time_json(s->to_ms), "frames", (json_int_t)r->frames, "unscored",
        (json_int_t)r->unscored, "anomalous", (json_int_t)r->anomalous, "holes",
        (json_int_t)r->holes, "in_sample_frames", (json_int_t)s->result->in_sample_frames,
        "other_frames", (json_int_t)s->other_frames, "maintenance_frames", (json_int_t)r->held,
        "maintenance_incidents", (json_int_t)s->result->held, "observed",
        (json_int_t)s->result->observed, "model", model_json(s), "confirm", "k",
        (json_int_t)s->confirm.k, "of", (json_int_t)s->confirm.of, "rate",
        rate_json(&s->result->all), "unseen_rate", rate_json(&s->result->unseen), "recorded",
        recorded_json(s), "days", days_json(s), "pages_unlisted",
        (json_int_t)s->result->pages_unlisted, "pages", pages_json(s));
}
