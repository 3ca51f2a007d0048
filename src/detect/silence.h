/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "data/verdict.h"
#include "detect/counterfactual.h"
#include "detect/scorer.h"

/* silence - the counterfactual of the frame that a scorer judged last: detect/counterfactual.h
 * asking scorer_restored. Keeps scratch for n features. Thread: its holder's. */
struct silence;

MUST_CHECK enum rc silence_new(size_t n, struct silence **ret, struct err *err);
void silence_free(struct silence *s); /* NULL is fine */

/* v: the verdict on that frame. */
void silence_find(struct silence *s, struct scorer *scorer, const struct verdict *v,
                  struct counterfactual *ret);
/* Features with that group restored, [n]; until the next silence_find that finds one. */
const struct scorer_part *silence_parts(const struct silence *s);

/* Mark in an incident's causes the group that would silence the frame judged last; a member that
 * is not among them takes the place of the least one that is no member. No group, no marks. */
void silence_mark(struct silence *s, struct scorer *scorer, const struct verdict *v,
                  struct incident *in);
