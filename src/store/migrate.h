/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/conn.h"

/* migrate - the tables of the database, and the way there from every older version
 *
 * Private to store/. PRAGMA user_version says how many steps a database has behind it, PRAGMA
 * application_id that it is tocsin's. A released step never changes; a new one goes at the end. */

enum { STORE_APPLICATION_ID = 0x746f6373 }; /* "tocs" */

extern const char *const store_steps[];
extern const size_t store_steps_count;

/* What a file is before anybody writes to it: *ret_version 0 for an empty database. E_IO when it
 * is no database; E_STATE when it is somebody else's, or of a newer tocsin than n_steps. */
MUST_CHECK enum rc migrate_check(const struct conn *c, size_t n_steps, int64_t *ret_version,
                                 struct err *err);

/* It is of this version, for those who do not migrate; else E_STATE, which says what does. */
MUST_CHECK enum rc migrate_expect_current(const struct conn *c, struct err *err);

/* Apply steps[version..n_steps), each in one transaction with its version. On failure the
 * database is as the last good step left it. */
MUST_CHECK enum rc migrate_apply(const struct conn *c, const char *const *steps, size_t n_steps,
                                 int64_t version, struct err *err);
