/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/history.h"
#include "feature/plan.h"

/* windows - what a plan's selectors keep of the past */

/* The different windows of the selectors into windows_ms[HISTORY_CLASSES_MAX], *ret_n of them.
 * E_LIMIT when there are more. */
MUST_CHECK enum rc windows_of(const struct plan *plan, int64_t *windows_ms, size_t *ret_n,
                              struct err *err);

/* Could any machine's samples be kept? Each metric has at least one series, which lives in the
 * longest window that is asked of it. E_LIMIT when even that is over HISTORY_CELLS_MAX. */
MUST_CHECK enum rc windows_check(const struct plan *plan, int64_t interval_ms, struct err *err);
