/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_call.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/http_access.h"

struct http_client {
    CURL *curl;
    struct http_held held;
    struct curl_slist *headers;
    struct http_answer answer;
    char why[CURL_ERROR_SIZE];
};

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    buf_add(body, p, size * n);
    return body->failed ? 0 : size * n; /* 0 makes libcurl give up */
}

static int look_up(void *arg, curl_off_t dl, curl_off_t dl_now, curl_off_t ul, curl_off_t ul_now)
{
    const atomic_bool *stop = arg;

    (void)dl, (void)dl_now, (void)ul, (void)ul_now;
    return stop && atomic_load(stop); /* not 0 makes libcurl give up */
}

static_assert(sizeof((struct http_answer *)NULL)->redirect == HTTP_SHOWN_MAX, "a URL as shown");

enum rc http_client_new(struct http_client **ret, struct err *err)
{
    http_init();
    CLEANUP(http_client_freep) struct http_client *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "no memory for an HTTP client");
    buf_init(&c->answer.body, 0);
    c->curl = curl_easy_init();
    if (!c->curl)
        return err_set(err, E_NOMEM, "libcurl could not be started");
    *ret = TAKE(c);
    return OK;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    http_held_done(&c->held);
    curl_slist_free_all(c->headers);
    buf_done(&c->answer.body);
    mem_free(c);
}

static bool add_header(struct http_client *c, const char *text)
{
    struct curl_slist *more = curl_slist_append(c->headers, text);

    if (more)
        c->headers = more;
    return more;
}

static bool add_headers(struct http_client *c, const struct http_call *call)
{
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    if (c->held.host[0] && !add_header(c, c->held.host))
        return false;
    if (call->body && !add_header(c, "Expect:")) /* no waiting for a 100 before the body */
        return false;
    for (size_t i = 0; i < call->n_headers; i++)
        if (!add_header(c, call->headers[i]))
            return false;
    return true;
}

static bool set_method(struct http_client *c, const struct http_call *call)
{
    CURL *h = c->curl;

    if (!call->body)
        return curl_easy_setopt(h, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    /* the size first: without one libcurl would look for a NUL */
    return curl_easy_setopt(h, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_n) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body) == CURLE_OK;
}

static enum rc prepare(struct http_client *c, const struct http_call *call, struct err *err)
{
    CURL *h = c->curl;

    curl_easy_reset(h); /* options alone: connections are kept */
    buf_done(&c->answer.body);
    buf_init(&c->answer.body, call->limit);
    c->answer.status = 0;
    c->answer.retry_after_ms = -1;
    c->answer.redirect[0] = '\0';
    c->why[0] = '\0';
    if (http_access_apply(h, call->url, call->access, &c->held, err) != OK)
        return err->rc;
    if (!add_headers(c, call) || !set_method(c, call) ||
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "") != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_WRITEDATA, (void *)&c->answer.body) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->why) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, look_up) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_XFERINFODATA, (void *)(uintptr_t)call->stop) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L) != CURLE_OK)
        return err_set(err, E_NOMEM, "libcurl does not take a request");
    return OK;
}

/* Trouble that no waiting mends: certificates that do not fit, files of settings that are no use.
 */
static bool is_setting(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR;
}

enum rc http_client_call(struct http_client *c, const struct http_call *call,
                         const struct http_answer **ret, struct err *err)
{
    char shown[HTTP_SHOWN_MAX];
    const char *redirect = NULL;
    curl_off_t after_s = 0;

    if (call->shown)
        (void)snprintf(shown, sizeof shown, "%s", call->shown);
    else
        http_url_shown(call->url, shown);
    if (prepare(c, call, err) != OK)
        return err_wrap(err, "%s", shown);
    const CURLcode code = curl_easy_perform(c->curl);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, E_STATE, "%s: stopped", shown);
    if (code == CURLE_WRITE_ERROR && c->answer.body.failed)
        return err_set(err, E_LIMIT, "%s: answers more than %zu bytes", shown, call->limit);
    if (code != CURLE_OK)
        return err_set(err, is_setting(code) ? E_CONFIG : E_IO, "%s: %s", shown,
                       http_trouble(c->curl, code, c->why));
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->answer.status);
    if (curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK && after_s > 0)
        c->answer.retry_after_ms = after_s < INT32_MAX ? (int64_t)after_s * 1000 : INT32_MAX;
    if (curl_easy_getinfo(c->curl, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK && redirect)
        http_url_shown(redirect, c->answer.redirect);
    *ret = &c->answer;
    return OK;
}

void http_answer_quote(const struct http_answer *a, char out[HTTP_QUOTE_MAX])
{
    const struct str text = str_trim((struct str){a->body.n ? a->body.p : "", a->body.n});
    size_t n = 0;

    while (n < text.n && n < HTTP_QUOTE_MAX - 1 && text.p[n] != '\n' && text.p[n] != '\r')
        n++;
    memcpy(out, text.p, n);
    out[n] = '\0';
    str_make_printable(out);
}
