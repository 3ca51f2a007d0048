/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

#include <getopt.h>
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

int verb_bad_option(const struct verb *v, int answer, char **argv)
{
    const char short_name[] = {'-', (char)optopt, '\0'};
    /* a long option stands in the word just passed; a short one may share its word */
    const char *word = argv[optind - 1];
    const char *name = word[0] == '-' && word[1] == '-' ? word : short_name;

    return verb_usage(v, answer == ':' ? "'%s' expects a value" : "'%s' is not an option", name);
}
