/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "data/push.h"
#include "data/targets.h"
#include "serve/board.h"

/* serve - the HTTP server (libmicrohttpd, one thread of its own): /metrics, /predict, JSON API,
 * /healthz, /readyz, the page; and what is pushed at /api/v1/write
 *
 * docs/api.md has every answer's form. GET and HEAD only, but for POST /api/v1/write, whose body is
 * read whole and given to a receiver; a malformed request is a 4xx with {"error": "<sentence>"}.
 * Handlers read the board and a read-only store connection. Thread: start and stop from one thread;
 * handlers run in the server's. */

struct serve_options {
    const char *listen;   /* "127.0.0.1:8001", "[::1]:0"; port 0 = any free one */
    const char *database; /* path of the store; NULL: none, its endpoints answer 503 */
    const char *version;
    struct target_lister targets;  /* for /api/v1/targets and /metrics; until serve_stop */
    struct push_receiver receiver; /* take NULL: nothing is received; POST /api/v1/write is a 404 */
};

struct server;

/* board is lent and must outlive the server. E_IO names the address that could not be bound. */
MUST_CHECK enum rc serve_start(const struct serve_options *o, struct board *board,
                               struct server **ret, struct err *err);
uint16_t serve_port(const struct server *s);
void serve_stop(struct server *s); /* waits for handlers; NULL is fine */
