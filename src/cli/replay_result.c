/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_result.h"

#include <math.h>

#include "base/mem.h"
#include "base/poisson.h"

static const double CONFIDENCE = 0.95;
static const double WEEK_MS = 7.0 * REPLAY_DAY_MS;
enum { RECORDED_MAX = 1000000 }; /* a million incidents are not read by anybody */

void replay_result_done(struct replay_result *r)
{
    mem_free(r->page);
    mem_free(r->day);
    mem_free(r->recorded);
    *r = (struct replay_result){0};
}

/* Room for one more of `size` bytes behind n; arrays double. NULL: no memory. */
static void *room(void *p, size_t n, size_t size)
{
    if (n & (n - 1)) /* full only at powers of two */
        return p;
    return mem_grow(p, n ? 2 * n : 1, size);
}

static int64_t day_of(int64_t ms)
{
    return ms / REPLAY_DAY_MS - (ms % REPLAY_DAY_MS < 0);
}

/* Frames come in time order and a page starts at one, so a day that is not there is the newest.
 * NULL: no memory. */
static struct replay_day *day_at(struct replay_result *r, int64_t day)
{
    for (size_t i = r->n_days; i > 0 && r->day[i - 1].day >= day; i--)
        if (r->day[i - 1].day == day)
            return &r->day[i - 1];
    struct replay_day *grown = room(r->day, r->n_days, sizeof *grown);
    if (!grown)
        return NULL;
    r->day = grown;
    r->day[r->n_days] = (struct replay_day){.day = day};
    return &r->day[r->n_days++];
}

static struct err *no_memory(struct err *err)
{
    (void)err_set(err, E_NOMEM, "no memory for the pages of a replay");
    return err;
}

/* One that somebody would have been paged for. */
static enum rc count_page(struct replay_result *r, struct err *err)
{
    struct replay_day *day = day_at(r, day_of(r->last.incident.start_ms));

    if (!day)
        return no_memory(err)->rc;
    day->pages++;
    r->all.pages++;
    r->unseen.pages += !r->last.in_sample;
    return OK;
}

static enum rc list_page(struct replay_result *r, struct err *err)
{
    if (r->n_pages == REPLAY_PAGES_MAX) {
        r->pages_unlisted++;
        return OK;
    }
    struct replay_page *grown = room(r->page, r->n_pages, sizeof *grown);
    if (!grown)
        return no_memory(err)->rc;
    r->page = grown;
    r->page[r->n_pages++] = r->last;
    r->listed = true;
    return OK;
}

static enum rc open_page(struct replay_result *r, const struct incident *in, bool in_sample,
                         struct err *err)
{
    r->last = (struct replay_page){.incident = *in, .open = true, .in_sample = in_sample};
    r->listed = false;
    r->held += in->maintenance;
    r->observed += in->tier == INCIDENT_OBSERVE && !in->maintenance;
    if (incident_pages(in) && count_page(r, err) != OK)
        return err->rc;
    return in->tier == INCIDENT_PAGE || r->list_observed ? list_page(r, err) : OK;
}

static void update_page(struct replay_result *r, const struct incident *in, bool open)
{
    r->last.incident = *in;
    r->last.open = open;
    if (r->listed)
        r->page[r->n_pages - 1] = r->last;
}

/* Nobody had been paged for it so far. */
static enum rc raise_page(struct replay_result *r, const struct incident *in, struct err *err)
{
    r->held -= r->last.incident.maintenance;
    r->observed -= r->last.incident.tier == INCIDENT_OBSERVE && !r->last.incident.maintenance;
    update_page(r, in, true);
    if (count_page(r, err) != OK)
        return err->rc;
    return r->listed ? OK : list_page(r, err);
}

enum rc replay_result_add(struct replay_result *r, const struct replay_step *step, bool in_sample,
                          struct err *err)
{
    struct replay_day *day = day_at(r, day_of(step->line.verdict.ts_ms));

    if (!day)
        return no_memory(err)->rc;
    day->watched_ms += step->watched_ms;
    r->all.watched_ms += step->watched_ms;
    r->in_sample_frames += in_sample;
    if (!in_sample)
        r->unseen.watched_ms += step->watched_ms;
    switch (step->line.event) {
    case WATCH_QUIET:
        return OK;
    case WATCH_OPENED:
        return open_page(r, &step->line.incident, in_sample, err);
    case WATCH_UPDATED:
        update_page(r, &step->line.incident, true);
        return OK;
    case WATCH_RAISED:
        return raise_page(r, &step->line.incident, err);
    case WATCH_CLOSED:
        update_page(r, &step->line.incident, false);
        return OK;
    }
    return OK;
}

void replay_result_end(struct replay_result *r, bool open, const struct incident *in)
{
    if (open)
        update_page(r, in, true);
}

struct gather {
    struct replay_result *r;
    bool failed;
};

static bool gather(void *arg, const struct store_incident *row)
{
    /* a replay has no reference; and what maintenance did is none to compare with */
    if (row->kind != INCIDENT_DEPARTURE || row->maintenance || row->tier != INCIDENT_PAGE)
        return true;
    struct gather *g = arg;
    struct replay_result *r = g->r;
    struct replay_recorded *grown = room(r->recorded, r->n_recorded, sizeof *grown);

    g->failed = !grown;
    if (g->failed || r->n_recorded == RECORDED_MAX)
        return false;
    r->recorded = grown;
    r->recorded[r->n_recorded++] =
        (struct replay_recorded){row->start_ms, row->end_ms ? row->end_ms : INT64_MAX};
    return true;
}

static void reverse(struct replay_recorded *v, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        const struct replay_recorded t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}

static bool overlap(const struct replay_recorded *rec, const struct replay_page *p)
{
    return rec->start_ms <= p->incident.end_ms && rec->end_ms >= p->incident.start_ms;
}

/* Which pages were recorded, and which records a page stands for: both lists are in time order, and
 * pages do not overlap one another. */
static void match(struct replay_result *r)
{
    size_t first = 0; /* the first page that does not end before the record starts */

    for (size_t i = 0; i < r->n_recorded; i++) {
        const struct replay_recorded *rec = &r->recorded[i];
        bool met = false;
        while (first < r->n_pages && r->page[first].incident.end_ms < rec->start_ms)
            first++;
        for (size_t k = first; k < r->n_pages && r->page[k].incident.start_ms <= rec->end_ms; k++)
            if (overlap(rec, &r->page[k]))
                met = r->page[k].recorded = true;
        r->recorded_replayed += met;
    }
}

enum rc replay_result_recorded(struct replay_result *r, struct store_reader *reader,
                               const char *instance, int64_t from_ms, int64_t to_ms,
                               struct err *err)
{
    struct gather g = {r, false};

    if (store_read_incidents(reader, instance, from_ms, to_ms, gather, &g, err) != OK)
        return err->rc;
    if (g.failed)
        return no_memory(err)->rc;
    reverse(r->recorded, r->n_recorded);
    for (size_t i = 0; i < r->n_recorded && r->n_days; i++) {
        const int64_t day = day_of(r->recorded[i].start_ms);
        for (size_t k = 0; k < r->n_days; k++)
            if (r->day[k].day == day)
                r->day[k].recorded++;
    }
    match(r);
    return OK;
}

void replay_rate(const struct replay_count *c, double *ret, double *ret_low, double *ret_high)
{
    const double weeks = (double)c->watched_ms / WEEK_MS;

    *ret = *ret_low = *ret_high = (double)NAN;
    if (!(weeks > 0))
        return;
    poisson_interval(c->pages, CONFIDENCE, ret_low, ret_high);
    *ret = (double)c->pages / weeks;
    *ret_low /= weeks;
    *ret_high /= weeks;
}

void replay_result_marked(struct replay_result *r, const struct marks *marks, const char *instance)
{
    for (size_t i = 0; i < r->n_pages; i++) {
        struct replay_page *p = &r->page[i];
        const int64_t from = p->incident.start_ms, to = p->incident.end_ms;
        p->marked_anomaly = marks_say(marks, STORE_MARK_ANOMALY, instance, from, to);
        p->marked_normal = marks_say(marks, STORE_MARK_NORMAL, instance, from, to);
        r->marked_normal += p->marked_normal && incident_pages(&p->incident);
        r->marked_anomaly += p->marked_anomaly && incident_pages(&p->incident);
    }
}
