/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

#include <stdarg.h>
#include <stdio.h>

int verb_fail(const struct err *err)
{
    fprintf(stderr, "tocsin: %s\n", err->msg);
    return err->rc == E_CONFIG ? EXIT_USAGE : EXIT_TROUBLE;
}

int verb_usage(const struct verb *v, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "tocsin %s: ", v->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry `tocsin %s --help`.\n", v->name);
    return EXIT_USAGE;
}
