/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { NUMBER_MAX = 64, NEAREST_MAX = 64 };

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool eq_nocase(struct str s, const char *lower)
{
    const size_t n = strlen(lower);

    return s.n == n && strncasecmp(s.p, lower, n) == 0;
}

/* NaN and the infinities. */
static bool special_to_double(struct str s, double *ret)
{
    struct str body = s;
    const bool sign = s.p[0] == '+' || s.p[0] == '-';

    if (sign) {
        body.p++;
        body.n--;
    }
    if (!sign && eq_nocase(s, "nan")) {
        *ret = (double)NAN;
        return true;
    }
    if (eq_nocase(body, "inf") || eq_nocase(body, "infinity")) {
        *ret = s.p[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    return false;
}

struct decimal {
    uint64_t digits; /* as one whole number, if exact */
    int exponent;    /* of ten */
    bool negative, exact;
};

/* digits [. digits] [e [sign] digits], with a digit before or after the point. */
static bool scan_decimal(struct str s, struct decimal *ret)
{
    struct decimal d = {.exact = true};
    size_t i = 0, n_digits = 0;
    bool point = false;

    if (s.p[0] == '+' || s.p[0] == '-') {
        d.negative = s.p[0] == '-';
        i = 1;
    }
    for (; i < s.n && (is_digit(s.p[i]) || (s.p[i] == '.' && !point)); i++) {
        if (s.p[i] == '.') {
            point = true;
            continue;
        }
        n_digits++;
        if (d.digits >= (UINT64_C(1) << 53) / 10)
            d.exact = false; /* strtod shall see to it */
        else
            d.digits = d.digits * 10 + (uint64_t)(s.p[i] - '0');
        d.exponent -= point;
    }
    if (n_digits == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        const bool minus = i < s.n && s.p[i] == '-';
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        const size_t first = i;
        int e = 0;
        for (; i < s.n && is_digit(s.p[i]); i++)
            e = e < 100000 ? e * 10 + (s.p[i] - '0') : e;
        if (i == first)
            return false;
        d.exponent += minus ? -e : e;
    }
    *ret = d;
    return i == s.n;
}

bool str_to_double(struct str s, double *ret)
{
    /* A whole number under 2^53 times or over a power of ten up to 10^22 is one rounding of two
     * exact doubles, hence right (Clinger, PLDI 1990). The rest is for strtod. */
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char z[NUMBER_MAX + 1];
    struct decimal d;

    if (s.n == 0 || s.n > NUMBER_MAX)
        return false;
    if (!scan_decimal(s, &d))
        return special_to_double(s, ret);
    if (d.exact && d.exponent >= -22 && d.exponent <= 22) {
        const double m = (double)d.digits;
        const double v = d.exponent < 0 ? m / tens[-d.exponent] : m * tens[d.exponent];
        *ret = d.negative ? -v : v;
        return true;
    }
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    const double v = strtod(z, NULL);
    if (isinf(v))
        return false; /* larger than any double */
    *ret = v;
    return true;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    *ret = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    const bool minus = s.n && s.p[0] == '-';
    uint64_t v;

    if (minus) {
        s.p++;
        s.n--;
    }
    if (!str_to_u64(s, &v) || v > (uint64_t)INT64_MAX + minus)
        return false;
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_size_bytes(struct str s, uint64_t *ret)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    size_t digits = 0;
    uint64_t v;

    while (digits < s.n && is_digit(s.p[digits]))
        digits++;
    if (!str_to_u64((struct str){s.p, digits}, &v))
        return false;
    const struct str unit = {s.p + digits, s.n - digits};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_eq(unit, str_of(units[i].name)))
            return !__builtin_mul_overflow(v, units[i].bytes, ret);
    return false;
}

size_t str_utf8_next(struct str s)
{
    if (s.n == 0 || s.p[0] == '\0')
        return 0;
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80)
        return 1;
    /* RFC 3629, table in section 4: the second byte's range says what is overlong, a surrogate
     * or past U+10FFFF. */
    const size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < n)
        return 0;
    const unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool str_is_utf8(struct str s)
{
    while (s.n) {
        const size_t n = str_utf8_next(s);
        if (n == 0)
            return false;
        s.p += n;
        s.n -= n;
    }
    return true;
}

void str_make_printable(char *z)
{
    struct str s = str_of(z);

    while (s.n) {
        const size_t n = str_utf8_next(s);
        const unsigned char c = (unsigned char)*z;
        /* U+0080 to U+009F are control characters of terminals, too */
        if (n == 2 && c == 0xc2 && (unsigned char)z[1] < 0xa0)
            z[0] = z[1] = '?';
        else if (n == 0 || c < 0x20 || c == 0x7f)
            z[0] = '?';
        z += n ? n : 1;
        s.p += n ? n : 1;
        s.n -= n ? n : 1;
    }
}

/* Optimal string alignment: insert, delete, replace, or swap two neighbours; case is free.
 * Both at most NEAREST_MAX long. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            const int x = tolower((unsigned char)a.p[i - 1]);
            const int y = tolower((unsigned char)b.p[j - 1]);
            size_t d = last[j - 1] + (x != y);
            if (last[j] + 1 < d)
                d = last[j] + 1;
            if (now[j - 1] + 1 < d)
                d = now[j - 1] + 1;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b.p[j - 2]) &&
                y == tolower((unsigned char)a.p[i - 2]) && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            now[j] = d;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b.n];
}

int str_nearest(struct str s, const char *const *candidates, size_t n)
{
    size_t best = SIZE_MAX;
    int ret = -1;

    if (s.n > NEAREST_MAX)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const struct str c = str_of(candidates[i]);
        if (c.n > NEAREST_MAX)
            continue;
        const size_t d = distance(s, c), longer = c.n > s.n ? c.n : s.n;
        if (d * 3 <= longer && d < best) {
            best = d;
            ret = (int)i;
        }
    }
    return ret;
}
