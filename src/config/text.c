/* SPDX-License-Identifier: Apache-2.0 */
#include "config/text.h"

#include <string.h>

#include "config/config.h"

bool text_is_plain(struct str s)
{
    static const char *const unwritable[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", /* line breaks */
                                             "\xef\xbb\xbf", "\xef\xbf\xbe", /* byte order marks */
                                             "\xef\xbf\xbf"};
    char copy[2 * CONFIG_TEXT_MAX];

    if (!str_is_utf8(s) || s.n >= sizeof copy)
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    for (size_t i = 0; i < sizeof unwritable / sizeof *unwritable; i++)
        if (strstr(copy, unwritable[i]))
            return false;
    str_make_printable(copy);
    return memcmp(copy, s.p, s.n) == 0;
}

void text_format(const char *z, struct buf *out)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "_./:-";
    const size_t n = strlen(z);

    /* one safe word is plain, unless YAML reads something else in it */
    if (n && strspn(z, safe) == n && z[0] != '-' && z[0] != ':' && z[n - 1] != ':' &&
        strcmp(z, "null") != 0 && strcmp(z, "Null") != 0 && strcmp(z, "NULL") != 0) {
        buf_puts(out, z);
        return;
    }
    buf_puts(out, "\"");
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            buf_puts(out, "\\");
        if (z[0] == '$' && z[1] == '{')
            buf_puts(out, "$"); /* so that it is not taken for a variable */
        buf_add(out, z, 1);
    }
    buf_puts(out, "\"");
}
