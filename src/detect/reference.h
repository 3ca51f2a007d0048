/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "data/schema.h"
#include "data/verdict.h"
#include "detect/watch.h"

/* reference - the second clock: what each feature was when it was learned, kept while the model
 * goes on adapting; where the present departs from it for good, a slow change
 *
 * Expectation: for each feature the mean level (detect/hours.h) of each hour of the day, over the
 * first REFERENCE_DAYS days; then frozen, until somebody accepts a change.
 * Departure m: the median, over the last 24 hours, of level minus expectation. A daily rhythm
 * cancels, and so does a job that moved by some hours.
 * Spread s: while days are collected, each is first foretold from those before it. With j days
 * before, w = m / sqrt(1 + 1/j) is a recursive residual (Brown, Durbin & Evans, JRSS B 37, 1975):
 * independent and of one variance, whatever j. s^2 is the mean of w^2, and its upper confidence
 * limit with nu of them is s^2 nu / chi2(p; nu), p = 0.05 / features (Bonferroni): a short history
 * makes wide limits, which narrow by themselves.
 * Limit = max(3 s (widened), resolution); in the first week not under the swing of the day.
 * Evidence g = max(0, g + min(|m| / limit - 1, 1) / 24) each hour, for the side that m is on; it
 * opens an incident at a half: a day at twice the limit, two at a limit and a half. Its causes
 * have natural units, its score is |m| / limit, its threshold 1.
 *
 * It tells a leak from a rhythm by the frozen expectation, not by a slope: a leak grows without
 * end, so whatever its slope it passes the limit, and how fast it rose is told beside.
 * Bounded memory (reference_bytes), causal, pure. Thread: its holder's. */

enum { REFERENCE_DAYS = 14, REFERENCE_DAYS_MIN = 3 };

struct slow_cause {
    int64_t since_ms;   /* about when the departure began */
    int64_t learned_ms; /* when the expectation was last learned or accepted */
    float rate;         /* natural units an hour since then; NaN: not known yet */
};

struct slow_change {
    struct incident incident;           /* peak_score = departure / limit, threshold = 1 */
    struct slow_cause slow[CAUSES_MAX]; /* beside incident.causes */
};

struct reference;

/* schema is lent for the call alone. E_NOMEM. */
MUST_CHECK enum rc reference_new(const struct schema *schema, struct reference **ret,
                                 struct err *err);
void reference_free(struct reference *r); /* NULL is fine */
static inline void reference_freep(struct reference **r)
{
    reference_free(*r);
}
size_t reference_bytes(size_t n_features);

/* One frame (natural units, NaN = missing). learnable: the training gate lets it through; a day
 * with more than six hours in which some frame was not is compared but not learned. Frames of a
 * maintenance are not to be pushed at all.
 * WATCH_OPENED and WATCH_UPDATED (a feature joined, or the departure grew by half) fill *ret, and
 * so does WATCH_CLOSED. At most one event an hour. */
enum watch_event reference_push(struct reference *r, int64_t ts_ms, const float *frame,
                                bool learnable, struct slow_change *ret);

/* An operator accepted the present level of one feature, of all, or of those that the open incident
 * is of: it becomes what is expected, the rhythm and the spread stay. WATCH_CLOSED (accepted) when
 * that ends the open incident. */
#define REFERENCE_ALL SIZE_MAX
#define REFERENCE_OPEN (SIZE_MAX - 1)
enum watch_event reference_accept(struct reference *r, int64_t ts_ms, size_t feature,
                                  struct slow_change *ret);

/* Learn from nothing, as after a change of the machine: collects days anew. An open incident is
 * closed as by reference_accept. */
enum watch_event reference_restart(struct reference *r, int64_t ts_ms, struct slow_change *ret);

/* Days learned; under REFERENCE_DAYS_MIN nothing can be told, at REFERENCE_DAYS it is frozen. */
uint32_t reference_days(const struct reference *r);
/* The open incident, or false. */
bool reference_open(const struct reference *r, struct slow_change *ret);
/* What is expected of a feature in the hour of ts_ms, and how far it may depart for a day; NaN
 * while nothing is known. */
float reference_expected(const struct reference *r, size_t feature, int64_t ts_ms);
float reference_limit(const struct reference *r, size_t feature);

enum { REFERENCE_TEXT_MAX = INCIDENT_WORDS_MAX };
/* "slow change: memory_used 34.0 % where 18.0 % was learned on 2025-05-03; +0.22 %/h for 3d",
 * further causes after "; ". */
void reference_describe(const struct slow_change *c, const struct schema *schema,
                        char out[REFERENCE_TEXT_MAX]);

/* The state as bytes with a checksum, all but the running hour; and back. decode: E_PARSE for
 * anything that encode did not write, E_STATE for another schema or version, E_NOMEM.
 * What was decoded lacks the running hour: push the stored frames from this time on, and it is what
 * it was. Without them (a power cut), it goes on with an hour less. */
int64_t reference_resume_ms(const struct reference *r);
void reference_encode(const struct reference *r, struct buf *out);
MUST_CHECK enum rc reference_decode(const void *p, size_t n, const struct schema *schema,
                                    struct reference **ret, struct err *err);
