/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* err - the one error idiom of tocsin
 *
 * What can fail returns `enum rc`, is marked MUST_CHECK and takes `struct err *err` last (never
 * NULL). The deepest function that knows the facts writes the sentence: what, where, what was
 * expected. A caller may put words in front (err_wrap) but never replaces the cause. Outputs
 * (`ret`, `ret_x`) are written only on success.
 * Thread: a struct err belongs to whoever declared it. */

enum rc {
    OK = 0,
    E_NOMEM,  /* memory could not be had */
    E_IO,     /* the system or a peer said no */
    E_PARSE,  /* bytes from outside are malformed */
    E_LIMIT,  /* a named limit was passed */
    E_CONFIG, /* a setting is wrong or contradicts another */
    E_STATE,  /* not now: wrong order, full, closed, or does not fit what is there */
};

enum { ERR_MSG_MAX = 512 };

struct err {
    enum rc rc;
    char msg[ERR_MSG_MAX]; /* one sentence, valid UTF-8, no newline */
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* Record rc and the sentence, and return rc. %m is allowed and keeps errno. Bytes that are not
 * printable UTF-8 (hostile input quoted in a message) become '?'.
 *   enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...);
 * A macro, so that compilers and analyzers see that what comes back is not OK. */
#define err_set(err, code, ...)                                                                    \
    (__extension__({                                                                               \
        const enum rc code_ = (code);                                                              \
        err_record((err), code_, __VA_ARGS__);                                                     \
        code_;                                                                                     \
    }))
void err_record(struct err *err, enum rc rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "PREFIX: " before the sentence already there; returns err->rc. */
enum rc err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
