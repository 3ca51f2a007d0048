/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

void stats_init(struct stats_moments *m)
{
    *m = (struct stats_moments){.min = HUGE_VAL, .max = -HUGE_VAL};
}

void stats_add(struct stats_moments *m, double x)
{
    if (isnan(x))
        return;
    m->n++;
    const double from_old = x - m->mean;
    m->mean += from_old / (double)m->n;
    m->m2 += from_old * (x - m->mean);
    if (x < m->min)
        m->min = x;
    if (x > m->max)
        m->max = x;
}

double stats_variance(const struct stats_moments *m)
{
    return m->n ? m->m2 / (double)m->n : (double)NAN;
}

double stats_std(const struct stats_moments *m)
{
    return sqrt(stats_variance(m));
}

static void swap(float *a, float *b)
{
    const float t = *a;

    *a = *b;
    *b = t;
}

/* Reorder v so that v[k] is what it would be in sorted order, smaller values before it and larger
 * ones after it (quickselect). Three-way, since columns of one value are common; pivots from a
 * seeded generator, so that no order of the data makes it quadratic. */
static void select_kth(float *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n; /* v[k] belongs into [lo, hi) */
    struct rng rng;

    rng_init(&rng, n);
    while (hi - lo > 1) {
        const float pivot = v[lo + rng_u64(&rng) % (hi - lo)];
        size_t less = lo, more = hi, i = lo;
        while (i < more) {
            if (v[i] < pivot)
                swap(&v[i++], &v[less++]);
            else if (v[i] > pivot)
                swap(&v[i], &v[--more]);
            else
                i++;
        }
        if (k < less)
            hi = less;
        else if (k >= more)
            lo = more;
        else
            return;
    }
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void stats_sort(float *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
}

float stats_quantile(float *v, size_t n, double q)
{
    size_t finite = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            swap(&v[finite++], &v[i]);
    if (finite == 0 || isnan(q))
        return NAN;

    const double at = (double)(finite - 1) * fmin(fmax(q, 0), 1);
    const size_t k = (size_t)at;
    select_kth(v, finite, k);
    float next = v[k];
    if (k + 1 < finite) {
        next = v[k + 1];
        for (size_t i = k + 2; i < finite; i++)
            next = fminf(next, v[i]);
    }
    return (float)((double)v[k] + (at - (double)k) * ((double)next - (double)v[k]));
}
