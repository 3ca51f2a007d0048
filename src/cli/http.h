/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>

#include "base/err.h"

/* http - asks a running tocsin's API (http/http_call.h; one connection, kept between questions)
 *
 * Bounded: HTTP_BODY_MAX bytes, HTTP_TIMEOUT_MS a question, no redirects, no proxy.
 * Thread: its holder's. */

enum { HTTP_BODY_MAX = 4 << 20, HTTP_TIMEOUT_MS = 5000, HTTP_URL_MAX = 512 };

struct http;

/* base: "http://127.0.0.1:8001"; nothing is sent yet. E_CONFIG when it is no http(s) URL. */
MUST_CHECK enum rc http_open(const char *base, struct http **ret, struct err *err);
void http_close(struct http *h); /* NULL is fine */
static inline void http_closep(struct http **h)
{
    http_close(*h);
}

/* GET base + path, a JSON object that the caller owns (json_decref, or CLEANUP(json_decrefp)). E_IO
 * when nobody answers or the answer is not 200 (with the server's own sentence), E_PARSE when it is
 * no JSON object, E_LIMIT when it is too long. */
MUST_CHECK enum rc http_get_json(struct http *h, const char *path, json_t **ret, struct err *err);
