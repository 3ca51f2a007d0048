/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/hours.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { SLOT_MS = HOURS_MS / HOURS_SLOTS };

struct hours {
    size_t n;
    int64_t slot;    /* counted from the epoch; of the samples in sum and count */
    bool any;        /* a sample came, so slot means something */
    double *sum;     /* [n] of the running slot */
    float *slots;    /* [n][HOURS_SLOTS] means of the running hour's slots, NaN where empty */
    float *level;    /* [n] of the last hour that ended */
    uint32_t *count; /* [n] finite samples in the running slot */
};

size_t hours_bytes(size_t n)
{
    return sizeof(struct hours) +
           n * (sizeof(double) + (HOURS_SLOTS + 1) * sizeof(float) + sizeof(uint32_t));
}

enum rc hours_new(size_t n, struct hours **ret, struct err *err)
{
    struct hours *h = mem_alloc(hours_bytes(n));

    if (!h)
        return err_set(err, E_NOMEM, "hourly levels of %zu values: no memory", n);
    h->n = n;
    h->sum = (double *)(h + 1);
    h->slots = (float *)(h->sum + n);
    h->level = h->slots + n * HOURS_SLOTS;
    h->count = (uint32_t *)(h->level + n);
    for (size_t k = 0; k < n * HOURS_SLOTS; k++)
        h->slots[k] = NAN;
    *ret = h;
    return OK;
}

void hours_free(struct hours *h)
{
    mem_free(h);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t hours_of(int64_t ts_ms)
{
    return floor_div(ts_ms, HOURS_MS);
}

const float *hours_levels(const struct hours *h)
{
    return h->level;
}

float hours_median(float *v, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) { /* insertion sort: n is a day's hours at most */
        const float x = v[i];
        if (!isfinite(x))
            continue;
        size_t at = found++;
        for (; at > 0 && v[at - 1] > x; at--)
            v[at] = v[at - 1];
        v[at] = x;
    }
    if (found == 0)
        return NAN;
    const double low = (double)v[(found - 1) / 2], high = (double)v[found / 2];
    return (float)((low + high) / 2);
}

static void end_slot(struct hours *h)
{
    const int64_t at = h->slot - floor_div(h->slot, HOURS_SLOTS) * HOURS_SLOTS;

    for (size_t i = 0; i < h->n; i++)
        if (h->count[i] > 0)
            h->slots[i * HOURS_SLOTS + (size_t)at] = (float)(h->sum[i] / (double)h->count[i]);
    memset(h->sum, 0, h->n * sizeof *h->sum);
    memset(h->count, 0, h->n * sizeof *h->count);
}

static void end_hour(struct hours *h)
{
    for (size_t i = 0; i < h->n; i++) {
        float *const slots = h->slots + i * HOURS_SLOTS;
        size_t filled = 0;

        for (size_t k = 0; k < HOURS_SLOTS; k++)
            filled += isfinite(slots[k]) ? 1 : 0;
        h->level[i] = filled >= HOURS_SLOTS_MIN ? hours_median(slots, HOURS_SLOTS) : NAN;
        for (size_t k = 0; k < HOURS_SLOTS; k++)
            slots[k] = NAN;
    }
}

bool hours_push(struct hours *h, int64_t ts_ms, const float *x, int64_t *ret_hour)
{
    const int64_t slot = floor_div(ts_ms, SLOT_MS);
    const int64_t hour = floor_div(h->slot, HOURS_SLOTS);
    bool ended = false;

    if (h->any && slot != h->slot)
        end_slot(h);
    if (h->any && floor_div(slot, HOURS_SLOTS) != hour) {
        end_hour(h);
        *ret_hour = hour;
        ended = true;
    }
    h->slot = slot;
    h->any = true;
    for (size_t i = 0; i < h->n; i++) {
        if (!isfinite(x[i]))
            continue;
        h->sum[i] += (double)x[i];
        h->count[i]++;
    }
    return ended;
}
