/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/alarms.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static int compare(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static bool meets(const struct events *label, const struct event *e)
{
    for (size_t row = e->first; row <= e->last; row++)
        if (events_at(label, row) >= 0)
            return true;
    return false;
}

/* Events found and how late they were: delay[events_found], in rows. */
static void find_events(const uint8_t *flag, const struct events *label, const int64_t *ts_ms,
                        size_t *delay, struct alarms *a)
{
    double rows = 0, ms = 0;

    for (size_t e = 0; e < label->n; e++) {
        const size_t first = label->v[e].first, last = label->v[e].last;
        size_t row = first;
        while (row <= last && !flag[row])
            row++;
        if (row > last)
            continue;
        delay[a->events_found++] = row - first;
        rows += (double)(row - first);
        ms += ts_ms ? (double)(ts_ms[row] - ts_ms[first]) : 0;
    }
    a->events = label->n;
    a->detection_rate = (double)a->events_found / (double)label->n;
    if (a->events_found == 0)
        return;
    const size_t n = a->events_found;
    a->delay_mean = rows / (double)n;
    a->mean_time_to_detect_s = ts_ms ? ms / (double)n / 1000 : (double)NAN;
    qsort(delay, n, sizeof *delay, compare);
    const size_t low = (n - 1) / 2, high = n / 2; /* the same one of an odd number */
    a->delay_median = (double)(delay[low] + delay[high]) / 2;
}

static void count_rows(const uint8_t *flag, const struct events *label, struct alarms *a)
{
    const double pos = (double)label->marked, neg = (double)label->rows - pos;
    double tp = 0;

    for (size_t e = 0; e < label->n; e++)
        for (size_t row = label->v[e].first; row <= label->v[e].last; row++)
            tp += flag[row];
    for (size_t row = 0; row < label->rows; row++)
        a->flagged += flag[row];
    a->precision = a->flagged ? tp / (double)a->flagged : 0;
    a->recall = tp / pos;
    if (tp > 0)
        a->f1 = 2 * a->precision * a->recall / (a->precision + a->recall);
    a->false_positive_rate = ((double)a->flagged - tp) / neg;
}

enum rc alarms_measure(const uint8_t *flag, const struct events *label, const int64_t *ts_ms,
                       struct alarms *ret, struct err *err)
{
    const double none = (double)NAN;
    struct alarms a = {.delay_mean = none, .delay_median = none, .mean_time_to_detect_s = none};
    CLEANUP(events_done) struct events rung = {0};
    CLEANUP(mem_freep) size_t *delay = mem_array(label->n, sizeof *delay);

    assert(label->n > 0 && label->marked < label->rows);
    if (!delay)
        return err_set(err, E_NOMEM, "no memory for %zu events", label->n);
    if (events_find(flag, label->rows, &rung, err) != OK)
        return err->rc;
    find_events(flag, label, ts_ms, delay, &a);
    count_rows(flag, label, &a);
    for (size_t i = 0; i < rung.n; i++)
        a.false_alarm_events += meets(label, &rung.v[i]) ? 0 : 1;
    a.false_alarm_events_per_1000 = 1000 * (double)a.false_alarm_events / (double)label->rows;
    *ret = a;
    return OK;
}
