/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/profile.h"

/* import_rows - frames of base features as the rows of a CSV file, with the derived features
 *
 * The file appears when it is complete: temporary name, then rename. Memory: a line or two.
 * Thread: its holder's. */
struct import_rows;

struct import_summary {
    size_t rows;
    int64_t first_ms, last_ms;
    size_t n;        /* features: base and derived */
    size_t *missing; /* [n] rows without a value; owned */
};
void import_summary_done(struct import_summary *s); /* a zeroed one is fine */

/* p is lent; step_ms: of rows in an unbroken span. E_IO, E_NOMEM. */
MUST_CHECK enum rc import_rows_open(const char *path, const struct profile *p, int64_t step_ms,
                                    struct import_rows **ret, struct err *err);
void import_rows_free(struct import_rows *r); /* without close nothing is left; NULL is fine */
static inline void import_rows_freep(struct import_rows **r)
{
    import_rows_free(*r);
}

/* Times rise. E_LIMIT: more than `tocsin train` reads. E_IO. */
MUST_CHECK enum rc import_rows_add(struct import_rows *r, int64_t ts_ms, const double *base,
                                   struct err *err);
size_t import_rows_count(const struct import_rows *r);
/* The file is there. *ret: the caller's. */
MUST_CHECK enum rc import_rows_close(struct import_rows *r, struct import_summary *ret,
                                     struct err *err);
