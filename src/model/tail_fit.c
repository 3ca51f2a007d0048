/* SPDX-License-Identifier: Apache-2.0 */
/* tail_threshold: from the peaks of a history to the threshold of a rate; tail.h has the method,
 * docs/budget.md what its figures were measured by. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/poisson.h"
#include "base/stats.h"
#include "data/verdict.h"
#include "model/tail.h"

static const double WEEK_MS = 7 * 24 * 3600 * 1000.0;

/* Peaks that the tail is fitted to: few enough to be of the tail, enough to tell its shape. */
static const size_t PEAKS_WANTED = 60;
/* The largest shape: of a score whose fourth moment is finite, the same that the widening of a
 * percentile rests on (threshold.h). A history of a week or two cannot tell a heavier tail from
 * incidents in it. */
static const double SHAPE_MAX = 0.25;
enum { SHAPES = 20 }; /* that are tried, evenly from 0 */
/* An incident in what was learned from: a peak that is expected this often in such a history. */
static const double GATE_EXPECTED = 0.05;
static const double GATED_SHARE_MAX = 1 / 3.0;
static const double GATED_EACH_MS = 2 * 24 * 3600 * 1000.0; /* and at most one in two days */
/* Of what was fitted to, which tells nothing but what is certainly too low. */
static const double SPARED_EACH_MS = 12 * 3600 * 1000.0;

struct fit {
    double shape, scale;
};

static float below(float v)
{
    return nextafterf(v, -FLT_MAX);
}

/* The level over which `wanted` incidents open, or where most do when none has so many. highs:
 * ascending. Steps grow with the rank: an exact rank is not asked for. */
static float level_of(const struct tail *t, const float *highs, size_t wanted)
{
    size_t most = 0;
    float at = highs[0];

    for (size_t i = 0; i < t->n; i += 1 + i / 32) {
        const float u = below(highs[t->n - 1 - i]);
        const size_t n = tail_count(t, u);
        if (n > most) {
            most = n;
            at = u;
        }
        if (n >= wanted)
            break;
    }
    return at;
}

/* The peaks of the incidents that open over u, less u, ascending; how many. */
static size_t excesses(const struct tail *t, float u, double *ret)
{
    size_t n = 0;
    bool open = false;

    for (size_t i = 0; i < t->n; i++) {
        const float high = t->peak[i].high;
        if (open)
            ret[n - 1] = fmax(ret[n - 1], (double)high - (double)u);
        else if (high > u)
            ret[n++] = (double)high - (double)u;
        open = open || high > u;
        if (t->peak[i].low < INCIDENT_CLOSE_SHARE * u)
            open = false;
    }
    return n;
}

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How far beyond its level a tail is passed by 1 of r. */
static double quantile(struct fit f, double r)
{
    return f.shape > 0 ? f.scale / f.shape * (pow(r, f.shape) - 1) : f.scale * log(r);
}

/* Log likelihood of y[n], of which the `over` largest are only known to be at least y[n-over-1]. */
static double likelihood(const double *y, size_t n, size_t over, struct fit f)
{
    const size_t seen = n - over;
    const double edge = y[seen - 1];
    double sum = 0;

    if (f.shape <= 0) {
        for (size_t i = 0; i < seen; i++)
            sum += y[i];
        return -((double)seen * log(f.scale) + (sum + (double)over * edge) / f.scale);
    }
    for (size_t i = 0; i < seen; i++)
        sum += log1p(f.shape * y[i] / f.scale);
    return -((double)seen * log(f.scale) + (1 / f.shape + 1) * sum +
             (double)over / f.shape * log1p(f.shape * edge / f.scale));
}

/* The scale that suits a shape best: golden section over its logarithm (one maximum). */
static struct fit best_scale(const double *y, size_t n, size_t over, double shape, double mean,
                             double *ret_likelihood)
{
    const double golden = (sqrt(5) - 1) / 2;
    double low = log(mean) - 3, high = log(mean) + 2; /* a bounded shape is within a few times */
    double a = high - golden * (high - low), b = low + golden * (high - low);
    double at_a = likelihood(y, n, over, (struct fit){shape, exp(a)});
    double at_b = likelihood(y, n, over, (struct fit){shape, exp(b)});

    for (int i = 0; i < 32; i++) { /* to 1e-6 */
        if (at_a > at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - golden * (high - low);
            at_a = likelihood(y, n, over, (struct fit){shape, exp(a)});
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + golden * (high - low);
            at_b = likelihood(y, n, over, (struct fit){shape, exp(b)});
        }
    }
    *ret_likelihood = fmax(at_a, at_b);
    return (struct fit){shape, exp((low + high) / 2)};
}

static struct fit fit_tail(const double *y, size_t n, size_t over)
{
    const size_t seen = n - over;
    double sum = (double)over * y[seen - 1], best = -HUGE_VAL;
    struct fit ret = {0};

    for (size_t i = 0; i < seen; i++)
        sum += y[i];
    for (int step = 0; step <= SHAPES; step++) {
        const double shape = SHAPE_MAX * step / SHAPES;
        double found;
        const struct fit f = best_scale(y, n, over, shape, sum / (double)seen, &found);
        if (found > best) {
            best = found;
            ret = f;
        }
    }
    return ret;
}

/* Fits y[n], ascending, without the incidents among them; how many of the largest those are. */
static size_t gate(const double *y, size_t n, int64_t exposure_ms, struct fit *ret)
{
    const double most = fmin((double)n * GATED_SHARE_MAX, (double)exposure_ms / GATED_EACH_MS);
    size_t gated = (size_t)most;

    *ret = fit_tail(y, n, gated);
    for (int round = 0; round < 8 && most >= 1; round++) { /* it settles in two or three */
        const double edge = quantile(*ret, (double)n / GATE_EXPECTED);
        size_t now = 0;
        while (now < (size_t)most && y[n - 1 - now] > edge)
            now++;
        const bool settled = round > 0 && now == gated;
        gated = now;
        if (settled)
            break;
        *ret = fit_tail(y, n - gated, 0);
    }
    return gated;
}

/* The logarithm's last bits differ between processors: they stay out of a model's bytes. */
static float rounded(double v)
{
    int exponent;
    const double mantissa = frexp(fmin(v, (double)FLT_MAX / 2), &exponent);

    return (float)ldexp(nearbyint(mantissa * 65536), exponent - 16);
}

/* Too few peaks for a shape; highs ascending. */
static void extrapolate_few(const float *highs, size_t n, double expected,
                            struct tail_threshold *ret)
{
    const size_t k = n / 3 > 1 ? n / 3 : 1;
    const double from = (double)highs[n - k];
    const double wide = fmax(1, pow((double)k / expected, SHAPE_MAX));

    ret->beyond = fmax(1, (double)n / expected);
    ret->peaks = (uint32_t)n;
    ret->threshold = fmaxf(rounded(from * wide), expected < 1 ? highs[n - 1] : 0);
    ret->widening = (float)fmax(1, (double)ret->threshold / from);
    ret->extrapolated = true;
}

/* The level that `allowed` incidents pass: the highest under which there are more. */
static float read_off(const struct tail *t, const float *highs, double allowed)
{
    for (size_t i = 0; i < t->n; i++) {
        const float high = highs[t->n - 1 - i];
        if ((double)tail_count(t, below(high)) > allowed)
            return high;
    }
    return highs[0];
}

/* Incidents that open at most in 99 of 100 histories in which so many are expected (Poisson). */
static double most_by_chance(double expected)
{
    if (expected >= TAIL_PEAKS_MAX / 8.0) /* no tail has so many */
        return TAIL_PEAKS_MAX;
    return poisson_most(expected, 0.99);
}

static enum rc fit(const struct tail *t, const float *highs, double expected,
                   struct tail_threshold *ret, struct err *err)
{
    CLEANUP(mem_freep) double *y = mem_array(t->n, sizeof *y);
    const size_t twice = expected < (double)t->n ? (size_t)(2 * expected) : t->n;
    const float level = level_of(t, highs, twice > PEAKS_WANTED ? twice : PEAKS_WANTED);
    struct fit f = {0};

    if (!y)
        return err_set(err, E_NOMEM, "no memory for %zu peaks of scores", t->n);
    const size_t n = excesses(t, level, y);
    qsort(y, n, sizeof *y, by_double);
    if (n < TAIL_PEAKS_MIN && expected < TAIL_KNOWN) {
        extrapolate_few(highs, t->n, expected, ret);
        return OK;
    }
    const size_t gated = n < TAIL_PEAKS_MIN ? 0 : gate(y, n, t->exposure_ms, &f);
    const size_t kept = n - gated;
    ret->peaks = (uint32_t)n;
    ret->gated = (uint32_t)gated;
    if (expected >= TAIL_KNOWN) {
        ret->threshold = read_off(t, highs, expected + (double)gated);
        return OK;
    }
    const double r = fmax(1, (double)kept / expected);
    const double plain = (double)level + quantile(f, r);
    const struct fit widened = {fmax(f.shape, 1 / (double)kept), f.scale};
    const double wide = (double)level + quantile(widened, r);
    ret->threshold =
        fmaxf(rounded(wide), expected < GATE_EXPECTED ? (float)((double)level + y[kept - 1]) : 0);
    ret->widening = (float)fmax(1, (double)ret->threshold / plain);
    ret->beyond = r;
    ret->shape = f.shape;
    ret->scale = f.scale;
    ret->extrapolated = true;
    return OK;
}

bool tail_holds(const struct tail_threshold *t)
{
    const double most = 1.1, n = (double)t->peaks - (double)t->gated;

    if (!(t->threshold > 0))
        return false;
    if (!t->extrapolated || t->beyond <= 1)
        return true;
    if (!(t->scale > 0) || n < TAIL_PEAKS_MIN || !isfinite(t->beyond)) /* no tail was fitted */
        return false;
    return n * (pow(t->beyond, 1 / n) - 1) <= most * log(t->beyond);
}

/* The peaks' heights, ascending; owned. NULL: no memory. */
static float *heights(const struct tail *t)
{
    float *highs = mem_array(t->n, sizeof *highs);

    for (size_t i = 0; highs && i < t->n; i++)
        highs[i] = t->peak[i].high;
    if (highs)
        stats_sort(highs, t->n);
    return highs;
}

static double expect(const struct tail *t, double per_week)
{
    return per_week * (double)t->exposure_ms / WEEK_MS;
}

enum rc tail_least(const struct tail *t, double per_week, float *ret, struct err *err)
{
    const double spared = fmax(1, floor((double)t->exposure_ms / SPARED_EACH_MS));
    const double allowed = most_by_chance(expect(t, per_week)) + spared;

    *ret = 0;
    if (allowed >= (double)t->n) /* of what lies under the kept peaks nothing is known */
        return OK;
    CLEANUP(mem_freep) float *highs = heights(t);
    if (!highs)
        return err_set(err, E_NOMEM, "no memory for %zu peaks of scores", t->n);
    *ret = read_off(t, highs, allowed);
    return OK;
}

enum rc tail_threshold(const struct tail *t, double per_week, struct tail_threshold *ret,
                       struct err *err)
{
    const double expected = expect(t, per_week);

    if (t->exposure_ms <= 0)
        return err_set(err, E_STATE, "no score to set a threshold by");
    struct tail_threshold found = {.widening = 1};
    if (t->n == 0) { /* no score was over nothing: whatever is, is news */
        *ret = found;
        return OK;
    }
    CLEANUP(mem_freep) float *highs = heights(t);
    if (!highs)
        return err_set(err, E_NOMEM, "no memory for %zu peaks of scores", t->n);
    const enum rc rc = fit(t, highs, expected, &found, err);
    if (rc == OK)
        *ret = found;
    return rc;
}
