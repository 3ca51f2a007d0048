/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* Seconds outside the years 1 to 9999 are not a time but another unit. */
static const double SECONDS_MIN = -62135596800, SECONDS_MAX = 253402300799;

enum { WINDOW_BYTES = 2 * CSV_LINE_MAX };

struct reader {
    const char *file;
    const char *at, *end; /* the line that comes next, the end of the bytes at hand */
    int fd;               /* where more bytes come from; -1: none do */
    char *window;         /* [WINDOW_BYTES] of the file, when there is one */
    size_t taken;         /* bytes of the file so far */
    size_t line;          /* of the line in hand, from 1 */
    struct str text;      /* what is left of it */
    bool more;            /* a comma ended the last field, so another one follows */
};

__attribute__((format(printf, 4, 5))) static enum rc fail(const struct reader *r, enum rc rc,
                                                          struct err *err, const char *fmt, ...)
{
    char sentence[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap); /* cut at the end: still a sentence */
    va_end(ap);
    return err_set(err, rc, "%s:%zu: %s", r->file, r->line, sentence);
}

/* Enough of a field to recognise it by: for "%.*s%s". */
enum { QUOTE_MAX = 40 };

static int quoted(struct str s)
{
    return (int)(s.n < QUOTE_MAX ? s.n : QUOTE_MAX);
}

static const char *ellipsis(struct str s)
{
    return s.n > QUOTE_MAX ? "..." : "";
}

/* More of the file behind what is left in the window; at its end, r->fd is -1. */
static enum rc refill(struct reader *r, struct err *err)
{
    const size_t left = (size_t)(r->end - r->at);
    ssize_t got;

    memmove(r->window, r->at, left); /* a whole line has room, for it is under CSV_LINE_MAX */
    do
        got = read(r->fd, r->window + left, WINDOW_BYTES - left);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(err, E_IO, "'%s': read: %m", r->file);
    if (got == 0)
        r->fd = -1;
    r->taken += (size_t)got;
    if (r->taken > CSV_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: expected at most %d bytes, found more", r->file,
                       CSV_BYTES_MAX);
    r->at = r->window;
    r->end = r->window + left + got;
    return OK;
}

/* The end of the line at r->at, or NULL where it has none within CSV_LINE_MAX. */
static enum rc find_line_end(struct reader *r, const char **ret, struct err *err)
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

/* The next line without its end; *ret_any is false at the end of the bytes. */
static enum rc next_line(struct reader *r, bool *ret_any, struct err *err)
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
        return fail(r, E_LIMIT, err, "expected lines under %d bytes, found a longer one",
                    CSV_LINE_MAX);
    r->text = (struct str){r->at, nl ? (size_t)(nl - r->at) : left};
    r->at = nl ? nl + 1 : r->end;
    if (r->text.n > 0 && r->text.p[r->text.n - 1] == '\r')
        r->text.n--;
    r->more = true;
    if (memchr(r->text.p, '\0', r->text.n))
        return fail(r, E_PARSE, err, "a byte 0x00; expected text");
    return OK;
}

static enum rc next_quoted_field(struct reader *r, struct str *ret, struct err *err)
{
    const char *p = r->text.p, *end = p + r->text.n, *q = p + 1;

    for (;;
         q += 2) { /* two quotes stand for one, and no name or number has one: left as they are */
        q = memchr(q, '"', (size_t)(end - q));
        if (!q)
            return fail(r, E_PARSE, err,
                        "expected a closing quote on the same line, found none after '%.*s%s'",
                        quoted(r->text), r->text.p, ellipsis(r->text));
        if (q + 1 == end || q[1] != '"')
            break;
    }
    const struct str rest = {q + 1, (size_t)(end - (q + 1))};
    if (rest.n > 0 && rest.p[0] != ',')
        return fail(r, E_PARSE, err, "expected a comma after a quoted field, found '%.*s%s'",
                    quoted(rest), rest.p, ellipsis(rest));
    *ret = (struct str){p + 1, (size_t)(q - (p + 1))};
    r->more = rest.n > 0;
    r->text = r->more ? (struct str){rest.p + 1, rest.n - 1} : rest;
    return OK;
}

/* The next field of the line; only while r->more. */
static enum rc next_field(struct reader *r, struct str *ret, struct err *err)
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

static enum rc parse_time(const struct reader *r, struct str s, int64_t *ret_ms,
                          enum csv_time *ret_form, struct err *err)
{
    double seconds;

    if (str_to_double(s, &seconds)) {
        if (!(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX))
            return fail(r, E_PARSE, err,
                        "expected Unix seconds of the years 1 to 9999, found '%.*s%s'%s", quoted(s),
                        s.p, ellipsis(s),
                        seconds / 1e3 <= SECONDS_MAX ? ": are these milliseconds?" : "");
        *ret_ms = llround(seconds * 1000);
        *ret_form = CSV_TIME_UNIX;
        return OK;
    }
    if (!str_to_rfc3339_ms(s, ret_ms) || *ret_ms < (int64_t)SECONDS_MIN * 1000 ||
        *ret_ms >= ((int64_t)SECONDS_MAX + 1) * 1000)
        return fail(r, E_PARSE, err,
                    "expected a time as Unix seconds or RFC 3339 (2025-02-20T21:55:00Z), found "
                    "'%.*s%s'",
                    quoted(s), s.p, ellipsis(s));
    *ret_form = CSV_TIME_RFC3339;
    return OK;
}

static enum rc parse_value(const struct reader *r, struct str s, const char *name, float *ret,
                           struct err *err)
{
    double v = 0;

    if (s.n == 0) {
        *ret = NAN;
        return OK;
    }
    if (!str_to_double(s, &v))
        return fail(r, E_PARSE, err,
                    "column '%s': expected a number, NaN or nothing, found '%.*s%s'", name,
                    quoted(s), s.p, ellipsis(s));
    *ret = isnan(v) ? NAN : (float)v; /* one NaN, whatever its sign */
    if (isinf(*ret))
        return fail(r, E_PARSE, err,
                    "column '%s': expected a number up to 3.4e38, NaN or nothing, found '%.*s%s'",
                    name, quoted(s), s.p, ellipsis(s));
    return OK;
}

static size_t count_fields(struct str line) /* at most: a comma in quotes counts too */
{
    size_t n = 1;

    for (size_t i = 0; i < line.n; i++)
        n += line.p[i] == ',' ? 1 : 0;
    return n;
}

static enum rc parse_header_field(struct reader *r, struct feature *f, struct err *err)
{
    struct str name;
    const enum rc rc = next_field(r, &name, err);

    if (rc != OK)
        return rc;
    if (name.n == 0)
        return fail(r, E_PARSE, err, "expected a feature's name, found an empty field");
    if (name.n >= FEATURE_NAME_MAX || memchr(name.p, 0, name.n))
        return fail(r, E_PARSE, err,
                    "expected a feature's name of up to %d characters, found '%.*s%s'",
                    FEATURE_NAME_MAX - 1, quoted(name), name.p, ellipsis(name));
    memcpy(f->name, name.p, name.n); /* the rest is zero */
    return OK;
}

static enum rc parse_header(struct reader *r, struct schema **ret, struct err *err)
{
    bool any = false;
    struct str first = {"", 0};
    enum rc rc = next_line(r, &any, err);

    if (rc != OK)
        return rc;
    if (!any) {
        r->line = 1;
        return fail(r, E_PARSE, err, "expected the header 'timestamp,...', found an empty file");
    }
    const size_t most = count_fields(r->text);
    rc = next_field(r, &first, err);
    if (rc != OK)
        return rc;
    if (!str_eq(first, STR("timestamp")))
        return fail(r, E_PARSE, err, "expected 'timestamp' as the first column, found '%.*s%s'",
                    quoted(first), first.p, ellipsis(first));
    if (!r->more)
        return fail(r, E_PARSE, err, "expected columns of features after 'timestamp', found none");
    if (most - 1 > SCHEMA_FEATURES_MAX)
        return fail(r, E_LIMIT, err, "expected at most %d features, found %zu", SCHEMA_FEATURES_MAX,
                    most - 1);

    CLEANUP(mem_freep) struct feature *f = mem_array(most, sizeof *f);
    if (!f)
        return err_set(err, E_NOMEM, "%s: no memory for %zu columns", r->file, most);
    size_t n = 0;
    while (r->more && rc == OK)
        rc = parse_header_field(r, &f[n++], err);
    if (rc != OK)
        return rc;
    rc = schema_new(f, n, ret, err);
    return rc == OK ? OK : err_wrap(err, "%s:%zu", r->file, r->line);
}

/* One line to row[n], which goes to d. */
static enum rc parse_row(struct reader *r, const struct schema *schema, float *row,
                         struct dataset *d, enum csv_time *ret_form, struct err *err)
{
    struct str field = {"", 0};
    int64_t ts_ms = 0;
    size_t n = 0;
    enum rc rc = next_field(r, &field, err);

    if (rc == OK)
        rc = parse_time(r, field, &ts_ms, ret_form, err);
    if (rc == OK && d->rows > 0 && ts_ms <= d->ts_ms[d->rows - 1])
        rc = fail(r, E_PARSE, err, "expected a time after the row before, found '%.*s%s'",
                  quoted(field), field.p, ellipsis(field));
    for (; rc == OK && r->more; n++) {
        rc = next_field(r, &field, err);
        if (rc == OK && n < schema->n)
            rc = parse_value(r, field, schema->f[n].name, &row[n], err);
    }
    if (rc == OK && n != schema->n)
        rc = fail(r, E_PARSE, err, "expected %zu fields as in the header, found %zu", schema->n + 1,
                  n + 1);
    if (rc != OK)
        return rc;
    rc = dataset_append(d, ts_ms, row, err);
    return rc == OK ? OK : err_wrap(err, "%s:%zu", r->file, r->line);
}

/* After an empty line: fine where only such follow, an editor's last ones. */
static enum rc expect_end(struct reader *r, struct err *err)
{
    const size_t line = r->line;
    bool any = true;

    while (any && r->text.n == 0)
        if (next_line(r, &any, err) != OK)
            return err->rc;
    if (!any)
        return OK;
    r->line = line;
    return fail(r, E_PARSE, err, "expected a time, found an empty line");
}

static enum rc parse(struct reader *r, struct schema **ret_schema, struct dataset **ret,
                     enum csv_time *ret_time, struct err *err)
{
    enum csv_time form = CSV_TIME_UNIX, row_form = form;
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    bool any;

    enum rc rc = parse_header(r, &schema, err);
    if (rc != OK)
        return rc;
    assert(schema);
    rc = dataset_new(schema->n, &d, err);
    if (rc != OK)
        return rc;
    CLEANUP(mem_freep) float *row = mem_array(schema->n, sizeof *row);
    if (!row)
        return err_set(err, E_NOMEM, "%s: no memory for a row of %zu values", r->file, schema->n);

    while ((rc = next_line(r, &any, err)) == OK && any) {
        if (r->text.n == 0) {
            rc = expect_end(r, err);
            break;
        }
        rc = parse_row(r, schema, row, d, &row_form, err);
        if (rc != OK)
            return rc;
        if (d->rows == 1)
            form = row_form;
    }
    if (rc != OK)
        return rc;
    *ret_schema = TAKE(schema);
    *ret = TAKE(d);
    if (ret_time)
        *ret_time = form;
    return OK;
}

enum rc csv_parse(const char *p, size_t n, const char *file, struct schema **ret_schema,
                  struct dataset **ret, enum csv_time *ret_time, struct err *err)
{
    struct reader r = {.file = file, .at = p, .end = p + n, .fd = -1};

    if (n > CSV_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s: expected at most %d bytes, found %zu", file,
                       CSV_BYTES_MAX, n);
    return parse(&r, ret_schema, ret, ret_time, err);
}

enum rc csv_read(const char *path, struct schema **ret_schema, struct dataset **ret,
                 enum csv_time *ret_time, struct err *err)
{
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, E_IO, "'%s': open: %m", path);
    CLEANUP(mem_freep) char *window = mem_alloc(WINDOW_BYTES);
    if (!window)
        return err_set(err, E_NOMEM, "%s: no memory to read it", path);
    struct reader r = {.file = path, .at = window, .end = window, .fd = fd, .window = window};

    return parse(&r, ret_schema, ret, ret_time, err);
}

void csv_put_time(struct buf *out, int64_t ts_ms, enum csv_time form)
{
    if (form == CSV_TIME_RFC3339) {
        char text[STR_RFC3339_MAX];
        str_from_rfc3339_ms(ts_ms, text);
        buf_puts(out, text);
        return;
    }
    const uint64_t ms = ts_ms < 0 ? 0 - (uint64_t)ts_ms : (uint64_t)ts_ms;
    char fraction[8] = "";
    if (ms % 1000 != 0) {
        (void)snprintf(fraction, sizeof fraction, ".%03u", (unsigned)(ms % 1000));
        for (size_t n = strlen(fraction); n > 1 && fraction[n - 1] == '0';)
            fraction[--n] = '\0';
    }
    buf_printf(out, "%s%llu%s", ts_ms < 0 ? "-" : "", (unsigned long long)(ms / 1000), fraction);
}
