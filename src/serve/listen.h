/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

/* listen - the address that the server listens on: exactly the one given, never a wider one
 *
 * "127.0.0.1:8001", "[::1]:8001", "localhost:8001" (= 127.0.0.1), "0.0.0.0:8001" for every IPv4
 * interface; port 0 takes any free one. Names are not resolved. Thread: any. */
struct listen_address {
    struct sockaddr_storage addr;
    socklen_t n;
};

/* Pure. E_CONFIG says what was expected. */
MUST_CHECK enum rc listen_parse(struct str text, struct listen_address *ret, struct err *err);

/* A bound, listening, non-blocking socket; the caller closes it. E_IO names text and the reason;
 * *ret_port is the port in use. */
MUST_CHECK enum rc listen_open(const char *text, int *ret_fd, uint16_t *ret_port, struct err *err);
