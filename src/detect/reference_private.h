/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "detect/hours.h"
#include "detect/reference.h"

/* reference_private - the state of a reference, for reference.c and reference_state.c */

enum { DAY = 24 };

/* Evidence that makes a feature a part of the change, in limits times days. The departure needs 12
 * hours to follow a step, and this 12 more at least (reference.c): what lasts less than a day is an
 * incident of the score and no slow change. Measured: docs/drift.md. */
#define REFERENCE_EVIDENCE_OPEN 0.5

/* Times that a state may hold, either side of 1970: ten thousand years, so that no difference of
 * two overflows. */
#define REFERENCE_TIME_MAX (INT64_C(10000) * 366 * 86400 * 1000)

struct track {            /* one feature */
    float expected[DAY];  /* mean level of each hour of the day; NaN where no day had it */
    float recent[DAY];    /* levels of the last 24 hours, by hour of the day; NaN = none */
    uint8_t days[DAY];    /* that are in expected[] */
    uint8_t days_learned; /* the first gives no residual, so nu is one less */
    int8_t side;          /* of the evidence: -1, 1; 0 before the first */
    bool named;           /* it is a cause of the open incident */
    float residual2;      /* sum of w^2 */
    float low, high;      /* least and largest value while it was learned */
    float departure;      /* m; NaN: not known */
    float evidence;       /* g */
    /* least squares of level minus expectation over hours since the departure began */
    uint32_t slope_n;
    int64_t since;    /* hour */
    int64_t based_ms; /* when expected[] last changed */
    double mean_t, mean_d, m_tt, m_td;
};

struct reference {
    size_t n;
    uint64_t schema_hash;
    int64_t last_hour;    /* that ended, when any */
    int64_t day_start;    /* hour after the last that was learned or passed over */
    uint32_t unlearnable; /* hours since day_start with a frame that is not to be learned */
    bool any;             /* an hour ended */
    bool tainted;         /* the running hour has such a frame */
    bool open;
    struct slow_change change; /* while open */
    struct hours *hours;
    double chi2[REFERENCE_DAYS + 1]; /* the risk's quantile after so many days */
    float *resolution;               /* [n]; NaN: weightless, never judged */
    struct track *track;             /* [n] */
};

static inline size_t of_day(int64_t hour)
{
    return (size_t)((hour % DAY + DAY) % DAY);
}

double reference_limit_of(const struct reference *r, size_t i); /* infinite: not known yet */
/* Median departure of the last hours: a step of this morning is not yet the median of a day. */
float reference_present(const struct track *t, int64_t last_hour);
size_t reference_named(const struct reference *r); /* features in the open incident */

/* After each hour; and when nothing is left of the change. */
enum watch_event reference_judge(struct reference *r, int64_t hour, struct slow_change *ret);
enum watch_event reference_close(struct reference *r, int64_t ts_ms, struct slow_change *ret);
