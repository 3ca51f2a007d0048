/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/entity.h"
#include "data/settings.h"

/* restore - what an earlier run left: the entity's model, or the frames that it was learning from
 *
 * A model that is missing, damaged or of another schema is no failure: it is said why, and the
 * entity learns. Thread: main, before threads start. */

struct restore_options {
    const char *database, *models_dir;
    struct threshold_spec threshold; /* in force now: the model is asked for it anew */
    uint64_t settings;               /* settings_learn_hash in force now: others are worth a line */
    int64_t now_ms;
    uint64_t wanted_rows; /* of frames to go on learning from */
};

/* E_NOMEM alone. */
MUST_CHECK enum rc restore_entity(struct entity *e, const struct restore_options *o,
                                  struct err *err);
