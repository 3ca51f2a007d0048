/* SPDX-License-Identifier: Apache-2.0 */
#include "base/protobuf_wire.h"

#include "../test.h"

static struct wire wire_of(const uint8_t *p, size_t n)
{
    return (struct wire){p, p + n};
}

static void varints_are_read_up_to_64_bits(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[10];
        size_t n;
        uint64_t v;
    } cases[] = {
        {{0x00}, 1, 0},
        {{0x7f}, 1, 127},
        {{0x80, 0x01}, 2, 128},
        {{0xac, 0x02}, 2, 300}, /* the encoding's own example */
        {{0x80, 0x00}, 2, 0},   /* longer than need be, and legal */
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, UINT32_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, UINT64_MAX},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire w = wire_of(cases[i].bytes, cases[i].n);
        uint64_t v = 42;
        assert_true(wire_varint(&w, &v));
        assert_true(v == cases[i].v && w.p == w.end);
        for (size_t cut = 0; cut < cases[i].n; cut++) {
            w = wire_of(cases[i].bytes, cut);
            assert_false(wire_varint(&w, &v));
        }
    }
}

static void varints_of_more_than_64_bits_are_refused(void **state)
{
    (void)state;
    static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                      0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    struct wire w = wire_of(over, sizeof over);
    uint64_t v;

    assert_false(wire_varint(&w, &v));
    w = wire_of(endless, sizeof endless);
    assert_false(wire_varint(&w, &v));
}

static void tags_have_a_number_and_a_type(void **state)
{
    (void)state;
    static const uint8_t tag[] = {0x12}, zero[] = {0x02}, high[] = {0xfa, 0xff, 0xff, 0xff, 0x0f},
                         higher[] = {0xfa, 0xff, 0xff, 0xff, 0x1f};
    struct wire w = wire_of(tag, 1);
    uint32_t number;
    unsigned type;

    assert_true(wire_tag(&w, &number, &type));
    assert_true(number == 2 && type == WIRE_BYTES);
    w = wire_of(high, sizeof high);
    assert_true(wire_tag(&w, &number, &type));
    assert_int_equal(number, (1 << 29) - 1);
    w = wire_of(zero, 1); /* field 0 does not exist */
    assert_false(wire_tag(&w, &number, &type));
    w = wire_of(higher, sizeof higher);
    assert_false(wire_tag(&w, &number, &type));
}

static void lengths_are_held_against_what_is_there(void **state)
{
    (void)state;
    static const uint8_t good[] = {3, 'a', 'b', 'c', 'd'};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a'};
    struct wire w = wire_of(good, sizeof good), bytes;

    assert_true(wire_bytes(&w, &bytes));
    assert_true(bytes.p == good + 1 && bytes.end == good + 4 && w.p == good + 4);
    w = wire_of(good, 3);
    assert_false(wire_bytes(&w, &bytes));
    w = wire_of(huge, sizeof huge); /* a length that would wrap around */
    assert_false(wire_bytes(&w, &bytes));
}

static void every_type_but_groups_is_skipped(void **state)
{
    (void)state;
    static const uint8_t bytes[9] = {0x80, 0x01, 3, 4, 5, 6, 7, 8, 9};
    static const struct {
        unsigned type;
        size_t n; /* 0: refused */
    } cases[] = {
        {WIRE_VARINT, 2},
        {WIRE_FIXED64, 8},
        {WIRE_GROUP, 0},
        {WIRE_GROUP_END, 0},
        {WIRE_FIXED32, 4},
        {6, 0},
        {7, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire w = wire_of(bytes, sizeof bytes);
        assert_int_equal(wire_skip(&w, cases[i].type), cases[i].n > 0);
        if (cases[i].n == 0)
            continue;
        assert_ptr_equal(w.p, bytes + cases[i].n);
        w = wire_of(bytes, cases[i].n - 1);
        assert_false(wire_skip(&w, cases[i].type));
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    uint8_t bytes[64];

    for (unsigned shift = 0; shift < 64; shift++) {
        const uint64_t v = (UINT64_C(1) << shift) - (shift & 1);
        const uint8_t *end = wire_put_varint(bytes, v);
        struct wire w = {bytes, end};
        uint64_t back;
        assert_int_equal(end - bytes, wire_varint_size(v));
        assert_true(wire_varint(&w, &back) && back == v && w.p == w.end);
    }
    const uint8_t *end = wire_put_bytes(bytes, wire_tag_of(3, WIRE_BYTES), STR("three"));
    struct wire w = {bytes, end}, text;
    uint32_t number;
    unsigned type;
    assert_true(wire_tag(&w, &number, &type) && number == 3 && type == WIRE_BYTES);
    assert_true(wire_bytes(&w, &text) && w.p == w.end);
    assert_memory_equal(text.p, "three", 5);
}

static void doubles_keep_their_bits(void **state)
{
    (void)state;
    static const uint8_t stale[] = {0x02, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0xff};
    struct wire w = wire_of(stale, sizeof stale);
    uint64_t bits;
    double v;

    assert_true(wire_double(&w, &v));
    memcpy(&bits, &v, sizeof bits);
    assert_int_equal(bits, 0x7ff0000000000002u);
    assert_ptr_equal(w.p, stale + 8);
    assert_false(wire_double(&w, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_are_read_up_to_64_bits),
        cmocka_unit_test(varints_of_more_than_64_bits_are_refused),
        cmocka_unit_test(tags_have_a_number_and_a_type),
        cmocka_unit_test(lengths_are_held_against_what_is_there),
        cmocka_unit_test(every_type_but_groups_is_skipped),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(doubles_keep_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
