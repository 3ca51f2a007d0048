/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "daemon/fleet.h"
#include "model/model.h"
#include "store/store.h"

/* adopt - has an operator made another model the live one (`tocsin models promote`)?
 *
 * The store lags behind the shard by a second: that its live model is not the one in use says
 * nothing by itself. The row of the model in use must say that it was replaced. Thread: main. */

struct adopt_question {
    const char *database, *models_dir, *instance;
    uint64_t schema_hash;
    uint64_t in_use; /* 0: none, it is still learning */
};

/* *ret is the caller's, NULL when the model in use stays; *ret_row its row. */
MUST_CHECK enum rc adopt_look(const struct adopt_question *q, struct model **ret,
                              struct store_model *ret_row, struct err *err);

/* Each entity of the fleet takes the model that an operator chose for it. Failures are logged, the
 * model in use stays. */
void adopt_all(struct fleet *f, const struct board *b, struct queue *shard, const char *database,
               const char *models_dir);
