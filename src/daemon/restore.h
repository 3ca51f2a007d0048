/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/entity.h"
#include "daemon/model_shelf.h"
#include "data/settings.h"

/* restore - what an earlier run left: the entity's model, or the frames that it was learning from;
 * and the reference for slow changes (restore_reference.h)
 *
 * A model that is missing, damaged or of another schema is no failure: it is said why, and the
 * entity learns. Thread: any, with an entity that is not handed on yet. */

struct restore_options {
    const char *database, *models_dir;
    struct threshold_spec threshold; /* in force now: the model is asked for it anew */
    uint64_t settings;               /* settings_learn_hash in force now: others are worth a line */
    int64_t now_ms;
    uint64_t wanted_rows;      /* of frames to go on learning from */
    struct model_shelf *shelf; /* of models that are shared; NULL: none is */
};

struct store_reader;

struct restored {
    struct model *model; /* one reference, the caller's */
    uint64_t id;
    bool known;      /* the store has one, whatever became of it; also on failure */
    bool chosen;     /* by an operator, for this entity */
    int64_t live_ms; /* since when it is in use */
};

/* The live model of this entity with this schema from the store and its folder, asked for the
 * threshold in force. E_STATE when there is none that fits; E_IO, E_PARSE, E_NOMEM. */
MUST_CHECK enum rc restore_model(struct store_reader *r, const char *instance, uint64_t schema_hash,
                                 const struct restore_options *o, struct restored *ret,
                                 struct err *err);

/* Removes model files that no row speaks of: before threads start, since a trainer's new file has
 * no row yet. */
void restore_sweep(const struct restore_options *o);

/* *ret_trained_ms: when its newest model was made; 0: never. E_NOMEM alone. */
MUST_CHECK enum rc restore_entity(struct entity *e, const struct restore_options *o,
                                  int64_t *ret_trained_ms, struct err *err);
