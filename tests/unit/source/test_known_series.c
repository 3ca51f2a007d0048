/* SPDX-License-Identifier: Apache-2.0 */
#include "source/known_series.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"

enum { MANY = 20000 };

static struct known_series *make(void)
{
    struct known_series *k = NULL;
    struct err err;

    assert_int_equal(known_series_new(7, &k, &err), OK);
    return k;
}

/* Whether series i is there; made by this when not. */
static struct known *find(struct known_series *k, int i, bool *ret_new)
{
    struct known *e = NULL;
    struct err err;
    char text[32];

    (void)snprintf(text, sizeof text, "series %d", i);
    assert_int_equal(known_series_find(k, str_of(text), &e, ret_new, &err), OK);
    return e;
}

static void every_series_keeps_its_own_entry(void **state)
{
    (void)state;
    struct known_series *k = make();
    bool new;

    for (int i = 0; i < MANY; i++) {
        struct known *e = find(k, i, &new);
        assert_true(new && e->entity == 0 && e->series == 0);
        e->entity = (uint32_t)i;
    }
    assert_int_equal(known_series_count(k), MANY);
    for (int i = 0; i < MANY; i++) {
        const struct known *e = find(k, i, &new);
        assert_true(!new && e->entity == (uint32_t)i);
    }
    known_series_free(k);
}

static void what_does_not_come_is_forgotten_and_what_does_is_not(void **state)
{
    (void)state;
    struct known_series *k = make();
    bool new;

    for (int i = 0; i < MANY; i++)
        find(k, i, &new)->entity = (uint32_t)i;
    for (int step = 0; step < KNOWN_STEPS - 1; step++) {
        known_series_age(k);
        (void)find(k, 5, &new);
        assert_false(new);
    }
    assert_int_equal(known_series_count(k), MANY);
    known_series_age(k);
    assert_int_equal(known_series_count(k), 1);
    assert_int_equal(find(k, 5, &new)->entity, 5);
    assert_false(new);
    (void)find(k, 6, &new);
    assert_true(new);
    for (int step = 0; step < 600; step++) { /* steps are counted in a byte */
        known_series_age(k);
        (void)find(k, 5, &new);
        assert_false(new);
    }
    assert_int_equal(known_series_count(k), 1);
    known_series_free(k);
}

static void a_new_entry_can_be_taken_back(void **state)
{
    (void)state;
    struct known_series *k = make();
    bool new;

    known_series_take_back(k, find(k, 1, &new));
    assert_int_equal(known_series_count(k), 0);
    (void)find(k, 1, &new);
    assert_true(new);
    known_series_free(k);
}

static void no_memory_leaves_the_table_whole(void **state)
{
    (void)state;
    struct known_series *k = make();
    struct known *e = NULL;
    struct err err;
    bool new;
    int n = 0;

    mem_fail_at(1);
    for (enum rc rc = OK; rc == OK; n++) {
        char text[32];
        (void)snprintf(text, sizeof text, "series %d", n);
        rc = known_series_find(k, str_of(text), &e, &new, &err);
        assert_true(rc == OK || rc == E_NOMEM);
    }
    assert_true(n > 100);
    mem_fail_at(1);
    known_series_age(k); /* there is no table to move to: nothing changes */
    mem_fail_at(0);
    assert_int_equal(known_series_count(k), n - 1);
    for (int i = 0; i < n - 1; i++) {
        (void)find(k, i, &new);
        assert_false(new);
    }
    known_series_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_series_keeps_its_own_entry),
        cmocka_unit_test(what_does_not_come_is_forgotten_and_what_does_is_not),
        cmocka_unit_test(a_new_entry_can_be_taken_back),
        cmocka_unit_test(no_memory_leaves_the_table_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
