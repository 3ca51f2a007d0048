/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* push - a body that somebody sends to the HTTP server, and what the sender is answered
 *
 * So that the server knows nothing of what a body means, and its receiver nothing of HTTP's
 * library. Plain values. */

struct push {
    struct str content_type, content_encoding; /* the headers' texts, empty where absent */
    const void *body;                          /* lent for the call */
    size_t n;
    int64_t wall_ms, mono_ms; /* now */
};

struct push_reply {
    unsigned status;        /* HTTP's: 204 taken, 4xx never send it again, 503 send it again */
    unsigned retry_after_s; /* 0: the header is not sent */
    bool counted;           /* the three below are known, and sent as headers */
    uint64_t samples, histograms, exemplars; /* of the body that were taken */
    char message[ERR_MSG_MAX];               /* one sentence, where status is 400 or more */
};

struct push_receiver {
    void *arg;
    /* Always fills *ret. Called from the server's thread, one call at a time. */
    void (*take)(void *arg, const struct push *p, struct push_reply *ret);
    size_t body_max; /* bytes of a body as sent; more is refused before it is read */
};
