/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* buf - bytes that grow up to a limit set at birth (the idea of curl's dynbuf)
 *
 * A failed append (limit, memory) marks the buffer failed, later appends do nothing, and the
 * writer checks once at the end. Always NUL-terminated. Thread: its holder's. */
struct buf {
    char *p; /* never NULL after the first append that worked */
    size_t n, capacity, limit;
    bool failed;
};

void buf_init(struct buf *b, size_t limit);
void buf_done(struct buf *b);  /* frees; the buffer may be used again with the same limit */
void buf_clear(struct buf *b); /* empty, keeps memory, forgets failure */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *z);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The fewest digits that read back as the same value (whole numbers under 10^15 as such); NaN,
 * +Inf, -Inf as Prometheus. */
void buf_double(struct buf *b, double v);
void buf_float(struct buf *b, float v);
char *buf_take(struct buf *b); /* caller owns (mem_free); NULL when failed. The buffer is empty */
