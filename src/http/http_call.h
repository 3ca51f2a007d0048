/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/source_spec.h"

/* http_call - one request, one answer, and the connection is kept for the next
 *
 * Answers may come compressed; limits count what is unpacked. A message names the URL without its
 * query, or as the caller says (a webhook's path may be its secret).
 * Thread: a client belongs to its holder. */

struct http_client;

struct http_call {
    const char *url;
    const char *shown; /* how messages name it; NULL: the URL without query */
    const void *body;  /* NULL: GET, else POST (also of 0 bytes) */
    size_t body_n;
    const char *const *headers; /* "Content-Type: application/json" */
    size_t n_headers;
    size_t limit;                     /* bytes of an answer */
    const struct http_access *access; /* NULL: none needed */
    const atomic_bool *stop;          /* NULL, or: given up within a second when it turns true */
};

struct http_answer {
    long status;            /* 200 */
    struct buf body;        /* NUL-terminated where it is not empty (body.p may be NULL) */
    int64_t retry_after_ms; /* as the server asks (RFC 9110, 10.2.3), -1: it does not */
    char redirect[256];     /* where it says the thing is (3xx), without query; "" else */
};

MUST_CHECK enum rc http_client_new(struct http_client **ret, struct err *err);
void http_client_free(struct http_client *c); /* NULL is fine */
static inline void http_client_freep(struct http_client **c)
{
    http_client_free(*c);
}

/* Whatever status the server gives is an answer and OK. *ret is the client's, until its next call.
 * E_IO: no answer ("URL: connection refused"). E_LIMIT: it is longer than limit. E_STATE: stopped.
 * E_CONFIG: access is no use (a certificate that does not fit). E_NOMEM. */
MUST_CHECK enum rc http_client_call(struct http_client *c, const struct http_call *call,
                                    const struct http_answer **ret, struct err *err);

/* The first line of an answer's body, printable, for a message: "" where there is none. */
enum { HTTP_QUOTE_MAX = 200 };
void http_answer_quote(const struct http_answer *a, char out[HTTP_QUOTE_MAX]);
