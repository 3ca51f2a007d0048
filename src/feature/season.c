/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/season.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

static const int64_t DAY_MS = 24 * 3600 * 1000;
static const double LARGEST = (double)FLT_MAX;

/* Which slot's value stands before ts_ms, and how far it is on the way to the next one's. */
struct phase {
    size_t slot, next;
    float share;
};

/* Finite for finite a and b: their difference may not be. */
static float between(float a, float b, float share)
{
    return a * (1 - share) + b * share;
}

static int64_t time_of_day(int64_t ts_ms)
{
    const int64_t t = ts_ms % DAY_MS;
    return t < 0 ? t + DAY_MS : t;
}

static size_t slot_of(size_t slots, int64_t ts_ms)
{
    return (size_t)(time_of_day(ts_ms) * (int64_t)slots / DAY_MS);
}

static double in_slots(size_t slots, int64_t ts_ms)
{
    return (double)time_of_day(ts_ms) * (double)slots / (double)DAY_MS;
}

static struct phase phase_of(const struct season *s, int64_t ts_ms)
{
    const double at = in_slots(s->slots, ts_ms) - (double)s->place;
    const double before = floor(at); /* -1 at the beginning of the first slot */
    const size_t slot = ((size_t)(before + (double)s->slots)) % s->slots;

    return (struct phase){slot, (slot + 1) % s->slots, (float)(at - before)};
}

/* The mean of where in their slots the rows stand. What comes about the hour, now before it and now
 * after, stands in the middle by this, and there is the mean of what such slots hold. */
static float mean_place(size_t slots, const int64_t *ts_ms, size_t rows)
{
    double sum = 0;

    for (size_t r = 0; r < rows; r++) {
        const double at = in_slots(slots, ts_ms[r]);
        sum += at - floor(at);
    }
    return (float)(sum / (double)rows);
}

/* One feature's sums, by day and slot. */
struct grid {
    size_t slots, days;
    double *sum;     /* [days][slots] */
    uint32_t *count; /* [days][slots] */
    double *profile; /* [slots] the average over days, about its mean */
    size_t *day;     /* [rows] index of the row's day, SIZE_MAX for one that is too old */
};

static void grid_done(struct grid *g)
{
    mem_free(g->sum);
    mem_free(g->count);
    mem_free(g->profile);
    mem_free(g->day);
}

static int64_t day_number(int64_t ts_ms)
{
    return ts_ms / DAY_MS - (ts_ms % DAY_MS < 0);
}

/* Numbers the newest days that have rows from 0. */
static enum rc grid_init(struct grid *g, size_t slots, const int64_t *ts_ms, size_t rows,
                         struct err *err)
{
    size_t days = 1;

    for (size_t r = 1; r < rows; r++)
        days += day_number(ts_ms[r]) != day_number(ts_ms[r - 1]);
    const size_t skipped = days > SEASON_DAYS_MAX ? days - SEASON_DAYS_MAX : 0;
    *g = (struct grid){.slots = slots, .days = days - skipped};
    g->sum = mem_array(g->days * slots, sizeof *g->sum);
    g->count = mem_array(g->days * slots, sizeof *g->count);
    g->profile = mem_array(slots, sizeof *g->profile);
    g->day = mem_array(rows, sizeof *g->day);
    if (!g->sum || !g->count || !g->profile || !g->day)
        return err_set(err, E_NOMEM, "no memory for the seasons of %zu rows", rows);
    size_t day = 0;
    for (size_t r = 0; r < rows; r++) {
        day += r > 0 && day_number(ts_ms[r]) != day_number(ts_ms[r - 1]);
        g->day[r] = day >= skipped ? day - skipped : SIZE_MAX;
    }
    return OK;
}

static void grid_fill(struct grid *g, const int64_t *ts_ms, const float *X, size_t rows, size_t n,
                      size_t feature)
{
    memset(g->sum, 0, g->days * g->slots * sizeof *g->sum);
    memset(g->count, 0, g->days * g->slots * sizeof *g->count);
    for (size_t r = 0; r < rows; r++) {
        const float x = X[r * n + feature];
        if (g->day[r] == SIZE_MAX || !isfinite(x))
            continue;
        const size_t cell = g->day[r] * g->slots + slot_of(g->slots, ts_ms[r]);
        g->sum[cell] += (double)x;
        g->count[cell]++;
    }
}

/* Cells become slot means; the number of cells and of days that have any. */
static void grid_average(struct grid *g, size_t *ret_cells, size_t *ret_days)
{
    *ret_cells = *ret_days = 0;
    for (size_t d = 0; d < g->days; d++) {
        size_t cells = 0;

        for (size_t i = d * g->slots; i < (d + 1) * g->slots; i++)
            if (g->count[i]) {
                g->sum[i] /= g->count[i];
                cells++;
            }
        *ret_cells += cells;
        *ret_days += cells > 0;
    }
}

/* Each cell less its day's mean, which is that of the cells less the profile: a day that lacks its
 * nights is not taken for a busy one. */
static void take_days_off(struct grid *g)
{
    for (size_t d = 0; d < g->days; d++) {
        double *const cell = g->sum + d * g->slots;
        const uint32_t *const count = g->count + d * g->slots;
        double mean = 0;
        size_t cells = 0;

        for (size_t s = 0; s < g->slots; s++)
            if (count[s])
                mean += (cell[s] - g->profile[s] - mean) / (double)++cells;
        for (size_t s = 0; s < g->slots; s++)
            cell[s] -= mean;
    }
}

/* The profile: the average over the days, about its mean; 0 where no day has anything. */
static void set_profile(struct grid *g)
{
    double mean = 0;
    size_t slots = 0;

    for (size_t s = 0; s < g->slots; s++) {
        double sum = 0;
        size_t k = 0;
        for (size_t i = s; i < g->days * g->slots; i += g->slots)
            if (g->count[i]) {
                sum += g->sum[i];
                k++;
            }
        g->profile[s] = k ? sum / (double)k : (double)NAN;
        if (k)
            mean += (g->profile[s] - mean) / (double)++slots;
    }
    for (size_t s = 0; s < g->slots; s++)
        g->profile[s] = isnan(g->profile[s]) ? 0 : g->profile[s] - mean;
}

/* Days and profile by turns, which ends at the least squares of both; where no cell is missing it
 * does at once. The mean square of cells about them (V), or a negative number where that is
 * unknown. */
static double grid_fit(struct grid *g, size_t cells, size_t days)
{
    enum { TURNS = 10 };
    double square = 0;

    memset(g->profile, 0, g->slots * sizeof *g->profile);
    for (int turn = 0; turn < TURNS; turn++) {
        take_days_off(g);
        set_profile(g);
    }
    for (size_t i = 0; i < g->days * g->slots; i++)
        if (g->count[i]) {
            const double off = g->sum[i] - g->profile[i % g->slots];
            square += off * off;
        }
    /* a mean for each slot and one for each day, of which one says nothing, were taken out */
    return cells + 1 > g->slots + days ? square / (double)(cells + 1 - g->slots - days) : -1;
}

/* The share of the profile that is not chance. */
static double grid_kept(const struct grid *g, size_t cells, double within)
{
    double among = 0;

    for (size_t s = 0; s < g->slots; s++)
        among += g->profile[s] * g->profile[s] / (double)(g->slots - 1);
    if (within < 0 || !(among > 0))
        return 0;
    const double days = (double)cells / (double)g->slots;
    return fmax(0, 1 - within / days / among);
}

static void fit_feature(struct grid *g, struct season *s, size_t feature)
{
    size_t cells, days;

    grid_average(g, &cells, &days);
    const double within = grid_fit(g, cells, days);
    const double kept = grid_kept(g, cells, within);
    for (size_t i = 0; i < s->slots; i++) {
        const double *const p = g->profile;
        const size_t before = (i + s->slots - 1) % s->slots, after = (i + 1) % s->slots;
        const double offset = kept * (p[before] + p[i] + p[after]) / 3;
        s->offset[i * s->n + feature] = (float)fmin(fmax(offset, -LARGEST), LARGEST);
    }
}

enum rc season_fit(const int64_t *ts_ms, const float *X, size_t rows, const struct schema *schema,
                   int64_t interval_ms, struct season *ret, struct err *err)
{
    const size_t n = schema->n;
    CLEANUP(grid_done) struct grid g = {0};

    *ret = (struct season){.n = n};
    /* in double: times of a hostile file may be 2^63 apart */
    if (rows < 2 || interval_ms <= 0 ||
        (double)ts_ms[rows - 1] - (double)ts_ms[0] < 2.0 * (double)(DAY_MS - interval_ms))
        return OK;
    const int64_t possible = DAY_MS / interval_ms;
    const size_t slots = possible < SEASON_SLOTS ? (size_t)possible : SEASON_SLOTS;
    enum { SLOTS_LEAST = 4 }; /* fewer tell no rhythm */
    if (slots < SLOTS_LEAST)
        return OK;
    if (grid_init(&g, slots, ts_ms, rows, err) != OK)
        return err->rc;
    ret->offset = mem_array(slots * n, sizeof *ret->offset);
    if (!ret->offset)
        return err_set(err, E_NOMEM, "no memory for the seasons of %zu features", n);
    ret->slots = slots;
    ret->place = mean_place(slots, ts_ms, rows);
    for (size_t i = 0; i < n; i++) {
        if (schema->f[i].weightless)
            continue;
        grid_fill(&g, ts_ms, X, rows, n, i);
        fit_feature(&g, ret, i);
    }
    return OK;
}

void season_done(struct season *s)
{
    mem_free(s->offset);
    *s = (struct season){0};
}

int64_t season_time(int64_t ts_ms, int64_t sooner_ms)
{
    return time_of_day(ts_ms) + sooner_ms % DAY_MS; /* of no date: nothing overflows */
}

void season_subtract(const struct season *s, int64_t ts_ms, const float *x, float *ret)
{
    if (s->slots == 0) {
        if (ret != x)
            memcpy(ret, x, s->n * sizeof *ret);
        return;
    }
    const struct phase p = phase_of(s, ts_ms);
    const float *const a = s->offset + p.slot * s->n, *const b = s->offset + p.next * s->n;
    for (size_t i = 0; i < s->n; i++)
        ret[i] = x[i] - between(a[i], b[i], p.share);
}

float season_at(const struct season *s, int64_t ts_ms, size_t i)
{
    if (s->slots == 0)
        return 0;
    const struct phase p = phase_of(s, ts_ms);
    return between(s->offset[p.slot * s->n + i], s->offset[p.next * s->n + i], p.share);
}
