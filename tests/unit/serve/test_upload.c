/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/upload.h"

#include "../test.h"
#include "base/mem.h"

enum { MOST = 100 };

static struct upload_room room;

static int begin(void **state)
{
    (void)state;
    room = (struct upload_room){.max = 150};
    return 0;
}

static unsigned refused(const char *length, const char *encoding)
{
    struct upload *u = NULL;
    unsigned status = 0;
    struct err err;

    assert_int_not_equal(upload_new(&room, length, encoding, MOST, &u, &status, &err), OK);
    assert_null(u);
    return status;
}

static struct upload *start(const char *length)
{
    struct upload *u = NULL;
    unsigned status;
    struct err err;

    if (upload_new(&room, length, NULL, MOST, &u, &status, &err) != OK)
        fail_msg("%s", err.msg);
    return u;
}

static void a_body_of_unknown_or_excessive_length_is_not_read(void **state)
{
    (void)state;
    assert_int_equal(refused(NULL, NULL), 411);
    assert_int_equal(refused(NULL, "chunked"), 411);
    assert_int_equal(refused("10", "chunked"), 411);
    assert_int_equal(refused("", NULL), 400);
    assert_int_equal(refused("-1", NULL), 400);
    assert_int_equal(refused("1e1", NULL), 400);
    assert_int_equal(refused("99999999999999999999", NULL), 400);
    assert_int_equal(refused("101", NULL), 400);
    assert_int_equal(room.used, 0);
}

static void a_body_comes_in_pieces(void **state)
{
    (void)state;
    struct upload *u = start("6");

    upload_add(u, "abc", 3);
    assert_false(upload_is_whole(u));
    upload_add(u, "def", 3);
    assert_true(upload_is_whole(u));
    assert_memory_equal(u->body.p, "abcdef", 6);
    upload_add(u, "g", 1); /* more than was announced */
    assert_false(upload_is_whole(u));
    upload_free(u);
    u = start("0");
    assert_true(upload_is_whole(u));
    upload_free(u);
    upload_free(NULL);
}

static void bodies_share_a_room(void **state)
{
    (void)state;
    struct upload *first = start("100");

    assert_int_equal(refused("51", NULL), 503);
    struct upload *second = start("50");
    upload_free(first);
    struct upload *third = start("100");
    upload_free(second);
    upload_free(third);
    assert_int_equal(room.used, 0);
}

static void without_memory_a_body_is_not_whole(void **state)
{
    (void)state;
    mem_fail_at(1);
    assert_int_equal(refused("5", NULL), 503);
    struct upload *u = start("5");
    mem_fail_at(1);
    upload_add(u, "abcde", 5);
    mem_fail_at(0);
    assert_false(upload_is_whole(u));
    upload_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_body_of_unknown_or_excessive_length_is_not_read, begin),
        cmocka_unit_test_setup(a_body_comes_in_pieces, begin),
        cmocka_unit_test_setup(bodies_share_a_room, begin),
        cmocka_unit_test_setup(without_memory_a_body_is_not_whole, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
