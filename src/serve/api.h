/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "data/targets.h"
#include "serve/board.h"
#include "serve/params.h"

/* api - one request to one answer, without sockets: docs/api.md has every form
 *
 * Reads the board and, through a read-only connection opened on first need, the store; takes the
 * time as a parameter. Thread: its holder's (the server's). */

struct api_request {
    const char *method, *path;
    struct str accept; /* the header's text, or empty */
    const struct param_pair *pairs;
    size_t n_pairs;
    int64_t now_ms;
};

struct api_answer {
    unsigned status;   /* HTTP's */
    const char *type;  /* Content-Type; NULL: there is no body */
    const char *csp;   /* Content-Security-Policy */
    const char *allow; /* of a 405: the methods that there are; or NULL */
    struct buf body;
};

struct api;

/* All strings are lent and must outlive the api; database NULL: there is no store. */
MUST_CHECK enum rc api_new(struct board *board, const char *database, const char *version,
                           int64_t started_ms, struct api **ret, struct err *err);
/* Before the first request: who tells of those that are scraped. */
void api_set_targets(struct api *a, const struct target_lister *targets);
void api_free(struct api *a); /* NULL is fine */
static inline void api_freep(struct api **a)
{
    api_free(*a);
}

/* Always an answer. The caller ends it with buf_done (or takes the body). */
void api_handle(struct api *a, const struct api_request *q, struct api_answer *ret);

/* An answer without a body, as a 204 is. */
void api_empty(struct api_answer *ret, unsigned status);

/* A refusal in the API's form, for what never reached api_handle. */
void api_refuse(struct api_answer *ret, unsigned status, const char *sentence);
