/* SPDX-License-Identifier: Apache-2.0 */
#include "model/normality.h"

#include <math.h>

#include "base/stats.h"

static double normal_below(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

/* The x <= 0 under which a share p <= 1/2 lies. Newton from 0: the distribution function is convex
 * there, so each step comes nearer and none goes too far. */
static double normal_quantile(double p)
{
    const double density_at_0 = 0.3989422804014327;
    double x = 0;

    for (int i = 0; i < 64; i++) {
        const double step = (normal_below(x) - p) / (density_at_0 * exp(-x * x / 2));
        x -= step;
        if (fabs(step) < 1e-14)
            break;
    }
    return x;
}

static double polynomial(const double *c, size_t n, double x)
{
    double sum = 0;

    while (n-- > 0)
        sum = sum * x + c[n];
    return sum;
}

/* W's numerator: weights on the spread of the i-th smallest and the i-th largest, whose largest
 * two are polynomials, the others the normal scores m. */
static double weighted_spread(const float *v, size_t n)
{
    static const double c1[] = {0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056};
    static const double c2[] = {0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633};
    const double u = 1 / sqrt((double)n);
    double squares = 0, m[2] = {0}, a[2], sum = 0;

    if (n == 3)
        return M_SQRT1_2 * ((double)v[2] - (double)v[0]);
    for (size_t i = 0; i < n / 2; i++) {
        const double q = normal_quantile(((double)i + 0.625) / ((double)n + 0.25));
        squares += 2 * q * q;
        if (i < 2)
            m[i] = q;
    }
    a[0] = polynomial(c1, 6, u) - m[0] / sqrt(squares);
    a[1] = polynomial(c2, 6, u) - m[1] / sqrt(squares);
    const size_t fitted = n > 5 ? 2 : 1;
    double left = 1;
    for (size_t i = 0; i < fitted; i++) {
        squares -= 2 * m[i] * m[i];
        left -= 2 * a[i] * a[i];
    }
    for (size_t i = 0; i < n / 2; i++) {
        const double q = normal_quantile(((double)i + 0.625) / ((double)n + 0.25));
        const double weight = i < fitted ? a[i] : -q / sqrt(squares / left);
        sum += weight * ((double)v[n - 1 - i] - (double)v[i]);
    }
    return sum;
}

/* The chance of less than w in n normal numbers. */
static double chance_of(double w, size_t n)
{
    static const double mean_few[] = {0.544, -0.39978, 0.025054, -6.714e-4};
    static const double log_few[] = {1.3822, -0.77857, 0.062767, -0.0020322};
    static const double mean_many[] = {-1.5861, -0.31082, -0.083751, 0.0038915};
    static const double log_many[] = {-0.4803, -0.082676, 0.0030302};
    const double x = (double)n, away = log(1 - w);

    if (n == 3) /* exact */
        return fmax(0, 6 / M_PI * (asin(sqrt(w)) - asin(sqrt(0.75))));
    if (n > 11)
        return 1 - normal_below((away - polynomial(mean_many, 4, log(x))) /
                                exp(polynomial(log_many, 3, log(x))));
    const double most = -2.273 + 0.459 * x;
    if (away >= most)
        return 0;
    return 1 - normal_below((-log(most - away) - polynomial(mean_few, 4, x)) /
                            exp(polynomial(log_few, 4, x)));
}

static struct stats_moments moments_of(const float *v, size_t n)
{
    struct stats_moments m;

    stats_init(&m);
    for (size_t i = 0; i < n; i++)
        stats_add(&m, (double)v[i]);
    return m;
}

double normality_shapiro_wilk(const float *v, size_t n)
{
    const struct stats_moments m = moments_of(v, n);

    if (n < 3 || !(m.max > m.min))
        return (double)NAN;
    const double spread = weighted_spread(v, n), w = spread * spread / m.m2;
    return w < 1 ? chance_of(w, n) : 1;
}

double normality_kolmogorov_smirnov(const float *v, size_t n)
{
    const struct stats_moments m = moments_of(v, n);
    double d = 0, x = (double)n;

    if (n < 3 || !(m.max > m.min))
        return (double)NAN;
    const double deviation = sqrt(m.m2 / (x - 1));
    for (size_t i = 0; i < n; i++) {
        const double below = normal_below(((double)v[i] - m.mean) / deviation);
        d = fmax(d, fmax(((double)i + 1) / x - below, below - (double)i / x));
    }
    if (n > 100) { /* the formula stands for 5 to 100 */
        d *= pow(x / 100, 0.49);
        x = 100;
    }
    const double root = sqrt(x + 2.78019);
    return fmin(0.1, exp(-7.01256 * d * d * root * root + 2.99587 * d * root - 0.122119 +
                         0.974598 / sqrt(x) + 1.67997 / x));
}
