/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/accept.h"

static void openmetrics_is_for_those_who_ask(void **state)
{
    static const char *const asks[] = {
        /* Prometheus 2.42 */
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        /* Prometheus 3 */
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;"
        "version=0.0.4;q=0.4,*/*;q=0.1",
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=\"1.0.0\"",
        "text/html, application/openmetrics-text;q=0.2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        assert_int_equal(accept_exposition(str_of(asks[i])), EXPOSITION_OPENMETRICS);
}

static void all_else_gets_the_classic_format(void **state)
{
    static const char *const asks[] = {
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=7",
        "application/openmetrics-text;q=",
        "application/openmetrics-text;q=0.2,text/plain;q=0.7",
        "application/openmetrics-textual",
        ";;;,,,;=;q=1,=,\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        assert_int_equal(accept_exposition(str_of(asks[i])), EXPOSITION_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openmetrics_is_for_those_who_ask),
        cmocka_unit_test(all_else_gets_the_classic_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
