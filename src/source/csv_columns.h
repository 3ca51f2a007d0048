/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* csv_columns - some columns of a CSV file as doubles, for files that are not frames: labels,
 * scores
 *
 * As source/csv.h says, but that `timestamp` may be anywhere or nowhere, and that columns which
 * nobody asks for may hold anything. Every message is "FILE:LINE: ...". Thread: any. */

enum { CSV_COLUMNS_MAX = 8, CSV_COLUMNS_ROWS_MAX = 1 << 26 };

#define CSV_COLUMNS_FIRST "" /* asks for the first column that is not `timestamp` */

struct csv_columns {
    size_t rows;
    int64_t *ts_ms;             /* [rows], rising; NULL: there is no such column */
    double *v[CSV_COLUMNS_MAX]; /* [rows] of each that was asked for, NaN where it is missing; NULL:
                                   there is no such column */
};

/* names[n], n <= CSV_COLUMNS_MAX. E_IO, E_PARSE, E_LIMIT, E_NOMEM. The caller owns what is in *ret
 * (csv_columns_done). */
MUST_CHECK enum rc csv_columns_read(const char *path, const char *const *names, size_t n,
                                    struct csv_columns *ret, struct err *err);
/* The same for bytes in memory; `file` is the name for messages. */
MUST_CHECK enum rc csv_columns_parse(const char *p, size_t bytes, const char *file,
                                     const char *const *names, size_t n, struct csv_columns *ret,
                                     struct err *err);
void csv_columns_done(struct csv_columns *c); /* a zeroed one is fine */
