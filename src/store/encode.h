/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "data/schema.h"
#include "data/verdict.h"

/* encode - the JSON texts of the database
 *
 * Private to store/. Numbers are the shortest decimals that read back as the same float32; what
 * JSON has no number for (NaN, infinities) is null. The caller owns *ret (mem_free).
 * E_NOMEM; E_PARSE for a unit or group that is not UTF-8. */

/* [{"name", "unit", "group", "resolution"}, ...] */
MUST_CHECK enum rc encode_features(const struct schema *schema, char **ret, struct err *err);
/* [{"feature", "group", "unit", "value", "expected", "share", "restore"}, ...]; E_LIMIT for a cause
 * that the schema has no feature for. */
MUST_CHECK enum rc encode_causes(const struct schema *schema, const struct cause *causes, size_t n,
                                 char **ret, struct err *err);
