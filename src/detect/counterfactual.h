/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* counterfactual - the fewest features that would have silenced a frame, had they been as expected
 *
 * Found by asking, not by adding up: a feature that is off also misleads what the model expects of
 * the others, so each group is restored and scored. Greedy: the feature with the largest part of
 * the score that is left joins, until the score is at most the threshold; then every member
 * without which it still is leaves again. So no group with one member less would do. That it is the
 * smallest of all groups is not promised: there are too many to ask about.
 * The idea of an explanation by what would have to differ is Wachter, Mittelstadt & Russell's
 * (Harvard Journal of Law & Technology 31, 2018).
 * Pure; at most COUNTERFACTUAL_SCORES questions. Thread: any. */

enum {
    COUNTERFACTUAL_MAX = 8, /* members: a longer list explains nothing */
    /* one a member that joins; then each member in turn, again after one left */
    COUNTERFACTUAL_SCORES = COUNTERFACTUAL_MAX + COUNTERFACTUAL_MAX * (COUNTERFACTUAL_MAX + 1) / 2,
};

/* The score when the features with restored[i] set are as expected; part[i] is what feature i is
 * still to it, 0 or more. Both are [n]. */
typedef float counterfactual_ask_fn(void *arg, const uint8_t *restored, float *part);

struct counterfactual {
    uint8_t n; /* 0: no group that was looked at does, or the score is not over the threshold */
    uint16_t feature[COUNTERFACTUAL_MAX]; /* in the order in which they were found */
    float score;                          /* with these restored; NaN for none */
    uint16_t asked;
};

/* score: of the frame as it is, with its parts in part[n]. restored[n] and part[n] are scratch
 * after that; when it returns with members, restored[] has them set, and no others. */
void counterfactual_find(size_t n, float score, float threshold, counterfactual_ask_fn *ask,
                         void *arg, uint8_t *restored, float *part, struct counterfactual *ret);
