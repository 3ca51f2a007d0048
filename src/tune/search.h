/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* search - which trial runs next, with how many epochs, and which one wins
 *
 * A trial is one drawing of settings (tune/space.h); trial 0 is the defaults. An execution is one
 * training of a trial, with a seed of its own; a trial's objective is the mean over its executions.
 *   random   every trial with all epochs (Bergstra & Bengio, JMLR 13, 2012)
 *   halving  rungs: all trials with few of their epochs, the best third of them with three times as
 * many, and so on up to all (Jamieson & Talwalkar, AISTATS 2016; the inner loop of Hyperband, Li et
 * al., JMLR 18, 2018). The defaults are not judged by few epochs: they wait in the last rung. A
 * rung begins when the one before is complete, so the order in which executions end does not
 * matter. Thread: its holder's. */

enum search_method { SEARCH_RANDOM, SEARCH_HALVING };

enum { SEARCH_TRIALS_MAX = 1000, SEARCH_EXECUTIONS_MAX = 100, SEARCH_RUNGS_MAX = 7 };

struct search_spec {
    enum search_method method;
    uint32_t trials; /* beside the defaults */
    uint32_t executions;
    uint64_t seed;
    uint32_t epochs; /* of the defaults in the last rung: no rung gives them less than one */
};

struct search_job {
    uint32_t rung, trial, execution;
};

struct search_result {
    double objective; /* NaN: these settings could not be trained */
    double held_out;  /* the training's own validation error, for comparison */
    uint32_t epochs;  /* that the kept weights took */
};

struct search;

MUST_CHECK enum rc search_new(const struct search_spec *spec, struct search **ret, struct err *err);
void search_free(struct search *s); /* NULL is fine */
static inline void search_freep(struct search **s)
{
    search_free(*s);
}

/* The next execution to start; false when none can be until others end, or all have. */
bool search_next(struct search *s, struct search_job *ret);
/* What came of an execution, started or read from a state file. E_STATE when it is not wanted: of
 * a rung that is complete or not yet there, of a trial that is not in it, or there already. */
MUST_CHECK enum rc search_put(struct search *s, const struct search_job *job,
                              const struct search_result *result, struct err *err);
bool search_complete(const struct search *s);

/* The rung allows each trial one part in so many of its own epochs; 1 for the last. */
uint32_t search_part(const struct search *s, uint32_t rung);
/* The training's seed: the same for all trials. */
uint64_t search_seed(const struct search *s, const struct search_job *job);
uint32_t search_trials(const struct search *s); /* with the defaults */
uint32_t search_each(const struct search *s);   /* executions of a trial in a rung */
uint32_t search_rungs(const struct search *s);
uint32_t search_rung(const struct search *s);     /* the present one; the last when complete */
size_t search_executions(const struct search *s); /* in all rungs together */
size_t search_done(const struct search *s);       /* of them */

/* The result of one execution, NULL while there is none. */
const struct search_result *search_at(const struct search *s, const struct search_job *job);

struct search_summary {
    uint32_t rung;       /* the last that the trial is in */
    uint32_t executions; /* that ended in it */
    double objective;    /* mean of them; NaN for none or when one failed */
    double spread;       /* standard deviation over executions (n - 1); NaN for fewer than 2 */
    double held_out;     /* mean */
    double epochs;       /* mean */
};
struct search_summary search_summary(const struct search *s, uint32_t trial);

/* Trials by rung, then objective, best first; equal ones in their order. ret[trials + 1]. */
void search_ranking(const struct search *s, uint32_t *ret);

/* The winner of a complete search: the best challenger of the last rung if it is ahead of the
 * defaults by more than the spread, else trial 0. */
struct search_verdict {
    uint32_t chosen, best; /* best: of the challengers */
    double ahead;          /* objective of best - that of the defaults; NaN when best failed */
    double spread; /* the largest of: the defaults', the best's, and the middle one of all trials of
                    * the last rung, since two executions alone may agree by chance; 0 for single
                    * executions, which show none */
};
struct search_verdict search_verdict(const struct search *s);
