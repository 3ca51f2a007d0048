/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/board.h"

static struct telemetry telemetry;

static struct board *new_board(void)
{
    struct board *b;
    struct err err;

    assert_int_equal(board_new(&telemetry, &b, &err), OK);
    return b;
}

static size_t add(struct board *b, const char *name)
{
    struct err err = {0};
    size_t slot;

    if (board_add(b, name, &slot, &err) != OK)
        fail_msg("%s", err.msg);
    return slot;
}

static void what_is_published_is_read(void **state)
{
    struct entity_view v = {.score = 0.5f, .scored = true, .phase = PHASE_WATCHING}, got;
    CLEANUP(board_freep) struct board *b = new_board();

    (void)state;
    assert_false(board_read(b, 0, &got));
    assert_int_equal(add(b, "a"), 0);
    assert_int_equal(add(b, "b"), 1);
    assert_int_equal(board_count(b), 2);
    assert_true(board_read(b, 1, &got));
    assert_int_equal(got.phase, PHASE_LEARNING);
    assert_false(got.scored);
    board_publish(b, 1, &v);
    assert_true(board_read(b, 1, &got));
    assert_string_equal(got.instance, "b"); /* the name is the board's */
    assert_true(got.score == 0.5f);
    assert_false(board_read(b, 2, &got));
    assert_ptr_equal(board_telemetry(b), &telemetry);
}

static void a_name_must_be_new_and_fit(void **state)
{
    CLEANUP(board_freep) struct board *b = new_board();
    char name[INSTANCE_MAX + 1];
    struct err err = {0};
    size_t slot = 77;

    (void)state;
    (void)add(b, "a");
    assert_int_equal(board_add(b, "a", &slot, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "'a'"));
    assert_int_equal(board_add(b, "", &slot, &err), E_CONFIG);
    memset(name, 'x', sizeof name);
    name[INSTANCE_MAX] = '\0';
    assert_int_equal(board_add(b, name, &slot, &err), E_LIMIT);
    name[INSTANCE_MAX - 1] = '\0';
    assert_int_equal(board_add(b, name, &slot, &err), OK);
    for (size_t i = board_count(b); i < BOARD_ENTITIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "e%zu", i);
        (void)add(b, name);
    }
    slot = 77;
    assert_int_equal(board_add(b, "one more", &slot, &err), E_LIMIT);
    assert_int_equal(slot, 77);
}

static void no_memory_is_an_error_at_every_allocation(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        struct board *b = NULL;
        struct err err = {0};
        size_t slot;
        mem_fail_at(n);
        const enum rc rc = board_new(&telemetry, &b, &err);
        assert_int_equal(rc, n <= 2 ? E_NOMEM : OK);
        if (rc == OK)
            assert_int_equal(board_add(b, "a", &slot, &err), E_NOMEM);
        mem_fail_at(0);
        board_free(b);
    }
}

static void trouble_is_a_copy(void **state)
{
    CLEANUP(board_freep) struct board *b = new_board();
    char text[32], small[6];

    (void)state;
    board_trouble(b, text, sizeof text);
    assert_string_equal(text, "");
    (void)snprintf(text, sizeof text, "store: disk full");
    board_set_trouble(b, text);
    memset(text, 0, sizeof text);
    board_trouble(b, text, sizeof text);
    assert_string_equal(text, "store: disk full");
    board_trouble(b, small, sizeof small);
    assert_string_equal(small, "store");
    board_set_trouble(b, "");
    board_trouble(b, text, sizeof text);
    assert_string_equal(text, "");
}

enum { ROUNDS = 2000 };

static void *publish(void *arg)
{
    struct board *b = arg;

    for (uint64_t i = 1; i <= ROUNDS; i++) {
        const struct entity_view v = {.learned_rows = i, .wanted_rows = i, .model_id = i};
        board_publish(b, 0, &v);
    }
    return NULL;
}

static void a_reader_never_sees_half_a_state(void **state)
{
    CLEANUP(board_freep) struct board *b = new_board();
    struct entity_view v = {0};
    pthread_t writer;

    (void)state;
    (void)add(b, "a");
    assert_int_equal(pthread_create(&writer, NULL, publish, b), 0);
    while (v.model_id < ROUNDS) {
        assert_true(board_read(b, 0, &v));
        assert_true(v.learned_rows == v.model_id && v.wanted_rows == v.model_id);
    }
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_read),
        cmocka_unit_test(a_name_must_be_new_and_fit),
        cmocka_unit_test(no_memory_is_an_error_at_every_allocation),
        cmocka_unit_test(trouble_is_a_copy),
        cmocka_unit_test(a_reader_never_sees_half_a_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
