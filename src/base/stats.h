/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* stats - what a column of numbers says; NaN values are skipped everywhere. Thread: any.
 *
 * Sums are double. Variance by Welford's update (Technometrics 4, 1962): never E[x^2]-E[x]^2. */

struct stats_moments {
    size_t n;
    double mean, m2, min, max;
};

void stats_init(struct stats_moments *m);
void stats_add(struct stats_moments *m, double x);
double stats_variance(const struct stats_moments *m); /* population (1/n); NaN when n == 0 */
double stats_std(const struct stats_moments *m);

/* Quantile q in [0,1] of the n finite values of v, linear between order statistics (type 7 of
 * Hyndman & Fan, The American Statistician 50, 1996). Reorders v. NaN when none is finite. */
float stats_quantile(float *v, size_t n, double q);

void stats_sort(float *v, size_t n); /* ascending; no NaN among them */
