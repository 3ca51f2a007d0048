/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/str.h"

/* rebind - against DNS rebinding: a page of another site whose name resolves to a loopback address
 * is of our origin for the browser, and only the Host header tells
 *
 * Pure. Thread: any. */

/* True for a listen address of 127.0.0.0/8 or ::1. */
bool rebind_is_loopback(const char *listen);
/* True for localhost or an IP address, with or without a port: no other site has such a name. */
bool rebind_host_is_plain(struct str host);
