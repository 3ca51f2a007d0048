/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/params.h"

#include <string.h>

#include "fuzz.h"

enum { LIMIT_MAX = 1000 };

/* "key=value&key=value…", split without decoding: keys and values have any byte. */
static size_t split(const uint8_t *data, size_t size, struct param_pair *pairs, size_t max)
{
    const char *p = (const char *)data, *end = p + size;
    size_t n = 0;

    while (p < end && n < max) {
        const char *stop = memchr(p, '&', (size_t)(end - p));
        if (!stop)
            stop = end;
        const char *eq = memchr(p, '=', (size_t)(stop - p));
        const char *key_end = eq ? eq : stop, *value = eq ? eq + 1 : stop;
        pairs[n++] =
            (struct param_pair){{p, (size_t)(key_end - p)}, {value, (size_t)(stop - value)}};
        p = stop + 1;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct param_pair pairs[PARAMS_PAIRS_MAX + 2];
    struct params p, before;
    struct err err = {0};

    if (size == 0)
        return 0;
    const unsigned allowed = data[0] & 15u;
    const size_t n = split(data + 1, size - 1, pairs, PARAMS_PAIRS_MAX + 2);
    memset(&p, 0x5a, sizeof p);
    before = p;
    if (params_parse(pairs, n, allowed, LIMIT_MAX, &p, &err) != OK) {
        promise(err.rc == E_PARSE && err.msg[0], "a failure explains itself");
        promise(str_is_utf8(str_of(err.msg)) && !strchr(err.msg, '\n'), "in one printable line");
        promise(memcmp(&p, &before, sizeof p) == 0, "and leaves the output alone");
        return 0;
    }
    promise((p.given & ~allowed) == 0, "only what is allowed is taken");
    promise(n <= 4, "each parameter comes once");
    if (p.given & PARAM_INSTANCE)
        promise(strnlen(p.instance, INSTANCE_MAX) < INSTANCE_MAX && p.instance[0] &&
                    str_is_utf8(str_of(p.instance)),
                "an instance is a short UTF-8 text");
    if (p.given & PARAM_LIMIT)
        promise(p.limit >= 1 && p.limit <= LIMIT_MAX, "a limit is in range");
    if ((p.given & PARAM_FROM) && (p.given & PARAM_TO))
        promise(p.from_ms <= p.to_ms, "a range is in order");
    return 0;
}
