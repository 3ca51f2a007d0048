/* SPDX-License-Identifier: Apache-2.0 */
#include "base/poisson.h"

#include <assert.h>
#include <float.h>
#include <math.h>

enum { TERMS_MAX = 10000000 }; /* far more than any count needs */

/* Regularized lower incomplete gamma function P(a, x) = Pr(a Poisson variable of mean x is at
 * least a), a >= 1: the series for x < a + 1, else the continued fraction of its complement
 * (DLMF 8.7.1 and 8.9.2, https://dlmf.nist.gov/8; Lentz's method). Both need some sqrt(a) terms
 * there. */
static double gamma_p(double a, double x)
{
    int sign;

    if (x <= 0)
        return 0;
    const double factor = exp(a * log(x) - x - lgamma_r(a, &sign));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (uint64_t k = 1; term > sum * DBL_EPSILON; k++) {
            term *= x / (a + (double)k);
            sum += term;
        }
        return sum * factor;
    }
    double b = x + 1 - a, c = 1 / DBL_MIN, d = 1 / b, h = d, step = 0;
    for (uint64_t k = 1; fabs(step - 1) > 4 * DBL_EPSILON && k < TERMS_MAX; k++) {
        const double an = -(double)k * ((double)k - a);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        step = c * d;
        h *= step;
    }
    return 1 - factor * h;
}

/* The mean at which a or more events come with probability p. */
static double mean_for(double a, double p)
{
    double low = 0, high = a + 10 * sqrt(a) + 50;

    while (gamma_p(a, high) < p) /* a confidence that is nearly 1 */
        high *= 2;
    for (int i = 0; i < 200 && high - low > high * 4 * DBL_EPSILON; i++) {
        const double middle = low + (high - low) / 2;
        if (gamma_p(a, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

void poisson_interval(uint64_t n, double confidence, double *ret_low, double *ret_high)
{
    assert(confidence > 0 && confidence < 1);
    const double tail = (1 - confidence) / 2;

    *ret_low = n ? mean_for((double)n, tail) : 0;
    *ret_high = mean_for((double)n + 1, 1 - tail);
}

double poisson_most(double mean, double sure)
{
    assert(mean >= 0 && mean <= 700 && sure > 0 && sure < 1);
    double p = exp(-mean), sum = p, n = 0;

    while (sum < sure && n < 2 * mean + 1000) { /* rounding may keep the sum from a sure near 1 */
        p *= mean / ++n;
        sum += p;
    }
    return n;
}
