/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

/* One character of a value; returns the bytes of s that it took. */
static size_t add_escaped(struct line *l, struct str s, bool quoted)
{
    char out[ESCAPE_MAX];
    const unsigned char c = (unsigned char)s.p[0];
    const size_t n = str_utf8_next(s);

    if (n == 0) {
        add(l, "\xef\xbf\xbd", 3); /* U+FFFD for a byte that is not UTF-8 */
        return 1;
    }
    if (quoted && (c == '"' || c == '\\'))
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

static void add_all_escaped(struct line *l, struct str s, bool quoted)
{
    while (s.n && !l->full) {
        const size_t n = add_escaped(l, s, quoted);
        s.p += n;
        s.n -= n;
    }
}

static void add_quoted(struct line *l, struct str s)
{
    if (l->full)
        return;
    add(l, "\"", 1);
    const bool opened = !l->full;
    add_all_escaped(l, s, true);
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

/* How many lines were dropped since the last one that was written; false for none. */
static bool take_dropped(char *out, size_t size)
{
    const unsigned n = atomic_exchange(&log_dropped, 0);

    (void)snprintf(out, size, "%u", n);
    return n > 0;
}

/* "key value" within the brackets of a plain line. */
static void add_fact(struct line *l, const char *key, const char *value, bool *open)
{
    add(l, *open ? ", " : " (", 2);
    *open = *open || !l->full;
    add_all_escaped(l, str_of(key), false);
    add(l, " ", 1);
    add_all_escaped(l, str_of(value ? value : ""), false);
}

/* "HH:MM:SS warn  sentence (key value, key value)": what somebody at a terminal needs. */
static void add_plain(struct line *l, int64_t now_ms, enum log_level level, const char *msg,
                      va_list ap)
{
    const time_t now = (time_t)(now_ms / 1000);
    bool open = false;
    struct tm local;
    char text[32] = "";

    if (localtime_r(&now, &local))
        (void)snprintf(text, sizeof text, "%02d:%02d:%02d ", local.tm_hour, local.tm_min,
                       local.tm_sec);
    add(l, text, strlen(text));
    (void)snprintf(text, sizeof text, "%-5s ", level_names[level]);
    add(l, text, strlen(text));
    add_all_escaped(l, str_of(msg), false);
    for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *))
        add_fact(l, key, va_arg(ap, const char *), &open);
    if (take_dropped(text, sizeof text))
        add_fact(l, "lines dropped before", text, &open);
    if (open)
        add_closing(l, ')');
}

static void add_pairs(struct line *l, enum log_format format, int64_t now_ms, enum log_level level,
                      const char *msg, va_list ap)
{
    char ts[STR_RFC3339_MAX], dropped[16];

    str_from_rfc3339_ms(now_ms, ts);
    if (format == LOG_JSON)
        add(l, "{", 1);
    add_pair(l, format, "ts", ts);
    add_pair(l, format, "level", level_names[level]);
    add_pair(l, format, "msg", msg);
    for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *))
        add_pair(l, format, key, va_arg(ap, const char *));
    if (take_dropped(dropped, sizeof dropped))
        add_pair(l, format, "lines_dropped_before", dropped);
    if (format == LOG_JSON)
        add_closing(l, '}');
}

void log_event(enum log_level level, const char *msg, ...)
{
    const enum log_format format = (enum log_format)atomic_load(&log_form);
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
    va_start(ap, msg);
    if (format == LOG_PLAIN)
        add_plain(&l, clock_wall_ms(), level, msg, ap);
    else
        add_pairs(&l, format, clock_wall_ms(), level, msg, ap);
    va_end(ap);
    add_closing(&l, '\n');
    write_line(&l);
}
