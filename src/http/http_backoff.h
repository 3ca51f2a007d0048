/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/rng.h"

/* http_backoff - how long to wait before a request is tried again
 *
 * Half a second at first, twice as long each time, half a minute at most; of that a random part
 * between half and all, so that many clients do not come back at once. What the server asks for
 * (Retry-After) is kept to, up to ten minutes. Pure. Thread: its holder's. */
enum {
    HTTP_BACKOFF_FIRST_MS = 500,
    HTTP_BACKOFF_MOST_MS = 30000,
    HTTP_BACKOFF_ASKED_MOST_MS = 600000,
};

struct http_backoff {
    unsigned tries; /* that failed in a row */
    struct rng rng;
};

void http_backoff_init(struct http_backoff *b, uint64_t seed);
void http_backoff_clear(struct http_backoff *b); /* a request worked */
/* One more failed; retry_after_ms < 0: the server says nothing. */
int64_t http_backoff_next_ms(struct http_backoff *b, int64_t retry_after_ms);
