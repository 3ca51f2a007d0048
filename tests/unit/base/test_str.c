/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../test.h"
#include "base/rng.h"

static void trimming_takes_blanks_at_both_ends(void **state)
{
    (void)state;
    assert_true(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")));
    assert_true(str_eq(str_trim(STR(" \n ")), STR("")));
    assert_true(str_eq(str_trim((struct str){NULL, 0}), STR("")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
}

static void check_double(const char *text, double want)
{
    double v = -1;

    assert_true(str_to_double(str_of(text), &v));
    if (isnan(want))
        assert_true(isnan(v));
    else
        assert_memory_equal(&v, &want, sizeof v);
}

static void numbers_of_every_form_are_read(void **state)
{
    (void)state;
    check_double("0", 0);
    check_double("-0", -0.0);
    check_double("+1", 1);
    check_double("5.", 5);
    check_double(".5", 0.5);
    check_double("1e3", 1000);
    check_double("1E+3", 1000);
    check_double("1.5e-3", 0.0015);
    check_double("1e-400", 0);
    check_double("0e99999", 0);
    check_double("5e-324", 5e-324);
    check_double("1.7976931348623157e+308", 1.7976931348623157e+308);
    check_double("0.1000000000000000055511151231257827021181583404541015625", 0.1);
    check_double("9007199254740993", 9007199254740992.0); /* half to even */
    check_double("9223372036854775808", 9223372036854775808.0);
    check_double("nan", (double)NAN);
    check_double("NaN", (double)NAN);
    check_double("+Inf", HUGE_VAL);
    check_double("inf", HUGE_VAL);
    check_double("-INF", -HUGE_VAL);
    check_double("-Infinity", -HUGE_VAL);
}

static void what_is_not_quite_a_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      " 1",    "1 ",     "1\n",  "0x10",   "1e",
                                      "1e+",   "e5",    ".",      "+",    "-",      "--1",
                                      "1.2.3", "1,5",   "1_000",  "+nan", "nan(1)", "in",
                                      "infin", "1e999", "-1e999", "1f",   "1d",     "\xff"};
    double v = 42;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_to_double(str_of(bad[i]), &v));
    assert_false(str_to_double((struct str){"1\0", 2}, &v));
    char longer[65];
    memset(longer, '1', sizeof longer);
    assert_true(str_to_double((struct str){longer, 64}, &v));
    v = 42;
    assert_false(str_to_double((struct str){longer, 65}, &v));
    assert_true(v == 42); /* untouched */
}

/* The own fast path against the C library on numbers of all shapes. */
static void numbers_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    struct rng r;
    char text[64];

    rng_init(&r, 6);
    for (int i = 0; i < 100000; i++) {
        const uint64_t digits = rng_u64(&r) >> rng_below(&r, 64);
        const uint32_t places = rng_below(&r, 25);
        switch (i % 3) {
        case 0:
            (void)snprintf(text, sizeof text, "%" PRIu64 "e%d", digits, (int)places - 12);
            break;
        case 1:
            (void)snprintf(text, sizeof text, "-%" PRIu64 ".%0*u", digits, (int)places % 12 + 1,
                           places);
            break;
        default:
            (void)snprintf(text, sizeof text, "0.%0*d%" PRIu64, (int)places + 1, 0, digits);
        }
        check_double(text, strtod(text, NULL));
    }
}

static void a_number_ends_where_its_view_ends(void **state)
{
    (void)state;
    double v;
    uint64_t u;

    assert_true(str_to_double((struct str){"12.5678", 4}, &v) && v == 12.5);
    assert_true(str_to_u64((struct str){"1234", 2}, &u) && u == 12);
}

static void integers_are_exact_to_their_limits(void **state)
{
    (void)state;
    uint64_t u = 1;
    int64_t i = 1;

    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("99999999999999999999"), &u));
    assert_false(str_to_u64(STR(""), &u));
    assert_false(str_to_u64(STR("+1"), &u));
    assert_false(str_to_u64(STR("-1"), &u));
    assert_false(str_to_u64(STR("1a"), &u));
    assert_true(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(str_to_i64(STR("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR("-"), &i));
    assert_false(str_to_i64(STR("--1"), &i));
    assert_true(str_to_i64(STR("-0"), &i) && i == 0);
}

static void sizes_have_units(void **state)
{
    (void)state;
    uint64_t v = 0;

    assert_true(str_to_size_bytes(STR("1024"), &v) && v == 1024);
    assert_true(str_to_size_bytes(STR("1GiB"), &v) && v == 1073741824);
    assert_true(str_to_size_bytes(STR("500MB"), &v) && v == 500000000);
    assert_true(str_to_size_bytes(STR("64KiB"), &v) && v == 65536);
    assert_true(str_to_size_bytes(STR("0B"), &v) && v == 0);
    assert_false(str_to_size_bytes(STR("1.5GiB"), &v));
    assert_false(str_to_size_bytes(STR("GiB"), &v));
    assert_false(str_to_size_bytes(STR(""), &v));
    assert_false(str_to_size_bytes(STR("-1"), &v));
    assert_false(str_to_size_bytes(STR("1 GiB"), &v));
    assert_false(str_to_size_bytes(STR("1gib"), &v));
    assert_false(str_to_size_bytes(STR("99999999TiB"), &v));
}

static void utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xe1\x80",
                                      "\xe1\x80\xc0",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "ok\xf1\x80\x80"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(str_is_utf8(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_is_utf8(str_of(bad[i])));
    assert_false(str_is_utf8((struct str){"a\0b", 3}));
}

static void text_is_made_printable_in_place(void **state)
{
    (void)state;
    char z[] = "caf\xc3\xa9\n\x7f\xc2\x85\xe2\x82";

    str_make_printable(z);
    assert_string_equal(z, "caf\xc3\xa9??????");
}

static void nearest_word_is_found_and_nonsense_is_not(void **state)
{
    (void)state;
    static const char *const keys[] = {"interval", "listen", "data_dir", "learn", "k", ""};
    char longer[1000];

    assert_int_equal(str_nearest(STR("intervall"), keys, 6), 0);
    assert_int_equal(str_nearest(STR("Interval"), keys, 6), 0);
    assert_int_equal(str_nearest(STR("lisetn"), keys, 6), 1); /* two neighbours swapped */
    assert_int_equal(str_nearest(STR("data-dir"), keys, 6), 2);
    assert_int_equal(str_nearest(STR("lern"), keys, 6), 3);
    assert_int_equal(str_nearest(STR("xyz"), keys, 6), -1);
    assert_int_equal(str_nearest(STR("x"), keys, 5), -1);
    assert_int_equal(str_nearest(STR("any"), keys, 0), -1);
    memset(longer, 'a', sizeof longer);
    assert_int_equal(str_nearest((struct str){longer, sizeof longer}, keys, 6), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimming_takes_blanks_at_both_ends),
        cmocka_unit_test(numbers_of_every_form_are_read),
        cmocka_unit_test(what_is_not_quite_a_number_is_refused),
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(a_number_ends_where_its_view_ends),
        cmocka_unit_test(integers_are_exact_to_their_limits),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(text_is_made_printable_in_place),
        cmocka_unit_test(nearest_word_is_found_and_nonsense_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
