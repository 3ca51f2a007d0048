/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "daemon/entity.h"
#include "detect/line.h"
#include "feature/derive.h"
#include "feature/evaluator.h"

/* entity_private - the state of an entity, for entity.c and entity_view.c */

struct entity {
    char instance[INSTANCE_MAX];
    const struct profile *profile;
    const struct schema *schema; /* the profile's */
    struct evaluator *evaluator;
    struct deriver *deriver;
    struct continuity continuity;
    int64_t interval_ms;
    bool remote;
    int64_t ready_ms; /* no frame before this time: windows fill; 0 = set at the next tick */

    char group[GROUP_NAME_MAX];

    enum phase phase;
    bool gathering;          /* more of the past is coming: no training yet, and no verdicts */
    bool chosen;             /* its model, by an operator, for it alone */
    struct dataset *learned; /* NULL unless learning */
    uint64_t wanted_rows;

    struct line line; /* its model is NULL while learning */
    uint64_t model_id;
    struct presence *presence;
    struct aging aging;

    int64_t frame_ms;          /* of the last frame, of an earlier run too; 0: none */
    char stale[STALE_WHY_MAX]; /* why nothing comes; "" = it does */
    int64_t stale_ms;
    struct verdict verdict; /* the last one; score NaN before the first */
    bool scored;
    char discontinuity[CONTINUITY_TEXT_MAX];
    int64_t discontinuity_ms;
    double *base;  /* [profile_base_count] */
    float frame[]; /* [schema->n] */
};
