/* SPDX-License-Identifier: Apache-2.0 */
#include "model/yardstick.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "base/mem.h"
#include "base/stats.h"
#include "model/departure.h"
#include "model/recent.h"

static const double PER_RESOLUTION = 3; /* deviations */
static const double PER_MOVE = 10;      /* of a constant that moved */

struct column {
    struct stats_moments raw, level, change;
};

static void init(struct column *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        stats_init(&c[i].raw);
        stats_init(&c[i].level);
        stats_init(&c[i].change);
    }
}

static void add_row(struct column *c, size_t n, const float *x, const float *y, bool skip,
                    struct recent *recent, uint8_t *present)
{
    for (size_t i = 0; i < n; i++) {
        present[i] = isfinite(x[i]) ? 1 : 0;
        if (!present[i])
            continue;
        stats_add(&c[i].raw, (double)x[i]);
        if (skip)
            continue;
        stats_add(&c[i].level, (double)y[i]);
        if (recent->held[i] == RECENT_VALUES)
            stats_add(&c[i].change, (double)y[i] - (double)recent_median(recent, i));
    }
    recent_push(recent, y, present);
}

/* From the 5 % to the 95 % quantile of feature i; column[rows] is scratch. */
static double usual_span(const struct yardstick_rows *rows, size_t n, size_t i, float *column)
{
    const double outside = 0.05;
    size_t k = 0;

    for (size_t r = 0; r < rows->rows; r++)
        if (isfinite(rows->X[r * n + i]))
            column[k++] = rows->X[r * n + i];
    return k ? (double)stats_quantile(column, k, 1 - outside) -
                   (double)stats_quantile(column, k, outside)
             : 0;
}

static float unit(const struct stats_moments *m, double least)
{
    const double deviation = m->n > 1 ? stats_std(m) : 0;
    return (float)fmin(fmax(fmax(deviation, least), (double)FLT_MIN), (double)FLT_MAX);
}

static void set_units(const struct column *c, const struct feature *f, const struct scaler *scaler,
                      size_t i, double span, float *level, float *change)
{
    const double of_resolution = (double)f->resolution / PER_RESOLUTION;

    if (scaler->constant[i] != SCALER_MOVES) {
        const double moved = (double)scaler->span[i] / PER_MOVE;
        *level = *change = (float)fmax(of_resolution > 0 ? of_resolution : moved, (double)FLT_MIN);
        return;
    }
    const double least = fmax(fmax(YARDSTICK_RANGE * (c->raw.max - c->raw.min), of_resolution),
                              YARDSTICK_SPAN * span);
    *level = unit(&c->level, least);
    *change = unit(&c->change, least);
}

enum rc yardstick_fit(const struct yardstick_rows *rows, const struct schema *schema,
                      const struct scaler *scaler, float *level, float *change, struct err *err)
{
    const size_t n = schema->n;
    CLEANUP(mem_freep) struct column *c = mem_array(n, sizeof *c);
    CLEANUP(mem_freep) uint8_t *present = mem_alloc(n);
    CLEANUP(mem_freep) float *values = mem_array(rows->rows, sizeof *values);
    CLEANUP(recent_done) struct recent recent = {0};

    if (!c || !present || !values)
        return err_set(err, E_NOMEM, "no memory for the units of %zu features", n);
    if (recent_init(&recent, n, err) != OK)
        return err->rc;
    init(c, n);
    for (size_t r = 0; r < rows->rows; r++) {
        if (r > 0 && departure_is_gap(rows->interval_ms, rows->ts_ms[r - 1], rows->ts_ms[r]))
            recent_clear(&recent);
        add_row(c, n, rows->X + r * n, rows->Y + r * n, rows->skip && rows->skip[r], &recent,
                present);
    }
    for (size_t i = 0; i < n; i++)
        set_units(&c[i], &schema->f[i], scaler, i,
                  scaler->constant[i] == SCALER_MOVES ? usual_span(rows, n, i, values) : 0,
                  &level[i], &change[i]);
    return OK;
}
