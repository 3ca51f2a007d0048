/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tail.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/stats.h"
#include "data/verdict.h"

struct tail_builder {
    struct confirm_spec confirm;
    float last[CONFIRM_OF_MAX]; /* the newest scores, at n % of */
    uint64_t since_gap, rows;
    float floor;
    size_t n, room; /* room for twice as many as are kept, so that each pass pays for many */
    float *scratch; /* [room] behind the peaks */
    struct tail_peak peak[];
};

enum rc tail_builder_new(struct confirm_spec confirm, size_t peaks_max, struct tail_builder **ret,
                         struct err *err)
{
    const size_t room = 2 * peaks_max;
    struct tail_builder *b =
        mem_alloc(sizeof *b + room * (sizeof(struct tail_peak) + sizeof(float)));

    assert(peaks_max >= 2 && peaks_max <= TAIL_PEAKS_MAX);
    if (!b)
        return err_set(err, E_NOMEM, "no memory for the peaks of scores");
    if (confirm.of == 0)
        confirm = (struct confirm_spec){1, 1};
    assert(confirm.k >= 1 && confirm.k <= confirm.of && confirm.of <= CONFIRM_OF_MAX);
    b->confirm = confirm;
    b->room = room;
    b->scratch = (float *)(b->peak + room);
    *ret = b;
    return OK;
}

void tail_builder_free(struct tail_builder *b)
{
    mem_free(b);
}

void tail_builder_gap(struct tail_builder *b)
{
    b->since_gap = 0;
}

/* Of the last scores: the k-th largest (less than any score while there are not k), and the
 * largest (more than any while there are not `of`: nothing closes on less). */
static struct tail_peak window(const struct tail_builder *b)
{
    const uint32_t of = b->confirm.of, k = b->confirm.k;
    const uint32_t n = b->since_gap < of ? (uint32_t)b->since_gap : of;
    float top[CONFIRM_OF_MAX] = {0};
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) { /* insertion: k is small */
        const float v = b->last[(b->since_gap - 1 - i) % of];
        if (kept == k && v <= top[k - 1])
            continue;
        uint32_t at = kept < k ? kept++ : k - 1;
        for (; at > 0 && top[at - 1] < v; at--)
            top[at] = top[at - 1];
        top[at] = v;
    }
    return (struct tail_peak){.high = kept == k ? top[k - 1] : -FLT_MAX,
                              .low = n == of ? top[0] : FLT_MAX};
}

/* Where the low between the last two peaks is one at which no incident that saw both would have
 * closed, they are one peak, the higher. The low before them stays right: it is lower than the one
 * that goes, for it does tell its neighbours apart. */
static void merge_last(struct tail_builder *b)
{
    while (b->n >= 2) {
        struct tail_peak *const a = &b->peak[b->n - 2], *const c = &b->peak[b->n - 1];
        if (a->low < INCIDENT_CLOSE_SHARE * fminf(a->high, c->high))
            return;
        if (c->high >= a->high)
            *a = *c;
        b->n--;
    }
}

/* Too many peaks: those not over their median go, which changes nothing over it. How many stay. */
static size_t thin(struct tail_peak *peak, size_t n, float *scratch, float *floor)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        scratch[i] = peak[i].high;
    *floor = stats_quantile(scratch, n, 0.5);
    for (size_t i = 0; i < n; i++) {
        if (peak[i].high > *floor)
            peak[kept++] = peak[i];
        else if (kept > 0)
            peak[kept - 1].low = fminf(peak[kept - 1].low, peak[i].low);
    }
    return kept;
}

void tail_builder_push(struct tail_builder *b, float score)
{
    if (isnan(score))
        return;
    b->last[b->since_gap % b->confirm.of] = fminf(score, FLT_MAX);
    b->since_gap++;
    b->rows++;

    const struct tail_peak now = window(b);
    if (b->n > 0)
        b->peak[b->n - 1].low = fminf(b->peak[b->n - 1].low, now.low);
    if (now.high <= b->floor) /* scores are not negative, so none is lost while the floor is 0 */
        return;
    if (b->n == b->room)
        b->n = thin(b->peak, b->n, b->scratch, &b->floor);
    b->peak[b->n++] = (struct tail_peak){now.high, FLT_MAX};
    merge_last(b);
}

enum rc tail_builder_take(const struct tail_builder *b, int64_t interval_ms, struct tail *ret,
                          struct err *err)
{
    struct tail t = {.n = b->n, .floor = b->floor, .confirm = b->confirm};
    CLEANUP(mem_freep) float *scratch = mem_array(b->n, sizeof *scratch);

    t.peak = mem_array(b->n, sizeof *t.peak);
    if (!t.peak || !scratch) {
        tail_done(&t);
        return err_set(err, E_NOMEM, "no memory for %zu peaks of scores", b->n);
    }
    if (b->n)
        memcpy(t.peak, b->peak, b->n * sizeof *t.peak);
    if (b->n > b->room / 2)
        t.n = thin(t.peak, t.n, scratch, &t.floor);
    if (__builtin_mul_overflow((int64_t)b->rows, interval_ms, &t.exposure_ms))
        t.exposure_ms = INT64_MAX;
    *ret = t;
    return OK;
}

void tail_done(struct tail *t)
{
    mem_free(t->peak);
    t->peak = NULL;
    t->n = 0;
}

enum rc tail_copy(const struct tail *from, struct tail *ret, struct err *err)
{
    struct tail t = *from;

    t.peak = mem_array(from->n, sizeof *t.peak);
    if (!t.peak)
        return err_set(err, E_NOMEM, "no memory for %zu peaks of scores", from->n);
    if (from->n)
        memcpy(t.peak, from->peak, from->n * sizeof *t.peak);
    *ret = t;
    return OK;
}

size_t tail_count(const struct tail *t, float u)
{
    size_t opened = 0;
    bool open = false;

    u = fmaxf(u, t->floor);
    for (size_t i = 0; i < t->n; i++) {
        if (!open && t->peak[i].high > u) {
            open = true;
            opened++;
        }
        if (t->peak[i].low < INCIDENT_CLOSE_SHARE * u)
            open = false;
    }
    return opened;
}
