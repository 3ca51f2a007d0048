/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* regex - the regular expressions of label matchers: RE2's language, always against the whole text
 *
 * Literals, `.` (any character but newline), classes with ranges, negation, \d \w \s and their
 * capitals, groups, alternation, * + ? {n} {n,} {n,m} and their lazy forms (the same language).
 * Refused with a sentence: flags, named groups, \b \p \x, [:class:], back references.
 * Characters are UTF-8 code points; a malformed byte counts as U+FFFD, as in Go.
 * Matching is linear in the text (simulated automaton), so hostile patterns cannot blow up.
 * Thread: immutable once compiled, so any thread may match.
 * Source: Russ Cox, "Regular Expression Matching: the Virtual Machine Approach" (2009);
 *         Thompson, CACM 11 (1968) 419-422. */
struct regex;

enum {
    REGEX_BYTES_MAX = 1024,
    REGEX_PROGRAM_MAX = 2048, /* instructions after repetitions are written out */
    REGEX_DEPTH_MAX = 32,
    REGEX_REPEAT_MAX = 1000, /* RE2's own limit for {n,m} */
};

/* E_PARSE with the byte's place in the pattern, E_LIMIT, E_NOMEM. The caller owns *ret. */
MUST_CHECK enum rc regex_compile(struct str pattern, struct regex **ret, struct err *err);
void regex_free(struct regex *re); /* NULL is fine */
static inline void regex_freep(struct regex **re)
{
    regex_free(*re);
}

bool regex_match(const struct regex *re, struct str text); /* no allocation */
