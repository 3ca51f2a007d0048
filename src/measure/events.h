/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* events - the runs of rows that are marked (labelled, or flagged), in order
 *
 * A row is a sample; first and last are both in the event. Thread: its holder's. */

struct event {
    size_t first, last;
};

struct events {
    struct event *v;
    size_t n;
    size_t rows, marked; /* all rows; those in an event */
};

/* Of marks[rows], 0 or 1. E_NOMEM. The caller owns what is in *ret (events_done). */
MUST_CHECK enum rc events_find(const uint8_t *marks, size_t rows, struct events *ret,
                               struct err *err);
void events_done(struct events *e); /* a zeroed one is fine */

/* The event that holds this row, or -1. O(log n). */
ptrdiff_t events_at(const struct events *e, size_t row);
