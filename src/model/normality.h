/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* normality - could these numbers be of a normal distribution?
 *
 * Two tests of that hypothesis, each giving the chance of what is seen or worse were it true.
 * Shapiro-Wilk in Royston's approximation (AS R94, Applied Statistics 44, 1995, 547-551) compares
 * the order statistics with the normal ones; Kolmogorov-Smirnov the two distribution functions,
 * with mean and deviation estimated from the same numbers (Lilliefors, JASA 62, 1967), its
 * probability by Dallal & Wilkinson (The American Statistician 40, 1986), who fitted it under 0.1:
 * what is larger is given as 0.1. v[n] ascending, finite; NaN for n under 3 or one value alone.
 * Thread: pure. */
double normality_shapiro_wilk(const float *v, size_t n); /* for up to 5,000 */
double normality_kolmogorov_smirnov(const float *v, size_t n);
