/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* str - views of bytes that somebody else owns, and the number formats of the outside world
 *
 * A struct str is pointer and length, not NUL-terminated. No function here allocates, and none
 * depends on the locale. Thread: any. */

struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1}) /* of a string literal */

static inline struct str str_of(const char *z)
{
    return (struct str){z, strlen(z)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_starts(struct str s, struct str prefix);
struct str str_trim(struct str s); /* without spaces, tabs, CR and LF at both ends */

/* The whole of s as a number: decimal or exponent form, "NaN", "+Inf", "-Inf" as Prometheus
 * writes them (any case). False when s is empty, longer than 64 bytes, or has anything else. */
bool str_to_double(struct str s, double *ret);
bool str_to_u64(struct str s, uint64_t *ret); /* decimal digits only; false on overflow */
bool str_to_i64(struct str s, int64_t *ret);

/* Durations as Prometheus writes them: "15s", "2m", "1h30m", "7d", "500ms"; units ms s m h d w y,
 * each at most once, largest first. In milliseconds; false when malformed or over 100 years. */
bool str_to_duration_ms(struct str s, int64_t *ret_ms);
enum { STR_DURATION_MAX = 48 };
void str_from_duration_ms(int64_t ms, char out[STR_DURATION_MAX]); /* "1h30m"; "0s" */

/* Sizes: "1GiB", "500MB", "64KiB", "1024". In bytes. */
bool str_to_size_bytes(struct str s, uint64_t *ret);

/* RFC 3339 ("2025-02-20T21:55:00.5Z", offset or Z needed) to Unix milliseconds. */
bool str_to_rfc3339_ms(struct str s, int64_t *ret_ms);
enum { STR_RFC3339_MAX = 32 };
void str_from_rfc3339_ms(int64_t ms, char out[STR_RFC3339_MAX]); /* UTC, "…T21:55:00.500Z" */

/* Bytes of the well-formed character at the front of s; 0 when there is none (end, NUL, malformed).
 */
size_t str_utf8_next(struct str s);
bool str_is_utf8(struct str s);   /* well-formed by RFC 3629, no NUL */
void str_make_printable(char *z); /* control bytes and malformed UTF-8 become '?', in place */

/* Index of the candidate nearest to s by edit distance (Damerau-Levenshtein, at most a third of
 * the longer word), or -1: for "unknown key 'intervall', did you mean 'interval'?". */
int str_nearest(struct str s, const char *const *candidates, size_t n);
