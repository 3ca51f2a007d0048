/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* window - how wide a buffer VUS should have, from the data: the period of a series
 *
 * The lag of the highest local maximum of the autocorrelation, lags 3 to 400, over the first
 * 20,000 rows; 125 where there is none or it lies outside of 6 to 303. So the runs of the
 * TSB-AD benchmark choose it (Liu & Paparrizos, NeurIPS 2024), from the first metric of the
 * training and test data put end to end; the bounds are theirs. Thread: any. */

size_t window_of(const double *x, size_t n); /* missing values (NaN) are left out */
