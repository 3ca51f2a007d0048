/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/http.h"
#include "data/schema.h"
#include "data/verdict.h"

/* drill_watch - what a running tocsin says about one entity, from /api/v1/entities */

struct drill_cause {
    char feature[FEATURE_NAME_MAX], group[FEATURE_GROUP_MAX], unit[FEATURE_UNIT_MAX];
    double value, expected, share; /* NaN: not told */
};

struct drill_view {
    char instance[INSTANCE_MAX];
    char phase[16];                 /* "watching" once there is a model */
    double progress;                /* of learning, 0..1 */
    double score, threshold;        /* of the last frame; NaN: none yet */
    bool ringing;                   /* an incident is open; then: */
    double start;                   /* Unix seconds */
    double peak_score, opened_over; /* the incident's threshold */
    size_t n_causes;
    struct drill_cause causes[CAUSES_MAX];
};

/* The entity named `instance`; for "" the only one there is. E_STATE when it is not there, E_PARSE
 * when the answer is not what docs/api.md says; else as http_get_json. */
MUST_CHECK enum rc drill_watch(struct http *h, const char *instance, struct drill_view *ret,
                               struct err *err);
MUST_CHECK enum rc drill_watch_parse(const json_t *answer, const char *instance,
                                     struct drill_view *ret, struct err *err);

/* Place (from 1) of the first cause whose group is among groups (closed by NULL); 0 = none. */
size_t drill_right_cause(const struct drill_view *v, const char *const *groups);
