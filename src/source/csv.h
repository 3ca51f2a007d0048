/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"

/* csv - frames of one entity from and to a CSV file (RFC 4180)
 *
 * Header `timestamp,<feature>…`; time as Unix seconds (a fraction is fine) or RFC 3339, rising;
 * an empty field or NaN is missing; CRLF, quotes, a BOM and a missing last newline are fine.
 * Every message is "FILE:LINE: what was expected, what was found". Thread: any. */

enum { CSV_LINE_MAX = 1 << 20 };

/* E_IO, E_PARSE, E_LIMIT, E_NOMEM. The caller owns both. */
MUST_CHECK enum rc csv_read(const char *path, struct schema **ret_schema, struct dataset **ret,
                            struct err *err);
/* The same for bytes in memory; `file` is the name for messages. */
MUST_CHECK enum rc csv_parse(const char *p, size_t n, const char *file, struct schema **ret_schema,
                             struct dataset **ret, struct err *err);
