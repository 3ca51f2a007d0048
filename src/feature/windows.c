/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/windows.h"

enum rc windows_of(const struct plan *plan, int64_t *windows_ms, size_t *ret_n, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_selectors; i++) {
        const int64_t range_ms = plan->selectors[i].range_ms;
        size_t k = 0;
        while (k < n && windows_ms[k] != range_ms)
            k++;
        if (k < n)
            continue;
        if (n == HISTORY_CLASSES_MAX)
            return err_set(err, E_LIMIT, "the expressions have over %d different ranges",
                           HISTORY_CLASSES_MAX);
        windows_ms[n++] = range_ms;
    }
    *ret_n = n;
    return OK;
}

/* The longest window of a metric, where selector i is its first; else below 0. */
static int64_t longest_of_metric(const struct plan *plan, size_t i)
{
    int64_t longest = -1;

    for (size_t k = 0; k < plan->n_selectors; k++) {
        if (!str_eq(plan->selectors[k].name, plan->selectors[i].name))
            continue;
        if (k < i)
            return -1;
        if (plan->selectors[k].range_ms > longest)
            longest = plan->selectors[k].range_ms;
    }
    return longest;
}

enum rc windows_check(const struct plan *plan, int64_t interval_ms, struct err *err)
{
    int64_t windows_ms[HISTORY_CLASSES_MAX];
    uint64_t cells = 0;
    size_t n;

    if (windows_of(plan, windows_ms, &n, err) != OK)
        return err->rc;
    for (size_t i = 0; i < plan->n_selectors; i++) {
        const int64_t window_ms = longest_of_metric(plan, i);
        cells += window_ms < 0 ? 0 : history_depth(window_ms, interval_ms);
    }
    if (cells > HISTORY_CELLS_MAX)
        return err_set(err, E_LIMIT,
                       "the ranges hold at least %llu samples at an interval of %lld ms, at most "
                       "%d are kept: shorten them, or sample less often",
                       (unsigned long long)cells, (long long)interval_ms, HISTORY_CELLS_MAX);
    return OK;
}
