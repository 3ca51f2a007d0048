/* SPDX-License-Identifier: Apache-2.0 */
#include "data/telemetry.h"

#include <pthread.h>
#include <string.h>

#include "../test.h"
#include "base/str.h"

/* What `promtool check metrics` asks for, and what a writer of families relies on. */
static void every_counter_has_a_name_a_label_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < TEL_COUNT; i++) {
        const struct telemetry_row *r = &telemetry_rows[i];
        assert_non_null(r->name);
        assert_true(str_starts(str_of(r->name), STR("tocsin_")));
        assert_string_equal(r->name + strlen(r->name) - 6, "_total");
        assert_true(strlen(r->help) > 10 && r->help[strlen(r->help) - 1] == '.');
        assert_null(strpbrk(r->help, "\n\\"));
        assert_non_null(r->labels);
    }
}

static void rows_of_a_family_are_adjacent_share_help_and_differ_in_labels(void **state)
{
    (void)state;
    for (int i = 0; i < TEL_COUNT; i++)
        for (int j = i + 1; j < TEL_COUNT; j++) {
            const struct telemetry_row *a = &telemetry_rows[i], *b = &telemetry_rows[j];
            if (strcmp(a->name, b->name) != 0)
                continue;
            assert_string_equal(telemetry_rows[j - 1].name, b->name);
            assert_string_equal(a->help, b->help);
            assert_string_not_equal(a->labels, b->labels);
            assert_true(*a->labels && *b->labels);
        }
}

static void *add_many(void *t)
{
    for (int i = 0; i < 10000; i++)
        telemetry_add(t, TEL_SAMPLES, 2);
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    static struct telemetry t;
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &t), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(telemetry_get(&t, TEL_SAMPLES), 60000);
    assert_int_equal(telemetry_get(&t, TEL_TICKS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_has_a_name_a_label_and_a_sentence),
        cmocka_unit_test(rows_of_a_family_are_adjacent_share_help_and_differ_in_labels),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
