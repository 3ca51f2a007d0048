/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/reference.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/stats.h"
#include "detect/reference_private.h"

/* A day's departure beyond three spreads is rare even once a month; beyond 4.5 of them, which is
 * what evidence for a day needs, rarer than what fifty features do in years. */
static const double LIMIT_SPREADS = 3;

/* An hour counts for no more than this many limits over the limit, however far it is. */
static const double EVIDENCE_FAR = 1;

/* Chance, over all features, that a spread is taken for smaller than it is. */
static const double SPREAD_RISK = 0.05;

/* Without a resolution, a tenth of the range that it ran through while it was learned, and of its
 * level, is the least that counts; and 0.1 for what was always 0 (as for constants, see
 * feature/scaler.c). */
static const double UNKNOWN_RESOLUTION = 0.1;

/* Until a whole week was seen, weekdays and weekend may differ by as much as day and night do. */
enum { WEEK = 7 };

/* A departure of a quarter of the limit is where its beginning is seen and its slope measured from:
 * under it, it is lost in what every day does. */
static const double SLOPE_FROM = 0.25;

enum {
    DAY_HOURS_MIN = 18,  /* known hours that make a day to learn from, */
    DEPARTURE_MIN = 12,  /* and a departure: half a day, so that the median is of both halves */
    UNLEARNABLE_MAX = 6, /* hours of a day with frames that the gate held back */
};

size_t reference_bytes(size_t n)
{
    return sizeof(struct reference) + n * (sizeof(struct track) + sizeof(float)) + hours_bytes(n);
}

static void track_clear(struct track *t)
{
    memset(t, 0, sizeof *t);
    for (size_t h = 0; h < DAY; h++)
        t->expected[h] = t->recent[h] = NAN;
    t->departure = NAN;
    t->low = FLT_MAX;
    t->high = -FLT_MAX;
}

/* P(X <= x) for chi-square with nu degrees of freedom: the series of the incomplete gamma function
 * (Abramowitz & Stegun 6.5.29), good for x up to a few nu. */
static double chi2_lower(double nu, double x)
{
    const double a = nu / 2, y = x / 2;
    double term = 1, sum = 1;

    for (int k = 1; k < 200 && term > 1e-12 * sum; k++) {
        term *= y / (a + k);
        sum += term;
    }
    return pow(y, a) * exp(-y) / tgamma(a + 1) * sum;
}

/* The x with P(X <= x) = p, for p under a half, so x < nu. */
static double chi2_quantile(double nu, double p)
{
    double low = 0, high = nu;

    for (int k = 0; k < 60; k++) {
        const double x = (low + high) / 2;
        if (chi2_lower(nu, x) < p)
            low = x;
        else
            high = x;
    }
    return high;
}

enum rc reference_new(const struct schema *schema, struct reference **ret, struct err *err)
{
    const size_t n = schema->n;
    CLEANUP(reference_freep) struct reference *r = mem_alloc(sizeof *r);

    if (!r)
        return err_set(err, E_NOMEM, "reference of %zu features: no memory", n);
    r->n = n;
    r->schema_hash = schema->hash;
    r->resolution = mem_array(n, sizeof *r->resolution);
    r->track = mem_array(n, sizeof *r->track);
    if (!r->resolution || !r->track)
        return err_set(err, E_NOMEM, "reference of %zu features: no memory", n);
    if (hours_new(n, &r->hours, err) != OK)
        return err->rc;
    for (size_t days = 2; days <= REFERENCE_DAYS; days++)
        r->chi2[days] = chi2_quantile((double)(days - 1), SPREAD_RISK / (double)n);
    for (size_t i = 0; i < n; i++) {
        r->resolution[i] = schema->f[i].weightless ? NAN : schema->f[i].resolution;
        track_clear(&r->track[i]);
    }
    *ret = TAKE(r);
    return OK;
}

void reference_free(struct reference *r)
{
    if (!r)
        return;
    hours_free(r->hours);
    mem_free(r->resolution);
    mem_free(r->track);
    mem_free(r);
}

static double wide_spread(const struct reference *r, const struct track *t)
{
    if (t->days_learned < REFERENCE_DAYS_MIN)
        return (double)INFINITY;
    return sqrt((double)t->residual2 / r->chi2[t->days_learned]);
}

double reference_limit_of(const struct reference *r, size_t i)
{
    const struct track *const t = &r->track[i];
    double least = (double)r->resolution[i];
    struct stats_moments m;

    stats_init(&m);
    for (size_t h = 0; h < DAY; h++)
        stats_add(&m, (double)t->expected[h]);
    if (m.n == 0)
        return (double)INFINITY;
    if (!(least > 0))
        least = UNKNOWN_RESOLUTION * fmax(fabs(m.mean), (double)t->high - (double)t->low);
    if (!(least > 0))
        least = UNKNOWN_RESOLUTION;
    if (t->days_learned < WEEK)
        least = fmax(least, m.max - m.min);
    return fmax(LIMIT_SPREADS * wide_spread(r, t), least);
}

static size_t known_hours(const struct track *t)
{
    size_t n = 0;

    for (size_t h = 0; h < DAY; h++)
        n += !isnan(t->recent[h]);
    return n;
}

static float departure_of(const struct track *t)
{
    float d[DAY];
    size_t n = 0;

    for (size_t h = 0; h < DAY; h++) {
        d[n] = t->recent[h] - t->expected[h];
        n += !isnan(d[n]);
    }
    return n >= DEPARTURE_MIN ? hours_median(d, n) : NAN;
}

static void learn_slope(struct track *t, int64_t hour, float off, double limit)
{
    if (isnan(t->departure) || !(fabs((double)t->departure) > SLOPE_FROM * limit) ||
        (t->slope_n > 0 && (t->departure > 0) != (t->side > 0)))
        t->slope_n = 0;
    if (isnan(off) || isnan(t->departure))
        return;
    if (t->slope_n == 0) {
        t->since = hour;
        t->mean_t = t->mean_d = t->m_tt = t->m_td = 0;
    }
    const double x = (double)(hour - t->since), from = x - t->mean_t;
    t->slope_n++;
    t->mean_t += from / t->slope_n;
    t->mean_d += ((double)off - t->mean_d) / t->slope_n;
    t->m_tt += from * (x - t->mean_t);
    t->m_td += from * ((double)off - t->mean_d);
}

/* One hour's level of one feature. */
static void weigh(const struct reference *r, size_t i, int64_t hour, float level)
{
    struct track *const t = &r->track[i];
    const size_t h = of_day(hour);

    t->recent[h] = level;
    t->departure = departure_of(t);
    const double limit = reference_limit_of(r, i), m = (double)t->departure;
    const int8_t side = m > 0 ? 1 : -1;
    learn_slope(t, hour, level - t->expected[h], limit);
    if (isnan(m))
        return; /* what is not seen neither opens nor closes */
    if (t->evidence <= 0 || t->side == 0)
        t->side = side;
    double over = side == t->side ? fmin(fabs(m) / limit - 1, EVIDENCE_FAR) : -1;
    /* The median of a day still tells of what was over half a day ago: only what is there now, in
     * this very hour, is evidence. */
    const double now = side * ((double)level - (double)t->expected[h]);
    if (over > 0 && !(now > limit / 2))
        over = 0;
    /* Never far over what opens: a change that went away is to be seen gone within a day. */
    t->evidence =
        (float)fmin(fmax(0, (double)t->evidence + over / DAY), 2 * REFERENCE_EVIDENCE_OPEN);
}

/* A day is over: how well was each feature foretold, and what was it? */
static void learn_day(struct reference *r, int64_t ts_ms)
{
    for (size_t i = 0; i < r->n; i++) {
        struct track *const t = &r->track[i];
        const double m = (double)t->departure;

        if (t->days_learned == REFERENCE_DAYS || known_hours(t) < DAY_HOURS_MIN)
            continue;
        if (t->named || fabs(m) > reference_limit_of(r, i)) /* such a day is suspect */
            continue;
        if (t->days_learned > 0) {
            if (isnan(m))
                continue;
            t->residual2 += (float)(m * m / (1 + 1 / (double)t->days_learned));
        }
        t->days_learned++;
        for (size_t h = 0; h < DAY; h++) {
            if (isnan(t->recent[h]))
                continue;
            t->days[h]++;
            t->expected[h] = t->days[h] == 1 ? t->recent[h]
                                             : t->expected[h] + (t->recent[h] - t->expected[h]) /
                                                                    (float)t->days[h];
        }
        t->based_ms = ts_ms;
    }
}

/* Hours that never came, and a clock set back, leave nothing of the last day standing. */
static void pass_over(struct reference *r, int64_t hour)
{
    const int64_t missed = hour - r->last_hour - 1;

    if (r->any && missed == 0)
        return;
    const int64_t clear = !r->any || missed < 0 || missed > DAY ? DAY : missed;
    for (int64_t k = 1; k <= clear; k++) {
        for (size_t i = 0; i < r->n; i++)
            r->track[i].recent[of_day(hour - k)] = NAN;
    }
    if (!r->any || missed < 0 || missed > DAY) {
        r->day_start = hour;
        r->unlearnable = 0;
    }
}

static enum watch_event end_hour(struct reference *r, int64_t hour, struct slow_change *ret)
{
    const float *const level = hours_levels(r->hours);

    pass_over(r, hour);
    r->any = true;
    r->last_hour = hour;
    r->unlearnable += r->tainted;
    r->tainted = false;
    for (size_t i = 0; i < r->n; i++)
        if (!isnan(r->resolution[i]))
            weigh(r, i, hour, level[i]);
    const enum watch_event event = reference_judge(r, hour, ret);
    if (hour - r->day_start + 1 >= DAY) {
        if (r->unlearnable <= UNLEARNABLE_MAX)
            learn_day(r, (hour + 1) * HOURS_MS);
        r->day_start = hour + 1;
        r->unlearnable = 0;
    }
    return event;
}

static void widen_range(struct reference *r, const float *frame)
{
    for (size_t i = 0; i < r->n; i++) {
        struct track *const t = &r->track[i];
        if (!isfinite(frame[i]) || t->days_learned == REFERENCE_DAYS)
            continue;
        t->low = fminf(t->low, frame[i]);
        t->high = fmaxf(t->high, frame[i]);
    }
}

enum watch_event reference_push(struct reference *r, int64_t ts_ms, const float *frame,
                                bool learnable, struct slow_change *ret)
{
    enum watch_event event = WATCH_QUIET;
    int64_t hour;

    if (hours_push(r->hours, ts_ms, frame, &hour))
        event = end_hour(r, hour, ret);
    r->tainted |= !learnable;
    if (learnable)
        widen_range(r, frame);
    return event;
}

static void accept_one(struct track *t, int64_t last_hour, int64_t ts_ms)
{
    const float departure = reference_present(t, last_hour);

    if (!isnan(departure))
        for (size_t h = 0; h < DAY; h++)
            t->expected[h] += departure;
    t->departure = 0;
    t->evidence = 0;
    t->slope_n = 0;
    t->named = false;
    t->based_ms = ts_ms;
    /* The last day was of the level before or of both: it says nothing about the new one. */
    for (size_t h = 0; h < DAY; h++)
        t->recent[h] = NAN;
}

enum watch_event reference_accept(struct reference *r, int64_t ts_ms, size_t feature,
                                  struct slow_change *ret)
{
    assert(feature == REFERENCE_ALL || feature == REFERENCE_OPEN || feature < r->n);
    for (size_t i = 0; i < r->n; i++)
        if (feature == REFERENCE_ALL || i == feature ||
            (feature == REFERENCE_OPEN && r->track[i].named))
            accept_one(&r->track[i], r->last_hour, ts_ms);
    if (!r->open || reference_named(r) > 0)
        return WATCH_QUIET;
    r->change.incident.accepted = true;
    return reference_close(r, ts_ms, ret);
}

enum watch_event reference_restart(struct reference *r, int64_t ts_ms, struct slow_change *ret)
{
    for (size_t i = 0; i < r->n; i++)
        track_clear(&r->track[i]);
    r->any = false;
    return r->open ? reference_close(r, ts_ms, ret) : WATCH_QUIET;
}

uint32_t reference_days(const struct reference *r)
{
    uint32_t most = 0;

    for (size_t i = 0; i < r->n; i++)
        most = r->track[i].days_learned > most ? r->track[i].days_learned : most;
    return most;
}

bool reference_open(const struct reference *r, struct slow_change *ret)
{
    if (r->open)
        *ret = r->change;
    return r->open;
}

float reference_expected(const struct reference *r, size_t feature, int64_t ts_ms)
{
    return r->track[feature].expected[of_day(hours_of(ts_ms))];
}

float reference_limit(const struct reference *r, size_t feature)
{
    const double limit =
        isnan(r->resolution[feature]) ? (double)NAN : reference_limit_of(r, feature);

    return isfinite(limit) ? (float)limit : NAN;
}
