/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/* edit - small changes to the store by an operator, beside a running daemon or without one
 *
 * A connection of its own. Each change is one short transaction; SQLite's write lock keeps it apart
 * from the daemon's, which is open for most of a second where ticks come fast, so the lock is asked
 * for often and for long (EDIT_WAIT_MS). Nothing here touches what the daemon's writer keeps in
 * memory: entities, schemas, numbers of incidents. Never makes or migrates a database: E_STATE.
 * Thread: its holder's. */
struct store_editor;

enum { EDIT_WAIT_MS = 10000 };

MUST_CHECK enum rc store_editor_open(const char *path, struct store_editor **ret, struct err *err);
void store_editor_close(struct store_editor *e); /* NULL is fine */
static inline void store_editor_closep(struct store_editor **e)
{
    store_editor_close(*e);
}

/* mark->id is ignored. With mark->incident the entity and the times are the incident's, whatever
 * mark says; E_STATE when there is no such incident or instance ("" = all), and when one is
 * accepted that is not an open slow change. */
MUST_CHECK enum rc store_edit_mark(struct store_editor *e, const struct store_mark *mark,
                                   int64_t *ret_id, struct err *err);
MUST_CHECK enum rc store_edit_unmark(struct store_editor *e, int64_t id, struct err *err);

/* Make model `id` (the row's number) the live one; the one that was live gets the state
 * `then` with reason_then. E_STATE when there is none or its schema is another than the live
 * one's of its entity. */
MUST_CHECK enum rc store_edit_live(struct store_editor *e, int64_t id, int64_t now_ms,
                                   const char *reason, enum store_model_state then,
                                   const char *reason_then, struct err *err);

/* The process that has the store open, 0 for none (or it does not say its number: *ret_held). */
MUST_CHECK enum rc store_holder(const char *path, int64_t *ret_pid, bool *ret_held,
                                struct err *err);
