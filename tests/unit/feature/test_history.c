/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/history.h"

enum { SHORT, LONG, CLASSES };

static const int64_t windows_ms[CLASSES] = {5000, 10000}; /* 8 and 16 places a series */

static struct history start(void)
{
    struct history h;
    struct err err;

    assert_int_equal(history_init(&h, windows_ms, CLASSES, 1000, &err), OK);
    return h;
}

/* Series taken by a class before it is full. */
static size_t taken(struct history *h, size_t class, size_t most)
{
    struct err err = {0};
    size_t index, n = 0;

    while (n < most && history_add(h, class, &index, &err) == OK)
        n++;
    if (n < most) {
        assert_int_equal(err.rc, E_LIMIT);
        assert_string_equal(err.msg, "evaluator: the windows hold over 33554432 samples");
    }
    return n;
}

static size_t sum(const struct history *h)
{
    size_t cells = 0;

    for (size_t i = 0; i < h->n_classes; i++)
        cells += h->classes[i].capacity * h->classes[i].depth;
    return cells;
}

static void all_classes_share_one_bound(void **state)
{
    struct history h = start();

    (void)state;
    h.cells = HISTORY_CELLS_MAX - 8 * 8 - 5 * 16; /* as if others had taken so many */
    assert_int_equal(taken(&h, SHORT, 8), 8);
    assert_int_equal(taken(&h, LONG, 99), 5);
    assert_int_equal(taken(&h, SHORT, 99), 0);
    history_done(&h);
}

static void places_are_counted_as_classes_grow(void **state)
{
    struct history h = start();
    struct err err;

    (void)state;
    assert_int_equal(taken(&h, SHORT, 100), 100);
    assert_int_equal(taken(&h, LONG, 30), 30);
    assert_int_equal(h.cells, sum(&h));
    for (int64_t t = 1; t < 100; t++) { /* ten times as fast as expected */
        assert_int_equal(history_reserve(&h, 100 * t, &err), OK);
        history_tick(&h, 100 * t);
    }
    assert_int_equal(h.classes[LONG].depth, 128);
    assert_int_equal(h.cells, sum(&h));
    history_done(&h);
}

static void faster_ticks_do_not_pass_the_bound(void **state)
{
    struct history h = start();
    struct err err = {0};
    enum rc rc = OK;
    int64_t t = 0;

    (void)state;
    assert_int_equal(taken(&h, SHORT, 8), 8);
    h.cells = HISTORY_CELLS_MAX - 8 * 8; /* one doubling fits, and no other */
    while (rc == OK && ++t < 100) {
        rc = history_reserve(&h, 100 * t, &err);
        if (rc == OK)
            history_tick(&h, 100 * t);
    }
    assert_int_equal(rc, E_LIMIT);
    assert_int_equal(h.classes[SHORT].depth, 16);
    assert_int_equal(h.cells, HISTORY_CELLS_MAX);
    history_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_classes_share_one_bound),
        cmocka_unit_test(places_are_counted_as_classes_grow),
        cmocka_unit_test(faster_ticks_do_not_pass_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
