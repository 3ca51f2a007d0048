/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "../test.h"

#include "base/mem.h"
#include "tune/state.h"

enum { IDENTITY = 0x1234, TEXT_MAX = 1 << 16 };

static struct search *start(void)
{
    const struct search_spec spec = {
        .method = SEARCH_HALVING, .trials = 3, .executions = 2, .seed = 1, .epochs = 9};
    struct search *s;
    struct err err;

    assert_int_equal(search_new(&spec, &s, &err), OK);
    return s;
}

static void run(struct search *s, size_t executions)
{
    struct search_job j;
    struct err err;

    for (size_t i = 0; i < executions; i++) {
        assert_true(search_next(s, &j));
        const struct search_result r = {
            .objective = j.trial == 3 ? (double)NAN : 1.0 / (3 + j.trial + j.execution),
            .held_out = 1e-7 / (1 + j.trial),
            .epochs = 10 + j.trial};
        assert_int_equal(search_put(s, &j, &r, &err), OK);
    }
}

static void a_search_goes_on_where_it_was(void **state)
{
    (void)state;
    for (size_t done = 0; done <= 10; done++) {
        struct search *whole = start(), *killed = start(), *resumed = start();
        struct buf a, b;
        struct err err;

        buf_init(&a, TEXT_MAX);
        buf_init(&b, TEXT_MAX);
        run(whole, 10);
        assert_true(search_complete(whole));
        run(killed, done);
        state_format(killed, IDENTITY, &a);
        assert_false(a.failed);
        assert_int_equal(state_restore((struct str){a.p, a.n}, "state", IDENTITY, resumed, &err),
                         OK);
        assert_int_equal(search_done(resumed), done);
        run(resumed, 10 - done);
        buf_clear(&a);
        state_format(whole, IDENTITY, &a);
        state_format(resumed, IDENTITY, &b);
        assert_string_equal(a.p, b.p); /* to the last digit */
        buf_done(&a);
        buf_done(&b);
        search_free(whole);
        search_free(killed);
        search_free(resumed);
    }
}

static void refuse(const char *text, enum rc rc, const char *sentence)
{
    struct search *s = start();
    struct err err;

    assert_int_equal(state_restore(str_of(text), "f", IDENTITY, s, &err), rc);
    if (!strstr(err.msg, sentence))
        fail_msg("'%s' lacks '%s'", err.msg, sentence);
    search_free(s);
}

#define HEAD "tocsin tune 1\nsearch 0000000000001234\n"

static void what_is_no_state_is_refused_with_its_line(void **state)
{
    (void)state;
    refuse("", E_PARSE, "f:1: expected a whole line");
    refuse("hello\n", E_PARSE, "f:1: expected 'tocsin tune 1'");
    refuse("tocsin tune 2\n", E_STATE, "f: is of another version");
    refuse("tocsin tune 1\nsearch 12\nend 0\n", E_PARSE, "f:2: expected 'search'");
    refuse("tocsin tune 1\nsearch 000000000000123G\nend 0\n", E_PARSE, "f:2:");
    refuse("tocsin tune 1\nsearch 0000000000001235\nend 0\n", E_STATE, "another search");
    refuse(HEAD "0 1 0 0.5 0.1 7\n", E_PARSE, "f:4: expected a whole line: the file is cut short");
    refuse(HEAD "0 1 0 0.5 0.1\nend 1\n", E_PARSE, "f:3: expected rung");
    refuse(HEAD "0 1 0 0.5 0.1 7 8\nend 1\n", E_PARSE, "f:3:");
    refuse(HEAD "0 1 0 1.5 0.1 7\nend 1\n", E_PARSE, "f:3:");
    refuse(HEAD "0 1 0 -0.5 0.1 7\nend 1\n", E_PARSE, "f:3:");
    refuse(HEAD "0 1 0 0.5 +Inf 7\nend 1\n", E_PARSE, "f:3:");
    refuse(HEAD "0 1 0 0.5 0.1 4294967296\nend 1\n", E_PARSE, "f:3:");
    refuse(HEAD "0 1 0 0.5 0.1 7\nend 2\n", E_PARSE, "f:4: expected 'end'");
    refuse(HEAD "end 0\nmore\n", E_PARSE, "f:4: expected nothing");
    refuse(HEAD "0 1 0 0.5 0.1 7\n0 1 0 0.5 0.1 7\nend 2\n", E_STATE, "f: execution 0 of trial 1");
    refuse(HEAD "1 1 0 0.5 0.1 7\nend 1\n", E_STATE, "does not belong");
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct search *s = start();
    struct err err;

    mem_fail_at(1);
    assert_int_equal(state_restore(str_of(HEAD "end 0\n"), "f", IDENTITY, s, &err), E_NOMEM);
    mem_fail_at(0);
    search_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_goes_on_where_it_was),
        cmocka_unit_test(what_is_no_state_is_refused_with_its_line),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
