/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* scan - a cursor over the bytes of a /proc file. Bodies are here because they are the hot path:
 * a collect passes some ten kilobytes through them each second. Thread: any. */

struct scan {
    const char *p, *end;
};

static inline struct scan scan_of(struct str s)
{
    return (struct scan){s.p, s.p + s.n};
}

static inline bool scan_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline void scan_blanks(struct scan *s)
{
    while (s->p < s->end && scan_is_blank(*s->p))
        s->p++;
}

static inline bool scan_at_end(struct scan *s)
{
    scan_blanks(s);
    return s->p == s->end;
}

/* The next line without its newline; false when there is none left. */
static inline bool scan_line(struct scan *s, struct str *ret)
{
    if (s->p == s->end)
        return false;
    const char *nl = memchr(s->p, '\n', (size_t)(s->end - s->p));
    *ret = (struct str){s->p, (size_t)((nl ? nl : s->end) - s->p)};
    s->p = nl ? nl + 1 : s->end;
    return true;
}

/* The next run of non-blanks; empty at the end. */
static inline struct str scan_word(struct scan *s)
{
    scan_blanks(s);
    const char *start = s->p;
    while (s->p < s->end && !scan_is_blank(*s->p))
        s->p++;
    return (struct str){start, (size_t)(s->p - start)};
}

/* The next word as a decimal number; false when it is absent, not all digits, or over 2^64-1. */
static inline bool scan_u64(struct scan *s, uint64_t *ret)
{
    uint64_t v = 0;

    scan_blanks(s);
    const char *start = s->p;
    for (; s->p < s->end; s->p++) {
        const unsigned digit = (unsigned)(unsigned char)*s->p - '0';
        if (digit > 9)
            break;
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (s->p == start || (s->p < s->end && !scan_is_blank(*s->p)))
        return false;
    *ret = v;
    return true;
}

/* The same with an optional minus: some kernel sums dip below zero for a moment. */
static inline bool scan_number(struct scan *s, double *ret)
{
    uint64_t v;

    scan_blanks(s);
    const bool negative = s->p < s->end && *s->p == '-';
    if (negative)
        s->p++;
    if (s->p < s->end && scan_is_blank(*s->p))
        return false;
    if (!scan_u64(s, &v))
        return false;
    *ret = negative ? -(double)v : (double)v;
    return true;
}
