/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <curl/curl.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "data/source_spec.h"

/* http_access - how a server is reached, told to a libcurl handle: TLS, credentials, time
 *
 * http and https alone, no redirects (credentials and bodies stay where they were sent), no proxy
 * and no .netrc of the environment, user agent tocsin/VERSION. The meaning of each member of struct
 * http_access is Prometheus's (docs: configuration, http_config and tls_config).
 * Thread: each handle's own; http_init is safe from any. */

enum {
    HTTP_URL_MAX_BYTES = 4096,
    HTTP_SHOWN_MAX = 256,
    HTTP_SECRET_MAX = 64 << 10,      /* a file with a password or token; a service's are 1-8 KiB */
    HTTP_TIMEOUT_DEFAULT_MS = 30000, /* where access says 0 */
};

/* libcurl's global state, once; before the first handle of a program with threads. */
void http_init(void);

/* What libcurl refers to while a handle uses it: zeroed, then freed after the handle's last
 * request. */
struct http_held {
    struct curl_slist *connect_to;
    char host[300]; /* "Host: db1:9100" to be added to the headers, or "" (server_name alone) */
};
void http_held_done(struct http_held *h);

/* Whether url can be asked: http or https with a host, no spaces and control bytes, no user and
 * password in it (those have settings of their own, and a URL is shown in messages). E_CONFIG. */
MUST_CHECK enum rc http_url_check(const char *url, struct err *err);

/* How messages name url: without query and user, cut to fit. */
void http_url_shown(const char *url, char out[HTTP_SHOWN_MAX]);

/* Everything that a request to url needs but its method, headers and body; secrets are read from
 * their files here, so call it before each request. access may be NULL. E_IO: a file cannot be
 * read. E_CONFIG: a file's content or a combination is no use. E_NOMEM. */
MUST_CHECK enum rc http_access_apply(CURL *c, const char *url, const struct http_access *access,
                                     struct http_held *held, struct err *err);

/* What went wrong with a transfer that libcurl gave up, as a sentence without the URL:
 * "connection refused". why: the handle's CURLOPT_ERRORBUFFER, or NULL. */
const char *http_trouble(CURL *c, CURLcode code, const char *why);
