/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/series.h"
#include "feature/profile.h"

/* evaluator - one entity's live state for a profile: the recent samples of the series that its
 * selectors match, and the base features computed from them
 *
 * Semantics are Prometheus's: lookback of 5 minutes for instant vectors, stale markers end a
 * series, ranges are closed [t - range, t] and rate/increase/delta extrapolate as in Prometheus 2.x
 * (promql/functions.go, extrapolatedRate; checked against 2.42), counter resets are added back.
 * Prometheus 3 leaves out the sample at exactly t - range: a server of that version may differ
 * where a sample lies there.
 * Thread: its holder's. Memory is bounded by the profile's windows; a push allocates only when
 * a selector meets a new series, or ticks come faster than interval_ms. */
struct evaluator;

/* p is lent and must outlive it. */
MUST_CHECK enum rc evaluator_new(const struct profile *p, int64_t interval_ms,
                                 struct evaluator **ret, struct err *err);
void evaluator_free(struct evaluator *e); /* NULL is fine */
static inline void evaluator_freep(struct evaluator **e)
{
    evaluator_free(*e);
}

/* Take the samples of a tick; a snapshot of another series set starts afresh. E_STATE when
 * s->ts_ms is not after the last push (nothing taken); E_LIMIT, E_NOMEM when the series are too
 * many (nothing taken). */
MUST_CHECK enum rc evaluator_push(struct evaluator *e, const struct snapshot *s, struct err *err);

/* At the last push most counters stood lower than before: the machine was rebooted. What came
 * before was forgotten then, since no rate over it means anything. */
bool evaluator_rebooted(const struct evaluator *e);
/* At the last push the series were of another set: as a target's are when its labels change. What
 * came before is of other series. */
bool evaluator_renewed(const struct evaluator *e);

/* base[profile_base_count] at ts_ms, no earlier than the last push, for deriver_apply, which makes
 * a frame of them; NaN where an expression gives no single value that a float32 can hold. */
void evaluator_eval(struct evaluator *e, int64_t ts_ms, double *base);

void evaluator_clear(struct evaluator *e); /* forget all samples: after a clock jump */
