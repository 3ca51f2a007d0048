/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* poisson - what n events say about the rate that they came at
 *
 * The exact interval for the mean of a Poisson law of which n was seen: no mean below *ret_low
 * gives n or more, and none above *ret_high gives n or fewer, with more than (1 - confidence) / 2
 * (Garwood, Biometrika 28, 1936, 437-442). *ret_low is 0 for n = 0. 0 < confidence < 1.
 * Divide by the time in which they were counted for a rate. Pure. Thread: any. */
void poisson_interval(uint64_t n, double confidence, double *ret_low, double *ret_high);

/* The least n that a count of this mean does not come over with more than 1 - sure. 0 < sure < 1;
 * mean 0 to 700, over which e^-mean is no double any more. */
double poisson_most(double mean, double sure);
