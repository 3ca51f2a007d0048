/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* prom_chunk - a span of instants cut into pieces that a server takes
 *
 * Instants lie at from_ms + k * step_ms, up to to_ms. A piece that was too much is cut in half,
 * and the pieces after it are of that size. Pure. Thread: its holder's. */
struct prom_chunk {
    int64_t next_ms, to_ms, step_ms; /* what is left: none when next_ms > to_ms */
    size_t points;                   /* of a piece, at most */
};

/* points >= 1, step_ms >= 1. */
void prom_chunk_init(struct prom_chunk *c, int64_t from_ms, int64_t to_ms, int64_t step_ms,
                     size_t points);
/* The next piece, both ends inclusive; false when nothing is left. The same until it is done. */
bool prom_chunk_next(const struct prom_chunk *c, int64_t *ret_start_ms, int64_t *ret_end_ms);
void prom_chunk_done(struct prom_chunk *c, int64_t end_ms); /* that piece was answered */
bool prom_chunk_halve(struct prom_chunk *c);                /* false: it is one point already */

/* Instants in a span: 0 when it ends before it begins. */
uint64_t prom_chunk_count(int64_t from_ms, int64_t to_ms, int64_t step_ms);
/* The last multiple of step_ms at or before ms, and the first at or after it. */
int64_t prom_chunk_floor(int64_t ms, int64_t step_ms);
int64_t prom_chunk_ceil(int64_t ms, int64_t step_ms);
