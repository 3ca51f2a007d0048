/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "cli/drill_fault.h"
#include "cli/drill_watch.h"

/* drill_report - how a drill went, for people and as JSON */

enum { DRILL_TOP = 3 }; /* a right cause is to be among the first three */

struct drill_result {
    const struct drill_fault *fault;
    bool rang;
    double seconds;         /* from the fault's start to the ring, or to its end */
    double highest;         /* score seen meanwhile; NaN: none */
    struct drill_view view; /* the last one: with the incident if it rang */
};

void drill_report_text(const struct drill_result *r, FILE *out);
/* The caller owns it; NULL: no memory. */
json_t *drill_report_json(const struct drill_result *r);
