/* SPDX-License-Identifier: Apache-2.0 */
#include "model/news.h"

#include <math.h>

#include "base/mem.h"

enum rc news_init(struct news *w, size_t n, struct err *err)
{
    float *block = mem_array(n, 2 * sizeof *block);

    if (!block)
        return err_set(err, E_NOMEM, "no memory for the causes of %zu features", n);
    *w = (struct news){.n = n, .root = block, .cause = block + n};
    return OK;
}

void news_done(struct news *w)
{
    mem_free(w->root);
    *w = (struct news){0};
}

void news_push(struct news *w, const float *part, const uint8_t *present, const float *worst)
{
    const float weight = 1.0f / NEWS_FRAMES;

    for (size_t i = 0; i < w->n; i++) {
        const float standing = w->root[i] * w->root[i];
        const float fresh = part[i] - standing, least = NEWS_LEAST * part[i];

        w->cause[i] = (fresh > least ? fresh : least) / sqrtf(worst[i]);
        w->root[i] += present[i] ? weight * (sqrtf(part[i]) - w->root[i]) : 0;
    }
}
