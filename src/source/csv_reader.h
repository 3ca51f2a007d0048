/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "source/csv.h"

/* csv_reader - lines and fields of a CSV file, for csv (frames) and csv_columns
 *
 * What is taken and what is refused is told in source/csv.h. Errors: E_IO, E_LIMIT, E_PARSE, all
 * with "FILE:LINE: ". Thread: its holder's. */

struct csv_reader {
    const char *file;
    const char *at, *end; /* the line that comes next, the end of the bytes at hand */
    int fd;               /* where more bytes come from; -1: none do */
    char *window;         /* of the file, when there is one */
    size_t taken;         /* bytes of the file so far */
    size_t line;          /* of the line in hand, from 1 */
    struct str text;      /* what is left of it */
    bool more;            /* a comma ended the last field, so another one follows */
};

MUST_CHECK enum rc csv_reader_open(struct csv_reader *r, const char *path, struct err *err);
MUST_CHECK enum rc csv_reader_bytes(struct csv_reader *r, const char *p, size_t n, const char *file,
                                    struct err *err);
void csv_reader_done(struct csv_reader *r); /* after either of them, also when it failed */

/* "FILE:LINE: SENTENCE"; returns rc. */
enum rc csv_reader_fail(const struct csv_reader *r, enum rc rc, struct err *err, const char *fmt,
                        ...) __attribute__((format(printf, 4, 5)));
/* Enough of a field to recognise it by: for "%.*s%s". */
int csv_quoted(struct str s);
const char *csv_ellipsis(struct str s);

/* The next line without its end; *ret_any is false at the end of the bytes. */
MUST_CHECK enum rc csv_reader_line(struct csv_reader *r, bool *ret_any, struct err *err);
/* The same for the lines after the header: an empty one is fine where only such follow, an
 * editor's last ones. */
MUST_CHECK enum rc csv_reader_row(struct csv_reader *r, bool *ret_any, struct err *err);
/* Fields in a line, at most: a comma in quotes counts too. */
size_t csv_reader_count(struct str line);
/* The next field of the line; only while r->more. */
MUST_CHECK enum rc csv_reader_field(struct csv_reader *r, struct str *ret, struct err *err);

MUST_CHECK enum rc csv_reader_time(const struct csv_reader *r, struct str s, int64_t *ret_ms,
                                   enum csv_time *ret_form, struct err *err);
/* NaN where the field is empty or NaN; infinities are the caller's to refuse. `name` of the column
 * is for the message. */
MUST_CHECK enum rc csv_reader_number(const struct csv_reader *r, struct str s, const char *name,
                                     double *ret, struct err *err);
