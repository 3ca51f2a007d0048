/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/listen.h"

static void a_port_in_use_is_named(void **state)
{
    struct err err = {0};
    uint16_t port, other;
    int fd, fd2 = -1;
    char text[32];

    (void)state;
    assert_int_equal(listen_open("127.0.0.1:0", &fd, &port, &err), OK);
    assert_true(port > 0);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", port);
    assert_int_equal(listen_open(text, &fd2, &other, &err), E_IO);
    assert_non_null(strstr(err.msg, text));
    assert_non_null(strstr(err.msg, "Address already in use"));
    assert_int_equal(fd2, -1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_in_use_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
