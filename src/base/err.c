/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

void err_record(struct err *err, enum rc rc, const char *fmt, ...)
{
    const int saved = errno;
    char msg[ERR_MSG_MAX]; /* not at once into err: an argument may be its old sentence */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof msg, fmt, ap); /* cut at the end: still a sentence */
    va_end(ap);
    str_make_printable(msg);
    memcpy(err->msg, msg, sizeof msg);
    err->rc = rc;
    errno = saved;
}

enum rc err_wrap(struct err *err, const char *fmt, ...)
{
    const int saved = errno;
    char inner[ERR_MSG_MAX];
    va_list ap;

    memcpy(inner, err->msg, sizeof inner);
    va_start(ap, fmt);
    const int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    const size_t at = n < 0 ? 0 : (size_t)n;
    if (at < sizeof err->msg)
        (void)snprintf(err->msg + at, sizeof err->msg - at, ": %s", inner);
    str_make_printable(err->msg);
    errno = saved;
    return err->rc;
}
