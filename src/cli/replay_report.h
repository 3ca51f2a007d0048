/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>

#include "base/buf.h"
#include "cli/replay_result.h"
#include "cli/replay_source.h"
#include "model/model.h"

/* replay_report - a replay as text and as JSON. Nothing of when or how fast it ran: the same input
 * gives the same bytes. Thread: its holder's. */

struct replay_story {
    const struct replay_source *source;
    const struct replay *replay;
    const struct replay_result *result;
    int64_t from_ms, to_ms;    /* that was asked for */
    const struct model *model; /* the one in force at the end */
    uint64_t model_id;         /* 0 when walking */
    bool trained;              /* by the replay itself */
    bool walked;               /* again and again */
    uint64_t models, learned;  /* trained; frames before the first, which nobody judged */
    uint64_t other_frames;     /* of another schema */
    struct confirm_spec confirm;
};

void replay_report_text(const struct replay_story *s, struct buf *out);
json_t *replay_report_json(const struct replay_story *s); /* NULL: no memory */
