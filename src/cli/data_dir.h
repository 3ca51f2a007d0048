/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

/* data_dir - the data folder of a daemon that may be running, for verbs that look into it or change
 * it. Thread: main. */

struct data_dir {
    char database[CONFIG_TEXT_MAX + 16], models[CONFIG_TEXT_MAX + 16];
};

/* given: what --data-dir says, or NULL for the default. E_CONFIG. */
MUST_CHECK enum rc data_dir_find(const char *given, struct data_dir *ret, struct err *err);

/* Have the daemon that holds the database, if there is one, look for what was changed (SIGHUP).
 * *ret_pid is its process, 0 for none. E_STATE when it is not to be told from here. */
MUST_CHECK enum rc data_dir_tell(const struct data_dir *d, int64_t *ret_pid, struct err *err);
