/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

/* address - an IP address and a port as text
 *
 * "127.0.0.1:8001", "[::1]:8001", "localhost:8001" (= 127.0.0.1), "0.0.0.0:8001" for every IPv4
 * interface; port 0 takes any free one. Names are not resolved. Thread: any. */
struct address {
    struct sockaddr_storage addr;
    socklen_t n;
};

/* Pure. E_CONFIG says what is wrong and what was expected. */
MUST_CHECK enum rc address_parse(struct str text, struct address *ret, struct err *err);
