/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "data/source_spec.h"
#include "data/telemetry.h"
#include "writeback/write_encoder.h"

/* score_writer - sends scores to a store that takes remote writes
 *
 * One request a second with what came of all entities. When the store does not answer, or says 5xx
 * or 429, the same request is sent again, after 1 s, 2 s, ... 30 s, or as long as the store's
 * Retry-After says; what came meanwhile waits, and when too much does, the oldest is dropped and
 * counted. Any other answer is final, as the specification says: the request is dropped and
 * counted.
 * Thread: score_writer_push from any; the rest from one. The thread "write" is its own. */
struct score_writer;

enum {
    SCORE_WRITER_WAITING_MAX = 1 << 16, /* scores; 20,000 entities each 15 s for 48 s */
    SCORE_WRITER_BATCH = 2000,          /* scores of one request, as senders' batches are */
};

struct score_writer_options {
    const struct write_spec *spec; /* lent, like all here, until score_writer_stop */
    struct telemetry *telemetry;
    /* Told from the thread, once a change: why nothing can be written, or "" when it can again. */
    void (*trouble)(void *arg, const char *sentence); /* NULL: nobody is told */
    void *arg;
};

/* E_CONFIG: spec's URL or labels are no use. E_NOMEM, E_IO. */
MUST_CHECK enum rc score_writer_start(const struct score_writer_options *o,
                                      struct score_writer **ret, struct err *err);
/* False: it was dropped, and counted. Never waits. */
bool score_writer_push(struct score_writer *w, const struct written_score *s);
/* Sends what is waiting, once; then ends the thread and frees all. NULL is fine. */
void score_writer_stop(struct score_writer *w);
