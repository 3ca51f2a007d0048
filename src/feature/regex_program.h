/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "feature/regex.h"

/* regex_program - the automaton that regex.c compiles and regex_match.c runs. Private to them. */

enum regex_op {
    RE_RANGES, /* one character inside (or, negated, outside) ranges[x .. x + n) */
    RE_SPLIT,  /* go on at pc + x and at pc + y */
    RE_JUMP,   /* go on at pc + x */
    RE_BEGIN,  /* only at the start of the text */
    RE_END,    /* only at its end */
    RE_MATCH,
};

/* Jumps are relative, so a block of instructions may be moved and copied as it stands. */
struct regex_inst {
    uint8_t op;
    bool negated;
    uint16_t n;
    int32_t x, y;
};

struct regex_range {
    uint32_t low, high;
};

struct regex {
    size_t n, n_ranges;
    struct regex_range *ranges;
    struct regex_inst program[];
};

/* Decode one code point of s at `at`; a malformed byte is U+FFFD and one byte long, as in Go's
 * utf8.DecodeRune. Returns its bytes. */
size_t regex_rune(struct str s, size_t at, uint32_t *ret);
