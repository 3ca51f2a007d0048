/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/series.h"
#include "source/exposition.h"

/* exposition_lex - one line after the other of an exposition, as Prometheus's lexers cut it
 *
 * Private to exposition*.c. A sample's line is a gap (blank lines and comments before it), a key
 * (name, labels, what stands before the value) and a tail (value, timestamp, exemplar, newline).
 * All that a key depends on is in its own bytes and those of its gap: the lexers have no memory
 * over lines. A failure says line and column, E_PARSE, and leaves *x anywhere.
 * Source: prometheus/prometheus 2.42, model/textparse: promlex.l, promparse.go,
 * openmetricslex.l, openmetricsparse.go. */

struct expo_lex {
    const char *begin, *p, *end; /* end may not be readable */
    bool openmetrics;
    bool quiet; /* a failure is E_PARSE without a sentence, which costs a look at all before it */
};

/* The TYPE line that is in force. */
enum { EXPO_FAMILY_MAX = 256 }; /* longer ones are no family: its series are untyped */

enum expo_kind {
    EXPO_UNTYPED, /* none, unknown, untyped */
    EXPO_COUNTER,
    EXPO_GAUGE, /* and info, stateset, gaugehistogram */
    EXPO_HISTOGRAM,
    EXPO_SUMMARY,
};

struct expo_family {
    enum expo_kind kind;
    bool said; /* a TYPE line was met since this was cleared */
    size_t n;
    char name[EXPO_FAMILY_MAX];
};

/* What a series of this name is under the family's TYPE line. */
enum metric_type expo_family_type(const struct expo_family *f, struct str name);

struct expo_label {
    struct str name, value; /* as they stand there, without the quotes */
    bool escaped;           /* the value has a backslash */
};

struct expo_key {
    struct str name;
    size_t n_labels; /* may be past SERIES_LABELS_MAX: the rest is not in label */
    struct expo_label label[SERIES_LABELS_MAX];
};

struct expo_tail {
    double value;
    bool stamped;
    int64_t ts_ms; /* where stamped; at the ends of the range when past them */
};

/* Over what comes before the next sample; *ret_more: there is one, and x->p is at its name. */
MUST_CHECK enum rc expo_lex_gap(struct expo_lex *x, struct expo_family *family, bool *ret_more,
                                struct err *err);
/* From the name to the value's first byte. */
MUST_CHECK enum rc expo_lex_key(struct expo_lex *x, struct expo_key *ret, struct err *err);
/* From there past the newline. */
MUST_CHECK enum rc expo_lex_tail(struct expo_lex *x, struct expo_tail *ret, struct err *err);
/* Whether the bytes of a key are enough to know it by: not if they end in a name, which may go on
 * ("a+1" is the value 1 of 'a', but "a1+1" that of 'a1'). */
bool expo_key_is_closed(struct str key);

/* "line 3, column 7: expected WHAT, found ..." for the byte at `at`. */
enum rc expo_lex_fail(const struct expo_lex *x, const char *at, const char *expected,
                      struct err *err);

/* Like str_is_utf8, but a NUL is a character, as it is for Go. */
bool expo_is_utf8(struct str s);

/* For the lexers. */

static inline bool expo_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool expo_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool expo_is_label_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool expo_is_name_start(char c)
{
    return expo_is_label_start(c) || c == ':';
}

static inline bool expo_is_name_byte(char c)
{
    return expo_is_name_start(c) || expo_is_digit(c);
}

static inline void expo_skip_blanks(struct expo_lex *x)
{
    while (x->p < x->end && expo_is_blank(*x->p))
        x->p++;
}

static inline bool expo_at(const struct expo_lex *x, char c)
{
    return x->p < x->end && *x->p == c;
}

static inline const char *expo_line_end(const struct expo_lex *x)
{
    const char *q = x->p < x->end ? memchr(x->p, '\n', (size_t)(x->end - x->p)) : NULL;
    return q ? q : x->end;
}

/* Past `word` and what stands there in its place, or not at all. */
static inline bool expo_take(struct expo_lex *x, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0)
        return false;
    x->p += n;
    return true;
}
