/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum { FIRST_ROWS = 64 };

enum rc dataset_new(size_t n, struct dataset **ret, struct err *err)
{
    if (n == 0)
        return err_set(err, E_LIMIT, "dataset: a frame needs at least one feature");
    struct dataset *d = mem_alloc(sizeof *d);
    if (!d)
        return err_set(err, E_NOMEM, "dataset: no memory");
    d->n = n;
    *ret = d;
    return OK;
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    mem_free(d->ts_ms);
    mem_free(d->X);
    mem_free(d);
}

static size_t rows_max(const struct dataset *d)
{
    const size_t most = DATASET_CELLS_MAX / d->n;

    return most < DATASET_ROWS_MAX ? most : DATASET_ROWS_MAX;
}

/* Room for `rows` rows in all. */
static enum rc reserve(struct dataset *d, size_t rows, struct err *err)
{
    if (rows <= d->capacity)
        return OK;
    if (rows > rows_max(d))
        return err_set(err, E_LIMIT, "dataset: more than %zu rows of %zu features", rows_max(d),
                       d->n);
    const size_t cells = rows * d->n;
    int64_t *ts_ms = mem_grow(d->ts_ms, rows, sizeof *ts_ms);
    if (ts_ms)
        d->ts_ms = ts_ms;
    float *X = ts_ms ? mem_grow(d->X, cells, sizeof *X) : NULL;
    if (!X)
        return err_set(err, E_NOMEM, "dataset: no memory for %zu rows of %zu features", rows, d->n);
    d->X = X;
    d->capacity = rows;
    return OK;
}

enum rc dataset_append(struct dataset *d, int64_t ts_ms, const float *frame, struct err *err)
{
    if (d->rows && ts_ms <= d->ts_ms[d->rows - 1])
        return err_set(err, E_STATE,
                       "dataset: a row of %" PRId64 " ms does not come after the last, %" PRId64
                       " ms",
                       ts_ms, d->ts_ms[d->rows - 1]);
    return dataset_append_run(d, ts_ms, frame, err);
}

enum rc dataset_append_run(struct dataset *d, int64_t ts_ms, const float *frame, struct err *err)
{
    if (d->rows == d->capacity) {
        size_t rows = d->capacity ? d->capacity * 2 : FIRST_ROWS;
        if (rows > rows_max(d) && d->capacity < rows_max(d))
            rows = rows_max(d);
        const enum rc rc = reserve(d, rows, err);
        if (rc)
            return rc;
    }
    d->ts_ms[d->rows] = ts_ms;
    memcpy(d->X + d->rows * d->n, frame, d->n * sizeof *frame);
    d->rows++;
    return OK;
}

void dataset_span(const struct dataset *d, int64_t *ret_first_ms, int64_t *ret_last_ms)
{
    *ret_first_ms = *ret_last_ms = d->ts_ms[0];
    for (size_t r = 1; r < d->rows; r++) {
        *ret_first_ms = d->ts_ms[r] < *ret_first_ms ? d->ts_ms[r] : *ret_first_ms;
        *ret_last_ms = d->ts_ms[r] > *ret_last_ms ? d->ts_ms[r] : *ret_last_ms;
    }
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int64_t dataset_interval_ms(const struct dataset *d)
{
    enum { MOST = 1000 };
    uint64_t distance[MOST];

    if (d->rows < 2)
        return 0;
    const size_t steps = d->rows - 1, n = steps < MOST ? steps : MOST;
    for (size_t i = 0; i < n; i++) {
        const size_t r = i * steps / n;
        distance[i] =
            (uint64_t)d->ts_ms[r + 1] - (uint64_t)d->ts_ms[r]; /* back to another run: huge */
    }
    qsort(distance, n, sizeof distance[0], by_value);
    return distance[n / 2] > INT64_MAX ? INT64_MAX : (int64_t)distance[n / 2];
}
