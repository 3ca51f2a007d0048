/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum {
    LINE_MAX_BYTES = 4096, /* PIPE_BUF: the kernel keeps a write to a pipe in one piece */
    RESERVE = 8,           /* always left for what closes a line */
    KEY_MAX = 64,
    ESCAPE_MAX = 8,
};

/* What the whole process shares by its nature: one stderr, and how to write to it. */
static _Atomic int log_least = LOG_INFO;
static _Atomic int log_form = LOG_LOGFMT;

static _Atomic unsigned log_dropped;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"logfmt", "json"};

struct line {
    size_t n;
    bool full; /* something did not fit: nothing more is added */
    char p[LINE_MAX_BYTES];
};

void log_init(enum log_level least, enum log_format format)
{
    atomic_store(&log_least, (int)least);
    atomic_store(&log_form, (int)format);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_least, memory_order_relaxed);
}

static size_t room(const struct line *l)
{
    return l->n < sizeof l->p - RESERVE ? sizeof l->p - RESERVE - l->n : 0;
}

static void add(struct line *l, const char *p, size_t n)
{
    if (l->full || n > room(l)) {
        l->full = true;
        return;
    }
    memcpy(l->p + l->n, p, n);
    l->n += n;
}

/* Into the reserve: quotes and braces that were opened get closed on a full line, too. */
static void add_closing(struct line *l, char c)
{
    if (l->n < sizeof l->p)
        l->p[l->n++] = c;
}

static bool is_control(const char *p)
{
    const unsigned char c = (unsigned char)p[0];

    /* U+0080 to U+009F command terminals as well */
    return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

/* One character of a quoted value; returns the bytes of s that it took. */
static size_t add_escaped(struct line *l, struct str s)
{
    char out[ESCAPE_MAX];
    const unsigned char c = (unsigned char)s.p[0];
    const size_t n = str_utf8_next(s);

    if (n == 0) {
        add(l, "\xef\xbf\xbd", 3); /* U+FFFD for a byte that is not UTF-8 */
        return 1;
    }
    if (c == '"' || c == '\\')
        add(l, (const char[]){'\\', (char)c}, 2);
    else if (c == '\n')
        add(l, "\\n", 2);
    else if (c == '\t')
        add(l, "\\t", 2);
    else if (is_control(s.p))
        add(l, out, (size_t)snprintf(out, sizeof out, "\\u%04x", n == 1 ? c : s.p[1] & 0xff));
    else
        add(l, s.p, n);
    return n;
}

static void add_quoted(struct line *l, struct str s)
{
    if (l->full)
        return;
    add(l, "\"", 1);
    const bool opened = !l->full;
    while (s.n && !l->full) {
        const size_t n = add_escaped(l, s);
        s.p += n;
        s.n -= n;
    }
    if (opened)
        add_closing(l, '"');
}

static bool needs_quotes(struct str s)
{
    if (s.n == 0)
        return true;
    while (s.n) {
        const size_t n = str_utf8_next(s);
        if (n == 0 || is_control(s.p) || strchr(" =\"\\", s.p[0]))
            return true;
        s.p += n;
        s.n -= n;
    }
    return false;
}

static void add_pair(struct line *l, enum log_format format, const char *key, const char *value)
{
    char name[KEY_MAX];
    const struct str v = str_of(value ? value : "");

    (void)snprintf(name, sizeof name, "%s", key);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == '=' || *c == '"' || *c == '\\' || *c == 0x7f)
            *c = '_'; /* our own keys never have these */
    const size_t n = strlen(name);
    if (l->full || n + RESERVE > room(l)) { /* a key without a value is no JSON */
        l->full = true;
        return;
    }
    if (format == LOG_JSON) {
        add(l, l->n > 1 ? ",\"" : "\"", l->n > 1 ? 2 : 1);
        add(l, name, n);
        add(l, "\":", 2);
        add_quoted(l, v);
        return;
    }
    add(l, " ", l->n > 0);
    add(l, name, n);
    add(l, "=", 1);
    if (needs_quotes(v) || v.n > room(l)) /* too long: quotes, and as much as there is room for */
        add_quoted(l, v);
    else
        add(l, v.p, v.n);
}

/* A stderr that takes nothing (a stopped terminal, a reader that hangs) must not stop the watching:
 * the line is dropped, and the next one that is written says how many were. */
static bool can_write(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void write_line(const struct line *l)
{
    ssize_t n;

    do
        n = write(STDERR_FILENO, l->p, l->n);
    while (n < 0 && errno == EINTR);
    /* Nowhere to say that stderr is gone. */
}

static void add_dropped(struct line *l, enum log_format format)
{
    const unsigned n = atomic_exchange(&log_dropped, 0);
    char text[16];

    if (n == 0)
        return;
    (void)snprintf(text, sizeof text, "%u", n);
    add_pair(l, format, "lines_dropped_before", text);
}

void log_event(enum log_level level, const char *msg, ...)
{
    const enum log_format format = (enum log_format)atomic_load(&log_form);
    char ts[STR_RFC3339_MAX];
    struct line l;
    va_list ap;

    if (!log_enabled(level))
        return;
    if (!can_write()) {
        (void)atomic_fetch_add(&log_dropped, 1);
        return;
    }
    l.n = 0;
    l.full = false;
    str_from_rfc3339_ms(clock_wall_ms(), ts);
    if (format == LOG_JSON)
        add(&l, "{", 1);
    add_pair(&l, format, "ts", ts);
    add_pair(&l, format, "level", level_names[level]);
    add_pair(&l, format, "msg", msg);
    va_start(ap, msg);
    for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *))
        add_pair(&l, format, key, va_arg(ap, const char *));
    va_end(ap);
    add_dropped(&l, format);
    if (format == LOG_JSON)
        add_closing(&l, '}');
    add_closing(&l, '\n');
    write_line(&l);
}

static bool find(const char *s, const char *const *names, size_t n, size_t *ret)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

bool log_level_parse(const char *s, enum log_level *ret)
{
    size_t i;

    if (!find(s, level_names, sizeof level_names / sizeof *level_names, &i))
        return false;
    *ret = (enum log_level)i;
    return true;
}

bool log_format_parse(const char *s, enum log_format *ret)
{
    size_t i;

    if (!find(s, format_names, sizeof format_names / sizeof *format_names, &i))
        return false;
    *ret = (enum log_format)i;
    return true;
}
