/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* rate - "2 per week", "1/day": how often, as people say it; in between, per week (private to
 * config/). Units: hour, day, week, month, a month being a twelfth of 365.25 days. Thread: any. */

/* False, *ret untouched, for what is none; a number of any sign and size is one. */
bool rate_parse(struct str s, double *ret_per_week);
/* In the unit that makes it shortest; parses back to the same number. */
void rate_format(double per_week, struct buf *out);
