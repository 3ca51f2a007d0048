/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_backoff.h"

void http_backoff_init(struct http_backoff *b, uint64_t seed)
{
    b->tries = 0;
    rng_init(&b->rng, seed);
}

void http_backoff_clear(struct http_backoff *b)
{
    b->tries = 0;
}

int64_t http_backoff_next_ms(struct http_backoff *b, int64_t retry_after_ms)
{
    int64_t full = HTTP_BACKOFF_FIRST_MS;

    for (unsigned i = 0; i < b->tries && full < HTTP_BACKOFF_MOST_MS; i++)
        full *= 2;
    if (full > HTTP_BACKOFF_MOST_MS)
        full = HTTP_BACKOFF_MOST_MS;
    b->tries++;
    const int64_t half = full / 2;
    const int64_t wait = half + (int64_t)((double)rng_float(&b->rng) * (double)half);
    if (retry_after_ms > HTTP_BACKOFF_ASKED_MOST_MS)
        retry_after_ms = HTTP_BACKOFF_ASKED_MOST_MS;
    return wait > retry_after_ms ? wait : retry_after_ms;
}
