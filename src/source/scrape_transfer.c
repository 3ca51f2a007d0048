/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, on a libcurl handle that is used again and again. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/scrape_private.h"

/* What Prometheus 2.42 asks for (scrape.go, scrapeAcceptHeader). */
#define ACCEPT                                                                                     \
    "Accept: application/openmetrics-text;version=1.0.0,"                                          \
    "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

enum { KEEP_BYTES = 1 << 20 }; /* of a body's buffer, for the next one */

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    buf_add(body, p, size * n);
    return body->failed ? 0 : size * n; /* 0 makes libcurl give up */
}

void scrape_transfer_free(struct scrape_transfer *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->headers);
    http_held_done(&t->held);
    buf_done(&t->body);
    mem_free(t);
}

enum rc scrape_transfer_new(struct scrape_transfer **ret, struct err *err)
{
    struct scrape_transfer *t = mem_alloc(sizeof *t);

    if (t)
        t->curl = curl_easy_init();
    if (!t || !t->curl) {
        mem_free(t);
        return err_set(err, E_NOMEM, "no memory for a request");
    }
    buf_init(&t->body, SCRAPE_BODY_DEFAULT);
    *ret = t;
    return OK;
}

static bool add_header(struct scrape_transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);
    if (more)
        t->headers = more;
    return more != NULL;
}

/* Seconds as Go prints them: no more digits than needed. */
static bool add_headers(struct scrape_transfer *t, int64_t timeout_ms)
{
    char line[96];

    (void)snprintf(line, sizeof line, "X-Prometheus-Scrape-Timeout-Seconds: %lld",
                   (long long)(timeout_ms / 1000));
    if (timeout_ms % 1000) {
        size_t n = strlen(line);
        (void)snprintf(line + n, sizeof line - n, ".%03d", (int)(timeout_ms % 1000));
        for (n = strlen(line); line[n - 1] == '0'; n--)
            line[n - 1] = '\0';
    }
    return add_header(t, ACCEPT) && add_header(t, line) &&
           (!t->held.host[0] || add_header(t, t->held.host));
}

enum rc scrape_transfer_set(struct scrape_transfer *t, struct scrape_target *target,
                            const struct scrape_spec *spec, struct err *err)
{
    struct http_access access = spec->access;
    CURL *c = t->curl;

    access.timeout_ms = target->timeout_ms;
    t->target = target;
    t->why[0] = '\0';
    t->body.limit = spec->body_limit ? spec->body_limit : SCRAPE_BODY_DEFAULT;
    if (http_access_apply(c, target->url, &access, &t->held, err) != OK)
        return err->rc;
    if (!add_headers(t, target->timeout_ms) ||
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip") != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)SCRAPE_REDIRECTS_MAX) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_WRITEDATA, (void *)&t->body) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_PRIVATE, (void *)t) != CURLE_OK)
        return err_set(err, E_NOMEM, "no memory for a request");
    return OK;
}

enum rc scrape_transfer_result(struct scrape_transfer *t, CURLcode code,
                               enum exposition_format *ret_format, struct err *err)
{
    const char *type = NULL;
    long status = 0;

    if (code != CURLE_OK && t->body.failed)
        return err_set(err, E_LIMIT, "the body has more than %zu bytes", t->body.limit);
    if (code != CURLE_OK)
        return err_set(err, E_IO, "%s", http_trouble(t->curl, code, t->why));
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return err_set(err, E_IO, "HTTP status %ld", status);
    (void)curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
    *ret_format = exposition_format_of(type);
    return OK;
}

void scrape_transfer_clear(struct scrape_transfer *t)
{
    t->target = NULL;
    curl_easy_reset(t->curl); /* its connection is the multi handle's, and stays */
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    http_held_done(&t->held);
    if (t->body.capacity > KEEP_BYTES)
        buf_done(&t->body);
    else
        buf_clear(&t->body);
}
