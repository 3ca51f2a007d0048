/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "../test.h"
#include "base/rng.h"
#include "base/str.h"

static void err_set_keeps_the_sentence_and_the_code(void **state)
{
    (void)state;
    struct err err;

    assert_int_equal(err_set(&err, E_PARSE, "line %d: expected %s", 7, "a number"), E_PARSE);
    assert_int_equal(err.rc, E_PARSE);
    assert_string_equal(err.msg, "line 7: expected a number");
}

static void err_set_writes_the_reason_of_the_system_and_keeps_errno(void **state)
{
    (void)state;
    struct err err;

    errno = ENOENT;
    assert_int_equal(err_set(&err, E_IO, "'x': open: %m"), E_IO);
    assert_string_equal(err.msg, "'x': open: No such file or directory");
    assert_int_equal(errno, ENOENT);
}

static void err_wrap_puts_words_in_front(void **state)
{
    (void)state;
    struct err err;

    (void)err_set(&err, E_LIMIT, "too long");
    assert_int_equal(err_wrap(&err, "file '%s'", "a"), E_LIMIT);
    assert_string_equal(err.msg, "file 'a': too long");
    assert_int_equal(err.rc, E_LIMIT);
}

static void an_error_may_quote_its_own_old_sentence(void **state)
{
    (void)state;
    struct err err;

    (void)err_set(&err, E_IO, "cause");
    (void)err_set(&err, E_STATE, "%s, and then %s", err.msg, err.msg);
    assert_string_equal(err.msg, "cause, and then cause");
}

static void check_sentence(const struct err *err)
{
    const struct str s = {err->msg, strnlen(err->msg, sizeof err->msg)};

    assert_true(s.n < sizeof err->msg);
    assert_true(str_is_utf8(s));
    for (size_t i = 0; i < s.n; i++)
        assert_true((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
}

static void hostile_bytes_become_question_marks(void **state)
{
    (void)state;
    struct err err;

    (void)err_set(&err, E_PARSE, "key '%s'", "a\nb\x1b[2J\xff\xc3\xa9");
    assert_string_equal(err.msg, "key 'a?b?[2J?\xc3\xa9'");
    check_sentence(&err);
    (void)err_wrap(&err, "%s", "\x80\r\xc2\x9b");
    assert_string_equal(err.msg, "????: key 'a?b?[2J?\xc3\xa9'");
}

static void random_bytes_of_any_length_make_a_sentence(void **state)
{
    (void)state;
    struct rng rng;
    struct err err;
    char bytes[2 * ERR_MSG_MAX];

    rng_init(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        const uint32_t n = rng_below(&rng, sizeof bytes);
        for (uint32_t k = 0; k < n; k++)
            bytes[k] = (char)(1 + rng_below(&rng, 255));
        bytes[n] = '\0';
        (void)err_set(&err, E_PARSE, "%s", bytes);
        check_sentence(&err);
        (void)err_wrap(&err, "%s", bytes + n / 2);
        check_sentence(&err);
    }
}

static void a_character_cut_at_the_end_is_not_left_in_halves(void **state)
{
    (void)state;
    struct err err;
    char bytes[ERR_MSG_MAX + 8];

    for (size_t shift = 0; shift < 4; shift++) {
        memset(bytes, 'x', sizeof bytes);
        for (size_t i = shift; i + 4 < sizeof bytes; i += 4)
            memcpy(bytes + i, "\xf0\x9f\x94\x94", 4);
        bytes[sizeof bytes - 1] = '\0';
        (void)err_set(&err, E_PARSE, "%s", bytes);
        check_sentence(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_set_keeps_the_sentence_and_the_code),
        cmocka_unit_test(err_set_writes_the_reason_of_the_system_and_keeps_errno),
        cmocka_unit_test(err_wrap_puts_words_in_front),
        cmocka_unit_test(an_error_may_quote_its_own_old_sentence),
        cmocka_unit_test(hostile_bytes_become_question_marks),
        cmocka_unit_test(random_bytes_of_any_length_make_a_sentence),
        cmocka_unit_test(a_character_cut_at_the_end_is_not_left_in_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
