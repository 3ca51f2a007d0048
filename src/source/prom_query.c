/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_query.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/http_access.h"
#include "http/http_call.h"

enum { FORM_MAX = 1 << 20 }; /* bytes of a request: a query and a few numbers */

struct prom_client {
    struct prom_client_options o;
    struct http_client *http;
    char *base; /* the URL without '/' at its end */
    char shown[HTTP_SHOWN_MAX];
    struct buf form;
    int64_t retry_after_ms;
    uint64_t requests;
};

enum rc prom_client_new(const struct prom_client_options *o, struct prom_client **ret,
                        struct err *err)
{
    size_t n = strlen(o->url);

    if (http_url_check(o->url, err) != OK)
        return err->rc;
    if (strpbrk(o->url, "?#"))
        return err_set(err, E_CONFIG, "expected the URL of a server without '?' and '#'");
    CLEANUP(prom_client_freep) struct prom_client *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "no memory for a client of Prometheus");
    c->o = *o;
    c->retry_after_ms = -1;
    buf_init(&c->form, FORM_MAX);
    while (n > 0 && o->url[n - 1] == '/')
        n--;
    c->base = mem_strndup(o->url, n);
    if (!c->base)
        return err_set(err, E_NOMEM, "no memory for a URL");
    http_url_shown(c->base, c->shown);
    if (http_client_new(&c->http, err) != OK)
        return err->rc;
    *ret = TAKE(c);
    return OK;
}

void prom_client_free(struct prom_client *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    buf_done(&c->form);
    mem_free(c->base);
    mem_free(c);
}

int64_t prom_retry_after_ms(const struct prom_client *c)
{
    return c->retry_after_ms;
}

const char *prom_client_shown(const struct prom_client *c)
{
    return c->shown;
}

uint64_t prom_requests(const struct prom_client *c)
{
    return c->requests;
}

/* application/x-www-form-urlencoded: name=value, with & in front of all but the first. */
static void put_field(struct buf *form, const char *name, struct str value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";

    buf_printf(form, "%s%s=", form->n ? "&" : "", name);
    for (size_t i = 0; i < value.n; i++) {
        const char c = value.p[i];
        if (c != '\0' && strchr(plain, c))
            buf_add(form, &c, 1);
        else
            buf_printf(form, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* Seconds with three decimals. */
static void put_time(struct buf *form, const char *name, int64_t ms)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%s%lld.%03d", ms < 0 ? "-" : "",
                   (long long)(ms < 0 ? -(ms / 1000) : ms / 1000),
                   (int)(ms < 0 ? -(ms % 1000) : ms % 1000));
    put_field(form, name, str_of(text));
}

/* The server shall give up before this client does: it says why, and works no further for nobody.
 */
static void put_manners(struct prom_client *c)
{
    const struct http_access *a = c->o.access;
    const int64_t timeout_ms = a && a->timeout_ms > 0 ? a->timeout_ms : HTTP_TIMEOUT_DEFAULT_MS;
    char text[32];

    (void)snprintf(text, sizeof text, "%llds",
                   (long long)(timeout_ms > 2000 ? timeout_ms / 1000 - 1 : 1));
    put_field(&c->form, "timeout", str_of(text));
    put_field(&c->form, "partial_response", STR("false"));
    put_field(&c->form, "deny_partial_response", STR("1"));
    put_field(&c->form, "nocache", STR("1"));
    put_field(&c->form, "latency_offset", STR("1ms"));
}

/* One request; body NULL: GET. */
static enum rc call(struct prom_client *c, const char *url, const struct buf *body,
                    const struct http_answer **ret, struct err *err)
{
    static const char *const headers[] = {"Accept: application/json",
                                          "Content-Type: application/x-www-form-urlencoded"};
    const struct http_call request = {
        .url = url,
        .shown = c->shown,
        .body = body ? body->p : NULL,
        .body_n = body ? body->n : 0,
        .headers = headers,
        .n_headers = body ? 2 : 1,
        .limit = PROM_BODY_MAX,
        .access = c->o.access,
        .stop = c->o.stop,
    };

    c->retry_after_ms = -1;
    c->requests++;
    if (http_client_call(c->http, &request, ret, err) != OK)
        return err->rc;
    c->retry_after_ms = (*ret)->retry_after_ms;
    if ((*ret)->redirect[0])
        return err_set(err, E_CONFIG, "%s: is elsewhere, at %s; give that URL", c->shown,
                       (*ret)->redirect);
    return OK;
}

static struct str body_of(const struct http_answer *a)
{
    return (struct str){a->body.n ? a->body.p : "", a->body.n};
}

/* The form as it stands, to /api/v1/WHAT. */
static enum rc ask(struct prom_client *c, const char *what, struct prom_answer *ret,
                   struct err *err)
{
    const struct http_answer *a = NULL;
    char url[HTTP_URL_MAX_BYTES + 64];

    put_manners(c);
    if (c->form.failed)
        return err_set(err, E_CONFIG, "%s: a query of over %d bytes", c->shown, FORM_MAX);
    (void)snprintf(url, sizeof url, "%s/api/v1/%s", c->base, what);
    if (call(c, url, &c->form, &a, err) != OK)
        return err->rc;
    if (prom_answer_parse(body_of(a), a->status, c->o.label, ret, err) != OK)
        return err_wrap(err, "%s", c->shown);
    return OK;
}

enum rc prom_query(struct prom_client *c, const char *promql, int64_t at_ms,
                   struct prom_answer *ret, struct err *err)
{
    buf_clear(&c->form);
    put_field(&c->form, "query", str_of(promql));
    put_time(&c->form, "time", at_ms);
    return ask(c, "query", ret, err);
}

enum rc prom_query_range(struct prom_client *c, const char *promql, int64_t start_ms,
                         int64_t end_ms, int64_t step_ms, struct prom_answer *ret, struct err *err)
{
    buf_clear(&c->form);
    put_field(&c->form, "query", str_of(promql));
    put_time(&c->form, "start", start_ms);
    put_time(&c->form, "end", end_ms);
    put_time(&c->form, "step", step_ms);
    return ask(c, "query_range", ret, err);
}

enum rc prom_entities(struct prom_client *c, const char *selector, int64_t start_ms, int64_t end_ms,
                      struct prom_names *ret, struct err *err)
{
    const struct http_answer *a = NULL;
    CLEANUP(buf_done) struct buf url;

    buf_clear(&c->form);
    put_field(&c->form, "match[]", str_of(selector));
    put_time(&c->form, "start", start_ms);
    put_time(&c->form, "end", end_ms);
    buf_init(&url, HTTP_URL_MAX_BYTES);
    buf_printf(&url, "%s/api/v1/label/%s/values?%s", c->base, c->o.label,
               c->form.failed ? "" : c->form.p);
    if (url.failed || c->form.failed)
        return err_set(err, E_CONFIG, "%s: a selector of over %d bytes", c->shown,
                       HTTP_URL_MAX_BYTES);
    if (call(c, url.p, NULL, &a, err) != OK)
        return err->rc;
    if (prom_names_parse(body_of(a), a->status, ret, err) != OK)
        return err_wrap(err, "%s", c->shown);
    return OK;
}
