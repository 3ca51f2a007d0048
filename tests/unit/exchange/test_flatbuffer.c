/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/flatbuffer_read.h"
#include "exchange/flatbuffer_write.h"

enum { LIMIT = 1 << 16 };

/* A root with a field of each kind, and two children; absent: ids 1 and 7. */
static const uint8_t *make(struct flatbuffer_writer *w, size_t *n)
{
    static const uint32_t numbers[] = {7, 8, 0xffffffff};
    static const uint8_t bytes[] = {1, 2, 3, 4, 5};
    const struct flatbuffer_field child[] = {{2, FLATBUFFER_U32, 42}};
    flatbuffer_ref children[2];

    flatbuffer_put_init(w, LIMIT);
    children[0] = flatbuffer_put_table(w, child, 1);
    children[1] = flatbuffer_put_table(w, NULL, 0);
    const struct flatbuffer_field f[] = {
        {0, FLATBUFFER_U8, 200},
        {1, FLATBUFFER_REF, 0},
        {2, FLATBUFFER_U64, 0x0123456789abcdef},
        {3, FLATBUFFER_REF, flatbuffer_put_string(w, "a name")},
        {4, FLATBUFFER_U32, 0xfedcba98},
        {5, FLATBUFFER_REF, flatbuffer_put_vector(w, numbers, 3, 4, 0)},
        {6, FLATBUFFER_REF, flatbuffer_put_refs(w, children, 2)},
        {8, FLATBUFFER_REF, flatbuffer_put_vector(w, bytes, 5, 1, 16)},
        {9, FLATBUFFER_REF, children[0]},
    };
    return flatbuffer_put_root(w, flatbuffer_put_table(w, f, 9), "TEST", n);
}

/* Whatever is in it, reading gives something. */
static void look_at_all(const void *p, size_t n, struct err *err, bool *ret_failed)
{
    struct flatbuffer f = {.p = p, .n = n, .err = err};
    const struct flatbuffer_table root = flatbuffer_get_root(&f, "TEST");

    for (uint16_t id = 0; id < 40; id++) {
        (void)flatbuffer_get_u8(root, id, 0);
        (void)flatbuffer_get_string(root, id);
    }
    (void)flatbuffer_get_u64(root, 2, 0);
    (void)flatbuffer_get_u32(flatbuffer_get_table(root, 9), 2, 0);
    const struct flatbuffer_vector v = flatbuffer_get_vector(root, 6, 4);
    for (size_t i = 0; i < v.n; i++)
        (void)flatbuffer_get_u32(flatbuffer_table_at(v, i), 2, 0);
    *ret_failed = f.failed;
}

static void what_is_put_is_got(void **state)
{
    struct flatbuffer_writer w;
    struct err err;
    size_t n;
    const uint8_t *const p = make(&w, &n);
    struct flatbuffer f = {.p = p, .n = n, .err = &err};
    const struct flatbuffer_table root = flatbuffer_get_root(&f, "TEST");

    (void)state;
    assert_int_equal(flatbuffer_get_u8(root, 0, 1), 200);
    assert_int_equal(flatbuffer_get_u32(root, 1, 5), 5); /* absent */
    assert_true(flatbuffer_get_u64(root, 2, 0) == 0x0123456789abcdef);
    const struct str name = flatbuffer_get_string(root, 3);
    assert_true(str_eq(name, STR("a name")));
    assert_int_equal(name.p[name.n], 0);
    assert_int_equal(flatbuffer_get_u32(root, 4, 0), 0xfedcba98);
    const struct flatbuffer_vector numbers = flatbuffer_get_vector(root, 5, 4);
    assert_int_equal(numbers.n, 3);
    assert_int_equal(flatbuffer_u32_at(numbers, 1), 8);
    assert_int_equal(flatbuffer_u32_at(numbers, 2), 0xffffffff);
    const struct flatbuffer_vector children = flatbuffer_get_vector(root, 6, 4);
    assert_int_equal(children.n, 2);
    assert_int_equal(flatbuffer_get_u32(flatbuffer_table_at(children, 0), 2, 0), 42);
    assert_int_equal(flatbuffer_get_u32(flatbuffer_table_at(children, 1), 2, 9), 9);
    assert_int_equal(flatbuffer_get_u32(flatbuffer_get_table(root, 9), 2, 0), 42);
    assert_int_equal(flatbuffer_get_table(root, 7).at, 0);
    assert_int_equal(flatbuffer_get_u8(root, 30, 3), 3); /* past the last */
    assert_false(f.failed);
    flatbuffer_put_done(&w);
}

static void all_stands_at_multiples_of_its_size(void **state)
{
    struct flatbuffer_writer w;
    struct err err;
    size_t n;
    const uint8_t *const p = make(&w, &n);
    struct flatbuffer f = {.p = p, .n = n, .err = &err};
    const struct flatbuffer_table root = flatbuffer_get_root(&f, "TEST");

    (void)state;
    assert_int_equal(n % 16, 0);
    assert_int_equal(root.at % 8, 0); /* it has a field of eight bytes */
    assert_int_equal(flatbuffer_get_vector(root, 5, 4).at % 4, 0);
    assert_int_equal(flatbuffer_get_vector(root, 8, 1).at % 16, 0);
    assert_false(f.failed);
    flatbuffer_put_done(&w);
}

static void a_file_that_is_cut_is_refused(void **state)
{
    struct flatbuffer_writer w;
    size_t n;
    const uint8_t *const p = make(&w, &n);
    size_t refused = 0;

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *const part = malloc(cut ? cut : 1); /* of that size: a read past it is seen */
        struct err err = {0};
        bool failed;

        assert_non_null(part);
        memcpy(part, p, cut);
        look_at_all(part, cut, &err, &failed);
        refused += failed;
        assert_true(!failed || (err.rc == E_PARSE && err.msg[0]));
        free(part);
    }
    assert_true(refused >= n - 8); /* what is at the end may be padding and a table of nothing */
    flatbuffer_put_done(&w);
}

static void a_byte_that_is_changed_does_no_harm(void **state)
{
    static const uint8_t others[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct flatbuffer_writer w;
    size_t n;
    const uint8_t *const p = make(&w, &n);
    uint8_t *const copy = malloc(n);

    (void)state;
    assert_non_null(copy);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof others; k++) {
            struct err err = {0};
            bool failed;

            memcpy(copy, p, n);
            copy[i] = others[k];
            look_at_all(copy, n, &err, &failed);
            assert_true(failed == (err.msg[0] != 0));
        }
    free(copy);
    flatbuffer_put_done(&w);
}

static void other_letters_are_refused(void **state)
{
    struct flatbuffer_writer w;
    struct err err = {0};
    size_t n;
    const uint8_t *const p = make(&w, &n);
    struct flatbuffer f = {.p = p, .n = n, .err = &err};

    (void)state;
    assert_int_equal(flatbuffer_get_root(&f, "ELSE").at, 0);
    assert_true(f.failed);
    assert_int_equal(err.rc, E_PARSE);
    flatbuffer_put_done(&w);
}

static void a_field_that_is_not_aligned_is_refused(void **state)
{
    /* the root's table at 16, its vtable at 8: field 0 at 5 of the table */
    static const uint8_t file[] = {16, 0, 0, 0, 'T', 'E', 'S', 'T', 6, 0, 12, 0, 5, 0,
                                   0,  0, 8, 0, 0,   0,   1,   2,   3, 4, 5,  6, 7, 8};
    struct err err = {0};
    struct flatbuffer f = {.p = file, .n = sizeof file, .err = &err};
    const struct flatbuffer_table root = flatbuffer_get_root(&f, "TEST");

    (void)state;
    assert_int_equal(flatbuffer_get_u8(root, 0, 0), 2); /* a byte may stand there */
    assert_false(f.failed);
    assert_int_equal(flatbuffer_get_u32(root, 0, 77), 77);
    assert_true(f.failed);
    assert_non_null(strstr(err.msg, "byte 12"));
}

static void a_list_of_fields_past_the_end_is_refused(void **state)
{
    /* the root's table at 8, its vtable behind it at 12, which says that it has 40 bytes */
    static const uint8_t file[] = {8, 0, 0, 0, 'T', 'E', 'S', 'T', 252, 255, 255, 255, 40, 0, 4, 0};
    uint8_t *const copy = malloc(sizeof file); /* of that size: a read past it is seen */
    struct err err = {0};
    bool failed;

    (void)state;
    assert_non_null(copy);
    memcpy(copy, file, sizeof file);
    look_at_all(copy, sizeof file, &err, &failed);
    assert_true(failed);
    assert_non_null(strstr(err.msg, "byte 12"));
    copy[12] = 4; /* and now that it has none */
    look_at_all(copy, sizeof file, &err, &failed);
    assert_false(failed);
    free(copy);
}

static void a_writer_stops_at_its_limit(void **state)
{
    static const uint8_t much[LIMIT];
    struct flatbuffer_writer w;
    size_t n = 99;

    (void)state;
    flatbuffer_put_init(&w, LIMIT);
    assert_int_not_equal(flatbuffer_put_vector(&w, much, LIMIT / 2, 1, 0), 0);
    assert_int_equal(flatbuffer_put_vector(&w, much, LIMIT / 2, 1, 0), 0);
    assert_true(w.failed);
    assert_null(flatbuffer_put_root(&w, 4, "TEST", &n));
    assert_int_equal(n, 99);
    flatbuffer_put_done(&w);
}

static void no_memory_is_noticed(void **state)
{
    struct flatbuffer_writer w;
    size_t n;

    (void)state;
    mem_fail_at(1);
    assert_null(make(&w, &n));
    mem_fail_at(0);
    flatbuffer_put_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(all_stands_at_multiples_of_its_size),
        cmocka_unit_test(a_file_that_is_cut_is_refused),
        cmocka_unit_test(a_byte_that_is_changed_does_no_harm),
        cmocka_unit_test(other_letters_are_refused),
        cmocka_unit_test(a_field_that_is_not_aligned_is_refused),
        cmocka_unit_test(a_list_of_fields_past_the_end_is_refused),
        cmocka_unit_test(a_writer_stops_at_its_limit),
        cmocka_unit_test(no_memory_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
