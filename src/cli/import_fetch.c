/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_fetch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/report.h"
#include "feature/profile_by.h"
#include "source/prom_fill.h"

/* Of one query: with waits of half a second and twice as long each time, a minute or so. */
enum { TRIES = 8, SLICE_MS = 100 };

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

struct import_fetch {
    const struct import_options *o;
    struct profile *profile;
    struct prom_client *client;
    struct import_fetch_counts counts;
    struct report_progress progress;
    struct import_rows *rows; /* of the machine in hand */
    size_t k, n;
    char last_said[ERR_MSG_MAX];
};

enum rc import_fetch_open(const struct import_options *o, struct import_fetch **ret,
                          struct err *err)
{
    const struct sigaction a = {.sa_handler = on_signal};
    const struct prom_client_options options = {
        .url = o->url, .label = o->label, .access = &o->access, .stop = &stop};
    CLEANUP(import_fetch_closep) struct import_fetch *f = mem_alloc(sizeof *f);

    if (!f)
        return err_set(err, E_NOMEM, "no memory for an import");
    f->o = o;
    if (expr_by_check(&(struct expr_by){.label = o->label}, err) != OK)
        return err_wrap(err, "--entity-label");
    if (expr_by_check(&(struct expr_by){.label = o->label, .match = o->match}, err) != OK)
        return err_wrap(err, "--match");
    if (profile_load(o->profile, o->step_ms, &f->profile, err) != OK) {
        err->rc = err->rc == E_LIMIT || err->rc == E_PARSE ? E_CONFIG : err->rc;
        return err_wrap(err, "--profile");
    }
    if (prom_client_new(&options, &f->client, err) != OK)
        return err_wrap(err, "--prometheus");
    (void)sigaction(SIGINT, &a, NULL);
    (void)sigaction(SIGTERM, &a, NULL);
    *ret = TAKE(f);
    return OK;
}

void import_fetch_close(struct import_fetch *f)
{
    if (!f)
        return;
    prom_client_free(f->client);
    profile_free(f->profile);
    mem_free(f);
}

bool import_fetch_goes_on(void)
{
    return !atomic_load(&stop);
}

const struct profile *import_fetch_profile(const struct import_fetch *f)
{
    return f->profile;
}

struct import_fetch_counts import_fetch_count(const struct import_fetch *f)
{
    struct import_fetch_counts c = f->counts;

    c.requests = prom_requests(f->client);
    return c;
}

/* What is wrong with a query is a matter of the options. */
static enum rc queries_for(const struct import_fetch *f, const char *match,
                           struct profile_queries *ret, struct err *err)
{
    const struct expr_by by = {.label = f->o->label, .match = match};

    return profile_queries(f->profile, &by, ret, err);
}

/* What a server refuses is no matter of this command line alone: not a usage error. */
static enum rc said_by_server(enum rc rc, struct err *err)
{
    if (rc == E_CONFIG)
        err->rc = E_IO;
    return rc == E_CONFIG ? E_IO : rc;
}

enum rc import_fetch_who(struct import_fetch *f, struct prom_names *ret, struct err *err)
{
    CLEANUP(profile_queries_done) struct profile_queries q = {0};

    if (queries_for(f, f->o->match, &q, err) != OK)
        return err->rc;
    return said_by_server(prom_entities(f->client, q.anchor, f->o->from_ms, f->o->to_ms, ret, err),
                          err);
}

static bool wait_ms(void *arg, int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;

    (void)arg;
    for (int64_t left = ms; left > 0 && !atomic_load(&stop); left = end_ms - clock_mono_ms())
        (void)poll(NULL, 0, left < SLICE_MS ? (int)left : SLICE_MS);
    return !atomic_load(&stop);
}

static void show_progress(void *arg, uint64_t done, uint64_t of)
{
    struct import_fetch *f = arg;

    report_progress(&f->progress, f->k * of + done, f->n * of, "%zu rows",
                    import_rows_count(f->rows));
}

static void say(void *arg, uint64_t cause, enum rc rc, const char *sentence)
{
    struct import_fetch *f = arg;

    (void)cause, (void)rc;
    if (strcmp(sentence, f->last_said) == 0)
        return;
    (void)snprintf(f->last_said, sizeof f->last_said, "%s", sentence);
    report_progress_done(&f->progress);
    fprintf(stderr, "tocsin: %s\n", sentence);
}

static enum rc add_row(void *arg, size_t entity, int64_t ts_ms, const double *base, struct err *err)
{
    struct import_fetch *f = arg;

    (void)entity;
    return import_rows_add(f->rows, ts_ms, base, err);
}

static enum rc fill(struct import_fetch *f, const struct profile_queries *q, const char *instance,
                    struct err *err)
{
    const struct prom_features features = {.n = q->n,
                                           .names = (const char *const *)q->names,
                                           .promql = (const char *const *)q->promql,
                                           .age = q->age,
                                           .age_most_ms = q->age_most_ms};
    CLEANUP(prom_grid_freep) struct prom_grid *grid = NULL;

    if (prom_grid_new(prom_features_columns(&features), &grid, err) != OK)
        return err->rc;
    if (prom_grid_entity(grid, instance, true) < 0)
        return err_set(err, E_NOMEM, "no memory for a machine");
    struct prom_fill fill = {.client = f->client,
                             .features = &features,
                             .grid = grid,
                             .step_ms = f->o->step_ms,
                             .tries = TRIES,
                             .arg = f,
                             .wait = wait_ms,
                             .row = add_row,
                             .progress = show_progress,
                             .said = say};
    http_backoff_init(&fill.backoff, clock_mono_ns());
    const enum rc rc = prom_fill_span(&fill, f->o->from_ms, f->o->to_ms, err);
    f->counts.retries += fill.retries;
    f->counts.halvings += fill.halvings;
    f->counts.missing += fill.missing;
    f->counts.warnings += fill.warnings;
    return said_by_server(rc, err);
}

enum rc import_fetch_machine(struct import_fetch *f, const char *instance, const char *path,
                             size_t k, size_t n, struct import_summary *ret, struct err *err)
{
    CLEANUP(profile_queries_done) struct profile_queries q = {0};
    CLEANUP(import_rows_freep) struct import_rows *rows = NULL;
    CLEANUP(buf_done) struct buf match;

    buf_init(&match, EXPR_BY_MAX);
    expr_by_narrow(f->o->match, f->o->label, instance, &match);
    if (match.failed)
        return err_set(err, E_NOMEM, "no memory for a query");
    if (queries_for(f, match.p, &q, err) != OK)
        return err->rc;
    if (import_rows_open(path, f->profile, f->o->step_ms, &rows, err) != OK)
        return err->rc;
    f->rows = rows;
    f->k = k;
    f->n = n;
    report_progress_init(&f->progress, "importing");
    const enum rc rc = fill(f, &q, instance, err);
    report_progress_done(&f->progress);
    f->rows = NULL;
    if (rc != OK)
        return rc;
    if (import_rows_count(rows) == 0)
        return err_set(err, E_STATE, "%s has no value of the profile in the span", instance);
    return import_rows_close(rows, ret, err);
}
