/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/params.h"

#include <math.h>
#include <string.h>

enum { SHOWN = 64 };
static const int64_t TIME_MAX_S = 253402300799; /* the end of the year 9999 */

static const struct {
    unsigned bit;
    const char *name;
} names[] = {
    {PARAM_INSTANCE, "instance"},
    {PARAM_FROM, "from"},
    {PARAM_TO, "to"},
    {PARAM_LIMIT, "limit"},
};
enum { NAMES = sizeof names / sizeof names[0] };

static int shown(struct str s)
{
    return s.n < SHOWN ? (int)s.n : SHOWN;
}

static enum rc parse_time(const char *name, struct str s, int64_t *ret, struct err *err)
{
    double seconds;

    if (str_to_double(s, &seconds)) {
        if (seconds >= 0 && seconds <= (double)TIME_MAX_S) { /* false for NaN */
            *ret = llround(seconds * 1000);
            return OK;
        }
    } else if (str_to_rfc3339_ms(s, ret)) {
        return OK;
    }
    return err_set(err, E_PARSE,
                   "parameter '%s': expected Unix seconds (1740088500.5) or RFC 3339 "
                   "(2025-02-20T21:55:00Z, with '+' written %%2B), found '%.*s'",
                   name, shown(s), s.p);
}

static enum rc parse_instance(struct str s, char ret[INSTANCE_MAX], struct err *err)
{
    if (s.n == 0 || s.n >= INSTANCE_MAX || !str_is_utf8(s))
        return err_set(err, E_PARSE,
                       "parameter 'instance': expected 1 to %d bytes of UTF-8, found '%.*s'",
                       INSTANCE_MAX - 1, shown(s), s.p);
    memcpy(ret, s.p, s.n);
    ret[s.n] = '\0';
    return OK;
}

static enum rc parse_limit(struct str s, size_t max, size_t *ret, struct err *err)
{
    uint64_t n;

    if (!str_to_u64(s, &n) || n == 0 || n > max)
        return err_set(err, E_PARSE,
                       "parameter 'limit': expected a whole number from 1 to %zu, found '%.*s'",
                       max, shown(s), s.p);
    *ret = (size_t)n;
    return OK;
}

static enum rc parse_one(unsigned bit, const char *name, struct str value, size_t limit_max,
                         struct params *p, struct err *err)
{
    switch (bit) {
    case PARAM_INSTANCE:
        return parse_instance(value, p->instance, err);
    case PARAM_FROM:
        return parse_time(name, value, &p->from_ms, err);
    case PARAM_TO:
        return parse_time(name, value, &p->to_ms, err);
    default:
        return parse_limit(value, limit_max, &p->limit, err);
    }
}

static enum rc unknown(struct str key, unsigned allowed, struct err *err)
{
    char known[64] = "";
    size_t at = 0;

    for (size_t i = 0; i < NAMES; i++)
        if (allowed & names[i].bit)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "",
                                   names[i].name);
    return err_set(err, E_PARSE, "unknown parameter '%.*s': this endpoint takes %s", shown(key),
                   key.p, known[0] ? known : "none");
}

enum rc params_parse(const struct param_pair *pairs, size_t n, unsigned allowed, size_t limit_max,
                     struct params *ret, struct err *err)
{
    struct params p = {0};

    if (n > PARAMS_PAIRS_MAX)
        return err_set(err, E_PARSE, "more than %d query parameters", PARAMS_PAIRS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < NAMES &&
               !((allowed & names[k].bit) && str_eq(pairs[i].key, str_of(names[k].name))))
            k++;
        if (k == NAMES)
            return unknown(pairs[i].key, allowed, err);
        if (p.given & names[k].bit)
            return err_set(err, E_PARSE, "parameter '%s' comes twice", names[k].name);
        p.given |= names[k].bit;
        if (parse_one(names[k].bit, names[k].name, pairs[i].value, limit_max, &p, err) != OK)
            return err->rc;
    }
    if ((p.given & PARAM_FROM) && (p.given & PARAM_TO) && p.from_ms > p.to_ms)
        return err_set(err, E_PARSE, "parameter 'from' is later than parameter 'to'");
    *ret = p;
    return OK;
}
