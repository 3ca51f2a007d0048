/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"

/* csv - frames of one entity from and to a CSV file (RFC 4180)
 *
 * Header `timestamp,<feature>…`; time as Unix seconds (a fraction is fine, kept to the
 * millisecond) or RFC 3339, rising; an empty field or NaN is missing; CRLF, quotes, a BOM, empty
 * lines at the end and a missing last newline are fine. Anything else is refused: a field with
 * spaces around it, an infinite value, a quoted field over several lines.
 * A file is read line by line, never held whole; what it becomes is limited by
 * DATASET_CELLS_MAX. Every message is "FILE:LINE: what was expected, what was found". Thread: any.
 */

enum { CSV_LINE_MAX = 1 << 20, CSV_BYTES_MAX = 1 << 30 };

/* How a file writes its time: that of its first row. */
enum csv_time { CSV_TIME_UNIX, CSV_TIME_RFC3339 };

/* E_IO, E_PARSE, E_LIMIT, E_NOMEM. The caller owns schema and dataset; ret_time may be NULL. A
 * file with a header alone is a dataset without rows. */
MUST_CHECK enum rc csv_read(const char *path, struct schema **ret_schema, struct dataset **ret,
                            enum csv_time *ret_time, struct err *err);
/* The same for bytes in memory; `file` is the name for messages. */
MUST_CHECK enum rc csv_parse(const char *p, size_t n, const char *file, struct schema **ret_schema,
                             struct dataset **ret, enum csv_time *ret_time, struct err *err);

/* A time field as csv_parse reads it back to the same millisecond: "1740088500", "…500.25",
 * "2025-02-20T21:55:00.000Z". */
void csv_put_time(struct buf *out, int64_t ts_ms, enum csv_time form);
