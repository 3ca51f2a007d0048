/* SPDX-License-Identifier: Apache-2.0 */
#include "config/rate.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    double a_week; /* how many of it are a week */
} units[] = {{"week", 1}, {"day", 7}, {"hour", 7 * 24.0}, {"month", 7 / (365.25 / 12)}};
enum { UNITS = sizeof units / sizeof *units };

bool rate_parse(struct str s, double *ret_per_week)
{
    static const char *const words[] = {"/", "per "};
    double number;

    for (size_t w = 0; w < 2; w++) {
        const char *at = s.n ? memmem(s.p, s.n, words[w], strlen(words[w])) : NULL;
        if (!at)
            continue;
        const char *const rest = at + strlen(words[w]);
        const struct str left = {s.p, (size_t)(at - s.p)};
        const struct str unit = str_trim((struct str){rest, (size_t)(s.p + s.n - rest)});
        for (size_t i = 0; i < UNITS; i++) {
            if (str_eq(unit, str_of(units[i].name)) && str_to_double(str_trim(left), &number)) {
                *ret_per_week = number * units[i].a_week;
                return true;
            }
        }
    }
    return false;
}

void rate_format(double per_week, struct buf *out)
{
    char text[64];
    double back;

    for (size_t i = 0; i < UNITS; i++) {
        (void)snprintf(text, sizeof text, "%.6g per %s", per_week / units[i].a_week, units[i].name);
        if (rate_parse(str_of(text), &back) && back == per_week) {
            buf_puts(out, text);
            return;
        }
    }
    buf_double(out, per_week);
    buf_puts(out, " per week");
}
