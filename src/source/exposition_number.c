/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition_number.h"

#include <math.h>
#include <stdlib.h>

const double expo_tens[EXPO_TENS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum { SHORT = 64 }; /* str_to_double's limit */

/* Digits with at most one point among them, from z on; past them. */
static const char *skip_digits(const char *z, size_t *ret_digits)
{
    const size_t before = strspn(z, "0123456789");
    z += before;
    size_t after = 0;
    if (*z == '.') {
        z++;
        after = strspn(z, "0123456789");
        z += after;
    }
    *ret_digits = before + after;
    return z;
}

static bool is_decimal(const char *z)
{
    size_t digits;

    z = skip_digits(z + (*z == '+' || *z == '-'), &digits);
    if (digits == 0)
        return false;
    if (*z == 'e' || *z == 'E') {
        z++;
        z += *z == '+' || *z == '-';
        const size_t n = strspn(z, "0123456789");
        if (n == 0)
            return false;
        z += n;
    }
    return *z == '\0';
}

/* What str_to_double is too careful for: nobody's counter has so many digits, but the reference
 * takes it. */
static bool long_number(struct str s, double *ret)
{
    char z[EXPO_NUMBER_MAX + 1];

    if (s.n > EXPO_NUMBER_MAX || memchr(s.p, '\0', s.n))
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    if (!is_decimal(z))
        return false;
    const double v = strtod(z, NULL);
    if (isinf(v))
        return false;
    *ret = v;
    return true;
}

bool expo_number(struct str s, double *ret)
{
    return s.n <= SHORT ? str_to_double(s, ret) : long_number(s, ret);
}
