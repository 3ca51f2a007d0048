/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

static struct address taken(const char *text)
{
    struct address a;
    struct err err = {0};

    if (address_parse(str_of(text), &a, &err) != OK)
        fail_msg("%s", err.msg);
    return a;
}

static void an_address_is_taken_as_given(void **state)
{
    (void)state;
    const struct address a = taken("127.0.0.1:8001"), b = taken("localhost:8001");
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a.addr;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 8001);
    assert_int_equal(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_memory_equal(&a, &b, sizeof a);

    const struct address six = taken("[::1]:65535");
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&six.addr;
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(in6->sin6_port), 65535);
    assert_memory_equal(&in6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "8001",
                                      ":8001",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.1:80",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:+1",
                                      "::1:8001",
                                      "[::1]",
                                      "[127.0.0.1]:80",
                                      "[::1%lo]:80",
                                      "example.org:80",
                                      "[]:80",
                                      "*:8001",
                                      "0x7f.0.0.1:80",
                                      " 127.0.0.1:80",
                                      "127.0.0.1:80 ",
                                      "127.0.0.1:0080808080",
                                      "127.0.0.1:008001",
                                      "999.0.0.1:80",
                                      "[[::1]]:80",
                                      "http://127.0.0.1:8001",
                                      "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct address a = {.n = 77};
        struct err err = {0};
        if (address_parse(str_of(bad[i]), &a, &err) == OK)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.rc, E_CONFIG);
        assert_non_null(strstr(err.msg, "127.0.0.1:8001"));
        assert_int_equal(a.n, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_as_given),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
