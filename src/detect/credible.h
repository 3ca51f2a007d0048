/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* credible - how many incidents of one entity may be what they say
 *
 * True ones: two in each day of its history, and eight in any, for somebody who tries the bell
 * makes a handful at once. To these come as many false ones as a budget allows and chance adds
 * (Poisson, 99 %). A bell that rings more often does not know the machine: what it rings for is
 * how that is, and neither to be kept from learning (detect/material.h) nor a reason to ring on
 * (detect/budget.h).
 *
 * per_week: of the budget; 0 where none is promised. Pure. Thread: any. */
enum { CREDIBLE_A_DAY = 2, CREDIBLE_LEAST = 8, CREDIBLE_MOST = 1 << 16 };

size_t credible_incidents(int64_t history_ms, double per_week);
