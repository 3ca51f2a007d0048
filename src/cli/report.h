/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/settings.h"
#include "model/model.h"

/* report - what verbs print: results on standard output, progress on standard error
 *
 * A write that fails (a full disk, a closed pipe) is E_IO, never lost. Thread: main. */

enum { REPORT_ID_MAX = 17 };

void report_id(uint64_t id, char out[REPORT_ID_MAX]); /* 16 hexadecimal digits */
enum { REPORT_THRESHOLD_MAX = 64 };
/* "percentile 99.5", "budget 2 per week", "auto: sigma 3": what m's threshold was asked by. */
void report_threshold(const struct model *m, char out[REPORT_THRESHOLD_MAX]);
const char *report_scaling(enum scaling scaling);

json_t *report_number(double v); /* null for NaN and infinities, which JSON does not have */
json_t *report_float(float v);   /* the same, in as few digits as tell it from other floats */
json_t *report_u64(uint64_t v);  /* past 2^63 as text: jansson's integers are signed */

/* Takes o, which may be NULL: E_NOMEM. One line on standard output. */
MUST_CHECK enum rc report_json(json_t *o, struct err *err);
/* Takes o as well; the line goes to the end of b. */
MUST_CHECK enum rc report_json_into(json_t *o, struct buf *b, struct err *err);
MUST_CHECK enum rc report_text(const struct buf *b, struct err *err);
MUST_CHECK enum rc report_flush(struct err *err); /* of what printf left on standard output */

size_t report_terminal_width(void);  /* columns of standard error; 80 where nobody says */
size_t report_terminal_height(void); /* its lines; 24 where nobody says */

enum { REPORT_BAR_WIDTH = 30 };
void report_bar(double part, char out[REPORT_BAR_WIDTH + 1]); /* "######....", part in [0,1] */
/* b to the file at path, or to standard output where it is NULL. */
MUST_CHECK enum rc report_write(const char *path, const struct buf *b, struct err *err);

/* A feature that is off, as a line and as an object: name, value and what was expected in its unit,
 * and its share. */
struct cause;
struct schema;
/* The first few causes of a list, and of the others those that have a share worth reading. */
enum { REPORT_CAUSES_ALWAYS = 3 };
#define REPORT_SHARE_LEAST 0.01
void report_cause(struct buf *b, const struct schema *schema, const struct cause *c);
json_t *report_cause_json(const struct schema *schema, const struct cause *c);

enum { REPORT_TIME_MAX = 24 };
void report_time(int64_t ms, char out[REPORT_TIME_MAX]); /* UTC, "2025-02-20 21:55:00" */
json_t *report_time_json(int64_t ms);                    /* RFC 3339, UTC */

/* A bar on standard error, no wider than the terminal, for terminals alone; drawn when its
 * percentage changes. */
struct report_progress {
    const char *what; /* "training" */
    bool shown;       /* standard error is a terminal */
    int percent;      /* that was drawn last */
};
void report_progress_init(struct report_progress *p, const char *what);
void report_progress(struct report_progress *p, uint64_t done, uint64_t of, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void report_progress_done(struct report_progress *p); /* wipes the line */
