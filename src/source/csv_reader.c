/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* Milliseconds from the first of the year 1 to the last of 9999: beyond, seconds are not a time but
 * another unit. */
static const int64_t TIME_MIN_MS = -62135596800000, TIME_MAX_MS = 253402300799999;

enum { WINDOW_BYTES = 2 * CSV_LINE_MAX };

enum rc csv_reader_fail(const struct csv_reader *r, enum rc rc, struct err *err, const char *fmt,
                        ...)
{
    char sentence[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap); /* cut at the end: still a sentence */
    va_end(ap);
    return err_set(err, rc, "%s:%zu: %s", r->file, r->line, sentence);
}

enum { QUOTE_MAX = 40 };

int csv_quoted(struct str s)
{
    return (int)(s.n < QUOTE_MAX ? s.n : QUOTE_MAX);
}

const char *csv_ellipsis(struct str s)
{
    return s.n > QUOTE_MAX ? "..." : "";
}

/* More of the file behind what is left in the window; at its end, r->fd is closed and -1. */
static enum rc refill(struct csv_reader *r, struct err *err)
{
    const size_t left = (size_t)(r->end - r->at);
    ssize_t got;

    memmove(r->window, r->at, left); /* a whole line has room, for it is under CSV_LINE_MAX */
    do
        got = read(r->fd, r->window + left, WINDOW_BYTES - left);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(err, E_IO, "'%s': read: %m", r->file);
    if (got == 0) {
        fd_closep(&r->fd);
        r->fd = -1;
    }
    r->taken += (size_t)got;
    if (r->taken > CSV_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: expected at most %d bytes, found more", r->file,
                       CSV_BYTES_MAX);
    r->at = r->window;
    r->end = r->window + left + got;
    return OK;
}

/* The end of the line at r->at, or NULL where it has none within CSV_LINE_MAX. */
static enum rc find_line_end(struct csv_reader *r, const char **ret, struct err *err)
{
    for (;;) {
        const size_t left = (size_t)(r->end - r->at);

        *ret = left ? memchr(r->at, '\n', left < CSV_LINE_MAX ? left : CSV_LINE_MAX) : NULL;
        if (*ret || left >= CSV_LINE_MAX || r->fd < 0)
            return OK;
        if (refill(r, err) != OK)
            return err->rc;
    }
}

enum rc csv_reader_line(struct csv_reader *r, bool *ret_any, struct err *err)
{
    const char *nl;

    if (find_line_end(r, &nl, err) != OK)
        return err->rc;
    if (r->line == 0 && r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0)
        r->at += 3;
    const size_t left = (size_t)(r->end - r->at);
    *ret_any = left > 0;
    if (!*ret_any)
        return OK;
    r->line++;
    if (!nl && left >= CSV_LINE_MAX)
        return csv_reader_fail(r, E_LIMIT, err, "expected lines under %d bytes, found a longer one",
                               CSV_LINE_MAX);
    r->text = (struct str){r->at, nl ? (size_t)(nl - r->at) : left};
    r->at = nl ? nl + 1 : r->end;
    if (r->text.n > 0 && r->text.p[r->text.n - 1] == '\r')
        r->text.n--;
    r->more = true;
    if (memchr(r->text.p, '\0', r->text.n))
        return csv_reader_fail(r, E_PARSE, err, "a byte 0x00; expected text");
    return OK;
}

static enum rc next_quoted_field(struct csv_reader *r, struct str *ret, struct err *err)
{
    const char *p = r->text.p, *end = p + r->text.n, *q = p + 1;

    for (;;
         q += 2) { /* two quotes stand for one, and no name or number has one: left as they are */
        q = memchr(q, '"', (size_t)(end - q));
        if (!q)
            return csv_reader_fail(
                r, E_PARSE, err,
                "expected a closing quote on the same line, found none after '%.*s%s'",
                csv_quoted(r->text), r->text.p, csv_ellipsis(r->text));
        if (q + 1 == end || q[1] != '"')
            break;
    }
    const struct str rest = {q + 1, (size_t)(end - (q + 1))};
    if (rest.n > 0 && rest.p[0] != ',')
        return csv_reader_fail(r, E_PARSE, err,
                               "expected a comma after a quoted field, found '%.*s%s'",
                               csv_quoted(rest), rest.p, csv_ellipsis(rest));
    *ret = (struct str){p + 1, (size_t)(q - (p + 1))};
    r->more = rest.n > 0;
    r->text = r->more ? (struct str){rest.p + 1, rest.n - 1} : rest;
    return OK;
}

enum rc csv_reader_field(struct csv_reader *r, struct str *ret, struct err *err)
{
    if (r->text.n > 0 && r->text.p[0] == '"')
        return next_quoted_field(r, ret, err);

    size_t n = 0; /* fields are short: a plain loop beats memchr */
    while (n < r->text.n && r->text.p[n] != ',')
        n++;
    *ret = (struct str){r->text.p, n};
    r->more = n < r->text.n;
    r->text.p += r->more ? n + 1 : n;
    r->text.n -= r->more ? n + 1 : n;
    return OK;
}

enum rc csv_reader_time(const struct csv_reader *r, struct str s, int64_t *ret_ms,
                        enum csv_time *ret_form, struct err *err)
{
    double seconds;

    if (str_to_double(s, &seconds)) {
        const double ms = round(seconds * 1000);
        if (!(ms >= (double)TIME_MIN_MS && ms <= (double)TIME_MAX_MS))
            return csv_reader_fail(
                r, E_PARSE, err, "expected Unix seconds of the years 1 to 9999, found '%.*s%s'%s",
                csv_quoted(s), s.p, csv_ellipsis(s),
                seconds <= (double)TIME_MAX_MS ? ": are these milliseconds?" : "");
        *ret_ms = (int64_t)ms;
        *ret_form = CSV_TIME_UNIX;
        return OK;
    }
    if (!str_to_rfc3339_ms(s, ret_ms) || *ret_ms < TIME_MIN_MS || *ret_ms > TIME_MAX_MS)
        return csv_reader_fail(
            r, E_PARSE, err,
            "expected a time as Unix seconds or RFC 3339 (2025-02-20T21:55:00Z), found "
            "'%.*s%s'",
            csv_quoted(s), s.p, csv_ellipsis(s));
    *ret_form = CSV_TIME_RFC3339;
    return OK;
}

/* After an empty line: fine where only such follow, an editor's last ones. */
static enum rc expect_end(struct csv_reader *r, struct err *err)
{
    const size_t line = r->line;
    bool any = true;

    while (any && r->text.n == 0)
        if (csv_reader_line(r, &any, err) != OK)
            return err->rc;
    if (!any)
        return OK;
    r->line = line;
    return csv_reader_fail(r, E_PARSE, err, "expected a row, found an empty line");
}

size_t csv_reader_count(struct str line)
{
    size_t n = 1;

    for (size_t i = 0; i < line.n; i++)
        n += line.p[i] == ',' ? 1 : 0;
    return n;
}

enum rc csv_reader_row(struct csv_reader *r, bool *ret_any, struct err *err)
{
    if (csv_reader_line(r, ret_any, err) != OK)
        return err->rc;
    if (!*ret_any || r->text.n > 0)
        return OK;
    *ret_any = false;
    return expect_end(r, err);
}

enum rc csv_reader_number(const struct csv_reader *r, struct str s, const char *name, double *ret,
                          struct err *err)
{
    double v = (double)NAN;

    if (s.n > 0 && !str_to_double(s, &v))
        return csv_reader_fail(r, E_PARSE, err,
                               "column '%s': expected a number, NaN or nothing, found '%.*s%s'",
                               name, csv_quoted(s), s.p, csv_ellipsis(s));
    *ret = isnan(v) ? (double)NAN : v; /* one NaN, whatever its sign */
    return OK;
}

enum rc csv_reader_open(struct csv_reader *r, const char *path, struct err *err)
{
    *r = (struct csv_reader){.file = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (r->fd < 0)
        return err_set(err, E_IO, "'%s': open: %m", path);
    r->window = mem_alloc(WINDOW_BYTES);
    if (!r->window)
        return err_set(err, E_NOMEM, "%s: no memory to read it", path);
    r->at = r->end = r->window;
    return OK;
}

enum rc csv_reader_bytes(struct csv_reader *r, const char *p, size_t n, const char *file,
                         struct err *err)
{
    *r = (struct csv_reader){.file = file, .at = p, .end = p + n, .fd = -1};
    if (n > CSV_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: expected at most %d bytes, found %zu", file,
                       CSV_BYTES_MAX, n);
    return OK;
}

void csv_reader_done(struct csv_reader *r)
{
    fd_closep(&r->fd);
    mem_free(r->window);
    r->window = NULL;
}
