/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* upload - a request's body while it comes in
 *
 * Its length is known and held against the limits before a byte of it is read; memory is had as
 * bytes come, so that a length alone costs nothing. Thread: the server's. */

struct upload_room { /* of all bodies that are coming in */
    size_t used, max;
};

struct upload {
    struct upload_room *room;
    size_t length;
    struct buf body;
};

/* content_length, transfer_encoding: the headers, NULL where absent. On failure *ret_status is
 * HTTP's, and the sentence is in err: 411 without a length, 400 for one that is no number or over
 * body_max, 503 when other bodies fill the room.
 *
 * Not 413 for one that is too long: vmagent takes 400 and 409 alone as "never send it again" (of
 * the source: app/vmagent/remotewrite/client.go), and would come with the same body for ever. */
MUST_CHECK enum rc upload_new(struct upload_room *room, const char *content_length,
                              const char *transfer_encoding, size_t body_max, struct upload **ret,
                              unsigned *ret_status, struct err *err);
void upload_add(struct upload *u, const char *p, size_t n);
/* All bytes are there. False: no memory for them. */
bool upload_is_whole(const struct upload *u);
void upload_free(struct upload *u); /* NULL is fine */
