/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* lock - one tocsin a database: flock(2) on PATH.lock, which ends with its process however it ends
 *
 * Private to store/. The file stays (to remove it would race with the next holder) and holds the
 * process number, for the sentence that the second tocsin prints. */

/* *ret_fd keeps the lock until it is closed. E_STATE when another process has it; E_IO. */
MUST_CHECK enum rc lock_take(const char *path, int *ret_fd, struct err *err);

/* Who has it: *ret_held, and *ret_pid where the file says it, else 0. To ask is to hold a shared
 * lock for a moment, which lock_take waits out. E_IO. */
MUST_CHECK enum rc lock_holder(const char *path, int64_t *ret_pid, bool *ret_held, struct err *err);
