/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"

/* drill_machine - what this machine has to give, so that a drill stays harmless */

/* Free memory: MemAvailable, less where a control group allows less. E_IO, E_PARSE. */
MUST_CHECK enum rc drill_memory_available(uint64_t *ret, struct err *err);

/* fs.file-max. E_IO, E_PARSE. */
MUST_CHECK enum rc drill_files_most(uint64_t *ret, struct err *err);

/* This process is the first that the kernel ends when memory runs out. */
void drill_first_for_oom(void);
