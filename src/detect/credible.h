/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* credible - how many incidents of one entity in a day may be what they say
 *
 * True ones: eight, for somebody who tries the bell makes a handful at once. To these come as many
 * false ones as a budget allows and chance adds (Poisson, 99 %). A bell that rings more often does
 * not know the machine: what it rings for is how that is, and neither to be kept from learning
 * (detect/material.h) nor a reason to ring on (detect/budget.h).
 *
 * per_week: of the budget; 0 where none is promised. Pure. Thread: any. */
enum { CREDIBLE_TRUE = 8, CREDIBLE_LEARN = 3 };

size_t credible_a_day(double per_week);
/* Before any of a day is learned from, CREDIBLE_LEARN times as many: a threshold that went up still
 * hears what is loud, and the next model has its own, but what is learned is no news any more. */
size_t credible_to_learn(double per_week);
