/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* dataset - frames of one entity in time order: X[rows][n] row-major float32, NaN = missing; or
 * runs of frames of several entities, each in time order (data/pool.h)
 *
 * Thread: its holder's; handing one over by a queue moves ownership. */

enum {
    DATASET_ROWS_MAX = 1 << 26,
    DATASET_CELLS_MAX = 1 << 28, /* rows times features: 1 GiB; training takes as much again */
};

struct dataset {
    size_t rows, n, capacity; /* capacity in rows */
    int64_t *ts_ms;           /* [rows], ascending in each run */
    float *X;                 /* [rows][n] */
};

/* An empty one for frames of n features, n >= 1. The caller owns *ret. */
MUST_CHECK enum rc dataset_new(size_t n, struct dataset **ret, struct err *err);
void dataset_free(struct dataset *d); /* NULL is fine */
static inline void dataset_freep(struct dataset **d)
{
    dataset_free(*d);
}
/* E_NOMEM, E_LIMIT; E_STATE when ts_ms does not come after the last row's. Copies frame[n]. */
MUST_CHECK enum rc dataset_append(struct dataset *d, int64_t ts_ms, const float *frame,
                                  struct err *err);
/* The same where another run may begin: ts_ms may be any. E_NOMEM, E_LIMIT. */
MUST_CHECK enum rc dataset_append_run(struct dataset *d, int64_t ts_ms, const float *frame,
                                      struct err *err);
/* The earliest and the latest time of its rows, of which there is one at least. */
void dataset_span(const struct dataset *d, int64_t *ret_first_ms, int64_t *ret_last_ms);
/* The usual distance of two rows: the median of a thousand, evenly chosen; 0 for less than two
 * rows. */
int64_t dataset_interval_ms(const struct dataset *d);
