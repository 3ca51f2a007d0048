/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_fill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "source/prom_chunk.h"

enum { CAUSE_WARNING = 1, CAUSE_MISSING, CAUSE_RETRY };

size_t prom_features_columns(const struct prom_features *f)
{
    return f->n + (f->age ? 1 : 0);
}

const double *prom_features_frame(const struct prom_features *f, const struct prom_grid *g,
                                  size_t entity, size_t point)
{
    const double *row = prom_grid_row(g, entity, point);

    if (!row || (f->age && 1000 * row[f->n] > (double)f->age_most_ms))
        return NULL;
    for (size_t i = 0; i < f->n; i++) /* an age alone is no frame */
        if (!isnan(row[i]))
            return row;
    return NULL;
}

static const char *name_of(const struct prom_features *f, size_t column)
{
    return column < f->n ? f->names[column] : "age of the newest sample";
}

static const char *query_of(const struct prom_features *f, size_t column)
{
    return column < f->n ? f->promql[column] : f->age;
}

static void say(const struct prom_fill *f, uint64_t kind, size_t feature, enum rc rc,
                const char *sentence)
{
    const char *name = name_of(f->features, feature);

    if (f->said)
        f->said(f->arg, hash_bytes(name, strlen(name), kind), rc, sentence);
}

static void take_warnings(struct prom_fill *f, size_t feature, const struct prom_answer *a)
{
    char sentence[ERR_MSG_MAX];

    if (a->n_warnings == 0)
        return;
    f->warnings += a->n_warnings;
    (void)snprintf(sentence, sizeof sentence, "the server warns about feature '%s': %s",
                   name_of(f->features, feature), a->warning);
    say(f, CAUSE_WARNING, feature, OK, sentence);
}

/* The server cannot evaluate it: it has no values there. */
static void count_missing(struct prom_fill *f, size_t feature, const struct err *why)
{
    char sentence[ERR_MSG_MAX];

    f->missing++;
    (void)snprintf(sentence, sizeof sentence, "feature '%s' is missing: %.400s",
                   name_of(f->features, feature), why->msg);
    say(f, CAUSE_MISSING, feature, why->rc, sentence);
}

/* Whether a query that failed for a while is to be asked again; waits before it is. */
static bool try_again(struct prom_fill *f, size_t feature, const struct err *why)
{
    char sentence[ERR_MSG_MAX];

    if (f->backoff.tries + 1 >= f->tries)
        return false;
    const int64_t wait_ms = http_backoff_next_ms(&f->backoff, prom_retry_after_ms(f->client));
    (void)snprintf(sentence, sizeof sentence, "%.400s; tried again in %.1f s", why->msg,
                   (double)wait_ms / 1000);
    say(f, CAUSE_RETRY, feature, why->rc, sentence);
    f->retries++;
    return f->wait(f->arg, wait_ms);
}

static enum rc stopped(struct err *err)
{
    return err_set(err, E_STATE, "stopped");
}

/* What to do about a piece that failed: OK to go on (with c moved on or cut), else the end. */
static enum rc recover(struct prom_fill *f, size_t feature, struct prom_chunk *c, int64_t end_ms,
                       struct err *err)
{
    if (!f->wait(f->arg, 0))
        return stopped(err);
    if (err->rc == E_LIMIT && prom_chunk_halve(c)) {
        f->halvings++;
        return OK;
    }
    if (err->rc == E_LIMIT || err->rc == E_STATE) {
        count_missing(f, feature, err);
        if (err->rc == E_LIMIT) /* one instant is too much: so are all */
            c->points = 0;
        prom_chunk_done(c, end_ms);
        return OK;
    }
    if ((err->rc == E_IO || err->rc == E_PARSE) && try_again(f, feature, err))
        return OK;
    return f->wait(f->arg, 0) ? err->rc : stopped(err);
}

/* A feature over the grid's span; *points: instants in a query, at most, 0: it is given up. */
static enum rc fetch(struct prom_fill *f, size_t feature, int64_t from_ms, int64_t to_ms,
                     size_t *points, struct err *err)
{
    struct prom_chunk c;
    int64_t start_ms, end_ms;

    if (*points == 0)
        return OK;
    prom_chunk_init(&c, from_ms, to_ms, f->step_ms, *points);
    while (c.points > 0 && prom_chunk_next(&c, &start_ms, &end_ms)) {
        CLEANUP(prom_answer_done) struct prom_answer a = {0};
        if (prom_query_range(f->client, query_of(f->features, feature), start_ms, end_ms,
                             f->step_ms, &a, err) != OK) {
            if (recover(f, feature, &c, end_ms, err) != OK)
                return err->rc;
            continue;
        }
        http_backoff_clear(&f->backoff);
        take_warnings(f, feature, &a);
        if (prom_grid_add(f->grid, feature, &a, false, err) != OK)
            return err->rc;
        prom_chunk_done(&c, end_ms);
    }
    *points = c.points;
    return OK;
}

static enum rc hand_on(struct prom_fill *f, int64_t from_ms, size_t points, struct err *err)
{
    for (size_t e = 0; e < prom_grid_entities(f->grid); e++)
        for (size_t i = 0; i < points; i++) {
            const double *base = prom_features_frame(f->features, f->grid, e, i);
            if (base && f->row(f->arg, e, from_ms + (int64_t)i * f->step_ms, base, err) != OK)
                return err->rc;
        }
    return OK;
}

enum rc prom_fill_span(struct prom_fill *f, int64_t from_ms, int64_t to_ms, struct err *err)
{
    const uint64_t all = prom_chunk_count(from_ms, to_ms, f->step_ms);
    const size_t n = prom_features_columns(f->features);
    size_t most = prom_grid_points_max(f->grid);
    CLEANUP(mem_freep) size_t *points = mem_array(n, sizeof *points);
    struct prom_chunk c;
    int64_t start_ms, end_ms;
    uint64_t done = 0;

    if (!points)
        return err_set(err, E_NOMEM, "no memory for a span of a server");
    if (most > PROM_POINTS_MAX)
        most = PROM_POINTS_MAX;
    for (size_t i = 0; i < n; i++)
        points[i] = most;
    prom_chunk_init(&c, from_ms, to_ms, f->step_ms, most);
    f->next_ms = from_ms;
    while (prom_chunk_next(&c, &start_ms, &end_ms)) {
        const uint64_t here = prom_chunk_count(start_ms, end_ms, f->step_ms);
        if (prom_grid_begin(f->grid, start_ms, f->step_ms, (size_t)here, err) != OK)
            return err->rc;
        for (size_t i = 0; i < n; i++) {
            if (fetch(f, i, start_ms, end_ms, &points[i], err) != OK)
                return err->rc;
            if (f->progress)
                f->progress(f->arg, done * n + here * (i + 1), all * n);
        }
        if (hand_on(f, start_ms, (size_t)here, err) != OK)
            return err->rc;
        done += here;
        prom_chunk_done(&c, end_ms);
        f->next_ms = c.next_ms;
    }
    return OK;
}

enum rc prom_fill_instant(struct prom_fill *f, int64_t at_ms, struct err *err)
{
    if (prom_grid_begin(f->grid, at_ms, f->step_ms, 1, err) != OK)
        return err->rc;
    for (size_t i = 0; i < prom_features_columns(f->features); i++) {
        CLEANUP(prom_answer_done) struct prom_answer a = {0};
        const enum rc rc = prom_query(f->client, query_of(f->features, i), at_ms, &a, err);
        if (rc != OK && !f->wait(f->arg, 0))
            return stopped(err);
        if (rc == E_LIMIT || rc == E_STATE) {
            count_missing(f, i, err);
            continue;
        }
        if (rc != OK)
            return rc;
        take_warnings(f, i, &a);
        if (prom_grid_add(f->grid, i, &a, true, err) != OK)
            return err->rc;
    }
    return OK;
}
