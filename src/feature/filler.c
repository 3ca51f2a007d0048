/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/filler.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"

struct filler {
    size_t n;
    uint8_t *left; /* [n] frames that last[i] may still stand in for */
    float last[];  /* [n], then left */
};

enum rc filler_new(size_t n, struct filler **ret, struct err *err)
{
    struct filler *f =
        n <= SCHEMA_FEATURES_MAX ? mem_alloc(sizeof *f + n * (sizeof(float) + 1)) : NULL;

    if (!f)
        return err_set(err, E_NOMEM, "no memory for the last values of %zu features", n);
    f->n = n;
    f->left = (uint8_t *)(f->last + n);
    *ret = f;
    return OK;
}

void filler_free(struct filler *f)
{
    mem_free(f);
}

void filler_apply(struct filler *f, const struct scaler *s, const float *frame, float *filled,
                  uint8_t *present)
{
    assert(f->n == s->n);
    for (size_t i = 0; i < f->n; i++) {
        const float x = frame[i];

        present[i] = isfinite(x) ? 1 : 0;
        if (present[i]) {
            f->last[i] = x;
            f->left[i] = FILL_TICKS;
            filled[i] = x;
        } else if (f->left[i] > 0) {
            f->left[i]--;
            filled[i] = f->last[i];
        } else {
            filled[i] = s->median[i];
        }
    }
}

void filler_clear(struct filler *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->left[i] = 0;
}
