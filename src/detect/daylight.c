/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/daylight.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

static const int64_t HOUR_MS = 3600 * 1000;

enum {
    HOURS = DAYLIGHT_HOURS,
    HOURS_LEAST = 20, /* of 24: an hour or two of maintenance hide no day */
    POINTS = 4,       /* at which an hour's season is looked up: its slots are quarters */
};

struct span {
    int32_t first, last; /* ms into the hour of the frames looked at */
};

struct daylight {
    size_t n;
    int64_t sooner_ms; /* chosen */
    int64_t likely_ms; /* another that the last hours were sure of, */
    uint32_t sure;     /* and how many on end */
    bool any;          /* a frame came, so the next two mean something */
    int64_t hour;      /* that runs, counted from the epoch */
    int64_t looked_ms; /* the last frame looked at */
    bool whole;        /* the running hour came after one, and did not begin in the middle */
    bool ended[HOURS]; /* of the last 24 that ended, by hour of the day; not the running one */
    struct span span[HOURS]; /* of them, and of the running one */
    float *mean;             /* [HOURS][n]; NaN: nothing came */
    uint32_t *count;         /* [n] values in the running hour */
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

static void begin_hour(struct daylight *d, int64_t hour, int32_t first, bool whole)
{
    float *const mean = d->mean + of_day(hour) * d->n;

    d->hour = hour;
    d->whole = whole;
    d->ended[of_day(hour)] = false;
    d->span[of_day(hour)].first = first;
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

static void look(struct daylight *d, int64_t ts_ms, int32_t into, const float *frame)
{
    float *const mean = d->mean + of_day(d->hour) * d->n;

    d->looked_ms = ts_ms;
    d->span[of_day(d->hour)].last = into;
    for (size_t i = 0; i < d->n; i++) {
        if (!isfinite(frame[i]))
            continue;
        d->count[i]++;
        mean[i] = d->count[i] > 1 ? mean[i] + (frame[i] - mean[i]) / (float)d->count[i] : frame[i];
    }
}

/* -- what they say -- */

/* One feature's last hours, in its unit, those that it was there in. */
struct day {
    size_t n;
    size_t hour[HOURS];
    double r[HOURS];                    /* what the season does not explain */
    double season[HOURS];               /* as learned */
    double sooner[HOURS], later[HOURS]; /* what it would be more then */
};

struct slope {
    double rd[HOURS], dd[HOURS]; /* sums over features of r * d and d * d */
};

/* The season's mean over the frames looked at in an hour of the day, which comes so much sooner. */
static double season_of(const struct daylight *d, const struct model *m, size_t i, size_t hour,
                        int64_t sooner_ms)
{
    const struct span span = d->span[hour];
    double sum = 0;

    for (int64_t k = 0; k < POINTS; k++) {
        const int64_t into = span.first + (span.last - span.first) * (2 * k + 1) / (2 * POINTS);
        sum += (double)season_at(&m->season, (int64_t)hour * HOUR_MS + into + sooner_ms, i);
    }
    return sum / POINTS;
}

static void read_day(const struct daylight *d, const struct model *m, size_t i, struct day *ret)
{
    const double unit = (double)m->unit_level[i];

    ret->n = 0;
    for (size_t h = 0; h < HOURS; h++) {
        const double x = (double)d->mean[h * d->n + i];
        if (!d->ended[h] || !isfinite(x))
            continue;
        const double season = season_of(d, m, i, h, 0);
        const size_t k = ret->n++;
        ret->hour[k] = h;
        ret->r[k] = (x - season) / unit;
        ret->season[k] = season / unit;
        ret->sooner[k] = (season_of(d, m, i, h, HOUR_MS) - season) / unit;
        ret->later[k] = (season_of(d, m, i, h, -HOUR_MS) - season) / unit;
    }
}

static void take_mean_off(double *v, size_t n)
{
    double mean = 0;

    for (size_t k = 0; k < n; k++)
        mean += v[k] / (double)n;
    for (size_t k = 0; k < n; k++)
        v[k] -= mean;
}

static void take_median_off(double *v, size_t n)
{
    double sorted[HOURS];

    for (size_t k = 0; k < n; k++) {
        size_t at = k;
        for (; at > 0 && sorted[at - 1] > v[k]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = v[k];
    }
    const double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    for (size_t k = 0; k < n; k++)
        v[k] -= median;
}

static double product(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

/* d[day->n]: day->sooner or day->later. */
static void add(struct slope *s, const struct day *day, double *d)
{
    const double square = product(day->season, day->season, day->n);

    take_mean_off(d, day->n);
    const double of_season = square > 0 ? product(d, day->season, day->n) / square : 0;
    for (size_t k = 0; k < day->n; k++)
        d[k] -= of_season * day->season[k];
    const double most = fmax(product(d, d, day->n), product(day->r, day->r, day->n));
    const double scale = fmax(1, most / (double)day->n); /* of a product */
    for (size_t k = 0; k < day->n; k++) {
        s->rd[day->hour[k]] += day->r[k] * d[k] / scale;
        s->dd[day->hour[k]] += d[k] * d[k] / scale;
    }
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

static void choose(struct daylight *d, double is_sooner, double is_later)
{
    const double kept = d->sooner_ms > 0 ? is_sooner : is_later;
    const int64_t likely_ms = is_sooner > is_later ? HOUR_MS : -HOUR_MS;
    const bool sure = fmax(is_sooner, is_later) > DAYLIGHT_SURE;

    d->sure = !sure ? 0 : likely_ms == d->likely_ms ? d->sure + 1 : 1;
    d->likely_ms = likely_ms;
    if (d->sure >= DAYLIGHT_HOURS_SURE)
        d->sooner_ms = likely_ms;
    else if (kept < -DAYLIGHT_SURE)
        d->sooner_ms = 0;
}

static void judge(struct daylight *d, const struct model *m)
{
    struct slope sooner = {0}, later = {0};
    struct day day;

    if (m->season.slots == 0) {
        d->sooner_ms = 0;
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        read_day(d, m, i, &day);
        if (day.n < HOURS_LEAST)
            continue;
        take_median_off(day.r, day.n);
        take_mean_off(day.season, day.n);
        add(&sooner, &day, day.sooner);
        add(&later, &day, day.later);
    }
    choose(d, certainty(&sooner), certainty(&later));
}

void daylight_push(struct daylight *d, const struct model *m, int64_t ts_ms, const float *frame)
{
    const int64_t hour = hour_of(ts_ms);
    const int32_t into = (int32_t)((ts_ms % HOUR_MS + HOUR_MS) % HOUR_MS);

    if (!d->any || hour < d->hour - 1) {
        memset(d->ended, 0, sizeof d->ended);
        begin_hour(d, hour, into, false);
    } else if (hour < d->hour || (hour == d->hour && ts_ms - d->looked_ms < DAYLIGHT_STEP_MS)) {
        return;
    } else if (hour > d->hour) {
        end_hours(d, hour);
        const bool next = hour == d->hour + 1;
        d->sure = next ? d->sure : 0;
        if (next)
            judge(d, m);
        begin_hour(d, hour, into, next);
    }
    d->any = true;
    look(d, ts_ms, into, frame);
}

int64_t daylight_ms(const struct daylight *d)
{
    return d->sooner_ms;
}
