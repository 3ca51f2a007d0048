/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* bench - what the benchmarks share. Each program prints one line a figure,
 * NAME<TAB>VALUE<TAB>UNIT, which bench.sh puts into its table. Times are CPU time of the thread
 * (clock_thread_cpu_ns): what else the machine does shows in them only through its caches. */

static inline int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double bench_median(double *v, size_t n) /* reorders v */
{
    qsort(v, n, sizeof *v, bench_compare);
    return v[n / 2];
}

static inline void bench_print(const char *name, double value, const char *unit)
{
    printf("%s\t%.4g\t%s\n", name, value, unit);
}
