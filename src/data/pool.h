/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "data/dataset.h"

/* pool - frames of several like entities as one dataset, to learn one model from
 *
 * Where all rows have room they are all in it, a day after the other (feature/season.h tells days
 * apart by rows that follow one another), and of a day one entity after the other. Else each
 * one's rows are cut into slices, of each of which it gives a run, POOL_RUN rows at least where it
 * has so many: neighbours, since what changes from one frame to the next is learned too; each
 * entity's run a little later in the slice than that of the one before it.
 * Where one entity's rows follow another's, time goes back or jumps by more than POOL_GAP
 * intervals, which is a gap like any other (model/departure.h): no change is seen from one to the
 * other. Thread: pure. */

enum { POOL_RUN = 32, POOL_GAP = 16 };

/* v[n], n >= 1, of the same features, each in time order; rows_max rows at most: where there is not
 * room for a run of each, evenly chosen ones are left out. The caller owns *ret. E_NOMEM. */
MUST_CHECK enum rc pool_datasets(const struct dataset *const *v, size_t n, size_t rows_max,
                                 struct dataset **ret, struct err *err);
