/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>

#include "store/conn.h"
#include "store/store.h"

/* reader - what the files that read rows share: the read-only connection and its statements
 *
 * Private to store/; the texts of the statements are in read.c. Thread: its holder's. */

enum statement {
    RD_FRAMES,
    RD_SPANS,
    RD_SCORES,
    RD_LAST_SCORES,
    RD_INCIDENTS,
    RD_INCIDENTS_OF, /* of one instance: by an index, the rows of a fleet are not looked at */
    RD_MODEL,
    RD_HISTORIES,
    RD_OTHERS,
    RD_MODELS,
    RD_MODELS_OF, /* as RD_INCIDENTS_OF */
    RD_MARKS,
    RD_STATE,
    RD_OUTBOX,
    RD_COUNT
};

struct store_reader {
    struct conn c;
};

static inline float reader_float(sqlite3_stmt *st, int column) /* NULL is NaN */
{
    return sqlite3_column_type(st, column) == SQLITE_NULL
               ? NAN
               : (float)sqlite3_column_double(st, column);
}

/* ?1 the instance (NULL: none), ?2 and ?3 the times. */
MUST_CHECK enum rc reader_bind(const struct conn *c, sqlite3_stmt *st, const char *instance,
                               int64_t from_ms, int64_t to_ms, struct err *err);
