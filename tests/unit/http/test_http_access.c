/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "http/http_access.h"
#include "http/http_call.h"

static void urls_that_can_be_asked_are_taken(void **state)
{
    static const char *const good[] = {"http://localhost:9090", "https://a.example/select/0/x",
                                       "http://[::1]:9090/", "http://10.0.0.1"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (http_url_check(good[i], &err) != OK)
            fail_msg("%s: %s", good[i], err.msg);
}

static void other_urls_are_refused_and_secrets_not_repeated(void **state)
{
    static const char *const bad[] = {"localhost:9090",       "ftp://x/",
                                      "file:///etc/passwd",   "http://",
                                      "http://a b/",          "http://a/\n",
                                      "http://u:geheim@x",    "https://geheim@x/y",
                                      "http://x:99999/",      "http://u:geheim@x:99999/",
                                      "http://u:ge/geheim@x", "http://u:geheim?@x",
                                      "http://u:geheim#12@x", ""};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err = (struct err){0};
        if (http_url_check(bad[i], &err) != E_CONFIG)
            fail_msg("'%s' was taken", bad[i]);
        assert_true(err.msg[0] != '\0');
        assert_null(strstr(err.msg, "geheim"));
    }
}

static void a_shown_url_has_no_user_and_no_query(void **state)
{
    char out[HTTP_SHOWN_MAX], longer[1000];

    (void)state;
    http_url_shown("http://x:9090/a/b?token=geheim#c", out);
    assert_string_equal(out, "http://x:9090/a/b");
    http_url_shown("https://user:geheim@x/a@b?c", out);
    assert_string_equal(out, "https://x/a@b");
    http_url_shown("https://x:1/a@b", out);
    assert_string_equal(out, "https://x:1/a@b");
    http_url_shown("https://[::1]/a@b", out);
    assert_string_equal(out, "https://[::1]/a@b");
    http_url_shown("https://x?geheim", out);
    assert_string_equal(out, "https://x");
    (void)snprintf(longer, sizeof longer, "http://%0900d", 1);
    http_url_shown(longer, out);
    assert_int_equal(strlen(out), HTTP_SHOWN_MAX - 1);
}

/* What applying says, on a handle of its own. */
static enum rc apply(const char *url, const struct http_access *a, struct err *err)
{
    struct http_held held = {0};

    http_init();
    CURL *c = curl_easy_init();
    assert_non_null(c);
    const enum rc rc = http_access_apply(c, url, a, &held, err);
    curl_easy_cleanup(c);
    http_held_done(&held);
    return rc;
}

static void secrets_come_from_files_at_each_request(void **state)
{
    char path[] = "/tmp/tocsin-secret-XXXXXX", user[] = "u", long_secret[HTTP_SECRET_MAX + 100];
    struct http_access a = {.username = user, .password_file = path};
    struct err err = {0};

    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(apply("http://x", &a, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "expected a secret, found nothing"));
    assert_int_equal(file_write(path, " geheim\n", 8, &err), OK);
    assert_int_equal(apply("http://x", &a, &err), OK);
    assert_int_equal(file_write(path, "geheim\nX-Other: 1\n", 18, &err), OK);
    assert_int_equal(apply("http://x", &a, &err), E_CONFIG);
    assert_null(strstr(err.msg, "geheim"));
    memset(long_secret, 'x', sizeof long_secret);
    assert_int_equal(file_write(path, long_secret, sizeof long_secret, &err), OK);
    assert_int_equal(apply("http://x", &a, &err), E_LIMIT);
    unlink(path);
    assert_int_equal(apply("http://x", &a, &err), E_IO);
    assert_non_null(strstr(err.msg, path));
}

static void a_token_and_a_user_contradict(void **state)
{
    char token[] = "t", user[] = "u", name[] = "a b";
    const struct http_access both = {.username = user, .bearer_token = token};
    const struct http_access odd = {.server_name = name};
    struct err err = {0};

    (void)state;
    assert_int_equal(apply("http://x", &both, &err), E_CONFIG);
    assert_int_equal(apply("http://x", NULL, &err), OK);
    assert_int_equal(apply("https://x:1/y", &odd, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "server_name"));
}

static void the_true_host_is_connected_to_under_another_name(void **state)
{
    char name[] = "prometheus.example";
    const struct http_access a = {.server_name = name};
    struct http_held held = {0};
    struct err err = {0};
    char *url = NULL;

    (void)state;
    http_init();
    CURL *c = curl_easy_init();
    assert_int_equal(http_access_apply(c, "https://127.0.0.1:9443/x", &a, &held, &err), OK);
    assert_string_equal(held.host, "Host: 127.0.0.1:9443");
    assert_string_equal(held.connect_to->data, "::127.0.0.1:9443");
    assert_int_equal(curl_easy_getinfo(c, CURLINFO_EFFECTIVE_URL, &url), CURLE_OK);
    assert_int_equal(http_access_apply(c, "http://127.0.0.1:9443/x", &a, &held, &err), OK);
    assert_null(held.connect_to); /* no TLS, no name */
    curl_easy_cleanup(c);
    http_held_done(&held);
}

static void an_answer_is_quoted_by_its_first_line(void **state)
{
    struct http_answer a = {0};
    char out[HTTP_QUOTE_MAX];

    (void)state;
    http_answer_quote(&a, out);
    assert_string_equal(out, "");
    buf_init(&a.body, 1000);
    buf_puts(&a.body, "\n  too\x01many\r\nmore");
    http_answer_quote(&a, out);
    assert_string_equal(out, "too?many");
    buf_clear(&a.body);
    for (int i = 0; i < 500; i++)
        buf_puts(&a.body, "y");
    http_answer_quote(&a, out);
    assert_int_equal(strlen(out), HTTP_QUOTE_MAX - 1);
    buf_done(&a.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_that_can_be_asked_are_taken),
        cmocka_unit_test(other_urls_are_refused_and_secrets_not_repeated),
        cmocka_unit_test(a_shown_url_has_no_user_and_no_query),
        cmocka_unit_test(secrets_come_from_files_at_each_request),
        cmocka_unit_test(a_token_and_a_user_contradict),
        cmocka_unit_test(the_true_host_is_connected_to_under_another_name),
        cmocka_unit_test(an_answer_is_quoted_by_its_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
