/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"

/* listen - the address that the server listens on: exactly the one given, never a wider one
 *
 * Thread: any. A bound, listening, non-blocking socket; the caller closes it. text as in
 * base/address.h: E_CONFIG. E_IO names text and the reason; *ret_port is the port in use. */
MUST_CHECK enum rc listen_open(const char *text, int *ret_fd, uint16_t *ret_port, struct err *err);
