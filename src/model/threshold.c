/* SPDX-License-Identifier: Apache-2.0 */
#include "model/threshold.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/stats.h"
#include "model/model.h"
#include "model/normality.h"

static const double KNOWN_EXCEEDANCES = 10;

enum rc threshold_check(const struct threshold_spec *spec, struct err *err)
{
    const double v = spec->value;

    switch (spec->method) {
    case THRESHOLD_PERCENTILE:
        if (v > 0 && v < 100)
            return OK;
        return err_set(err, E_CONFIG,
                       "threshold percentile %g: expected more than 0, less than 100", v);
    case THRESHOLD_SIGMA:
        if (v >= 0 && v <= (double)FLT_MAX)
            return OK;
        return err_set(err, E_CONFIG, "threshold of %g deviations: expected 0 or more", v);
    case THRESHOLD_FIXED:
        if (v > 0 && v <= (double)FLT_MAX)
            return OK;
        return err_set(err, E_CONFIG, "fixed threshold %g: expected a number over 0", v);
    case THRESHOLD_BUDGET:
    case THRESHOLD_STAGED:
        if (v >= BUDGET_LEAST && v <= BUDGET_MOST)
            return OK;
        return err_set(err, E_CONFIG, "budget of %g alarms a week: expected %g to %g", v,
                       BUDGET_LEAST, BUDGET_MOST);
    case THRESHOLD_AUTO:
        return OK;
    }
    return err_set(err, E_CONFIG, "threshold method %d: not known", (int)spec->method);
}

static double widening(double percentile, double n)
{
    const double beyond = n * (1 - percentile / 100);

    return beyond < KNOWN_EXCEEDANCES ? sqrt(sqrt(KNOWN_EXCEEDANCES / beyond)) : 1;
}

/* The estimate by the k-th largest of v[n], which stand for `of`; v is reordered. */
static double weissman(float *v, size_t n, double percentile, double of)
{
    const double k = fmax(1, fmin(KNOWN_EXCEEDANCES, floor((double)n / 3)));
    const double at = n > 1 ? ((double)n - k) / ((double)n - 1) : 0;
    const double beyond = of * (1 - percentile / 100);

    return (double)stats_quantile(v, n, at) * sqrt(fmax(1, k / beyond));
}

struct threshold_spec threshold_auto(const float *v, size_t n)
{
    const double significant = 0.05;
    const bool normal = normality_shapiro_wilk(v, n) >= significant &&
                        normality_kolmogorov_smirnov(v, n) >= significant; /* false for NaN */

    return normal
               ? (struct threshold_spec){.method = THRESHOLD_SIGMA, .value = 3}
               : (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = THRESHOLD_YOUNG};
}

static float to_float(double v)
{
    return (float)fmin(v, (double)FLT_MAX);
}

enum rc threshold_fit_thinned(const struct threshold_spec *spec, const float *scores, size_t n,
                              uint64_t of, bool bounded, float *ret, float *ret_widening,
                              struct err *err)
{
    const enum rc rc = threshold_check(spec, err);
    struct threshold_spec chosen = *spec;
    if (rc != OK)
        return rc;
    if (threshold_is_budget(spec->method))
        return err_set(err, E_STATE, "a budget of alarms needs the scores in time order");
    if (spec->method == THRESHOLD_FIXED) {
        *ret = (float)spec->value;
        *ret_widening = 1;
        return OK;
    }

    CLEANUP(mem_freep) float *v = mem_array(n, sizeof *v); /* stats_quantile reorders */
    if (!v)
        return err_set(err, E_NOMEM, "no memory for %zu scores", n);
    struct stats_moments moments;
    stats_init(&moments);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(scores[i])) {
            v[moments.n] = scores[i];
            stats_add(&moments, (double)scores[i]);
        }
    }
    if (moments.n == 0)
        return err_set(err, E_STATE, "no score to set a threshold by");
    if (spec->method == THRESHOLD_AUTO) {
        stats_sort(v, moments.n);
        chosen = threshold_auto(v, moments.n);
    }
    if (chosen.method == THRESHOLD_SIGMA) {
        *ret = to_float(moments.mean + chosen.value * stats_std(&moments));
        *ret_widening = 1;
        return OK;
    }
    const double all = (double)(of > moments.n ? of : moments.n);
    const double quantile = (double)stats_quantile(v, moments.n, chosen.value / 100);
    double wide = widening(chosen.value, all);
    if (bounded && wide > 1 && quantile > 0)
        wide = fmax(1, fmin(wide, weissman(v, moments.n, chosen.value, all) / quantile));
    *ret = to_float(quantile * wide);
    *ret_widening = to_float(wide);
    return OK;
}

enum rc threshold_fit(const struct threshold_spec *spec, const float *scores, size_t n, float *ret,
                      float *ret_widening, struct err *err)
{
    return threshold_fit_thinned(spec, scores, n, 0, false, ret, ret_widening, err);
}
