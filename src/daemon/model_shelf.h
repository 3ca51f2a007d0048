/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

/* model_shelf - the models that restored entities share (model.share), each once in memory
 *
 * A few, the newest: a fleet has as many as there are groups. Thread: any (a lock inside). */
struct model_shelf;

MUST_CHECK enum rc model_shelf_new(struct model_shelf **ret, struct err *err);
void model_shelf_free(struct model_shelf *s); /* NULL is fine */

/* The model with this id and m's threshold that is there already, or m, which then is. Takes m's
 * reference; the caller owns the one that it gets. */
struct model *model_shelf_swap(struct model_shelf *s, uint64_t id, struct model *m);
