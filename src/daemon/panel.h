/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "daemon/retrain.h"
#include "data/verdict.h"

/* panel - the pasts of the entities that share a model (daemon/retrain.h has one's), to learn it
 * anew from all of them and to judge the result by what each of them heard
 *
 * Thread: the trainer's. */

enum { PANEL_MAX = 32 }; /* entities: each has a reader of the store, and its share of the rows */

struct panel;

/* With n 0 it is q->instance alone, else member[n], of which one at least can be read. Lends all of
 * q, and member. As retrain_open. */
MUST_CHECK enum rc panel_open(const struct retrain_question *q, char (*member)[INSTANCE_MAX],
                              size_t n, struct panel **ret, struct err *err);
void panel_close(struct panel *p); /* NULL is fine */
static inline void panel_closep(struct panel **p)
{
    panel_close(*p);
}

/* The frames of each entity that has any, to the panel's end: ret_v[*ret_n], at most PANEL_MAX.
 * E_STATE when they are fewer than q->least_rows together. */
MUST_CHECK enum rc panel_gather(struct panel *p, const struct dataset *const **ret_v, size_t *ret_n,
                                struct err *err);
/* ret_longest[schema->n]: as retrain_stillness, over all entities. */
MUST_CHECK enum rc panel_stillness(struct panel *p, uint64_t *ret_longest, struct err *err);
/* The figures of all, added up. */
MUST_CHECK enum rc panel_rehearse(struct panel *p, struct model *live, struct model *candidate,
                                  struct promotion_figures *ret, struct err *err);
size_t panel_disbelieved(const struct panel *p); /* of all (retrain_disbelieved) */
bool panel_sweep(struct panel *p, const char *models_dir, uint64_t live_id); /* retrain_sweep */
