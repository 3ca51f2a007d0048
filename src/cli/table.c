/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "detect/continuity.h"
#include "feature/derive.h"
#include "feature/profile.h"
#include "model/departure.h"

/* Derived features take their time from the frames: the interval, which a profile needs for the
 * ranges of its base features, does not matter here. */
enum { ANY_INTERVAL_MS = 60000 };

enum rc table_read(const char *path, struct table *ret, struct err *err)
{
    struct table t = {.path = path};
    const enum rc rc = csv_read(path, &t.schema, &t.d, &t.form, err);

    if (rc == OK)
        *ret = t;
    return rc;
}

void table_done(struct table *t)
{
    schema_free(t->schema);
    dataset_free(t->d);
    *t = (struct table){0};
}

static int find(const struct schema *s, const char *name)
{
    return schema_find(s, str_of(name));
}

bool table_has_all(const struct table *t, const struct schema *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (find(t->schema, wanted->f[i].name) < 0)
            return false;
    return true;
}

/* column[i] is where wanted feature i stands in t. */
static enum rc find_columns(const struct table *t, const struct schema *wanted, size_t n,
                            const char *whose, size_t *column, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const int at = find(t->schema, wanted->f[i].name);
        if (at < 0)
            return err_set(err, E_STATE, "%s:1: expected a column '%s' of %s, found none", t->path,
                           wanted->f[i].name, whose);
        column[i] = (size_t)at;
    }
    for (size_t i = 0; i < t->schema->n; i++) {
        const int at = find(wanted, t->schema->f[i].name);
        if (at >= 0 && (size_t)at >= n)
            return err_set(err, E_STATE,
                           "%s:1: expected no column '%s', which the profile derives itself",
                           t->path, t->schema->f[i].name);
        if (at < 0)
            return err_set(err, E_STATE,
                           "%s:1: expected the %zu columns of %s, found '%s' beside them", t->path,
                           n, whose, t->schema->f[i].name);
    }
    return OK;
}

/* Every frame anew: the first n features of wanted from t's columns, the others from the deriver
 * (NULL: there are no others). */
static enum rc rebuild(struct table *t, const struct schema *wanted, size_t n, const char *whose,
                       struct deriver *deriver, struct err *err)
{
    const int64_t interval_ms = dataset_interval_ms(t->d);
    assert(deriver || n == wanted->n);
    CLEANUP(mem_freep) size_t *column = mem_array(n, sizeof *column);
    CLEANUP(mem_freep) float *frame = mem_array(wanted->n, sizeof *frame);
    CLEANUP(mem_freep) double *base = mem_array(n, sizeof *base);
    CLEANUP(schema_freep) struct schema *schema = schema_copy(wanted);
    CLEANUP(dataset_freep) struct dataset *d = NULL;

    if (!column || !frame || !base || !schema)
        return err_set(err, E_NOMEM, "%s: no memory for %zu features", t->path, wanted->n);
    enum rc rc = find_columns(t, wanted, n, whose, column, err);
    if (rc == OK)
        rc = dataset_new(wanted->n, &d, err);
    for (size_t r = 0; rc == OK && r < t->d->rows; r++) {
        if (deriver && r > 0 &&
            continuity_is_hole(t->d->ts_ms[r] - t->d->ts_ms[r - 1], interval_ms, 0))
            deriver_clear(deriver);
        for (size_t i = 0; i < n; i++)
            base[i] = (double)(frame[i] = t->d->X[r * t->d->n + column[i]]);
        if (deriver)
            deriver_apply(deriver, t->d->ts_ms[r], base, frame);
        rc = dataset_append(d, t->d->ts_ms[r], frame, err);
    }
    if (rc != OK)
        return rc;
    schema_free(t->schema);
    dataset_free(t->d);
    t->schema = TAKE(schema);
    t->d = TAKE(d);
    return OK;
}

enum rc table_arrange(struct table *t, const struct schema *wanted, const char *whose,
                      struct err *err)
{
    return rebuild(t, wanted, wanted->n, whose, NULL, err);
}

enum rc table_derive(struct table *t, const char *profile, struct err *err)
{
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(deriver_freep) struct deriver *deriver = NULL;

    if (strcmp(profile, TABLE_AS_IT_STANDS) == 0)
        return OK;
    enum rc rc = profile_load(profile, ANY_INTERVAL_MS, &p, err);
    if (rc == OK)
        rc = deriver_new(p, &deriver, err);
    if (rc == OK)
        rc = rebuild(t, profile_schema(p), profile_base_count(p), "the profile", deriver, err);
    return rc;
}

enum rc table_load(const char *path, const char *profile, struct table *ret, struct err *err)
{
    enum rc rc = table_read(path, ret, err);

    if (rc == OK)
        rc = table_derive(ret, profile, err);
    return rc;
}

/* Nobody would guess from the scores that they are not of such rows. */
static void warn_of_distance(const struct table *t, const struct model *m, const char *whose)
{
    char here[STR_DURATION_MAX], there[STR_DURATION_MAX];
    const int64_t apart_ms = dataset_interval_ms(t->d);
    const bool alone = departure_is_gap(m->interval_ms, 0, apart_ms);
    const double far = 3; /* intervals: so many frames are seldom lost in a row */

    if (model_is_classic(m) || m->interval_ms <= 0 ||
        (double)apart_ms <= far * (double)m->interval_ms)
        return;
    str_from_duration_ms(apart_ms, here);
    str_from_duration_ms(m->interval_ms, there);
    fprintf(stderr, "%s: rows are %s apart, those that %s learned from %s: %s\n", t->path, here,
            whose, there,
            alone ? "each is scored by itself, without change or smoothing"
                  : "what changes from one to the next looks larger than it is");
}

enum rc table_read_for(const char *path, const char *profile, const struct model *m,
                       const char *whose, struct table *ret, struct err *err)
{
    CLEANUP(table_done) struct table t = {0};

    enum rc rc = table_read(path, &t, err);
    if (rc != OK)
        return rc;
    if (!profile && m->provenance.profile[0] && !table_has_all(&t, m->schema))
        profile = m->provenance.profile;
    if (profile)
        rc = table_derive(&t, profile, err);
    if (rc == OK)
        rc = table_arrange(&t, m->schema, whose, err);
    if (rc == OK) {
        warn_of_distance(&t, m, whose);
        *ret = t;
        t = (struct table){0};
    }
    return rc;
}

bool table_is_gap(const struct table *t, size_t row, int64_t interval_ms)
{
    return row > 0 && departure_is_gap(interval_ms, t->d->ts_ms[row - 1], t->d->ts_ms[row]);
}

bool table_is_scaled(const struct dataset *d)
{
    const float near = 1e-3f;
    size_t moving = 0, full = 0;

    for (size_t i = 0; i < d->n; i++) {
        float low = INFINITY, high = -INFINITY;
        for (size_t r = 0; r < d->rows; r++) {
            low = fminf(low, d->X[r * d->n + i]); /* ignores NaN */
            high = fmaxf(high, d->X[r * d->n + i]);
        }
        if (low < 0 || (high > 1 && isfinite(high)))
            return false;
        moving += low < high ? 1 : 0;
        full += low <= near && high >= 1 - near ? 1 : 0;
    }
    return full > 0 && 4 * full >= moving;
}
