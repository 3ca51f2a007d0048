/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prom_chunk.h"

#include <assert.h>

void prom_chunk_init(struct prom_chunk *c, int64_t from_ms, int64_t to_ms, int64_t step_ms,
                     size_t points)
{
    assert(points >= 1 && step_ms >= 1);
    *c = (struct prom_chunk){
        .next_ms = from_ms, .to_ms = to_ms, .step_ms = step_ms, .points = points};
}

uint64_t prom_chunk_count(int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
    return to_ms < from_ms ? 0 : (uint64_t)(to_ms - from_ms) / (uint64_t)step_ms + 1;
}

bool prom_chunk_next(const struct prom_chunk *c, int64_t *ret_start_ms, int64_t *ret_end_ms)
{
    uint64_t n = prom_chunk_count(c->next_ms, c->to_ms, c->step_ms);

    if (n == 0)
        return false;
    if (n > c->points)
        n = c->points;
    *ret_start_ms = c->next_ms;
    *ret_end_ms = c->next_ms + (int64_t)(n - 1) * c->step_ms;
    return true;
}

void prom_chunk_done(struct prom_chunk *c, int64_t end_ms)
{
    c->next_ms = end_ms + c->step_ms;
}

bool prom_chunk_halve(struct prom_chunk *c)
{
    const uint64_t left = prom_chunk_count(c->next_ms, c->to_ms, c->step_ms);
    const size_t asked = left < c->points ? (size_t)left : c->points;

    if (asked <= 1)
        return false;
    c->points = asked / 2;
    return true;
}

int64_t prom_chunk_floor(int64_t ms, int64_t step_ms)
{
    const int64_t over = ms % step_ms;

    return ms - over - (over < 0 ? step_ms : 0);
}

int64_t prom_chunk_ceil(int64_t ms, int64_t step_ms)
{
    const int64_t floor_ms = prom_chunk_floor(ms, step_ms);

    return floor_ms == ms ? ms : floor_ms + step_ms;
}
