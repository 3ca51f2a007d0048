/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"
#include "store/store.h"

/* model_files - the folder models/ of the data directory: one file a row of the table models
 *
 * A file is written and synced before its row, and goes after it. Thread: any. */

/* The model of a row; E_PARSE for a name that leads out of the folder, or as model_load. */
MUST_CHECK enum rc model_files_load(const char *dir, const char *name, struct model **ret,
                                    struct err *err);

/* Write the model as the file that its row names. E_IO, E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc model_files_save(const char *dir, const struct model *m, uint64_t model_id,
                                    struct err *err);

/* What a row says of the model itself; state, reason and figures are left empty. */
void model_files_describe(const struct model *m, uint64_t model_id, struct store_model *ret);

/* Remove the files of models that the table does not have any more (pruned, or saved just before a
 * crash). Only names as tocsin gives them, and only files that are older than min_age_ms at now_ms:
 * a row may still be on its way. *ret_removed counts them. */
MUST_CHECK enum rc model_files_sweep(const char *dir, struct store_reader *r, int64_t now_ms,
                                     int64_t min_age_ms, size_t *ret_removed, struct err *err);
