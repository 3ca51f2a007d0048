/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_access.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static void init_once(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* failing, no handle can be had either */
}

void http_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, init_once);
}

void http_held_done(struct http_held *h)
{
    curl_slist_free_all(h->connect_to);
    *h = (struct http_held){0};
}

static void url_freep(CURLU **u)
{
    curl_url_cleanup(*u);
}

static void text_freep(char **p)
{
    curl_free(*p);
}

/* Bytes at the front of what follows "://" that are a user and password, or may be: an unescaped
 * '/', '?' or '#' in a password ends the host for everybody, and leaves a port that is none. */
static size_t user_bytes(const char *host)
{
    const size_t n = strcspn(host, "/?#");
    const char *const user_end = memrchr(host, '@', n), *const last = strrchr(host, '@');
    const char *const colon = memrchr(host, ':', n);

    if (user_end)
        return (size_t)(user_end - host) + 1;
    if (!last || !colon || host[0] == '[')
        return 0;
    const size_t digits = strspn(colon + 1, "0123456789");
    return digits > 0 && colon + 1 + digits == host + n ? 0 : (size_t)(last - host) + 1;
}

void http_url_shown(const char *url, char out[HTTP_SHOWN_MAX])
{
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end ? scheme_end + 3 : url;
    const char *shown = host + user_bytes(host);

    (void)snprintf(out, HTTP_SHOWN_MAX, "%.*s%.*s", (int)(host - url), url,
                   (int)strcspn(shown, "?#"), shown);
    str_make_printable(out);
}

enum rc http_url_check(const char *url, struct err *err)
{
    const struct str s = str_of(url);
    char shown[HTTP_SHOWN_MAX];

    if (s.n > HTTP_URL_MAX_BYTES)
        return err_set(err, E_CONFIG, "expected a URL of at most %d bytes, found %zu",
                       HTTP_URL_MAX_BYTES, s.n);
    http_url_shown(url, shown);
    if (!str_starts(s, STR("http://")) && !str_starts(s, STR("https://")))
        return err_set(err, E_CONFIG, "expected a URL such as http://host:port, found '%.100s'",
                       shown);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f)
            return err_set(err, E_CONFIG, "expected a URL without spaces and control characters");
    CLEANUP(url_freep) CURLU *u = curl_url();
    CLEANUP(text_freep) char *user = NULL;
    if (!u)
        return err_set(err, E_NOMEM, "no memory for a URL");
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
        return err_set(err, E_CONFIG, "'%.100s' is not a URL", shown);
    if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
        return err_set(err, E_CONFIG,
                       "the URL has a user and password in it; give them by their own settings");
    return OK;
}

/* What a file with a secret holds, without white space around it, as Prometheus reads it. */
static enum rc read_secret(const char *path, char **ret, struct err *err)
{
    CLEANUP(mem_freep) char *text = NULL;
    size_t n;

    if (file_read(path, HTTP_SECRET_MAX, &text, &n, err) != OK)
        return err->rc;
    const struct str s = str_trim((struct str){text, n});
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return err_set(err, E_CONFIG, "'%s': expected one line with a secret", path);
    if (s.n == 0)
        return err_set(err, E_CONFIG, "'%s': expected a secret, found nothing", path);
    *ret = mem_strndup(s.p, s.n);
    return *ret ? OK : err_set(err, E_NOMEM, "no memory for a secret");
}

/* The secret itself, or what its file holds; NULL where neither is given. *ret_owned is to be
 * freed. */
static enum rc secret(const char *given, const char *path, const char **ret, char **ret_owned,
                      struct err *err)
{
    *ret = given;
    if (given || !path)
        return OK;
    if (read_secret(path, ret_owned, err) != OK)
        return err->rc;
    *ret = *ret_owned;
    return OK;
}

/* One failure for a row of settings: libcurl refuses them for want of memory, or is too old. */
static enum rc settings(bool fine, const char *what, struct err *err)
{
    return fine ? OK : err_set(err, E_NOMEM, "libcurl does not take the settings of %s", what);
}

static enum rc set_credentials(CURL *c, const struct http_access *a, struct err *err)
{
    CLEANUP(mem_freep) char *password_owned = NULL;
    CLEANUP(mem_freep) char *token_owned = NULL;
    const char *password, *token;

    if (secret(a->password, a->password_file, &password, &password_owned, err) != OK ||
        secret(a->bearer_token, a->bearer_token_file, &token, &token_owned, err) != OK)
        return err->rc;
    if (token && (a->username || password))
        return err_set(err, E_CONFIG, "a bearer token and a user name: give one of them");
    const long method = token ? (long)CURLAUTH_BEARER : (long)CURLAUTH_BASIC;
    return settings(curl_easy_setopt(c, CURLOPT_HTTPAUTH, method) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_USERNAME,
                                         password && !a->username ? "" : a->username) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_PASSWORD,
                                         a->username && !password ? "" : password) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, token) == CURLE_OK,
                    "authentication", err);
}

static enum rc set_tls(CURL *c, const struct http_access *a, struct err *err)
{
    const long verify = a->insecure_skip_verify ? 0 : 1;

    return settings((!a->ca_file || curl_easy_setopt(c, CURLOPT_CAINFO, a->ca_file) == CURLE_OK) &&
                        curl_easy_setopt(c, CURLOPT_SSLCERT, a->cert_file) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_SSLKEY, a->key_file) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2 * verify) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
                            CURLE_OK,
                    "TLS", err);
}

static enum rc set_manners(CURL *c, const struct http_access *a, struct err *err)
{
    const long timeout_ms = a->timeout_ms > 0 && a->timeout_ms < INT32_MAX
                                ? (long)a->timeout_ms
                                : HTTP_TIMEOUT_DEFAULT_MS;

#if LIBCURL_VERSION_NUM >= 0x075500
    const bool protocols = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    const bool protocols = curl_easy_setopt(c, CURLOPT_PROTOCOLS,
                                            (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) == CURLE_OK;
#endif
    return settings(protocols && curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION) ==
                            CURLE_OK,
                    "the connection", err);
}

/* The name that the certificate must have and that TLS asks for (SNI) is that of the URL in
 * libcurl. So the URL gets it, the connection goes to the true host, and Host says that one. */
static enum rc set_server_name(CURL *c, const char *url, const char *name, struct http_held *held,
                               struct err *err)
{
    CLEANUP(url_freep) CURLU *u = curl_url();
    CLEANUP(text_freep) char *host = NULL;
    CLEANUP(text_freep) char *port = NULL;
    CLEANUP(text_freep) char *renamed = NULL;
    char to[sizeof held->host];

    if (!u || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return err_set(err, E_CONFIG, "the URL has no host");
    if (curl_url_set(u, CURLUPART_HOST, name, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &renamed, 0) != CURLUE_OK)
        return err_set(err, E_CONFIG, "server_name: '%.100s' is not a host's name", name);
    if (snprintf(to, sizeof to, "::%s:%s", host, port) >= (int)sizeof to ||
        snprintf(held->host, sizeof held->host, "Host: %s:%s", host, port) >=
            (int)sizeof held->host)
        return err_set(err, E_CONFIG, "the URL's host is too long");
    held->connect_to = curl_slist_append(NULL, to);
    return settings(held->connect_to &&
                        curl_easy_setopt(c, CURLOPT_CONNECT_TO, held->connect_to) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_URL, renamed) == CURLE_OK,
                    "server_name", err);
}

enum rc http_access_apply(CURL *c, const char *url, const struct http_access *access,
                          struct http_held *held, struct err *err)
{
    static const struct http_access none = {0};
    const struct http_access *a = access ? access : &none;

    http_held_done(held);
    if (http_url_check(url, err) != OK || set_manners(c, a, err) != OK ||
        set_credentials(c, a, err) != OK || set_tls(c, a, err) != OK)
        return err->rc;
    if (a->server_name && a->server_name[0] && str_starts(str_of(url), STR("https://")))
        return set_server_name(c, url, a->server_name, held, err);
    return settings(curl_easy_setopt(c, CURLOPT_CONNECT_TO, NULL) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK,
                    "the URL", err);
}

const char *http_trouble(CURL *c, CURLcode code, const char *why)
{
    long os_error = 0;

    (void)curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &os_error);
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        return "no answer in time";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "the host's name is not known";
    case CURLE_GOT_NOTHING:
        return "the connection was closed without an answer";
    case CURLE_COULDNT_CONNECT:
        if (os_error == ECONNREFUSED)
            return "connection refused";
        if (os_error == EHOSTUNREACH || os_error == ENETUNREACH)
            return "no way to the host";
        break;
    default:
        break;
    }
    return why && why[0] ? why : curl_easy_strerror(code);
}
