/* SPDX-License-Identifier: Apache-2.0 */
/* reference: from evidence to an incident, its causes and its words */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/stats.h"
#include "base/str.h"
#include "data/units.h"
#include "detect/reference_private.h"

/* An open incident is told again when its departure has grown by half. */
static const float UPDATE_FACTOR = 1.5f;

enum {
    SLOPE_HOURS_MIN = 6, /* for a rate: fewer are noise */
    PRESENT_HOURS = 6,   /* whose median is the present */
};

float reference_present(const struct track *t, int64_t last_hour)
{
    float d[PRESENT_HOURS];

    for (int64_t k = 0; k < PRESENT_HOURS; k++) {
        const size_t h = of_day(last_hour - k);
        d[k] = t->recent[h] - t->expected[h];
    }
    return hours_median(d, PRESENT_HOURS);
}

/* What is told of a departure: the present one, where it has gone farther than the last day's. */
static float told_departure(const struct track *t, int64_t last_hour)
{
    const float now = reference_present(t, last_hour), m = t->departure;

    return fabsf(now) > fabsf(m) && (now > 0) == (m > 0) ? now : m;
}

static float mean_expected(const struct track *t)
{
    struct stats_moments m;

    stats_init(&m);
    for (size_t h = 0; h < DAY; h++)
        stats_add(&m, (double)t->expected[h]);
    return (float)m.mean;
}

static double share_of(const struct reference *r, size_t i)
{
    return fabs((double)r->track[i].departure) / reference_limit_of(r, i);
}

/* The features that are a part of the change, the farthest from what was learned first. */
static void name_causes(struct reference *r, int64_t hour, struct slow_change *c)
{
    const size_t h = of_day(hour);
    struct incident *const in = &c->incident;
    double sum = 0;
    size_t found = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct track *const t = &r->track[i];
        t->named = (double)t->evidence >= REFERENCE_EVIDENCE_OPEN || (t->named && t->evidence > 0);
        const double share = share_of(r, i);
        if (!t->named || isnan(share))
            continue;
        sum += share;
        if (found == CAUSES_MAX && share <= (double)in->causes[CAUSES_MAX - 1].share)
            continue;
        size_t at = found < CAUSES_MAX ? found++ : found - 1;
        for (; at > 0 && (double)in->causes[at - 1].share < share; at--) {
            in->causes[at] = in->causes[at - 1];
            c->slow[at] = c->slow[at - 1];
        }
        const float expected = isnan(t->expected[h]) ? mean_expected(t) : t->expected[h];
        const float value = expected + told_departure(t, hour);
        in->causes[at] = (struct cause){
            .feature = (uint16_t)i, .value = value, .expected = expected, .share = (float)share};
        c->slow[at] = (struct slow_cause){
            .since_ms = t->since * HOURS_MS,
            .learned_ms = t->based_ms,
            .rate = t->slope_n >= SLOPE_HOURS_MIN ? (float)(t->m_td / t->m_tt) : NAN};
    }
    in->n_causes = (uint8_t)found;
    in->threshold = 1;
    in->peak_score = found > 0 ? in->causes[0].share : 0;
    for (size_t k = 0; k < found; k++)
        in->causes[k].share = (float)((double)in->causes[k].share / sum);
}

size_t reference_named(const struct reference *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->track[i].named;
    return n;
}

enum watch_event reference_close(struct reference *r, int64_t ts_ms, struct slow_change *ret)
{
    struct incident *const in = &r->change.incident;

    in->end_ms = ts_ms > in->peak_ms ? ts_ms : in->peak_ms;
    r->open = false;
    *ret = r->change;
    return WATCH_CLOSED;
}

enum watch_event reference_judge(struct reference *r, int64_t hour, struct slow_change *ret)
{
    const int64_t now_ms = (hour + 1) * HOURS_MS;
    const size_t before = reference_named(r);
    struct slow_change c = {0};

    name_causes(r, hour, &c);
    const size_t after = reference_named(r);
    if (after == 0)
        return r->open ? reference_close(r, now_ms, ret) : WATCH_QUIET;
    const bool worse = c.incident.peak_score > UPDATE_FACTOR * r->change.incident.peak_score;
    if (r->open && after <= before && !worse)
        return WATCH_QUIET;
    const bool opens = !r->open;
    c.incident.id = opens ? 0 : r->change.incident.id;
    c.incident.start_ms = opens ? c.slow[0].since_ms : r->change.incident.start_ms;
    c.incident.peak_ms = now_ms;
    r->change = c;
    r->open = true;
    *ret = c;
    return opens ? WATCH_OPENED : WATCH_UPDATED;
}

static void describe_cause(const struct cause *cause, const struct slow_cause *slow, int64_t now_ms,
                           const struct schema *schema, char *out, size_t size)
{
    const struct feature *const f = &schema->f[cause->feature];
    char value[UNITS_MAX], expected[UNITS_MAX], rate[UNITS_MAX], day[STR_RFC3339_MAX];
    char span[STR_DURATION_MAX];
    int64_t hours = (now_ms - slow->since_ms) / HOURS_MS;

    hours = hours < 1 ? 1 : hours;
    if (hours > 48) /* whole days are told then */
        hours -= hours % DAY;
    units_format((double)cause->value, f->unit, value);
    units_format((double)cause->expected, f->unit, expected);
    str_from_rfc3339_ms(slow->learned_ms, day);
    day[strcspn(day, "T")] = '\0';
    str_from_duration_ms(hours * HOURS_MS, span);
    const double off = fabs((double)cause->value - (double)cause->expected);
    /* a slope that explains less than half of the departure is a step with noise */
    if (fabs((double)slow->rate) * (double)hours > off / 2) {
        units_format((double)slow->rate, f->unit, rate);
        (void)snprintf(out, size, "%s %s where %s was learned on %s; %s%s/h for %s", f->name, value,
                       expected, day, slow->rate > 0 ? "+" : "", rate, span);
    } else {
        (void)snprintf(out, size, "%s %s where %s was learned on %s, for %s", f->name, value,
                       expected, day, span);
    }
}

void reference_describe(const struct slow_change *c, const struct schema *schema,
                        char out[REFERENCE_TEXT_MAX])
{
    const struct incident *const in = &c->incident;
    const int64_t now_ms = in->end_ms ? in->end_ms : in->peak_ms;
    size_t at = (size_t)snprintf(out, REFERENCE_TEXT_MAX, "slow change: ");

    for (size_t k = 0; k < in->n_causes && at < REFERENCE_TEXT_MAX - 1; k++) {
        if (k > 0)
            at += (size_t)snprintf(out + at, REFERENCE_TEXT_MAX - at, "; ");
        if (at >= REFERENCE_TEXT_MAX - 1)
            return;
        describe_cause(&in->causes[k], &c->slow[k], now_ms, schema, out + at,
                       REFERENCE_TEXT_MAX - at);
        at += strlen(out + at);
    }
}
