/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"

/* threshold - from the scores of normal rows to the score that counts as anomalous
 *
 * percentile: the quantile (linear between order statistics) times a widening for short history.
 *   An extreme quantile cannot be read off few scores. With n scores, m = n (1 - p/100) of them
 *   are expected beyond it; where m is under 10 it is multiplied by (10 / m)^(1/4). The form is
 *   Weissman's estimator of large quantiles (JASA 73, 1978, 812-815), (k / m)^(1/alpha), with
 *   k = 10, since ten exceedances know their own rate to about a third, and alpha = 4: a metric
 *   with finite kurtosis, in scores that grow as the distance does. Weissman multiplies the k-th
 *   largest score; here it is the quantile itself, which is larger: wide on purpose, since a bell
 *   that rings for nothing in its first hour is not heard afterwards.
 * sigma: mean + k standard deviations (population). Never widened: mean and deviation, unlike an
 *   extreme quantile, are known from a few dozen scores (the deviation's own relative error is
 *   about 1 / sqrt(2n)).
 * fixed: the user's number, never widened; needs no scores.
 * auto: sigma 3 where neither test of normality.h speaks against normal scores (at 5 %), else
 *   percentile 99.5: a normal distribution's mean and deviation say more of its tail than its few
 *   largest values do. As people do it by hand who have a notebook and validation scores.
 * staged: the budget of `budget` where the history can hold it (tail_holds in tail.h), else, not
 *   under what the learned rows say is too low for the budget (tail_least in tail.h), the
 *   percentile of threshold_young: minutes of history hear only loud faults at a budget's
 *   threshold, while a percentile, widened, hears nearly all and rings oftener than anybody bears
 *   in the long run (docs/budget.md has both, measured).
 * budget: alarms a week; needs the scores in time order, so it is not here but in tail.h.
 * Thread: pure. The plain threshold_fit is in model.h. */

/* One row in 200: oftener than that, a normal row is no news in a history of minutes. */
#define THRESHOLD_YOUNG 99.5
/* What `staged` comes to while the history is short. */
static inline struct threshold_spec threshold_young(const struct threshold_spec *staged)
{
    return (struct threshold_spec){
        .method = THRESHOLD_PERCENTILE, .value = THRESHOLD_YOUNG, .confirm = staged->confirm};
}

/* E_CONFIG when the number does not suit the method; no text of where it came from. */
MUST_CHECK enum rc threshold_check(const struct threshold_spec *spec, struct err *err);

/* What `auto` comes to on v[n], ascending and finite. */
struct threshold_spec threshold_auto(const float *v, size_t n);

/* As threshold_fit, where the n scores stand for `of` (>= n) that were thinned evenly by rank.
 * bounded: a bad second among the rows is not to be widened as if it were the tail of normal ones.
 *   The widened quantile is then held under Weissman's own estimate, the k-th largest score times
 *   (k / m)^(1/2), which no burst shorter than k rows moves (k = 10, or a third of few scores;
 *   alpha = 2, for under three units scores grow as the distance's square), but not under the
 *   quantile itself: what was seen is not rung for. For scores whose parts are bounded
 *   (model/model.h), so that the quantile itself has a limit. */
MUST_CHECK enum rc threshold_fit_thinned(const struct threshold_spec *spec, const float *scores,
                                         size_t n, uint64_t of, bool bounded, float *ret,
                                         float *ret_widening, struct err *err);
