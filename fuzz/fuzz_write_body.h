/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "source/write_request.h"

/* What fuzz_write_1 and fuzz_write_2 share: read a body of one protocol, and hold the reader to
 * what its header promises. */
void fuzz_write_body(enum write_protocol protocol, const uint8_t *data, size_t size);
