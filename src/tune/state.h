/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "tune/search.h"

/* state - a search as a small text file, so that a killed one goes on
 *
 *   tocsin tune 1
 *   search 9f0c…                    the identity: data, options, version
 *   0 3 1 0.7123 0.00123 34         rung, trial, execution, objective, held-out error, epochs
 *   …
 *   end 1                           how many
 *
 * Each result is written with all its digits, so what is read again is what was written.
 * Thread: pure. */

struct state_row {
    struct search_job job;
    struct search_result result;
};

/* Bytes of the longest file that a search can write. */
enum { STATE_BYTES_MAX = 64 << 20 };

void state_format(const struct search *s, uint64_t identity, struct buf *out);

/* The rows and the identity; the caller owns *ret (mem_free). name begins every message. E_PARSE
 * with the line; E_STATE for another version; E_NOMEM. */
MUST_CHECK enum rc state_parse(struct str text, const char *name, uint64_t *ret_identity,
                               struct state_row **ret, size_t *ret_n, struct err *err);

/* The rows of a state file into a new search, in their order. E_STATE for another search's. */
MUST_CHECK enum rc state_restore(struct str text, const char *name, uint64_t identity,
                                 struct search *s, struct err *err);
