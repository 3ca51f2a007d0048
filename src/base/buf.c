/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_CAPACITY = 256, NUMBER_MAX = 40 };

void buf_init(struct buf *b, size_t limit)
{
    assert(limit < SIZE_MAX / 2);
    *b = (struct buf){.limit = limit};
}

void buf_done(struct buf *b)
{
    mem_free(b->p);
    buf_init(b, b->limit);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = '\0';
}

/* Room for `more` bytes and a NUL after what is there. */
static bool reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > b->limit - b->n) {
        b->failed = true;
        return false;
    }
    const size_t need = b->n + more + 1;
    if (need <= b->capacity)
        return true;

    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity *= 2; /* no overflow: need <= SIZE_MAX / 2 */
    if (capacity > b->limit + 1)
        capacity = b->limit + 1;
    char *p = mem_grow(b->p, capacity, 1);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->capacity = capacity;
    return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    if (b->failed)
        return;
    /* Most lines fit in what is there already; only others are formatted twice. */
    const size_t room = b->p ? b->capacity - b->n : 0;
    va_start(ap, fmt);
    const int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < room) {
        b->n += (size_t)n;
        return;
    }
    if (room)
        b->p[b->n] = '\0';
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (!reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

/* What both widths share: true when v was a special value or a small whole number. */
static bool add_plain(struct buf *b, double v)
{
    if (isnan(v)) {
        buf_puts(b, "NaN");
    } else if (isinf(v)) {
        buf_puts(b, v < 0 ? "-Inf" : "+Inf");
    } else if (fabs(v) < 1e15 && v == (double)(int64_t)v && !(v == 0 && signbit(v))) {
        buf_printf(b, "%" PRId64, (int64_t)v);
    } else {
        return false;
    }
    return true;
}

/* A decimal of DBL_DIG digits survives the way through a normal double, and %g drops trailing
 * zeros, so the shortest form has at most as many digits as the first precision that reads back.
 * Subnormal numbers carry fewer digits: there every precision is tried. */
void buf_double(struct buf *b, double v)
{
    char text[NUMBER_MAX];

    if (add_plain(b, v))
        return;
    for (int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_puts(b, text);
}

void buf_float(struct buf *b, float v)
{
    char text[NUMBER_MAX];

    /* Whole numbers past 2^24 may have a shorter form than all their digits. */
    if (fabsf(v) < 0x1p24f || !isfinite(v)) {
        if (add_plain(b, (double)v))
            return;
    }
    for (int digits = fabsf(v) < FLT_MIN ? 1 : FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    buf_puts(b, text);
}

char *buf_take(struct buf *b)
{
    char *p = NULL;

    if (reserve(b, 0)) { /* an empty buffer gives an empty string */
        b->p[b->n] = '\0';
        p = b->p;
        b->p = NULL;
    }
    buf_done(b);
    return p;
}
