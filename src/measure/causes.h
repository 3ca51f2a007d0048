/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "measure/events.h"

/* causes - which metrics truly show each event, and how well contributions to the score rank them
 *
 * Text: a line an event, `first-last:k,k,...`: rows from 0, metrics from 1. Of first..last, the
 * rows that are labelled are the event: so it does not matter whether `last` is its last row or
 * the one behind it, and published files do either.
 *
 * HitRate@P%: of an event's G true causes, the share that is among the first floor(P% * G) metrics
 * by contribution (Su et al., KDD 2019, section 4.4), averaged over events. A metric's contribution
 * to an event is the largest that it reached in any of its rows, since metrics show an event at
 * different times (docs/evaluate.md has what the choice is worth). A metric that never contributed
 * is not ranked; equal ones are ranked in order of columns. Thread: its holder's. */

enum {
    CAUSES_BYTES_MAX = 1 << 24,
    CAUSES_METRICS_MAX = 1 << 16, /* numbered by uint16_t */
};

struct cause {
    size_t line;            /* of the file, for messages */
    size_t first, last;     /* rows, as written */
    const uint16_t *metric; /* [n], from 0; into struct causes */
    size_t n;
};

struct causes {
    struct cause *v;
    size_t n;
    uint16_t *metrics; /* of all of them */
};

/* At least one event; rows and metrics are what numbers must be within (`last` may be rows). Every
 * message is "FILE:LINE: ...". E_PARSE, E_LIMIT, E_NOMEM. The caller owns what is in *ret. */
MUST_CHECK enum rc causes_parse(const char *p, size_t bytes, const char *file, size_t rows,
                                size_t metrics, struct causes *ret, struct err *err);
void causes_done(struct causes *c); /* a zeroed one is fine */

struct hit_rates {
    size_t events;
    double at_100, at_150;
};

/* That no contribution of C[rows][metrics] is negative: E_PARSE, with its row. */
MUST_CHECK enum rc causes_check(const float *C, size_t rows, size_t metrics, struct err *err);

/* C[label->rows][metrics]: contributions, at least 0; NaN counts as 0. E_STATE when no row of an
 * event is labelled; E_NOMEM. */
MUST_CHECK enum rc causes_measure(const struct causes *c, const struct events *label,
                                  const float *C, size_t metrics, struct hit_rates *ret,
                                  struct err *err);
