/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and their refusal; what a real Alertmanager makes of it all is in
 * tests/integration/test_alertmanager.py. */
#include "alert/alertmanager.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "sample.h"

static struct telemetry telemetry;

static enum rc open_with(char **urls, size_t n, const char *external, struct alertmanager **ret,
                         struct err *err)
{
    static struct alertmanager_spec spec;
    const struct alertmanager_options o = {
        .spec = &spec, .page = "http://web1:8001", .telemetry = &telemetry};

    spec =
        (struct alertmanager_spec){.urls = {n, urls}, .external_url = (char *)(uintptr_t)external};
    return alertmanager_new(&o, ret, err);
}

static void a_url_that_cannot_be_used_is_refused(void **state)
{
    char *bad[] = {(char[]){"am1:9093"},        (char[]){"ftp://am1"},
                   (char[]){"http://am1/?x=1"}, (char[]){"http://am1/#x"},
                   (char[]){"http://u:p@am1/"}, (char[]){"http://a b/"},
                   (char[]){"http://am1\x01/"}};
    char *twice[] = {(char[]){"http://am1"}, (char[]){"http://am1"}};
    static char *many[ALERTMANAGER_MEMBERS_MAX + 1];
    struct alertmanager *am = NULL;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(open_with(&bad[i], 1, NULL, &am, &err), E_CONFIG);
        assert_non_null(strstr(err.msg, "alertmanager"));
    }
    assert_int_equal(open_with(twice, 2, NULL, &am, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "twice"));
    assert_int_equal(open_with(NULL, 0, NULL, &am, &err), E_CONFIG);
    for (size_t i = 0; i <= ALERTMANAGER_MEMBERS_MAX; i++)
        many[i] = twice[0];
    assert_int_equal(open_with(many, ALERTMANAGER_MEMBERS_MAX + 1, NULL, &am, &err), E_CONFIG);
    assert_int_equal(open_with(twice, 1, "web1:8001", &am, &err), E_CONFIG);
    assert_null(am);
}

static void receivers_are_named_by_their_urls(void **state)
{
    char *urls[] = {(char[]){"http://am1:9093/"}, (char[]){"https://am2/alerts"}};
    struct alertmanager *am;
    struct err err;
    size_t n;

    (void)state;
    assert_int_equal(open_with(urls, 2, NULL, &am, &err), OK);
    const char *const *names = alertmanager_receivers(am, &n);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "alertmanager:http://am1:9093/");
    assert_string_equal(names[1], "alertmanager:https://am2/alerts");
    alertmanager_stop(am); /* never started */
    alertmanager_stop(NULL);
}

static void nobody_to_tell_is_fine(void **state)
{
    const struct incident in = sample_incident();

    (void)state;
    alertmanager_tell(NULL, "web1", (const struct schema *)(const void *)&sample_schema, &in, "");
}

static void without_memory_nothing_is_left(void **state)
{
    char *urls[] = {(char[]){"http://am1"}, (char[]){"http://am2"}};
    struct alertmanager *am = NULL;
    struct err err;

    (void)state;
    for (uint64_t n = 1; !am; n++) {
        mem_fail_at(n);
        const enum rc rc = open_with(urls, 2, NULL, &am, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !am));
    }
    alertmanager_stop(am);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_that_cannot_be_used_is_refused),
        cmocka_unit_test(receivers_are_named_by_their_urls),
        cmocka_unit_test(nobody_to_tell_is_fine),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
