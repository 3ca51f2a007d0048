/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/mem.h"

struct http {
    CURL *curl;
    struct buf body;
    char base[HTTP_URL_MAX]; /* without a '/' at the end */
    char why[CURL_ERROR_SIZE];
};

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    buf_add(body, p, size * n);
    return body->failed ? 0 : size * n; /* 0 makes libcurl give up */
}

static bool set_options(struct http *h)
{
    CURL *c = h->curl;

    /* the API is this machine's or a neighbour's: a proxy of the environment has no part in it */
    return curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, (void *)&h->body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)HTTP_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION) == CURLE_OK;
}

enum rc http_open(const char *base, struct http **ret, struct err *err)
{
    const struct str url = str_of(base);

    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return err_set(err, E_CONFIG,
                       "expected a URL such as http://127.0.0.1:8001, found '%.100s'", base);
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] == 0x7f)
            return err_set(err, E_CONFIG, "expected a URL without spaces and control characters");
    if (url.n >= HTTP_URL_MAX - 128)
        return err_set(err, E_CONFIG, "expected a URL of at most %d bytes, found %zu",
                       HTTP_URL_MAX - 128, url.n);
    CLEANUP(http_closep) struct http *h = mem_alloc(sizeof *h);
    if (!h)
        return err_set(err, E_NOMEM, "no memory for an HTTP client");
    buf_init(&h->body, HTTP_BODY_MAX);
    memcpy(h->base, base, url.n);
    for (size_t n = url.n; n && h->base[n - 1] == '/'; n--)
        h->base[n - 1] = '\0';
    h->curl = curl_easy_init();
    if (!h->curl || !set_options(h))
        return err_set(err, E_NOMEM, "libcurl could not be started");
    *ret = TAKE(h);
    return OK;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    buf_done(&h->body);
    mem_free(h);
}

/* Why there was no answer at all. */
static enum rc no_answer(const struct http *h, CURLcode code, struct err *err)
{
    long os_error = 0;

    if (code == CURLE_WRITE_ERROR)
        return err_set(err, E_LIMIT, "%s answers more than %d bytes", h->base, HTTP_BODY_MAX);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, E_IO, "no tocsin answers at %s within %d seconds", h->base,
                       HTTP_TIMEOUT_MS / 1000);
    (void)curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && os_error == ECONNREFUSED)
        return err_set(err, E_IO,
                       "no tocsin answers at %s: connection refused; start one with `tocsin run`",
                       h->base);
    return err_set(err, E_IO, "no tocsin answers at %s: %s", h->base,
                   h->why[0] ? h->why : curl_easy_strerror(code));
}

static enum rc not_fine(const struct http *h, const char *path, long status, struct err *err)
{
    CLEANUP(json_decrefp) json_t *j = json_loadb(h->body.n ? h->body.p : "", h->body.n, 0, NULL);
    const char *sentence = json_string_value(json_object_get(j, "error"));

    if (sentence)
        return err_set(err, E_IO, "%s%s: %.300s", h->base, path, sentence);
    return err_set(err, E_IO, "%s%s: expected an answer of tocsin, found HTTP status %ld", h->base,
                   path, status);
}

enum rc http_get_json(struct http *h, const char *path, json_t **ret, struct err *err)
{
    char url[HTTP_URL_MAX];
    json_error_t where;
    long status = 0;

    if (snprintf(url, sizeof url, "%s%s", h->base, path) >= (int)sizeof url)
        return err_set(err, E_LIMIT, "a URL over %d bytes", HTTP_URL_MAX);
    buf_clear(&h->body);
    h->why[0] = '\0';
    if (curl_easy_setopt(h->curl, CURLOPT_URL, url) != CURLE_OK)
        return err_set(err, E_NOMEM, "no memory for a URL");
    const CURLcode code = curl_easy_perform(h->curl);
    if (code != CURLE_OK)
        return no_answer(h, code, err);
    (void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return not_fine(h, path, status, err);
    CLEANUP(json_decrefp)
    json_t *j = json_loadb(h->body.n ? h->body.p : "", h->body.n, JSON_REJECT_DUPLICATES, &where);
    if (!j)
        return err_set(err, E_PARSE, "%s: not the JSON of a tocsin: %s", url, where.text);
    if (!json_is_object(j))
        return err_set(err, E_PARSE, "%s: expected a JSON object of a tocsin", url);
    *ret = TAKE(j);
    return OK;
}
