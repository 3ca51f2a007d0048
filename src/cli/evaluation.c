/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evaluation.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "measure/window.h"
#include "source/csv.h"

enum { SCORE, THRESHOLD, ANOMALOUS, N_COLUMNS };
static const char *const score_columns[N_COLUMNS] = {"score", "threshold", "anomalous"};

/* The line of a row: the header is the first, and a row is never more than one. */
static size_t line_of(size_t row)
{
    return row + 2;
}

/* A column of 0 and 1 as bytes. */
static enum rc take_marks(const char *path, const char *name, const double *v, size_t rows,
                          uint8_t **ret, struct err *err)
{
    CLEANUP(mem_freep) uint8_t *marks = mem_alloc(rows);

    if (!marks)
        return err_set(err, E_NOMEM, "%s: no memory for %zu rows", path, rows);
    for (size_t i = 0; i < rows; i++) {
        if (v[i] != 0 && v[i] != 1)
            return err_set(err, E_PARSE, "%s:%zu: column '%s': expected 0 or 1, found %g", path,
                           line_of(i), name, v[i]);
        marks[i] = v[i] == 1;
    }
    *ret = TAKE(marks);
    return OK;
}

static enum rc expect_column(const char *path, const char *name, const double *v, struct err *err)
{
    return v ? OK : err_set(err, E_PARSE, "%s:1: expected a column '%s', found none", path, name);
}

static enum rc expect_same_rows(const char *path, size_t rows, const int64_t *ts_ms,
                                const char *other, size_t other_rows, const int64_t *other_ms,
                                struct err *err)
{
    if (rows != other_rows)
        return err_set(err, E_STATE, "%s: expected as many rows as %s has, %zu, found %zu", path,
                       other, other_rows, rows);
    for (size_t i = 0; ts_ms && other_ms && i < rows; i++) {
        char here[STR_RFC3339_MAX], there[STR_RFC3339_MAX];
        if (ts_ms[i] == other_ms[i])
            continue;
        str_from_rfc3339_ms(ts_ms[i], here);
        str_from_rfc3339_ms(other_ms[i], there);
        return err_set(err, E_STATE,
                       "%s:%zu: expected the time of the same row of %s, %s, found %s", path,
                       line_of(i), other, there, here);
    }
    return OK;
}

static enum rc read_labels(const char *path, struct evaluation *e, struct err *err)
{
    const char *const names[] = {"label"};

    if (csv_columns_read(path, names, 1, &e->labels, err) != OK ||
        expect_column(path, names[0], e->labels.v[0], err) != OK ||
        take_marks(path, names[0], e->labels.v[0], e->labels.rows, &e->label, err) != OK ||
        events_find(e->label, e->labels.rows, &e->events, err) != OK)
        return err->rc;
    if (e->events.n == 0)
        return err_set(err, E_STATE,
                       "%s: expected an anomaly to measure by, found none in %zu rows", path,
                       e->labels.rows);
    if (e->events.marked == e->labels.rows)
        return err_set(err, E_STATE,
                       "%s: expected a normal row to measure by, found %zu anomalous "
                       "ones alone",
                       path, e->labels.rows);
    return OK;
}

static enum rc read_scores(const struct evaluation_files *f, struct evaluation *e, struct err *err)
{
    struct csv_columns *s = &e->scores;

    if (csv_columns_read(f->scores, score_columns, N_COLUMNS, s, err) != OK ||
        expect_column(f->scores, score_columns[SCORE], s->v[SCORE], err) != OK ||
        expect_same_rows(f->scores, s->rows, s->ts_ms, f->labels, e->labels.rows, e->labels.ts_ms,
                         err) != OK)
        return err->rc;
    return OK;
}

static enum rc rank_scores(const struct evaluation_files *f, struct evaluation *e, struct err *err)
{
    double *score = e->scores.v[SCORE];

    e->unscored = ranking_fill(score, e->scores.rows);
    if (e->unscored == e->scores.rows)
        return err_set(err, E_STATE, "%s: expected scores, found none in %zu rows", f->scores,
                       e->scores.rows);
    return ranking_new(score, e->scores.rows, &e->ranking, err);
}

/* Which rows a threshold flags: the one that is given, or what the scores' file says of each row.
 * Before they are ranked, for then a row without a score has one. */
static enum rc take_flags(const struct evaluation_files *f, struct evaluation *e, struct err *err)
{
    const double *score = e->scores.v[SCORE], *threshold = e->scores.v[THRESHOLD];
    const size_t rows = e->scores.rows;

    e->threshold_least = e->threshold_most = f->threshold_given ? f->threshold : (double)NAN;
    for (size_t i = 0; !f->threshold_given && threshold && i < rows; i++) {
        e->threshold_least = fmin(e->threshold_least, threshold[i]);
        e->threshold_most = fmax(e->threshold_most, threshold[i]);
    }
    if (!f->threshold_given && e->scores.v[ANOMALOUS])
        return take_marks(f->scores, score_columns[ANOMALOUS], e->scores.v[ANOMALOUS], rows,
                          &e->flag, err);
    if (!f->threshold_given && !threshold)
        return OK;
    e->flag = mem_alloc(rows);
    if (!e->flag)
        return err_set(err, E_NOMEM, "no memory for %zu rows", rows);
    for (size_t i = 0; i < rows; i++)
        e->flag[i] = score[i] >= (f->threshold_given ? f->threshold : threshold[i]);
    return OK;
}

/* Appends the first metric of a file to x. */
static enum rc add_series(const char *path, double **x, size_t *n, struct err *err)
{
    const char *const names[] = {CSV_COLUMNS_FIRST};
    CLEANUP(csv_columns_done) struct csv_columns c = {0};

    if (csv_columns_read(path, names, 1, &c, err) != OK ||
        expect_column(path, "of a metric", c.v[0], err) != OK)
        return err->rc;
    double *longer = mem_grow(*x, *n + c.rows + 1, sizeof *longer);
    if (!longer)
        return err_set(err, E_NOMEM, "%s: no memory for %zu rows", path, c.rows);
    memcpy(longer + *n, c.v[0], c.rows * sizeof *longer);
    *x = longer;
    *n += c.rows;
    return OK;
}

/* The width of the buffer from files that follow one another. */
static enum rc find_window(const char *paths, size_t *ret, struct err *err)
{
    CLEANUP(mem_freep) double *x = NULL;
    size_t n = 0;

    for (const char *p = paths; *p;) {
        const size_t length = strcspn(p, ",");
        CLEANUP(mem_freep) char *path = mem_strndup(p, length);
        if (!path)
            return err_set(err, E_NOMEM, "no memory for a path");
        if (add_series(path, &x, &n, err) != OK)
            return err->rc;
        p += length + (p[length] == ',' ? 1 : 0);
    }
    *ret = window_of(x, n);
    return OK;
}

static enum rc measure_causes(const struct evaluation_files *f, struct evaluation *e,
                              struct err *err)
{
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    CLEANUP(causes_done) struct causes causes = {0};
    CLEANUP(mem_freep) char *text = NULL;
    const bool timed = e->scores.ts_ms;
    size_t bytes = 0;

    if (csv_read(f->contributions, &schema, &d, NULL, err) != OK)
        return err->rc;
    if (expect_same_rows(f->contributions, d->rows, d->ts_ms, timed ? f->scores : f->labels,
                         e->labels.rows, timed ? e->scores.ts_ms : e->labels.ts_ms, err) != OK ||
        file_read(f->causes, CAUSES_BYTES_MAX, &text, &bytes, err) != OK ||
        causes_parse(text, bytes, f->causes, d->rows, d->n, &causes, err) != OK)
        return err->rc;
    if (causes_check(d->X, d->rows, d->n, err) != OK)
        return err_wrap(err, "%s", f->contributions);
    if (causes_measure(&causes, &e->events, d->X, d->n, &e->hits, err) != OK)
        return err_wrap(err, "%s", f->causes);
    return OK;
}

static enum rc measure(const struct evaluation_files *f, struct evaluation *e, struct err *err)
{
    const int64_t *ts_ms = e->scores.ts_ms ? e->scores.ts_ms : e->labels.ts_ms;

    e->window = f->window;
    if (f->series && find_window(f->series, &e->window, err) != OK)
        return err->rc;
    if (ranking_measure(&e->ranking, &e->events, &e->point, err) != OK ||
        vus_measure(&e->ranking, &e->events, e->window, &e->vus, err) != OK)
        return err->rc;
    if (e->flag && alarms_measure(e->flag, &e->events, ts_ms, &e->alarms, err) != OK)
        return err->rc;
    return f->causes ? measure_causes(f, e, err) : OK;
}

enum rc evaluation_make(const struct evaluation_files *files, struct evaluation *ret,
                        struct err *err)
{
    CLEANUP(evaluation_done) struct evaluation e = {0};

    if (read_labels(files->labels, &e, err) != OK || read_scores(files, &e, err) != OK ||
        take_flags(files, &e, err) != OK || rank_scores(files, &e, err) != OK ||
        measure(files, &e, err) != OK)
        return err->rc;
    *ret = e;
    e = (struct evaluation){0};
    return OK;
}

void evaluation_done(struct evaluation *e)
{
    csv_columns_done(&e->labels);
    csv_columns_done(&e->scores);
    mem_free(e->label);
    mem_free(e->flag);
    events_done(&e->events);
    ranking_done(&e->ranking);
    *e = (struct evaluation){0};
}
