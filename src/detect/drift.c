/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/drift.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "data/units.h"
#include "detect/hours.h"

/* An hour counts for no more than three edges, so for two of evidence: one wild hour, such as a
 * job that the gate let through, is never a finding by itself. */
static const double DRIFT_FAR = 3;

/* Evidence of a single channel that is a finding, in edges times hours, and what each factor e of
 * more channels adds; measured, see docs/drift.md. */
static const double LIMIT_ONE = 8, LIMIT_LOG = 1;

/* A score half again as large is the least that counts, however steady the calibration was. */
static const double ERROR_RATIO_LEAST = 1.5, ERROR_QUANTILE = 0.9;

enum side { UP, DOWN, SIDES };

struct side_state {
    float width;    /* from the median to the edge; 0: not judged */
    float evidence; /* g */
    int64_t since;  /* hour at which g left 0 */
    double sum;     /* of the levels since then, */
    uint32_t hours; /* and how many */
    bool told;
};

struct channel {
    float median;
    struct side_state side[SIDES];
};

struct drift {
    size_t n; /* features; channel n is the score */
    double limit;
    struct hours *hours;
    float *row; /* [n + 1] */
    struct channel channel[];
};

size_t drift_bytes(size_t n_features)
{
    return sizeof(struct drift) + (n_features + 1) * (sizeof(struct channel) + sizeof(float)) +
           hours_bytes(n_features + 1);
}

/* Of scores[n], ascending. */
static double log_quantile(const struct model *m, double q)
{
    const double at = q * (double)(m->n_scores - 1);
    const float score = m->scores[(size_t)(at + 0.5)];

    return log(fmax((double)score, (double)FLT_MIN));
}

static void set_error(struct drift *d, const struct model *m)
{
    struct channel *const c = &d->channel[d->n];

    if (m->n_scores == 0)
        return; /* width 0: never judged */
    const double median = log_quantile(m, 0.5);
    c->median = (float)median;
    c->side[UP].width =
        (float)fmax(log_quantile(m, ERROR_QUANTILE) - median, log(ERROR_RATIO_LEAST));
}

static void set_input(struct channel *c, const struct scaler *s, size_t i, float resolution)
{
    const double median = (double)s->median[i], span = (double)s->span[i];
    const double low = (double)s->low[i], high = low + span;
    /* Where the median lies at the edge itself, any change would be beyond it. */
    const double least = resolution > 0 ? (double)resolution : span / 2;

    c->median = s->median[i];
    if (s->constant[i] == SCALER_MOVES) {
        c->side[UP].width = (float)fmin(fmax(high - median, least), (double)FLT_MAX);
        c->side[DOWN].width = (float)fmin(fmax(median - low, least), (double)FLT_MAX);
    } else if (s->constant[i] == SCALER_CONSTANT) { /* one span is what counts as moved */
        c->side[UP].width = c->side[DOWN].width = s->span[i];
    }
}

enum rc drift_new(const struct model *m, struct drift **ret, struct err *err)
{
    const size_t n = m->schema->n;
    CLEANUP(drift_freep) struct drift *d = mem_alloc(sizeof *d + (n + 1) * sizeof d->channel[0]);

    if (!d)
        return err_set(err, E_NOMEM, "drift of %zu features: no memory", n);
    d->n = n;
    d->row = mem_array(n + 1, sizeof *d->row);
    if (!d->row)
        return err_set(err, E_NOMEM, "drift of %zu features: no memory", n);
    if (hours_new(n + 1, &d->hours, err) != OK)
        return err->rc;
    for (size_t i = 0; i < n; i++)
        set_input(&d->channel[i], &m->scaler, i, m->schema->f[i].resolution);
    set_error(d, m);
    d->limit = LIMIT_ONE + LIMIT_LOG * log((double)(n + 1));
    *ret = TAKE(d);
    return OK;
}

void drift_free(struct drift *d)
{
    if (!d)
        return;
    hours_free(d->hours);
    mem_free(d->row);
    mem_free(d);
}

/* One hour of one side; true when the limit was passed now. */
static bool weigh(struct side_state *s, double u, float level, int64_t hour, double limit)
{
    const double g = fmax(0, (double)s->evidence + fmin(u, DRIFT_FAR) - 1);

    if (s->evidence <= 0) {
        s->since = hour;
        s->sum = 0;
        s->hours = 0;
    }
    /* Not far over the limit: what is over must be seen to be over within a day. */
    s->evidence = (float)fmin(g, 2 * limit);
    s->sum += (double)level;
    s->hours++;
    if (g <= 0)
        s->told = false;
    if (s->told || g < limit)
        return false;
    s->told = true;
    return true;
}

static void find(const struct drift *d, size_t i, enum side which, int64_t hour,
                 struct drift_finding *ret)
{
    const struct channel *const c = &d->channel[i];
    const struct side_state *const s = &c->side[which];
    const double level = s->sum / s->hours;
    const double edge = (double)c->median + (which == UP ? 1.0 : -1.0) * (double)s->width;
    const bool error = i == d->n;

    *ret = (struct drift_finding){
        .kind = error ? DRIFT_ERROR : DRIFT_INPUT,
        .feature = error ? 0 : (uint16_t)i,
        .since_ms = s->since * HOURS_MS,
        .ts_ms = (hour + 1) * HOURS_MS,
        .level = (float)(error ? exp(level) : level),
        .learned = error ? expf(c->median) : c->median,
        .edge = (float)(error ? exp(edge) : edge),
    };
}

/* An input that was told still has evidence: what joins it is the same drift. */
static bool input_stands(const struct drift *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->channel[i].side[UP].told || d->channel[i].side[DOWN].told)
            return true;
    return false;
}

static bool end_hour(struct drift *d, int64_t hour, struct drift_finding *ret)
{
    const float *const level = hours_levels(d->hours);
    const bool stands = input_stands(d);
    double most = 0;

    for (size_t i = 0; i <= d->n; i++) {
        struct channel *const c = &d->channel[i];
        const double off = (double)level[i] - (double)c->median;

        for (enum side k = UP; k < SIDES; k++) {
            struct side_state *const s = &c->side[k];
            if (!(s->width > 0) || isnan(off))
                continue;
            const double u = (k == UP ? off : -off) / (double)s->width;
            const bool passed = weigh(s, u, level[i], hour, d->limit);
            if (passed && !(stands && i < d->n) && (double)s->evidence > most) {
                most = (double)s->evidence;
                find(d, i, k, hour, ret);
            }
        }
    }
    return most > 0;
}

bool drift_push(struct drift *d, int64_t ts_ms, const float *frame, float score,
                struct drift_finding *ret)
{
    int64_t hour;

    memcpy(d->row, frame, d->n * sizeof *frame);
    d->row[d->n] = isfinite(score) && score >= 0 ? logf(fmaxf(score, FLT_MIN)) : NAN;
    return hours_push(d->hours, ts_ms, d->row, &hour) && end_hour(d, hour, ret);
}

float drift_evidence(const struct drift *d)
{
    float most = 0;

    for (size_t i = 0; i <= d->n; i++)
        for (enum side k = UP; k < SIDES; k++)
            most = fmaxf(most, d->channel[i].side[k].evidence);
    return (float)((double)most / d->limit);
}

void drift_describe(const struct drift_finding *f, const struct schema *schema,
                    char out[DRIFT_TEXT_MAX])
{
    const int64_t hours = (f->ts_ms - f->since_ms) / HOURS_MS;
    char span[STR_DURATION_MAX], level[UNITS_MAX], learned[UNITS_MAX], edge[UNITS_MAX];

    str_from_duration_ms(hours * HOURS_MS, span);
    if (f->kind == DRIFT_ERROR) {
        units_format((double)f->level / (double)f->learned, "", level);
        (void)snprintf(out, DRIFT_TEXT_MAX,
                       "error drifted: score %s times the calibration's median for %s", level,
                       span);
        return;
    }
    const struct feature *const feature = &schema->f[f->feature];
    units_format((double)f->level, feature->unit, level);
    units_format((double)f->learned, feature->unit, learned);
    units_format((double)f->edge, feature->unit, edge);
    (void)snprintf(out, DRIFT_TEXT_MAX,
                   "input drifted: %s %s where %s (at %s %s) was learned, for %s", feature->name,
                   level, learned, f->edge > f->learned ? "most" : "least", edge, span);
}
