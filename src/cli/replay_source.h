/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "cli/table.h"
#include "config/config.h"
#include "daemon/marks.h"
#include "data/verdict.h"
#include "feature/profile.h"
#include "model/model.h"
#include "store/store.h"

/* replay_source - the history that `tocsin replay` runs: the frames of one instance in a store, or
 * of a CSV file
 *
 * A store is read over a read-only connection, also while a daemon writes to it; what it writes
 * meanwhile is not replayed. Times are Unix ms, inclusive. Thread: its holder's. */

struct replay_source {
    const struct schema *schema;
    char name[INSTANCE_MAX + 512]; /* the instance, or the file */
    int64_t first_ms, last_ms;     /* of what there is */
    int64_t interval_ms, window_ms;
    struct profile *profile;     /* store: whose frames they are; NULL: a file */
    struct store_reader *reader; /* store */
    char instance[INSTANCE_MAX]; /* store */
    struct table table;          /* file */
};

/* The frames of the profile in c, in c's data folder, and what operators said there; instance NULL:
 * c's, or the only one there is. E_STATE when there are no frames, and it names the instances that
 * there are. */
MUST_CHECK enum rc replay_source_store(struct replay_source *s, const struct config *c,
                                       const char *instance, struct marks **ret_marks,
                                       struct err *err);
/* The frames in a file, as m takes them; m NULL: as it stands, or with what profile derives. */
MUST_CHECK enum rc replay_source_file(struct replay_source *s, const char *path,
                                      const char *profile, const struct model *m, struct err *err);
void replay_source_done(struct replay_source *s); /* a zeroed one is fine */

/* Frames in from..to in time order, until fn returns another thing than OK, which is the answer. */
typedef enum rc replay_frame_fn(void *arg, int64_t ts_ms, const float *frame, struct err *err);
MUST_CHECK enum rc replay_source_feed(struct replay_source *s, int64_t from_ms, int64_t to_ms,
                                      replay_frame_fn *fn, void *arg, struct err *err);
