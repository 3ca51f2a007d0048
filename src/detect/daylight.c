/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/daylight.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/departure.h"

static const int64_t HOUR_MS = 3600 * 1000;

enum { HOURS = DAYLIGHT_HOURS, SLOTS = 4 /* of a season in an hour, at most */ };

struct daylight {
    size_t n;
    int64_t sooner_ms; /* chosen */
    uint32_t sure;     /* hours on end that were sure of another than was learned */
    bool any;          /* a frame came, so the next two mean something */
    int64_t hour;      /* that runs, counted from the epoch */
    int64_t looked_ms; /* the last frame looked at */
    bool whole;        /* the running hour came after one, and did not begin in the middle */
    bool ended[HOURS]; /* of the last 24 that ended, by hour of the day; not the one that runs */
    float *mean;       /* [HOURS][n]; NaN: nothing came */
    uint32_t *count;   /* [n] values in the running hour */
};

enum rc daylight_new(size_t n, struct daylight **ret, struct err *err)
{
    struct daylight *d = mem_alloc(sizeof *d + n * (HOURS * sizeof(float) + sizeof(uint32_t)));

    if (!d)
        return err_set(err, E_NOMEM, "no memory for the hours of %zu features", n);
    d->n = n;
    d->mean = (float *)(d + 1);
    d->count = (uint32_t *)(d->mean + HOURS * n);
    *ret = d;
    return OK;
}

void daylight_free(struct daylight *d)
{
    mem_free(d);
}

static int64_t hour_of(int64_t ts_ms)
{
    return ts_ms / HOUR_MS - (ts_ms % HOUR_MS < 0);
}

static size_t of_day(int64_t hour)
{
    return (size_t)((hour % HOURS + HOURS) % HOURS);
}

/* -- the means of the last hours -- */

static void begin_hour(struct daylight *d, int64_t hour, bool whole)
{
    float *const mean = d->mean + of_day(hour) * d->n;

    d->hour = hour;
    d->whole = whole;
    d->ended[of_day(hour)] = false;
    for (size_t i = 0; i < d->n; i++) {
        mean[i] = NAN;
        d->count[i] = 0;
    }
}

/* The running hour has ended; so have those up to `hour`, of which nothing came. */
static void end_hours(struct daylight *d, int64_t hour)
{
    d->ended[of_day(d->hour)] = d->whole;
    if (hour - d->hour > HOURS)
        memset(d->ended, 0, sizeof d->ended);
    else
        for (int64_t h = d->hour + 1; h < hour; h++)
            d->ended[of_day(h)] = false;
}

static void look(struct daylight *d, int64_t ts_ms, const float *frame)
{
    float *const mean = d->mean + of_day(d->hour) * d->n;

    d->looked_ms = ts_ms;
    for (size_t i = 0; i < d->n; i++) {
        if (!isfinite(frame[i]))
            continue;
        d->count[i]++;
        mean[i] = d->count[i] > 1 ? mean[i] + (frame[i] - mean[i]) / (float)d->count[i] : frame[i];
    }
}

/* -- what they say -- */

struct slope {
    double rd[HOURS], dd[HOURS]; /* sums over features of r * d and d * d */
};

/* The season of feature i in each hour of the day. */
static void hourly_season(const struct season *s, size_t i, double ret[HOURS])
{
    for (int64_t h = 0; h < HOURS; h++) {
        ret[h] = 0;
        for (int64_t k = 0; k < SLOTS; k++)
            ret[h] += (double)season_at(s, h * HOUR_MS + (2 * k + 1) * HOUR_MS / (2 * SLOTS), i);
        ret[h] /= SLOTS;
    }
}

/* r of feature i; false when an hour is missing. */
static bool unexplained(const struct daylight *d, const struct model *m, size_t i,
                        const double season[HOURS], double ret[HOURS])
{
    double sorted[HOURS];

    for (size_t h = 0; h < HOURS; h++) {
        ret[h] = ((double)d->mean[h * d->n + i] - (double)m->scaler.median[i] - season[h]) /
                 (double)m->unit_level[i];
        if (!isfinite(ret[h]))
            return false;
        size_t at = h;
        for (; at > 0 && sorted[at - 1] > ret[h]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = ret[h];
    }
    for (size_t h = 0; h < HOURS; h++)
        ret[h] -= (sorted[HOURS / 2 - 1] + sorted[HOURS / 2]) / 2;
    return true;
}

static void add(struct slope *s, size_t hour, double r, double d)
{
    const double most = (double)DEPARTURE_HUBER + fabs(d);

    s->rd[hour] += fmin(fmax(r, -most), most) * d;
    s->dd[hour] += d * d;
}

/* Every half of the day says that the slope is over 1/2, or little to the contrary: a day that does
 * not begin looks late in the morning, and early in the evening, when it does not end. */
static bool all_halves_agree(const struct slope *s)
{
    double total = 0, least = 0;

    for (size_t from = 0; from < HOURS; from++) {
        double gain = 0;
        for (size_t k = from; k < from + HOURS / 2; k++)
            gain += s->rd[k % HOURS] - s->dd[k % HOURS] / 2;
        least = fmin(least, gain);
        total += s->dd[from];
    }
    return least > -0.1 * total;
}

/* By how many standard errors the slope is over 1/2; 0: there is no season. */
static double certainty(const struct slope *s)
{
    double rd = 0, dd = 0, lack = 0;

    for (size_t h = 0; h < HOURS; h++) {
        rd += s->rd[h];
        dd += s->dd[h];
    }
    if (!(dd > 0))
        return 0;
    for (size_t h = 0; h < HOURS; h++) {
        const double off = s->rd[h] - rd / dd * s->dd[h];
        lack += off * off;
    }
    const double ret = (rd - dd / 2) / sqrt(lack + DBL_MIN);
    return isfinite(ret) ? ret : 0;
}

static void judge(struct daylight *d, const struct model *m)
{
    struct slope sooner = {0}, later = {0};

    if (m->season.slots == 0) {
        d->sooner_ms = 0;
        return;
    }
    for (size_t h = 0; h < HOURS; h++)
        if (!d->ended[h])
            return;
    for (size_t i = 0; i < d->n; i++) {
        double season[HOURS], r[HOURS];

        hourly_season(&m->season, i, season);
        if (!unexplained(d, m, i, season, r))
            continue;
        for (size_t h = 0; h < HOURS; h++) {
            const double unit = (double)m->unit_level[i];
            add(&sooner, h, r[h], (season[(h + 1) % HOURS] - season[h]) / unit);
            add(&later, h, r[h], (season[(h + HOURS - 1) % HOURS] - season[h]) / unit);
        }
    }
    const double is_sooner = certainty(&sooner), is_later = certainty(&later);
    const double kept = d->sooner_ms > 0 ? is_sooner : is_later;
    const bool more = is_sooner > is_later;
    const bool sure =
        fmax(is_sooner, is_later) > DAYLIGHT_SURE && all_halves_agree(more ? &sooner : &later);
    d->sure = sure ? d->sure + 1 : 0;
    if (d->sure >= DAYLIGHT_HOURS_SURE)
        d->sooner_ms = more ? HOUR_MS : -HOUR_MS;
    else if (kept < -DAYLIGHT_SURE)
        d->sooner_ms = 0;
}

void daylight_push(struct daylight *d, const struct model *m, int64_t ts_ms, const float *frame)
{
    const int64_t hour = hour_of(ts_ms);

    if (!d->any || hour < d->hour - 1) {
        memset(d->ended, 0, sizeof d->ended);
        begin_hour(d, hour, false);
    } else if (hour < d->hour || (hour == d->hour && ts_ms - d->looked_ms < DAYLIGHT_STEP_MS)) {
        return;
    } else if (hour > d->hour) {
        end_hours(d, hour);
        const bool next = hour == d->hour + 1;
        if (next)
            judge(d, m);
        begin_hour(d, hour, next);
    }
    d->any = true;
    look(d, ts_ms, frame);
}

int64_t daylight_ms(const struct daylight *d)
{
    return d->sooner_ms;
}
