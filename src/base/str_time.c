/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"

/* Durations and dates of str.h. */

static const int64_t day_ms = 86400000;

static const struct unit {
    const char *name;
    int64_t ms;
    bool exact_only; /* written only when nothing is left: "8d", not "1w1d", as Prometheus does */
} units[] = {
    {"y", 365 * INT64_C(86400000), true},
    {"w", 7 * INT64_C(86400000), true},
    {"d", INT64_C(86400000), false},
    {"h", 3600000, false},
    {"m", 60000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

enum { UNITS = sizeof units / sizeof *units };

/* The letters at the front of s. */
static struct str letters(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= 'a' && s.p[n] <= 'z')
        n++;
    return (struct str){s.p, n};
}

bool str_to_duration_ms(struct str s, int64_t *ret_ms)
{
    const int64_t most = 100 * 365 * day_ms;
    int64_t sum = 0;
    size_t next = 0; /* units before this one are used up */

    if (str_eq(s, STR("0"))) {
        *ret_ms = 0;
        return true;
    }
    if (s.n == 0)
        return false;
    while (s.n) {
        int64_t v = 0;
        size_t i = 0;
        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
            v = v * 10 + (s.p[i] - '0');
            if (v > most)
                return false;
        }
        const struct str name = letters((struct str){s.p + i, s.n - i});
        while (next < UNITS && !str_eq(name, str_of(units[next].name)))
            next++;
        if (i == 0 || next == UNITS || v > most / units[next].ms)
            return false;
        sum += v * units[next].ms;
        if (sum > most)
            return false;
        next++;
        s.p += i + name.n;
        s.n -= i + name.n;
    }
    *ret_ms = sum;
    return true;
}

void str_from_duration_ms(int64_t ms, char out[STR_DURATION_MAX])
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t n = 0;

    if (left == 0) {
        (void)snprintf(out, STR_DURATION_MAX, "0s");
        return;
    }
    if (ms < 0)
        out[n++] = '-';
    for (size_t i = 0; i < UNITS && left; i++) {
        const uint64_t unit = (uint64_t)units[i].ms;
        if (left < unit || (units[i].exact_only && left % unit != 0))
            continue;
        n += (size_t)snprintf(out + n, STR_DURATION_MAX - n, "%" PRIu64 "%s", left / unit,
                              units[i].name);
        left %= unit;
    }
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar, and back: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms" (days_from_civil, civil_from_days). */
static int64_t days_of(int64_t year, int month, int day)
{
    const int64_t y = year - (month <= 2);
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    const int64_t z = days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;

    *ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

/* Exactly n digits at the front of *s, then `after` (NUL: nothing). */
static bool take_digits(struct str *s, size_t n, char after, int *ret)
{
    const size_t need = n + (after != '\0');
    int v = 0;

    if (s->n < need)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    if (after != '\0' && (s->p[n] | (after == 't' ? 0x20 : 0)) != after)
        return false;
    s->p += need;
    s->n -= need;
    *ret = v;
    return true;
}

static bool take_fraction(struct str *s, int *ret_ms)
{
    int ms = 0, scale = 100;
    size_t i = 1;

    *ret_ms = 0;
    if (s->n == 0 || s->p[0] != '.')
        return true;
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        ms += (s->p[i] - '0') * scale;
        scale /= 10; /* what is finer than a millisecond is cut */
    }
    s->p += i;
    s->n -= i;
    *ret_ms = ms;
    return i > 1;
}

/* The rest of the text: Z, or an offset in hours and minutes. */
static bool offset_to_minutes(struct str s, int *ret)
{
    int hours, minutes;

    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *ret = 0;
        return true;
    }
    if (s.n == 0 || (s.p[0] != '+' && s.p[0] != '-'))
        return false;
    const int sign = s.p[0] == '-' ? -1 : 1;
    s.p++;
    s.n--;
    if (!take_digits(&s, 2, ':', &hours) || !take_digits(&s, 2, '\0', &minutes) || s.n ||
        hours > 23 || minutes > 59)
        return false;
    *ret = sign * (hours * 60 + minutes);
    return true;
}

bool str_to_rfc3339_ms(struct str s, int64_t *ret_ms)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second, ms, offset;

    if (!take_digits(&s, 4, '-', &year) || !take_digits(&s, 2, '-', &month) ||
        !take_digits(&s, 2, 't', &day) || !take_digits(&s, 2, ':', &hour) ||
        !take_digits(&s, 2, ':', &minute) || !take_digits(&s, 2, '\0', &second) ||
        !take_fraction(&s, &ms) || !offset_to_minutes(s, &offset))
        return false;
    if (month < 1 || month > 12 || hour > 23 || minute > 59)
        return false;
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > month_days[month - 1] + (leap && month == 2))
        return false;
    if (second > 59 + (minute == 59)) /* a leap second is the first one of the next minute */
        return false;
    const int64_t minutes = days_of(year, month, day) * 1440 + hour * 60 + minute - offset;
    *ret_ms = (minutes * 60 + second) * 1000 + ms;
    return true;
}

void str_from_rfc3339_ms(int64_t ms, char out[STR_RFC3339_MAX])
{
    int64_t days = ms / day_ms, of_day = ms % day_ms, year;
    int month, day;

    if (of_day < 0) {
        of_day += day_ms;
        days--;
    }
    date_of(days, &year, &month, &day);
    const int t = (int)of_day;
    (void)snprintf(out, STR_RFC3339_MAX, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ", year,
                   month, day, t / 3600000, t / 60000 % 60, t / 1000 % 60, t % 1000);
}
