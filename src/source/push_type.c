/* SPDX-License-Identifier: Apache-2.0 */
#include "source/push_type.h"

#include <strings.h>

static bool same_word(struct str a, struct str b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* What stands before the first `by`, trimmed; *rest is what stands after it. */
static struct str cut(struct str s, char by, struct str *rest)
{
    const char *at = s.n ? memchr(s.p, by, s.n) : NULL;
    const size_t n = at ? (size_t)(at - s.p) : s.n;

    *rest = at ? (struct str){at + 1, s.n - n - 1} : STR("");
    return str_trim((struct str){s.p, n});
}

static struct str unquote(struct str s)
{
    const bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';

    return quoted ? (struct str){s.p + 1, s.n - 2} : s;
}

bool push_type_protocol(struct str content_type, enum write_protocol *ret)
{
    struct str rest = str_trim(content_type), value;
    enum write_protocol protocol = WRITE_1;

    if (rest.n && !same_word(cut(rest, ';', &rest), STR("application/x-protobuf")))
        return false;
    while (rest.n) {
        const struct str parameter = cut(rest, ';', &rest);
        const struct str name = cut(parameter, '=', &value);
        if (!same_word(name, STR("proto")))
            continue;
        value = unquote(str_trim(value));
        if (str_eq(value, STR("io.prometheus.write.v2.Request")))
            protocol = WRITE_2;
        else if (str_eq(value, STR("prometheus.WriteRequest")))
            protocol = WRITE_1;
        else
            return false;
    }
    *ret = protocol;
    return true;
}

bool push_type_is_snappy(struct str content_encoding)
{
    const struct str s = str_trim(content_encoding);

    return s.n == 0 || same_word(s, STR("snappy"));
}
