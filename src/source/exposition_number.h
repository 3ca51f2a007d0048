/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* exposition_number - values of the exposition formats, exactly rounded. Thread: any. */

enum {
    EXPO_NUMBER_ROOM = 32,  /* bytes that expo_number_fast may look at */
    EXPO_NUMBER_MAX = 4096, /* of one number; Go's limit is memory */
    EXPO_DIGITS_FAST = 19,  /* below 10^19 no sum of digits leaves 64 bits */
    EXPO_TENS = 23,         /* 10^22 is the last power of ten that is a double */
};

extern const double expo_tens[EXPO_TENS];

/* What nearly every number looks like, [-]digits[.digits][e[+-]digits] before a newline: a whole
 * number up to 2^53 times or over a power of ten up to 10^22 is one rounding of two exact doubles,
 * hence right (Clinger, PLDI 1990). Returns where the newline is, or NULL: ask expo_number.
 * At least EXPO_NUMBER_ROOM bytes must be readable. */
static inline const char *expo_number_fast(const char *p, double *ret)
{
    const bool negative = *p == '-';
    uint64_t whole = 0;
    unsigned n = 0, digit;
    int exponent = 0;

    p += negative;
    for (; (digit = (unsigned)(unsigned char)*p - '0') < 10 && n < EXPO_DIGITS_FAST; p++, n++)
        whole = whole * 10 + digit;
    if (*p == '.') {
        const unsigned before = n;
        for (p++; (digit = (unsigned)(unsigned char)*p - '0') < 10 && n < EXPO_DIGITS_FAST;
             p++, n++)
            whole = whole * 10 + digit;
        exponent = (int)before - (int)n;
    }
    if (n == 0)
        return NULL;
    if (*p == 'e') {
        int e = 0;
        unsigned m = 0;
        p++;
        const bool minus = *p == '-';
        p += minus || *p == '+';
        for (; (digit = (unsigned)(unsigned char)*p - '0') < 10 && m < 3; p++, m++)
            e = e * 10 + (int)digit;
        if (m == 0)
            return NULL;
        exponent += minus ? -e : e;
    }
    if (*p != '\n' || whole > UINT64_C(1) << 53 || exponent <= -EXPO_TENS || exponent >= EXPO_TENS)
        return NULL;
    const double v = (double)whole;
    const double scaled = exponent < 0 ? v / expo_tens[-exponent] : v * expo_tens[exponent];
    *ret = negative ? -scaled : scaled;
    return p;
}

/* The whole of s as Go's strconv.ParseFloat takes it, less what Prometheus takes out (hexadecimal,
 * underscores): decimal or exponent form, "inf" and "infinity" with or without a sign, "nan"; any
 * case. False when it is anything else, has over EXPO_NUMBER_MAX bytes, or is larger than any
 * double. */
bool expo_number(struct str s, double *ret);
