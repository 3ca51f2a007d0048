/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>

#include "base/rng.h"
#include "feature/regex.h"

static bool matches(const char *pattern, const char *text)
{
    struct regex *re = NULL;
    struct err err = {0};

    if (regex_compile(str_of(pattern), &re, &err) != OK)
        fail_msg("%s: %s", pattern, err.msg);
    const bool yes = regex_match(re, str_of(text));
    regex_free(re);
    return yes;
}

static const char *refused(const char *pattern)
{
    static struct err err;
    struct regex *re = NULL;

    err = (struct err){0};
    if (regex_compile(str_of(pattern), &re, &err) == OK)
        fail_msg("%s was taken", pattern);
    assert_null(re);
    return err.msg;
}

static void a_pattern_must_match_the_whole_text(void **state)
{
    (void)state;
    assert_true(matches("lo", "lo"));
    assert_false(matches("lo", "lo0"));
    assert_false(matches("lo", "xlo"));
    assert_true(matches("^lo$", "lo"));
    assert_true(matches("", ""));
    assert_false(matches("", "x"));
    assert_false(matches("a$b", "ab"));
    assert_false(matches("a^b", "ab"));
}

static void alternatives_and_groups_nest(void **state)
{
    (void)state;
    assert_true(matches("lo|(veth|br-).*", "veth12"));
    assert_true(matches("lo|(veth|br-).*", "lo"));
    assert_false(matches("lo|(veth|br-).*", "lo1"));
    assert_true(matches("a(?:b|c(d|e))f", "acef"));
    assert_false(matches("a(?:b|c(d|e))f", "acf"));
    assert_true(matches("|x", ""));
    assert_true(matches("(a|b|)c", "c"));
    assert_true(matches("(a*)*b", "aaab"));
}

static void repetitions_count(void **state)
{
    (void)state;
    assert_true(matches("a{2,3}", "aa"));
    assert_true(matches("a{2,3}", "aaa"));
    assert_false(matches("a{2,3}", "a"));
    assert_false(matches("a{2,3}", "aaaa"));
    assert_true(matches("(ab){2,}", "ababab"));
    assert_false(matches("(ab){2,}", "ab"));
    assert_true(matches("x{0}y", "y"));
    assert_true(matches("a+?b*?c??", "aab"));
    assert_false(matches("a+?", ""));
    assert_true(matches("a{,2}", "a{,2}")); /* as RE2: no count, so a literal */
    assert_true(matches("{", "{"));
}

static void classes_take_ranges_escapes_and_negation(void **state)
{
    (void)state;
    assert_true(matches("eth\\d+", "eth12"));
    assert_false(matches("eth\\d+", "ethx"));
    assert_true(matches("[a-cx\\]]+", "abx]c"));
    assert_false(matches("[^a-c]", "b"));
    assert_true(matches("[]a]", "]"));
    assert_true(matches("[a-]", "-"));
    assert_true(matches("[\\w.]+", "a_9."));
    assert_true(matches("\\W\\S\\D", "-xx"));
    assert_false(matches("\\W", "_"));
    assert_true(matches("1\\.5", "1.5"));
    assert_false(matches("1\\.5", "1x5"));
}

static void a_character_is_a_code_point(void **state)
{
    (void)state;
    assert_true(matches("a.c", "a\u00e9c"));
    assert_true(matches("[\u00e0-\u00ff]", "\u00e9"));
    assert_false(matches("[^\u00e9]", "\u00e9"));
    assert_true(matches(".", "\U0001f514"));
    assert_false(matches(".", "\n"));
    assert_true(matches("\\s", "\n"));
    assert_true(matches("..", "\xff\xfe")); /* malformed bytes are characters too */
}

static void what_is_not_supported_is_refused_by_place(void **state)
{
    (void)state;
    assert_string_equal(refused("a(b"), "regular expression, byte 4: the group is not closed");
    assert_string_equal(refused("a)b"),
                        "regular expression, byte 2: this parenthesis was never opened");
    assert_string_equal(refused("*a"), "regular expression, byte 1: there is nothing to repeat");
    assert_non_null(strstr(refused("(?i)a"), "only (?: is supported"));
    assert_non_null(strstr(refused("\\bx"), "escape is not supported"));
    assert_non_null(strstr(refused("a\\1"), "escape is not supported"));
    assert_non_null(strstr(refused("[[:alpha:]]"), "named classes"));
    assert_non_null(strstr(refused("[b-a]"), "backwards"));
    assert_non_null(strstr(refused("[abc"), "bracket is not closed"));
    assert_non_null(strstr(refused("a\\"), "nothing follows"));
    assert_non_null(strstr(refused("a{3,2}"), "repetition count"));
    assert_non_null(strstr(refused("a{1001}"), "repetition count"));
    assert_non_null(strstr(refused("a**"), "needs a group"));
}

/* The sentences of RE2 (and Go's regexp/syntax) differ; that they refuse these does not. */
static void a_repetition_stands_only_behind_what_it_repeats(void **state)
{
    static const char *const nothing[] = {"{2}",  "a|{2}", "({2})",   "|*",
                                          "(+a)", "{2,}?", "a(?:{0})"};
    static const char *const twice[] = {"x*{2}",  "a{2}{3}",  "a{2}?{3}", "a{2}*",
                                        "a?{1,}", "a+?{2,3}", "a{2}??",   "(a){2}+"};

    (void)state;
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        assert_non_null(strstr(refused(nothing[i]), "nothing to repeat"));
    for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++)
        assert_non_null(strstr(refused(twice[i]), "needs a group"));
    assert_true(matches("(a{2}){3}", "aaaaaa"));
    assert_true(matches("x*{", "xx{"));
    assert_true(matches("{a}|{2,1", "{2,1"));
    assert_true(matches("a{2}{,3}", "aa{,3}"));
    assert_true(matches("a{01}", "a{01}")); /* no count: a literal */
    assert_true(matches("^*a$?", "a"));
}

static void nested_repetitions_count_together(void **state)
{
    static const char *const many[] = {"(a{1000}){2}", "((a{10}){10}){11}", "(b|(a{501})*){2,}",
                                       "(a{2,}){501}", "(a{1001}){0}",      "a{99999999999}"};

    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        assert_non_null(strstr(refused(many[i]), "repetition count"));
    assert_true(matches("((a{10}){10}){10}|b", "b"));
    assert_true(matches("(a{500}){2}|b", "b"));
    assert_true(matches("((a{1000}){0}){1000}b", "b"));
    assert_true(matches("(a{3}b{3}){300}|c", "c"));
    assert_true(matches("(a{600}){1,}|c", "c"));
}

static void hostile_patterns_meet_a_limit(void **state)
{
    char deep[3 * REGEX_DEPTH_MAX + 64];
    char text[3000];
    size_t n = 0;

    (void)state;
    assert_non_null(strstr(refused("(abc){1000}"), "too large"));
    assert_non_null(strstr(refused("a{1000}b{1000}c{1000}"), "too large"));
    assert_non_null(strstr(refused("((a{100}){100}){100}"), "repetition count"));
    assert_non_null(strstr(refused("(((){1000}){1000}a{1000}){1000}"), "repetition count"));
    while (n < REGEX_DEPTH_MAX + 1)
        deep[n++] = '(';
    deep[n] = '\0';
    assert_non_null(strstr(refused(deep), "nest deeper"));
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_non_null(strstr(refused(text), "at most"));
    assert_false(matches("(a+)+(a+)+(a|a)*b", text)); /* exponential for a backtracking matcher */
}

/* Random patterns of the part that POSIX and RE2 share, against the C library's matcher. */
static size_t random_pattern(struct rng *rng, char *out, unsigned depth)
{
    size_t n = 0;
    const uint32_t pieces = 1 + rng_below(rng, 3);

    for (uint32_t i = 0; i < pieces; i++) {
        const uint32_t kind = rng_below(rng, depth < 3 ? 6 : 4);
        if (kind < 2)
            out[n++] = (char)('a' + rng_below(rng, 3));
        else if (kind == 2)
            out[n++] = '.';
        else if (kind == 3)
            n += (size_t)sprintf(out + n, "[%s%c-c]", rng_below(rng, 2) ? "^" : "",
                                 'a' + (int)rng_below(rng, 3));
        else {
            out[n++] = '(';
            n += random_pattern(rng, out + n, depth + 1);
            if (kind == 5) {
                out[n++] = '|';
                n += random_pattern(rng, out + n, depth + 1);
            }
            out[n++] = ')';
        }
        const char *const repeat[] = {"", "", "*", "+", "?", "{2}", "{1,2}"};
        n += (size_t)sprintf(out + n, "%s", repeat[rng_below(rng, 7)]);
    }
    return n;
}

static void random_patterns_match_what_the_c_library_matches(void **state)
{
    struct rng rng;
    size_t yes = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 3000; round++) {
        char pattern[2048], anchored[2100];
        struct regex *re = NULL;
        struct err err = {0};
        regex_t posix;
        pattern[random_pattern(&rng, pattern, 0)] = '\0';
        if (strlen(pattern) > 120)
            continue;
        (void)snprintf(anchored, sizeof anchored, "^(%s)$", pattern);
        assert_int_equal(regex_compile(str_of(pattern), &re, &err), OK);
        assert_int_equal(regcomp(&posix, anchored, REG_EXTENDED | REG_NOSUB), 0);
        for (int k = 0; k < 20; k++) {
            char text[8] = {0};
            const uint32_t n = rng_below(&rng, 7);
            for (uint32_t i = 0; i < n; i++)
                text[i] = (char)('a' + rng_below(&rng, 4));
            const bool expected = regexec(&posix, text, 0, NULL, 0) == 0;
            if (regex_match(re, str_of(text)) != expected)
                fail_msg("/%s/ on '%s': expected %d", pattern, text, expected);
            yes += expected;
        }
        regfree(&posix);
        regex_free(re);
    }
    assert_true(yes > 1000); /* it was about something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_must_match_the_whole_text),
        cmocka_unit_test(alternatives_and_groups_nest),
        cmocka_unit_test(repetitions_count),
        cmocka_unit_test(classes_take_ranges_escapes_and_negation),
        cmocka_unit_test(a_character_is_a_code_point),
        cmocka_unit_test(what_is_not_supported_is_refused_by_place),
        cmocka_unit_test(a_repetition_stands_only_behind_what_it_repeats),
        cmocka_unit_test(nested_repetitions_count_together),
        cmocka_unit_test(hostile_patterns_meet_a_limit),
        cmocka_unit_test(random_patterns_match_what_the_c_library_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
