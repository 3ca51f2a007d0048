/* SPDX-License-Identifier: Apache-2.0 */
#include "data/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* A schema of these names; fails the test when it is refused. */
static struct schema *named(const char *const *names, size_t n)
{
    struct feature *f = mem_array(n, sizeof *f);
    struct schema *s = NULL;
    struct err err;

    for (size_t i = 0; i < n; i++)
        (void)snprintf(f[i].name, sizeof f[i].name, "%s", names[i]);
    assert_int_equal(schema_new(f, n, &s, &err), OK);
    mem_free(f);
    return s;
}

#define NAMED(...)                                                                                 \
    named((const char *const[]){__VA_ARGS__},                                                      \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void features_are_found_by_name(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = NAMED("cpu_usage", "node:load.1-m", "_x9");

    assert_int_equal(s->n, 3);
    assert_int_equal(schema_find(s, STR("cpu_usage")), 0);
    assert_int_equal(schema_find(s, STR("_x9")), 2);
    assert_int_equal(schema_find(s, STR("_x")), -1);
    assert_int_equal(schema_find(s, STR("_x99")), -1);
    assert_int_equal(schema_find(s, STR("")), -1);
}

static void hash_covers_names_and_order_and_nothing_else(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *ab = NAMED("a", "b"), *ba = NAMED("b", "a");
    CLEANUP(schema_freep) struct schema *joined = NAMED("ab"), *more = NAMED("a", "b", "c");
    CLEANUP(schema_freep) struct schema *again = NULL, *copy = schema_copy(ab);
    struct feature f[] = {{.name = "a", .unit = "ratio"}, {.name = "b", .group = "cpu"}};
    struct err err;

    f[0].resolution = 0.5f;
    assert_int_equal(schema_new(f, 2, &again, &err), OK);
    assert_int_equal(ab->hash, again->hash);
    assert_int_equal(ab->hash, copy->hash);
    assert_int_not_equal(ab->hash, ba->hash);
    assert_int_not_equal(ab->hash, joined->hash);
    assert_int_not_equal(ab->hash, more->hash);
    assert_string_equal(again->f[0].unit, "ratio");
}

static void malformed_names_are_refused_by_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "9a", "a b", "a\"", "a\n", "caf\xc3\xa9",
                                      "-a", ".a", "a{"};
    struct schema *s = NULL;
    struct err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct feature f[] = {{.name = "good"}, {.name = ""}};
        (void)snprintf(f[1].name, sizeof f[1].name, "%s", bad[i]);
        assert_int_equal(schema_new(f, 2, &s, &err), E_PARSE);
        assert_non_null(strstr(err.msg, "feature 2: '"));
    }
    struct feature endless;
    memset(&endless, 'a', sizeof endless);
    assert_int_equal(schema_new(&endless, 1, &s, &err), E_PARSE);
    struct feature no_end = {.name = "a"};
    memset(no_end.unit, 'a', sizeof no_end.unit);
    assert_int_equal(schema_new(&no_end, 1, &s, &err), E_PARSE);
    assert_null(s);
}

static void name_that_comes_twice_is_refused(void **state)
{
    (void)state;
    const struct feature f[] = {{.name = "a"}, {.name = "b"}, {.name = "a"}};
    struct schema *s = NULL;
    struct err err;

    assert_int_equal(schema_new(f, 3, &s, &err), E_PARSE);
    assert_string_equal(err.msg, "feature 'a' comes twice, as number 1 and 3");
}

static void none_or_too_many_features_are_refused(void **state)
{
    (void)state;
    struct feature *f = mem_array(SCHEMA_FEATURES_MAX + 1, sizeof *f);
    struct schema *s = NULL;
    struct err err;

    assert_int_equal(schema_new(f, 0, &s, &err), E_LIMIT);
    for (int i = 0; i <= SCHEMA_FEATURES_MAX; i++)
        (void)snprintf(f[i].name, sizeof f[i].name, "f%d", i);
    assert_int_equal(schema_new(f, SCHEMA_FEATURES_MAX + 1, &s, &err), E_LIMIT);
    assert_string_equal(err.msg, "schema: 1025 features, expected 1 to 1024");
    assert_int_equal(schema_new(f, SCHEMA_FEATURES_MAX, &s, &err), OK);
    schema_free(s);
    mem_free(f);
}

static void first_difference_is_told_in_words(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *abc = NAMED("a", "b", "c"), *acb = NAMED("a", "c", "b");
    CLEANUP(schema_freep) struct schema *ab = NAMED("a", "b"), *same = NAMED("a", "b", "c");
    struct err err;

    assert_int_equal(schema_match(abc, same, &err), OK);
    assert_int_equal(schema_match(abc, acb, &err), E_STATE);
    assert_string_equal(err.msg, "feature 2: expected 'b', found 'c'");
    assert_int_equal(schema_match(abc, ab, &err), E_STATE);
    assert_string_equal(err.msg, "expected 3 features, found 2: 'c' is missing");
    assert_int_equal(schema_match(ab, abc, &err), E_STATE);
    assert_string_equal(err.msg, "expected 2 features, found 3: 'c' is not expected");
}

static void a_definition_is_part_of_the_hash_and_not_of_a_match(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *a = NAMED("x", "y");
    CLEANUP(schema_freep) struct schema *b = NAMED("x", "y");
    struct err err;

    schema_define(a, 7);
    assert_true(a->hash != b->hash);
    assert_int_equal(schema_match(a, b, &err), OK);
    schema_define(b, 8);
    assert_true(a->hash != b->hash);
    schema_define(b, 7);
    assert_true(a->hash == b->hash);
}

static void schema_without_memory_says_so(void **state)
{
    (void)state;
    const struct feature f = {.name = "a"};
    CLEANUP(schema_freep) struct schema *s = NULL;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(schema_new(&f, 1, &s, &err), E_NOMEM);
    assert_null(s);
    assert_int_equal(schema_new(&f, 1, &s, &err), OK);
    mem_fail_at(1);
    assert_null(schema_copy(s));
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_found_by_name),
        cmocka_unit_test(hash_covers_names_and_order_and_nothing_else),
        cmocka_unit_test(malformed_names_are_refused_by_number),
        cmocka_unit_test(name_that_comes_twice_is_refused),
        cmocka_unit_test(none_or_too_many_features_are_refused),
        cmocka_unit_test(first_difference_is_told_in_words),
        cmocka_unit_test(a_definition_is_part_of_the_hash_and_not_of_a_match),
        cmocka_unit_test(schema_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
