/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"

/* tail - how often incidents would open on the scores of normal rows, at any threshold
 *
 * An incident opens when k of the last `of` scores pass the threshold u, which is when the
 * confirmed score, the k-th largest of the last `of`, does; it closes when the largest of the last
 * `of` lies under INCIDENT_CLOSE_SHARE u (detect/watch.h). So all that a history says of
 * incidents, for every u, is the ups of the one and the downs of the other in turn: few numbers
 * (some 2 in 100 rows), kept here in place of the scores. tail_count is exact: it gives what
 * watch would have opened (a test compares them).
 *
 * tail_threshold finds the u at which incidents open as often as asked. Where TAIL_KNOWN of them
 * and more are asked of the history itself, u is read off it. Rarer ones are extrapolated: peaks
 * over threshold (Davison & Smith, JRSS B 52, 1990; for alarms Siffer et al., KDD 2017), a
 * generalised Pareto tail on the peaks of the incidents at a lower level:
 *     rate(u0 + y) = rate(u0) (1 + shape y / scale)^(-1/shape),
 * by maximum likelihood, shape in [0, 1/4]. docs/budget.md has what was tried, and measured.
 * - Gate: what was learned from may hold incidents. A peak that the tail of the others would pass
 *   less than once in 20 such histories is taken for one, up to a third of the peaks and one in
 *   two days (what comes oftener is how the machine is).
 * - Widening: of n peaks the scale is not known better than to 1 / sqrt(n). Averaged over what it
 *   may be, an exponential tail is a Pareto one of shape 1/n (its predictive distribution): the
 *   shape is at least that. With fewer than TAIL_PEAKS_MIN peaks nothing
 *   can be fitted: the k-th highest, k a third of them, times (k / expected)^(1/4), Weissman's
 *   estimator (JASA 73, 1978) with the largest shape that is allowed above.
 * - A peak that one in twenty such histories would show, and that no gate took, is not passed
 *   more rarely: nine peaks near nothing and a tenth far off are fitted by less than the tenth.
 *
 * tail_least asks less, of scores that came out low, as those of the rows that were fitted to do:
 * which threshold is too low by them already.
 * Thread: a builder is its holder's; a tail is a value, pure functions. */

enum {
    TAIL_PEAKS_MAX = 4096, /* kept */
    TAIL_PEAKS_MIN = 8,    /* that a tail is fitted to */
    TAIL_KNOWN = 10,       /* ten events know their own rate to a third */
};

struct tail_peak { /* in time order */
    float high;    /* largest confirmed score since the last `low` */
    float low;     /* then, before the next high, the least of "largest of the last `of`" */
};

struct tail {
    struct tail_peak *peak; /* [n] owned */
    size_t n;
    float floor;         /* peaks not over it were left out: too many */
    int64_t exposure_ms; /* of the rows that were scored */
    struct confirm_spec confirm;
};

struct tail_threshold {
    float threshold;
    float widening;      /* >= 1, included: by how much short history widened it */
    double shape, scale; /* of the tail; 0 where none was fitted */
    uint32_t peaks, gated;
    bool extrapolated; /* false: read off the history */
    double beyond;     /* extrapolated: peaks that were seen to one that is allowed, >= 1 */
};

/* The history can hold the rate: what its shortness costs the threshold is known to be little.
 * A rate that is read off it is held. Else the level is extrapolated from n peaks to one that is
 * passed `beyond` times more rarely, r. With the shape 1/n that n peaks are always given (see
 * above) an exponential tail comes to n (r^(1/n) - 1) deviations in place of ln r, about 1 + ln r /
 * 2n times as many; held is where that is at most a tenth more. A tenth is what following takes
 * back in a day (detect/budget.h). At one peak in 40 rows and 2 alarms a week that takes 48 peaks
 * of seconds, two hours of history with a quarter held back, and fewer of longer intervals. */
bool tail_holds(const struct tail_threshold *t);

struct tail_builder;

/* confirm of 0 counts each score for itself. Of more than peaks_max (2 to TAIL_PEAKS_MAX) peaks the
 * highest are kept; 24 bytes for each. E_NOMEM. */
MUST_CHECK enum rc tail_builder_new(struct confirm_spec confirm, size_t peaks_max,
                                    struct tail_builder **ret, struct err *err);
void tail_builder_free(struct tail_builder *b); /* NULL is fine */
static inline void tail_builder_freep(struct tail_builder **b)
{
    tail_builder_free(*b);
}
void tail_builder_push(struct tail_builder *b, float score); /* time order; NaN is skipped */
void tail_builder_gap(struct tail_builder *b); /* what was before confirms nothing after */
/* What was pushed, each score having stood for interval_ms. The builder may go on. E_NOMEM. */
MUST_CHECK enum rc tail_builder_take(const struct tail_builder *b, int64_t interval_ms,
                                     struct tail *ret, struct err *err);

void tail_done(struct tail *t);
MUST_CHECK enum rc tail_copy(const struct tail *from, struct tail *ret, struct err *err);

/* Incidents that would have opened at threshold u; at the floor's rate for u under it. */
size_t tail_count(const struct tail *t, float u);

/* The least threshold that t does not refute: over it no more incidents open than the rate does in
 * 99 of 100 such histories (Poisson), and two a day besides (one at least), for what was wrong then
 * is no measure of what is normal. 0 where no threshold is refuted. E_NOMEM. */
MUST_CHECK enum rc tail_least(const struct tail *t, double per_week, float *ret, struct err *err);

/* The threshold at which per_week > 0 incidents open in a week. E_STATE without a score, E_NOMEM.
 */
MUST_CHECK enum rc tail_threshold(const struct tail *t, double per_week, struct tail_threshold *ret,
                                  struct err *err);
