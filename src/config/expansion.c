/* SPDX-License-Identifier: Apache-2.0 */
#include "config/expansion.h"

#include <stdlib.h>
#include <string.h>

bool expansion_add(struct expansion *t, const char *p, size_t n)
{
    if (n >= sizeof t->p - t->n)
        return false;
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = '\0';
    return true;
}

/* One ${NAME} at the start of s; *ret_taken bytes of s are it. */
static enum rc expand_variable(struct str s, size_t *ret_taken, const char **ret_value,
                               struct err *err)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    const size_t n = strspn(s.p + 2, word); /* scalars end in a NUL */
    char name[128];

    if (n == 0 || n >= sizeof name || s.p[2 + n] != '}' || (s.p[2] >= '0' && s.p[2] <= '9'))
        return err_set(err, E_CONFIG,
                       "expected ${NAME} with the name of an environment variable, found '%.40s'; "
                       "a plain '${' is written '$${'",
                       s.p);
    memcpy(name, s.p + 2, n);
    name[n] = '\0';
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever changes the environment */
    *ret_value = getenv(name);
    if (!*ret_value)
        return err_set(err, E_CONFIG, "the environment variable '%s' is not set", name);
    *ret_taken = n + 3;
    return OK;
}

/* ${NAME} from the environment, $${ for a literal ${. */
enum rc expansion_expand(struct str s, struct expansion *out, struct err *err)
{
    while (s.n) {
        const char *piece = s.p;
        size_t taken = 1, n = 1;

        if (str_starts(s, STR("$${"))) {
            piece = "${";
            n = 2;
            taken = 3;
        } else if (str_starts(s, STR("${"))) {
            if (expand_variable(s, &taken, &piece, err) != OK)
                return err->rc;
            n = strlen(piece);
        }
        if (!expansion_add(out, piece, n))
            return err_set(err, E_CONFIG, "expected at most %zu bytes", sizeof out->p - 1);
        s.p += taken;
        s.n -= taken;
    }
    return OK;
}
