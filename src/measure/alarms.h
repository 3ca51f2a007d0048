/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "measure/events.h"

/* alarms - what a threshold makes of a score: rows found, events found, how late, false alarms
 *
 * A delay is counted from an event's first row to the first flagged row in it, 0 when that is the
 * same row; events that are missed have none. A false alarm is a run of flagged rows without a
 * labelled one. Thread: any. */

struct alarms {
    double precision, recall, f1; /* over rows; 0 where nothing is flagged */
    size_t flagged;               /* rows */
    size_t events, events_found;
    size_t false_alarm_events;
    double false_alarm_events_per_1000; /* rows */
    double delay_mean, delay_median;    /* rows; NaN when no event is found */
    /* the three of the classic guide */
    double detection_rate;        /* events found of all events */
    double false_positive_rate;   /* flagged rows of all rows outside of events */
    double mean_time_to_detect_s; /* as delay_mean; NaN without times as well */
};

/* flag[rows], 0 or 1, of the rows of label, which has an event and a row outside; ts_ms[rows] or
 * NULL. E_NOMEM. */
MUST_CHECK enum rc alarms_measure(const uint8_t *flag, const struct events *label,
                                  const int64_t *ts_ms, struct alarms *ret, struct err *err);
