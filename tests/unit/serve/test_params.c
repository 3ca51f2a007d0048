/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/params.h"

enum { ALL = PARAM_INSTANCE | PARAM_FROM | PARAM_TO | PARAM_LIMIT };

static struct param_pair pair(const char *key, const char *value)
{
    return (struct param_pair){str_of(key), str_of(value)};
}

static struct params taken(const char *key, const char *value)
{
    const struct param_pair one = pair(key, value);
    struct params p;
    struct err err = {0};

    if (params_parse(&one, 1, ALL, 100000, &p, &err) != OK)
        fail_msg("%s", err.msg);
    return p;
}

/* Refused with a sentence that has these words; nothing is written. */
static void refused(const struct param_pair *pairs, size_t n, unsigned allowed, const char *words)
{
    struct params p = {.limit = 77};
    struct err err = {0};

    assert_int_equal(params_parse(pairs, n, allowed, 100000, &p, &err), E_PARSE);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not in '%s'", words, err.msg);
    assert_int_equal(p.limit, 77);
}

static void refused_value(const char *key, const char *value)
{
    const struct param_pair one = pair(key, value);
    char quoted[64];

    (void)snprintf(quoted, sizeof quoted, "'%s': expected", key);
    refused(&one, 1, ALL, quoted);
}

static void times_are_unix_seconds_or_rfc3339(void **state)
{
    (void)state;
    assert_int_equal(taken("from", "1740088500").from_ms, INT64_C(1740088500000));
    assert_int_equal(taken("to", "1740088500.125").to_ms, INT64_C(1740088500125));
    assert_int_equal(taken("from", "0").from_ms, 0);
    assert_int_equal(taken("from", "2025-02-20T21:55:00Z").from_ms, INT64_C(1740088500000));
    assert_int_equal(taken("from", "2025-02-20T22:55:00.5+01:00").from_ms, INT64_C(1740088500500));
    assert_int_equal(taken("to", "1e9").to_ms, INT64_C(1000000000000));
}

static void hostile_times_are_refused(void **state)
{
    static const char *const bad[] = {"",           "NaN",    "+Inf",
                                      "-1",         "1e300",  "253402300801",
                                      "yesterday",  "0x10",   "1740088500 ",
                                      "2025-02-20", "12:00",  "2025-02-30T00:00:00Z",
                                      "1,5",        "--1",    "9999999999999999999999999999",
                                      "%s%n",       "' OR 1", "2025-02-20T22:55:00 01:00"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused_value("from", bad[i]);
        refused_value("to", bad[i]);
    }
}

static void limits_are_whole_numbers_in_range(void **state)
{
    static const char *const bad[] = {
        "", "0", "-1", "100001", "1.5", "1e3", "18446744073709551617", " 1", "0x1", "NaN", "all"};

    (void)state;
    assert_int_equal(taken("limit", "1").limit, 1);
    assert_int_equal(taken("limit", "100000").limit, 100000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused_value("limit", bad[i]);
}

static void an_instance_is_short_utf8(void **state)
{
    char longest[INSTANCE_MAX + 1];

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[INSTANCE_MAX - 1] = '\0';
    assert_string_equal(taken("instance", longest).instance, longest);
    assert_string_equal(taken("instance", "h\xc3\xb4te:9100").instance, "h\xc3\xb4te:9100");
    longest[INSTANCE_MAX - 1] = 'x';
    longest[INSTANCE_MAX] = '\0';
    refused_value("instance", longest);
    refused_value("instance", "");
    refused_value("instance", "\xff");
    const struct param_pair nul = {STR("instance"), {"a\0b", 3}};
    refused(&nul, 1, ALL, "'instance': expected");
}

static void what_is_unknown_or_double_is_named(void **state)
{
    const struct param_pair form = pair("form", "0"), from = pair("from", "0");
    const struct param_pair twice[] = {from, pair("limit", "1"), from};
    const struct param_pair late[] = {pair("from", "2"), pair("to", "1")};
    struct param_pair many[PARAMS_PAIRS_MAX + 1];

    (void)state;
    refused(&form, 1, ALL,
            "unknown parameter 'form': this endpoint takes instance, from, to, limit");
    refused(&from, 1, PARAM_INSTANCE, "unknown parameter 'from': this endpoint takes instance");
    refused(&from, 1, 0, "this endpoint takes none");
    refused(twice, 3, ALL, "'from' comes twice");
    refused(late, 2, ALL, "'from' is later than parameter 'to'");
    for (size_t i = 0; i < PARAMS_PAIRS_MAX + 1; i++)
        many[i] = from;
    refused(many, PARAMS_PAIRS_MAX + 1, ALL, "more than 16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_unix_seconds_or_rfc3339),
        cmocka_unit_test(hostile_times_are_refused),
        cmocka_unit_test(limits_are_whole_numbers_in_range),
        cmocka_unit_test(an_instance_is_short_utf8),
        cmocka_unit_test(what_is_unknown_or_double_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
