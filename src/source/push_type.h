/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "source/write_request.h"

/* push_type - which protocol a sender speaks, by the headers of its request
 *
 * Content-Type (RFC 9110, 8.3): application/x-protobuf, with a parameter proto that names one of
 * the two messages, or without: 1.0. A sender that gives no type or no encoding is a 1.0 sender and
 * sends Snappy: so Prometheus's own receiver takes it. Pure. Thread: any. */

/* False: a type that is not taken. */
bool push_type_protocol(struct str content_type, enum write_protocol *ret);
bool push_type_is_snappy(struct str content_encoding);
