/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/accept.h"

#include <strings.h>

static bool same(struct str a, struct str b) /* media types and parameter names ignore case */
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* Cut s at the first separator; *rest is what follows it. */
static struct str cut(struct str s, char separator, struct str *rest)
{
    const char *at = s.n ? memchr(s.p, separator, s.n) : NULL;
    const size_t n = at ? (size_t)(at - s.p) : s.n;

    *rest = at ? (struct str){at + 1, s.n - n - 1} : (struct str){s.p + s.n, 0};
    return str_trim((struct str){s.p, n});
}

static struct str unquote(struct str s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? (struct str){s.p + 1, s.n - 2} : s;
}

struct media {
    struct str type, version;
    double quality; /* 0..1 */
};

static struct media parse_media(struct str item)
{
    struct media m = {.quality = 1};
    struct str rest;

    m.type = cut(item, ';', &rest);
    while (rest.n) {
        struct str value;
        const struct str name = cut(cut(rest, ';', &rest), '=', &value);
        value = unquote(str_trim(value));
        if (same(name, STR("version")))
            m.version = value;
        /* a quality that is no number from 0 to 1 refuses the item: nothing is guessed */
        if (same(name, STR("q")) &&
            (!str_to_double(value, &m.quality) || !(m.quality >= 0 && m.quality <= 1)))
            m.quality = 0;
    }
    return m;
}

enum exposition accept_exposition(struct str header)
{
    double text = 0, openmetrics = 0;

    while (header.n) {
        const struct media m = parse_media(cut(header, ',', &header));
        const bool version_fits =
            m.version.n == 0 || str_eq(m.version, STR("1.0.0")) || str_eq(m.version, STR("0.0.1"));
        if (same(m.type, STR("application/openmetrics-text")) && version_fits &&
            m.quality > openmetrics)
            openmetrics = m.quality;
        if (same(m.type, STR("text/plain")) && m.quality > text)
            text = m.quality;
    }
    return openmetrics > 0 && openmetrics >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
