/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/rng.h"

static void buffer_keeps_what_is_added_and_a_nul(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 1 << 20);
    buf_puts(&b, "one ");
    buf_str(&b, STR("two "));
    buf_add(&b, "th\0ree", 6);
    assert_int_equal(b.n, 14);
    assert_memory_equal(b.p, "one two th\0ree", 15);
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_string_equal(b.p, "");
}

static void buffer_holds_its_limit_and_not_a_byte_more(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;

    for (size_t limit = 0; limit < 600; limit += 37) {
        buf_init(&b, limit);
        for (size_t i = 0; i < limit; i++)
            buf_add(&b, "x", 1);
        assert_false(b.failed);
        assert_int_equal(b.n, limit);
        buf_add(&b, "x", 1);
        assert_true(b.failed);
        assert_int_equal(b.n, limit);
        assert_true(b.capacity <= limit + 1);
        buf_done(&b);
    }
}

static void failed_buffer_ignores_what_follows_until_cleared(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 4);
    buf_puts(&b, "12345");
    assert_true(b.failed);
    buf_puts(&b, "1");
    buf_printf(&b, "%d", 1);
    assert_int_equal(b.n, 0);
    assert_null(buf_take(&b));
    buf_puts(&b, "1234");
    buf_printf(&b, "%d", 5);
    assert_true(b.failed);
    assert_string_equal(b.p, "1234"); /* a line that does not fit leaves no part of itself */
    buf_clear(&b);
    buf_puts(&b, "ok");
    assert_string_equal(b.p, "ok");
}

static void formatted_lines_of_every_length_fit(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    char want[700];

    for (int n = 0; n < 600; n++) {
        buf_init(&b, 1000);
        buf_puts(&b, "a");
        buf_printf(&b, "%0*d", n, 7);
        (void)snprintf(want, sizeof want, "a%0*d", n, 7);
        assert_false(b.failed);
        assert_string_equal(b.p, want);
        buf_done(&b);
    }
}

static void buffer_without_memory_fails_and_is_empty(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 1000);
    mem_fail_at(1);
    buf_puts(&b, "x");
    assert_true(b.failed);
    buf_clear(&b);
    mem_fail_at(1);
    assert_null(buf_take(&b));
    mem_fail_at(0);
}

static void taken_text_belongs_to_the_caller(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 100);
    CLEANUP(mem_freep) char *nothing = buf_take(&b);
    assert_string_equal(nothing, "");
    buf_puts(&b, "text");
    CLEANUP(mem_freep) char *p = buf_take(&b);
    assert_string_equal(p, "text");
    assert_null(b.p);
    buf_puts(&b, "again");
    assert_string_equal(p, "text");
    assert_string_equal(b.p, "again");
}

static void check_number(double v, const char *want)
{
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 64);
    buf_double(&b, v);
    assert_string_equal(b.p, want);
}

static void numbers_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    check_number(0, "0");
    check_number(-0.0, "-0");
    check_number(1, "1");
    check_number(-17, "-17");
    check_number(123456789012345, "123456789012345");
    check_number(0.1, "0.1");
    check_number(0.1 + 0.2, "0.30000000000000004");
    check_number(1.0 / 3, "0.3333333333333333");
    check_number(1e20, "1e+20");
    check_number(5e-324, "5e-324");
    check_number(DBL_MAX, "1.7976931348623157e+308");
    check_number((double)NAN, "NaN");
    check_number(HUGE_VAL, "+Inf");
    check_number(-HUGE_VAL, "-Inf");
}

static void check_float(float v, const char *want)
{
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 64);
    buf_float(&b, v);
    assert_string_equal(b.p, want);
}

static void floats_are_not_written_as_doubles(void **state)
{
    (void)state;
    check_float(0.1f, "0.1");
    check_float(0.1998f, "0.1998");
    check_float(-0.0f, "-0");
    check_float(16777216, "16777216");
    check_float(1e9f, "1e+09");
    check_float(FLT_MAX, "3.4028235e+38");
    check_float(1e-45f, "1e-45");
    check_float(NAN, "NaN");
    check_float(-INFINITY, "-Inf");
}

/* Any bits at all, and values such as people write. */
static void every_number_reads_back_as_itself(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct rng rng;

    rng_init(&rng, 1);
    buf_init(&b, 64);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = rng_u64(&rng);
        double v, back;
        float f;
        memcpy(&v, &bits, sizeof v);
        memcpy(&f, &bits, sizeof f);
        if (i % 2) {
            v = (double)(int64_t)(bits >> 40) / pow(10, (double)(i % 9));
            f = (float)v;
        }
        buf_clear(&b);
        buf_double(&b, v);
        assert_true(str_to_double((struct str){b.p, b.n}, &back));
        if (isnan(v))
            assert_true(isnan(back));
        else
            assert_memory_equal(&v, &back, sizeof v);
        buf_clear(&b);
        buf_float(&b, f);
        assert_true(str_to_double((struct str){b.p, b.n}, &back));
        const float again = isnan(f) || isinf(f) ? (float)back : strtof(b.p, NULL);
        if (isnan(f))
            assert_true(isnan(again));
        else
            assert_memory_equal(&f, &again, sizeof f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_what_is_added_and_a_nul),
        cmocka_unit_test(buffer_holds_its_limit_and_not_a_byte_more),
        cmocka_unit_test(failed_buffer_ignores_what_follows_until_cleared),
        cmocka_unit_test(formatted_lines_of_every_length_fit),
        cmocka_unit_test(buffer_without_memory_fails_and_is_empty),
        cmocka_unit_test(taken_text_belongs_to_the_caller),
        cmocka_unit_test(numbers_are_written_in_their_shortest_form),
        cmocka_unit_test(floats_are_not_written_as_doubles),
        cmocka_unit_test(every_number_reads_back_as_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
