/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"

/* budget - the promise of one entity while it is watched: how many incidents there are, of how many
 * were promised, and a threshold that follows slow change
 *
 * The model's threshold is what its own rows say. What is scored since says more as it gets longer:
 * at most once a day (in the first day: when twice as much is there), the threshold goes towards
 *     own^(1 - w) live^w,  w = live time / (live time + learned time),
 * by 25 % up or 9 % down at most (three days double it, a week halves it), within a half and four
 * times of its own; not on a day that finds an incident open. `live` is what model/tail.h makes of
 * the live scores
 * - without those of open incidents, which are not normal, while the incidents are not more than
 *   was promised (by the 95 % interval of their number);
 * - else of all, and then w is 1: it is not the incidents that are many, but the promise that is
 *   broken, and what was learned no longer holds.
 * Where the model rings more often in a day than is credible (detect/credible.h), no day is waited
 * for: once the incident that was too many is over, the threshold goes up at once to what all live
 * scores say, to four times its own at most. So it is, too, where nothing is promised yet but a
 * budget is asked for (a staged threshold while it is a percentile); there it stays so until the
 * next model.
 * A new model's scores are of another size, so what they say begins anew with it (budget_go_on);
 * the count of incidents goes on, also in the question whether the promise is broken, for the last
 * four weeks of it. Live scores are of the last two to four weeks, and gaps confirm nothing.
 * docs/budget.md has what this was measured to do. All follows from the scores in order: pushing
 * stored ones again gives the same state. Thread: its holder's. */
struct budget;

struct budget_options {
    struct confirm_spec confirm;
    double per_week; /* asked for; 0: nothing is, and the threshold stays */
    bool promised;   /* in force, where it is asked for */
    int64_t interval_ms;
    float own;          /* the model's threshold, > 0 where something is asked for */
    int64_t learned_ms; /* what it rests on */
};

struct budget_rate {     /* incidents a week */
    double promised;     /* 0: none */
    double achieved;     /* NaN before the first score */
    double lower, upper; /* of what it may be in truth: the exact 95 % Poisson interval */
    uint64_t incidents;
    int64_t scored_ms;
};

MUST_CHECK enum rc budget_new(const struct budget_options *o, struct budget **ret, struct err *err);
void budget_free(struct budget *b); /* NULL is fine */
static inline void budget_freep(struct budget **b)
{
    budget_free(*b);
}

/* The next score, in units of a whole frame's threshold (detect/scorer.h); NaN is skipped.
 * opened: an incident did with it; open: one is. E_NOMEM: the threshold stays. */
MUST_CHECK enum rc budget_push(struct budget *b, float score, bool opened, bool open,
                               struct err *err);
/* A score of an earlier model: it counts for the promise, and nothing else. */
void budget_count(struct budget *b, float score, bool opened);
/* b, a new one, takes over from another of the same promise: its count goes on. */
void budget_go_on(struct budget *b, const struct budget *from);
void budget_gap(struct budget *b);
float budget_threshold(const struct budget *b);
/* How often there were more incidents than are credible and the threshold went up for it. */
uint32_t budget_refutations(const struct budget *b);
void budget_rate(const struct budget *b, struct budget_rate *ret);
