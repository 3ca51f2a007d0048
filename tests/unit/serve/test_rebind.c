/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/rebind.h"

#include "../test.h"

static void names_of_other_sites_are_not_plain(void **state)
{
    static const char *const plain[] = {"localhost",   "localhost:8001", "LocalHost", "127.0.0.1",
                                        "10.0.0.1:80", "[::1]",          "[::1]:8001"};
    static const char *const other[] = {"",
                                        "evil.example",
                                        "evil.example:8001",
                                        "x",
                                        "[::1",
                                        "localhost.evil.example",
                                        "127.0.0.1.evil.example",
                                        "[evil]",
                                        ":8001",
                                        "::1",
                                        "1",
                                        "0x7f.1"};

    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (!rebind_host_is_plain(str_of(plain[i])))
            fail_msg("refused: %s", plain[i]);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (rebind_host_is_plain(str_of(other[i])))
            fail_msg("taken: %s", other[i]);
}

static void loopback_is_known(void **state)
{
    (void)state;
    assert_true(rebind_is_loopback("127.0.0.1:8001"));
    assert_true(rebind_is_loopback("127.9.0.1:0"));
    assert_true(rebind_is_loopback("localhost:8001"));
    assert_true(rebind_is_loopback("[::1]:8001"));
    assert_false(rebind_is_loopback("0.0.0.0:8001"));
    assert_false(rebind_is_loopback("[::]:8001"));
    assert_false(rebind_is_loopback("192.168.1.2:8001"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_other_sites_are_not_plain),
        cmocka_unit_test(loopback_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
