/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "daemon/marks.h"
#include "daemon/restore.h"

/* restore_reference - the second clock goes on: what an earlier run knew of slow change
 *
 * The state in the store (detect/reference.h) lacks the hour that was running when it was written:
 * the stored frames from there on are pushed again, without those of incidents of the score being
 * learned from, and it is what it was. At most the last RECALL_SLOW_MS of frames: a departure is of
 * the levels of a day, so older ones would be passed over. Bounded work: two hours of frames after
 * a crash, none to speak of after an orderly end.
 * Thread: main, before threads start. */
enum { RECALL_SLOW_MS = 26 * 3600 * 1000 }; /* a day of levels, and an hour either side */

/* Gives e its reference; what was marked maintenance (marks: NULL is fine) is left out. Without a
 * state of this schema, e keeps the new one. What is damaged is said in one line and left: the
 * reference begins anew. E_NOMEM alone. */
MUST_CHECK enum rc restore_reference(struct entity *e, const struct restore_options *o,
                                     const struct marks *marks, struct store_reader *r,
                                     struct err *err);
