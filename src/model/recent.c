/* SPDX-License-Identifier: Apache-2.0 */
#include "model/recent.h"

#include <string.h>

#include "base/mem.h"

enum rc recent_init(struct recent *r, size_t n, struct err *err)
{
    float *block = mem_array(n, RECENT_VALUES * sizeof *block + 2);

    if (!block)
        return err_set(err, E_NOMEM, "no memory for the recent values of %zu features", n);
    *r = (struct recent){.n = n,
                         .newest = block,
                         .middle = block + n,
                         .oldest = block + 2 * n,
                         .held = (uint8_t *)(block + 3 * n),
                         .missed = (uint8_t *)(block + 3 * n) + n};
    return OK;
}

void recent_done(struct recent *r)
{
    mem_free(r->newest);
    *r = (struct recent){0};
}

void recent_clear(struct recent *r)
{
    memset(r->held, 0, r->n);
}

void recent_push(struct recent *r, const float *x, const uint8_t *present)
{
    for (size_t i = 0; i < r->n; i++) {
        if (!present[i]) {
            if (r->missed[i] == FILL_TICKS)
                r->held[i] = 0;
            else
                r->missed[i]++;
            continue;
        }
        r->missed[i] = 0;
        r->oldest[i] = r->middle[i];
        r->middle[i] = r->newest[i];
        r->newest[i] = x[i];
        r->held[i] = (uint8_t)(r->held[i] + (r->held[i] < RECENT_VALUES));
    }
}
