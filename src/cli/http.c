/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/http_access.h"
#include "http/http_call.h"

struct http {
    struct http_client *client;
    char base[HTTP_URL_MAX]; /* without a '/' at the end */
};

enum rc http_open(const char *base, struct http **ret, struct err *err)
{
    const struct str url = str_of(base);

    if (http_url_check(base, err) != OK)
        return err->rc;
    if (url.n >= HTTP_URL_MAX - 128)
        return err_set(err, E_CONFIG, "expected a URL of at most %d bytes, found %zu",
                       HTTP_URL_MAX - 128, url.n);
    CLEANUP(http_closep) struct http *h = mem_alloc(sizeof *h);
    if (!h)
        return err_set(err, E_NOMEM, "no memory for an HTTP client");
    memcpy(h->base, base, url.n);
    for (size_t n = url.n; n && h->base[n - 1] == '/'; n--)
        h->base[n - 1] = '\0';
    if (http_client_new(&h->client, err) != OK)
        return err->rc;
    *ret = TAKE(h);
    return OK;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    http_client_free(h->client);
    mem_free(h);
}

/* There was no answer at all: err says why, behind the URL. */
static enum rc no_answer(struct err *err)
{
    char why[ERR_MSG_MAX];

    memcpy(why, err->msg, sizeof why);
    return err_set(err, E_IO, "no tocsin answers at %.400s%s", why,
                   strstr(why, ": connection refused") ? "; start one with `tocsin run`" : "");
}

static enum rc not_fine(const struct http *h, const char *path, const struct http_answer *a,
                        struct err *err)
{
    CLEANUP(json_decrefp)
    json_t *j = json_loadb(a->body.n ? a->body.p : "", a->body.n, 0, NULL);
    const char *sentence = json_string_value(json_object_get(j, "error"));

    if (sentence)
        return err_set(err, E_IO, "%s%s: %.300s", h->base, path, sentence);
    return err_set(err, E_IO, "%s%s: expected an answer of tocsin, found HTTP status %ld", h->base,
                   path, a->status);
}

enum rc http_get_json(struct http *h, const char *path, json_t **ret, struct err *err)
{
    static const struct http_access access = {.timeout_ms = HTTP_TIMEOUT_MS};
    const struct http_answer *a = NULL;
    char url[HTTP_URL_MAX];
    json_error_t where;

    if (snprintf(url, sizeof url, "%s%s", h->base, path) >= (int)sizeof url)
        return err_set(err, E_LIMIT, "a URL over %d bytes", HTTP_URL_MAX);
    const struct http_call call = {
        .url = url, .shown = h->base, .limit = HTTP_BODY_MAX, .access = &access};
    if (http_client_call(h->client, &call, &a, err) != OK)
        return err->rc == E_IO ? no_answer(err) : err->rc;
    if (a->status != 200)
        return not_fine(h, path, a, err);
    CLEANUP(json_decrefp)
    json_t *j = json_loadb(a->body.n ? a->body.p : "", a->body.n, JSON_REJECT_DUPLICATES, &where);
    if (!j)
        return err_set(err, E_PARSE, "%s: not the JSON of a tocsin: %s", url, where.text);
    if (!json_is_object(j))
        return err_set(err, E_PARSE, "%s: expected a JSON object of a tocsin", url);
    *ret = TAKE(j);
    return OK;
}
